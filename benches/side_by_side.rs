//! What a sealed run costs, beside what else one would use. Measures and prints; asserts nothing.
//!
//! Contestants take turns, one after the other in each round, so that a machine's mood hits all alike. Figures are
//! medians, and ratios to `wasmtime run` of the same module, compiled beforehand.

mod args;
mod compute;
mod contestant;
mod figures;
mod memory;
mod peers;
mod progress;
mod start;
mod stream;
mod table;

use args::{Args, Wish};
use peers::Peers;
use serde_json::json;
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
    let start = start::measure(&peers, args.rounds)?;
    let compute = compute::measure(&peers, args.long_rounds())?;
    let stream = stream::measure(&peers, args.long_rounds())?;
    let memory = memory::measure(&peers)?;
    if args.json {
        let missing = peers.missing();
        println!(
            "{}",
            json!({"start": start, "compute": compute, "stream": stream, "memory": memory, "missing": missing})
        );
        return Ok(());
    }
    print!("{}", start::table(&start));
    print!("{}", compute::table(&compute));
    print!("{}", stream::table(&stream));
    print!("{}", memory::table(&memory));
    for missing in peers.missing() {
        println!("missing, not measured: {missing}");
    }
    Ok(())
}
