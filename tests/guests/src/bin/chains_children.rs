//! chains_children COUNT: three children called `cat`, the stdout of each one led to the stdin of the next. A thousand bytes go
//! in so many times, and are looked at when they come out.

use sandhog::{Child, Job, Reader, Stdio, Writer};
use std::error::Error;
use std::io::{Read, Write};

struct Link {
    child: Child,
    stdin: Option<Writer>,
    stdout: Reader,
}

fn start() -> Result<Link, Box<dyn Error>> {
    let child = Job::new("cat").stdin(Stdio::Piped).stdout(Stdio::Piped).spawn()?;
    let (stdin, stdout) = (child.stdin(), child.stdout().ok_or("no stdout")?);
    Ok(Link { child, stdin, stdout })
}

#[sandhog::main]
fn main() -> Result<(), Box<dyn Error>> {
    let mut links = [start()?, start()?, start()?];
    let piece: Vec<u8> = (0..1000_u32).map(|number| (number % 251) as u8).collect();
    for _ in 0..sandhog_test_guests::number(1, "COUNT") {
        let mut bytes = piece.clone();
        for link in &mut links {
            link.stdin.as_mut().ok_or("no stdin")?.write_all(&bytes)?;
            link.stdout.read_exact(&mut bytes)?;
        }
        if bytes != piece {
            return Err("other bytes came out".into());
        }
    }
    for link in &mut links {
        // The end of its input is the end of its output.
        drop(link.stdin.take());
        let left = link.stdout.read(&mut [0; 10])?;
        println!("{left} left, {}", link.child.wait()?);
    }
    Ok(())
}
