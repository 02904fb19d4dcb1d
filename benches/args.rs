//! The command line of the benchmarks.

use std::path::PathBuf;

pub(crate) const HELP: &str = "\
usage: just bench [--rounds N] [--only PART] [--results DIR] [--json]

  --rounds N     how often each start is measured (1 to 10000; default 60); from 300 on,
                 growth goes to the 100,000th attempt, from 3000 on to the 1,000,000th
  --only PART    one of these; may be repeated
                   start        start to end of hello
                   warm         the same from a pool of workers that are ready
                   rate         attempts a second, two at a time
                   map          many tiny tasks
                   busy         a map of tasks that compute
                   growth       attempts of a pool that has made many
                   known        an attempt where a daemon knows many jobs
                   pool-memory  workers that wait
                   objects      operations on shared objects
                   serve        requests over HTTP
                   compute, stream, memory, messages, calls
  --results DIR  where PART.md and PART.svg are written (default: benches/results)
  --json         print one JSON object instead of tables";

/// As many as keep a whole run below two minutes where a start of Node takes 50 ms.
const ROUNDS: usize = 60;
/// Beyond this a run takes most of an hour.
const MAX_ROUNDS: usize = 10_000;

/// What is to be done.
pub(crate) enum Wish {
    Help,
    Measure(Args),
    /// Run this command as often as somebody asks for it on stdin: the bench's own helper.
    Serve(Vec<String>),
    /// Send back each packet that comes in on stdin: the other of two native processes.
    Echo,
    /// Serve HTTP here, natively.
    ServeNatively(String),
    /// Serve HTTP here by this command.
    ServeByCgi(String, Vec<String>),
}

/// What can be measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Start,
    Warm,
    Rate,
    Map,
    Busy,
    Growth,
    Known,
    PoolMemory,
    Objects,
    Compute,
    Stream,
    Memory,
    Messages,
    Calls,
    Serve,
}

impl Part {
    pub(crate) const ALL: [Self; 15] = [
        Self::Start,
        Self::Warm,
        Self::Rate,
        Self::Map,
        Self::Busy,
        Self::Growth,
        Self::Known,
        Self::PoolMemory,
        Self::Objects,
        Self::Compute,
        Self::Stream,
        Self::Memory,
        Self::Messages,
        Self::Calls,
        Self::Serve,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Warm => "warm",
            Self::Rate => "rate",
            Self::Map => "map",
            Self::Busy => "busy",
            Self::Growth => "growth",
            Self::Known => "known",
            Self::PoolMemory => "pool-memory",
            Self::Objects => "objects",
            Self::Compute => "compute",
            Self::Stream => "stream",
            Self::Memory => "memory",
            Self::Messages => "messages",
            Self::Calls => "calls",
            Self::Serve => "serve",
        }
    }
}

pub(crate) struct Args {
    pub(crate) rounds: usize,
    /// None: all.
    only: Vec<Part>,
    pub(crate) json: bool,
    /// None: the usual folder.
    pub(crate) results: Option<PathBuf>,
}

impl Args {
    /// What takes seconds is measured less often.
    pub(crate) fn long_rounds(&self) -> usize {
        (self.rounds / 20).clamp(1, 5)
    }

    /// What takes tenths of a second.
    pub(crate) fn middle_rounds(&self) -> usize {
        (self.rounds / 12).clamp(1, 9)
    }

    /// In their order.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Part> {
        Part::ALL.into_iter().filter(|part| self.only.is_empty() || self.only.contains(part))
    }
}

pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Wish, String> {
    let mut parsed = Args { rounds: ROUNDS, only: Vec::new(), json: false, results: None };
    let mut args = args;
    while let Some(arg) = args.next() {
        match arg.as_str() {
            // What cargo adds by itself.
            "--bench" => {}
            "--json" => parsed.json = true,
            "--help" | "-h" => return Ok(Wish::Help),
            "--serve" => return Ok(Wish::Serve(args.collect())),
            super::talk::ECHO => return Ok(Wish::Echo),
            super::serve::NATIVE => return Ok(Wish::ServeNatively(args.next().unwrap_or_default())),
            super::serve::CGI => return Ok(Wish::ServeByCgi(args.next().unwrap_or_default(), args.collect())),
            "--results" => parsed.results = Some(args.next().ok_or("--results takes a folder")?.into()),
            "--only" => {
                let name = args.next().unwrap_or_default();
                let part = Part::ALL.into_iter().find(|part| part.name() == name);
                parsed.only.push(part.ok_or(format!("--only takes the name of a part, not {name:?}"))?);
            }
            "--rounds" => {
                let number = args.next().unwrap_or_default();
                let rounds = number.parse().ok().filter(|rounds| (1..=MAX_ROUNDS).contains(rounds));
                parsed.rounds =
                    rounds.ok_or(format!("--rounds takes a number from 1 to {MAX_ROUNDS}, not {number:?}"))?;
            }
            other => return Err(format!("unknown argument {other:?}")),
        }
    }
    Ok(Wish::Measure(parsed))
}
