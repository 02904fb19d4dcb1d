//! The command line of the benchmarks.

pub(crate) const HELP: &str = "\
usage: just bench [--rounds N] [--json]

  --rounds N  how often each start is measured (1 to 10000; default 60)
  --json      print one JSON object instead of tables";

/// As many as keep a whole run below two minutes where a start of Node takes 50 ms.
const ROUNDS: usize = 60;
/// Beyond this a run takes most of an hour.
const MOST_ROUNDS: usize = 10_000;

/// What is to be done.
pub(crate) enum Wish {
    Help,
    Measure(Args),
    /// Run this command as often as somebody asks for it on stdin: the bench's own helper.
    Serve(Vec<String>),
}

pub(crate) struct Args {
    pub(crate) rounds: usize,
    pub(crate) json: bool,
}

impl Args {
    /// What takes seconds is measured less often.
    pub(crate) fn long_rounds(&self) -> usize {
        (self.rounds / 20).clamp(1, 5)
    }
}

pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Wish, String> {
    let mut parsed = Args { rounds: ROUNDS, json: false };
    let mut args = args;
    while let Some(arg) = args.next() {
        match arg.as_str() {
            // What cargo adds by itself.
            "--bench" => {}
            "--json" => parsed.json = true,
            "--help" | "-h" => return Ok(Wish::Help),
            "--serve" => return Ok(Wish::Serve(args.collect())),
            "--rounds" => {
                let number = args.next().unwrap_or_default();
                let rounds = number.parse().ok().filter(|rounds| (1..=MOST_ROUNDS).contains(rounds));
                parsed.rounds =
                    rounds.ok_or(format!("--rounds takes a number from 1 to {MOST_ROUNDS}, not {number:?}"))?;
            }
            other => return Err(format!("unknown argument {other:?}")),
        }
    }
    Ok(Wish::Measure(parsed))
}
