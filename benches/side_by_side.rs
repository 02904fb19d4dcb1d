//! What a sealed run costs, beside what else one would use. Measures, prints, and writes results; asserts nothing.
//!
//! Contestants take turns, one after the other in each round, so that a machine's mood hits all alike. Figures are
//! medians, and ratios to `wasmtime run` of the same module, compiled beforehand; those of messages, calls and maps to
//! Sandhog; those of a pool's workers to the cheapest process that is started by exec.

mod args;
mod busy;
mod calls;
mod chart;
mod compute;
mod contestant;
mod crun;
mod figures;
mod growth;
mod known;
mod machine;
mod map;
mod memory;
mod messages;
mod objects;
mod peers;
mod pool_memory;
mod pooled;
mod processes;
mod progress;
mod rate;
mod results;
mod serve;
mod start;
mod stream;
mod table;
mod talk;
mod tiny;
mod warm;

use args::{Args, Part, Wish};
use machine::Machine;
use peers::Peers;
use serde_json::{Map, Value};
use std::error::Error;
use std::process::ExitCode;
use table::Table;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match args::parse(std::env::args().skip(1)) {
        Ok(Wish::Help) => {
            println!("{}", args::HELP);
            ExitCode::SUCCESS
        }
        Ok(Wish::Serve(command)) => ended(contestant::serve(&command)),
        Ok(Wish::Echo) => ended(talk::echo()),
        Ok(Wish::ServeNatively(address)) => ended(serve::serve_natively(&address)),
        Ok(Wish::ServeByCgi(address, command)) => ended(serve::serve_by_cgi(&address, &command)),
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
    let machine = Machine::look(&peers)?;
    let mut measured = Map::new();
    for part in args.parts() {
        let figures = measure_part(part, &peers, args)?;
        results::write(args, part, &tables(part, &figures), &machine)?;
        measured.insert(part.name().to_owned(), figures);
    }
    if args.json {
        measured.insert("machine".to_owned(), machine.json());
        println!("{}", Value::from(measured));
        return Ok(());
    }
    for part in args.parts() {
        tables(part, &measured[part.name()]).iter().for_each(|table| print!("{}", table.text()));
    }
    println!("{}", machine.sentence());
    for missing in peers.missing() {
        println!("missing, not measured: {missing}");
    }
    Ok(())
}

fn measure_part(part: Part, peers: &Peers, args: &Args) -> Outcome<Value> {
    match part {
        Part::Start => start::measure(peers, args.rounds),
        Part::Warm => warm::measure(peers, args.rounds),
        Part::Rate => rate::measure(peers, args.long_rounds()),
        Part::Map => map::measure(peers, args.long_rounds()),
        Part::Busy => busy::measure(peers, args.long_rounds()),
        Part::Growth => growth::measure(peers, args.rounds),
        Part::Known => known::measure(peers, args.rounds),
        Part::PoolMemory => pool_memory::measure(peers),
        Part::Objects => objects::measure(peers, args.long_rounds()),
        Part::Compute => compute::measure(peers, args.long_rounds()),
        Part::Stream => stream::measure(peers, args.long_rounds()),
        Part::Memory => memory::measure(peers),
        Part::Messages => messages::measure(peers, args.middle_rounds()),
        Part::Calls => calls::measure(peers, args.middle_rounds()),
        Part::Serve => serve::measure(peers, args.middle_rounds()),
    }
}

fn tables(part: Part, measured: &Value) -> Vec<Table> {
    match part {
        Part::Start => vec![start::table(measured)],
        Part::Warm => vec![warm::table(measured)],
        Part::Rate => vec![rate::table(measured)],
        Part::Map => map::tables(measured),
        Part::Busy => vec![busy::table(measured)],
        Part::Growth => vec![growth::table(measured)],
        Part::Known => vec![known::table(measured)],
        Part::PoolMemory => pool_memory::tables(measured),
        Part::Objects => objects::tables(measured),
        Part::Compute => vec![compute::table(measured)],
        Part::Stream => vec![stream::table(measured)],
        Part::Memory => vec![memory::table(measured)],
        Part::Messages => messages::tables(measured),
        Part::Calls => calls::tables(measured),
        Part::Serve => serve::tables(measured),
    }
}
