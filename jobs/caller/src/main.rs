//! Gives each line of its stdin as a task to a handler, and prints the answers. With the argument `fresh` each task gets a new
//! instance of the handler, which finds nothing of the one before.
//!
//!     sandhog run --child word-handler=word-handler.wasm caller.wasm < TEXT

use sandhog::{Error, Job};
use serde::Deserialize;
use std::io::{self, BufRead};

/// The handler's answer. Only the fields that are of interest here.
#[derive(Deserialize)]
struct Count {
    words: usize,
    longest: String,
    tasks: u32,
}

#[sandhog::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut job = Job::handler("word-handler");
    if std::env::args().nth(1).is_some_and(|word| word == "fresh") {
        job = job.fresh();
    }
    let handler = job.spawn()?;
    for line in io::stdin().lock().lines() {
        match handler.call::<_, Count>(&line?) {
            Ok(Count { words, longest, tasks }) => {
                println!("{words} words, the longest is {longest} (task {tasks})")
            }
            // The handler's own error: it goes on, and takes the next task.
            Err(Error::Failed(why)) => println!("no answer: {why}"),
            // The handler has died over this task.
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
