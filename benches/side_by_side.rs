//! What a sealed run costs, beside what else one would use. Measures and prints; asserts nothing.
//!
//! Contestants take turns, one after the other in each round, so that a machine's mood hits all alike. Figures are
//! medians, and ratios to `wasmtime run` of the same module, compiled beforehand; those of messages and calls to Sandhog.

mod args;
mod calls;
mod compute;
mod contestant;
mod figures;
mod memory;
mod messages;
mod peers;
mod progress;
mod start;
mod stream;
mod table;
mod talk;

use args::{Args, Part, Wish};
use peers::Peers;
use serde_json::{Map, Value};
use std::error::Error;
use std::process::ExitCode;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match args::parse(std::env::args().skip(1)) {
        Ok(Wish::Help) => {
            println!("{}", args::HELP);
            ExitCode::SUCCESS
        }
        Ok(Wish::Serve(command)) => ended(contestant::serve(&command)),
        Ok(Wish::Echo) => ended(talk::echo()),
        Ok(Wish::Measure(args)) => ended(measure(&args)),
        Err(problem) => {
            eprintln!("{problem}\n\n{}", args::HELP);
            ExitCode::from(2)
        }
    }
}

fn ended(outcome: Outcome<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the benchmarks stopped: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(args: &Args) -> Outcome<()> {
    let peers = Peers::find()?;
    let mut measured = Map::new();
    for part in args.parts() {
        let figures = match part {
            Part::Start => start::measure(&peers, args.rounds),
            Part::Compute => compute::measure(&peers, args.long_rounds()),
            Part::Stream => stream::measure(&peers, args.long_rounds()),
            Part::Memory => memory::measure(&peers),
            Part::Messages => messages::measure(&peers, args.middle_rounds()),
            Part::Calls => calls::measure(&peers, args.middle_rounds()),
        };
        measured.insert(part.name().to_owned(), figures?);
    }
    if args.json {
        measured.insert("missing".to_owned(), peers.missing().into());
        println!("{}", Value::from(measured));
        return Ok(());
    }
    for part in args.parts() {
        print!("{}", table(part, &measured[part.name()]));
    }
    for missing in peers.missing() {
        println!("missing, not measured: {missing}");
    }
    Ok(())
}

fn table(part: Part, measured: &Value) -> String {
    match part {
        Part::Start => start::table(measured),
        Part::Compute => compute::table(measured),
        Part::Stream => stream::table(measured),
        Part::Memory => memory::table(measured),
        Part::Messages => messages::table(measured),
        Part::Calls => calls::table(measured),
    }
}
