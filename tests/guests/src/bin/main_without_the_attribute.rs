//! main_without_the_attribute DIR FILE: a program with a plain `main`. It lists the directory and reads the file in it before
//! its first message, sends the text to the child called `echo`, and does it all again after the answer.

use sandhog::Job;
use std::error::Error;
use std::fs;
use std::path::Path;

fn look(directory: &Path, file: &str) -> Result<String, Box<dyn Error>> {
    let count = fs::read_dir(directory)?.count();
    let text = fs::read_to_string(directory.join(file))?;
    println!("{count} there, {} variables, it says {text:?}", std::env::vars().count());
    Ok(text)
}

fn main() -> Result<(), Box<dyn Error>> {
    let (directory, file) =
        (sandhog_test_guests::arg(1, "DIR"), sandhog_test_guests::arg(2, "FILE"));
    let text = look(Path::new(&directory), &file)?;
    let echo = Job::new("echo").connected().spawn()?;
    for turn in 0..3 {
        echo.send(&format!("{text} {turn}"))?;
        println!("{}", echo.recv::<String>()?);
    }
    look(Path::new(&directory), &file)?;
    Ok(())
}
