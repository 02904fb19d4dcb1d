//! Stages with a queue between each two: lines, their words, the words in capitals, how long they are. Each stage closes the
//! queue behind it when that before it has ended, so that the end goes through.
//!
//!     sandhog run --max-objects 4 --child stage=queue-pipeline.wasm queue-pipeline.wasm < text

use sandhog::queue::Queue;
use sandhog::{Job, Result, Rights, Stdio};
use std::io;

fn words(line: String) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn capitals(word: String) -> Vec<String> {
    vec![word.to_uppercase()]
}

fn length(word: String) -> Vec<String> {
    vec![format!("{} {word}", word.chars().count())]
}

/// What a stage makes of one item.
type Make = fn(String) -> Vec<String>;

const STAGES: [(&str, Make); 3] = [("words", words), ("capitals", capitals), ("length", length)];

fn stage(make: Make) -> Result<()> {
    let (before, behind) = (Queue::open("before")?, Queue::open("behind")?);
    for item in before.iter() {
        make(item?).iter().try_for_each(|made| behind.put(made))?;
    }
    behind.close()
}

/// The first stage of all: lines, of the stdin that its parent has.
fn read() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let behind = Queue::open("behind")?;
    for line in io::stdin().lines() {
        behind.put(&line?)?;
    }
    Ok(behind.close()?)
}

/// A queue between two stages: neither is more than eight items ahead of the other.
fn between() -> Result<Queue> {
    Queue::new(8, 1 << 20)
}

fn run() -> Result<()> {
    let mut last = between()?;
    let reader = Job::new("stage").arg("read").stdin(Stdio::Inherit);
    reader.queue("behind", &last, Rights::PUT).spawn()?;
    for (name, _) in STAGES {
        let behind = between()?;
        let job = Job::new("stage").arg(name).queue("before", &last, Rights::GET);
        job.queue("behind", &behind, Rights::PUT).spawn()?;
        last = behind;
    }
    for made in last.iter::<String>() {
        println!("{}", made?);
    }
    Ok(())
}

#[sandhog::main]
fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1);
    match STAGES.iter().find(|(stage, _)| name.as_deref() == Some(stage)) {
        Some((_, make)) => Ok(stage(*make)?),
        None if name.as_deref() == Some("read") => read(),
        None => Ok(run()?),
    }
}

#[test]
fn a_line_goes_through_all_stages() {
    let through = |made: Vec<String>, make: fn(String) -> Vec<String>| {
        made.into_iter().flat_map(make).collect()
    };
    let made: Vec<_> =
        STAGES.iter().fold(vec!["a  rose".to_owned()], |made, (_, make)| through(made, *make));
    assert_eq!(made, ["1 A", "4 ROSE"]);
}
