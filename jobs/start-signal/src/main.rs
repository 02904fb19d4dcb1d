//! Runners that wait for one event. All of them are there before it is set, and all go on when it is.
//!
//!     sandhog run --max-objects 1 --child runner=start-signal.wasm start-signal.wasm -- 3

use sandhog::sync::Event;
use sandhog::{Job, Result, Rights, channel, process};

fn run(number: u32) -> Result<()> {
    let start = Event::open("start")?;
    channel::send(&start.is_set()?)?;
    start.wait()?;
    channel::send(&format!("runner {number} runs"))
}

fn referee(runners: u32) -> Result<()> {
    let start = Event::new()?;
    let job = Job::new("runner").event("start", &start, Rights::WAIT).connected();
    let place = |number: u32| job.clone().data(&number)?.spawn();
    let runners = (1..=runners).map(place).collect::<Result<Vec<_>>>()?;
    for runner in &runners {
        assert!(!runner.recv::<bool>()?, "nobody has set it yet");
    }
    println!("{} runners are ready", runners.len());
    start.set()?;
    for runner in &runners {
        println!("{}", runner.recv::<String>()?);
    }
    Ok(())
}

#[sandhog::main]
fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    match process::initial_data()? {
        Some(number) => Ok(run(number)?),
        None => Ok(referee(std::env::args().nth(1).as_deref().unwrap_or("3").parse()?)?),
    }
}
