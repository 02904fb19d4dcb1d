//! A parent and its child: the parent sends numbers, the child adds them up and sends the sum.
//! In Node: `fork`, `child.send` and `child.on("message")`; in Python: `Process` and `Pipe`.
//!
//!     sandhog run --child child=sum-child.wasm sum-parent.wasm -- 1 2 3

use sandhog::Job;
use std::error::Error;

#[sandhog::main]
fn main() -> Result<(), Box<dyn Error>> {
    let numbers: Vec<i64> =
        std::env::args().skip(1).map(|word| word.parse()).collect::<Result<_, _>>()?;

    // The name under which the module was granted. Without `--child` there is no such module, whatever a guest asks for.
    let child = Job::new("child").connected().spawn()?;
    // A sum is a few bytes. A child that sends more, for whatever reason, is not read, and costs this job nothing.
    child.limit(100)?;
    for number in &numbers {
        child.send(&Some(number))?;
    }
    // Any type will do as a message. Here `None` says that this was all.
    child.send(&None::<i64>)?;
    let sum: i64 = child.recv()?;
    println!("{} numbers, their sum is {sum}", numbers.len());

    let verdict = child.wait()?;
    println!("the child {verdict} after {} messages", verdict.used.messages_received);
    Ok(())
}
