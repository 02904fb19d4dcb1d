//! Flags of `pool`; see [`super::flags`] for those of a job's settings.

use super::flags::{JobFlags, OfPool};
use clap::{Args, ValueEnum, ValueHint};
use sandhog_spec::job::{Error, Settings};
use sandhog_spec::units::{self, Size, Time, duration, parse_count};
use std::ffi::OsString;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

/// A heading of the help.
const WORKERS: &str = "Workers";

/// Another.
const CONVERSATION: &str = "The conversation";

/// Most workers of a pool: each is a process, and a machine has some ten thousand.
const WORKERS_MAX: u32 = 10_000;

/// Most tasks that may wait: each takes a kibibyte beside its bytes.
const WAITING_MAX: u64 = 1_000_000;

/// What `pool` has.
#[derive(Clone, Debug, Args)]
pub struct PoolArgs {
    /// The module: a handler, or a program of WASI 0.1, 0.2 or 0.3; .wasm or .wat
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub module: PathBuf,

    /// What each guest gets as arguments; a task's own follow them. Only after --
    #[arg(value_name = "ARGS", last = true)]
    pub args: Vec<OsString>,

    #[command(flatten)]
    pub job: JobFlags<OfPool>,

    /// Talk over this file descriptor, one end of a socket pair; IN,OUT: read from one, write to another [default: stdin
    /// and stdout]
    #[arg(long, value_name = "FD|IN,OUT", value_parser = parse_descriptors, help_heading = CONVERSATION)]
    pub fd: Option<Descriptors>,

    /// What a message is: a line of JSON, or a frame of MessagePack
    #[arg(long, value_enum, default_value_t = Protocol::Json, help_heading = CONVERSATION)]
    pub protocol: Protocol,

    /// Most tasks that wait; beyond them no more is read
    #[arg(long, value_name = "COUNT", default_value_t = 1000, value_parser = parse_waiting, help_heading = CONVERSATION)]
    pub max_waiting: u64,

    /// How long a task may wait for a worker, where it does not say so itself [default: without end]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = CONVERSATION)]
    pub wait_timeout: Option<Duration>,

    /// Workers at once: as many at any time, or MIN..MAX as there is work [default: one for each processor]
    #[arg(short = 'j', long, value_name = "COUNT|MIN..MAX", value_parser = parse_workers, help_heading = WORKERS)]
    pub workers: Option<Workers>,

    /// A new process for each task: what happens anyway
    #[arg(long, conflicts_with = "reuse", help_heading = WORKERS)]
    pub fresh: bool,

    /// Handlers only: one worker does so many tasks, one after the other. They share its memory
    #[arg(long, value_name = "COUNT", value_parser = parse_reuse, help_heading = WORKERS)]
    pub reuse: Option<NonZeroU64>,

    /// How long a worker beyond MIN stays without a task
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration, help_heading = WORKERS)]
    pub idle: Duration,

    /// Replace a worker that has lived for so long, after its task [default: never]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = WORKERS)]
    pub recycle_after: Option<Duration>,

    /// Replace a worker whose resident memory is that large, after its task [default: never]
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes, help_heading = WORKERS)]
    pub recycle_memory: Option<u64>,
}

/// Where a conversation's messages come from and go to: the command's own descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors {
    pub input: u32,
    pub output: u32,
}

/// How many workers there are at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workers {
    pub min: u32,
    /// At least 1, and at least `min`.
    pub max: u32,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// A line of JSON
    Json,
    /// A length of 32 bits (little-endian) and a MessagePack map
    Msgpack,
}

impl PoolArgs {
    /// The job whose workers they are.
    ///
    /// # Errors
    /// A value is out of its bounds.
    pub fn settings(&self) -> Result<Settings, Error> {
        Ok(Settings {
            args: self.args.clone(),
            stdin: Some("none".into()),
            ..self.job.clone().settings(self.module.clone())?
        })
    }
}

fn parse_descriptors(text: &str) -> Result<Descriptors, String> {
    let (input, output) = text.split_once(',').unwrap_or((text, text));
    let number = |part: &str| match part.parse::<i32>().ok().and_then(|number| u32::try_from(number).ok()) {
        Some(number) if number > 2 => Ok(number),
        Some(_) => {
            Err("0, 1 and 2 are the command's streams; use a number from 3 on, or leave the flag out".to_owned())
        }
        None => Err("neither the number of a file descriptor nor two of them; write 3, or 3,4".to_owned()),
    };
    Ok(Descriptors { input: number(input)?, output: number(output)? })
}

fn parse_workers(text: &str) -> Result<Workers, String> {
    let count = |part: &str| {
        let count = parse_count(part).map_err(|error| error.to_string())?;
        let few = u32::try_from(count).ok().filter(|count| *count <= WORKERS_MAX);
        few.ok_or_else(|| format!("more than {WORKERS_MAX}, the most of one pool"))
    };
    let (min, max) = match text.split_once("..") {
        Some((min, max)) => (count(min)?, count(max)?),
        None => (count(text)?, count(text)?),
    };
    if max == 0 {
        return Err("a pool needs at least one worker".into());
    }
    if min > max { Err("the second number is the larger one".into()) } else { Ok(Workers { min, max }) }
}

fn parse_waiting(text: &str) -> Result<u64, String> {
    let count = parse_count(text).map_err(|error| error.to_string())?;
    if count > WAITING_MAX { Err(format!("more than {WAITING_MAX}, the most that may wait")) } else { Ok(count) }
}

fn parse_reuse(text: &str) -> Result<NonZeroU64, String> {
    let count = parse_count(text).map_err(|error| error.to_string())?;
    NonZeroU64::new(count).ok_or_else(|| "a worker does at least one task".into())
}

fn parse_duration(text: &str) -> Result<Duration, units::Error> {
    text.parse::<Time>().map(duration)
}

fn parse_bytes(text: &str) -> Result<u64, units::Error> {
    text.parse::<Size>().map(Size::to_bytes)
}

#[cfg(test)]
mod tests {
    use super::super::{Command, parse};
    use super::*;

    fn pool(words: &[&str]) -> PoolArgs {
        let words = ["sandhog", "pool"].iter().chain(words).map(OsString::from);
        match parse(words, "").unwrap().command {
            Command::Pool(args) => *args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_module_alone_is_a_pool_of_fresh_workers_over_stdin_and_stdout() {
        let args = pool(&["a.wasm"]);
        assert_eq!((args.fd, args.protocol, args.workers, args.reuse), (None, Protocol::Json, None, None));
        assert_eq!((args.max_waiting, args.wait_timeout, args.idle), (1000, None, Duration::from_secs(30)));
        let settings = args.settings().unwrap();
        assert_eq!((settings.module, settings.stdin), ("a.wasm".into(), Some("none".into())));
    }

    #[test]
    fn flags_of_the_pool_and_of_its_job_arrive() {
        let args = pool(&[
            "-j",
            "0..4",
            "--reuse=100",
            "--fd=4,5",
            "--protocol=msgpack",
            "--max-waiting=7",
            "--wait-timeout=1s",
            "--recycle-after=1m",
            "--recycle-memory=64MiB",
            "--idle=1ms",
            "--memory=64MiB",
            "--timeout=5s",
            "--dir=data",
            "a.wasm",
            "--",
            "--x",
        ]);
        assert_eq!(args.workers, Some(Workers { min: 0, max: 4 }));
        assert_eq!((args.reuse.map(NonZeroU64::get), args.max_waiting), (Some(100), 7));
        assert_eq!((args.fd, args.protocol), (Some(Descriptors { input: 4, output: 5 }), Protocol::Msgpack));
        assert_eq!((args.recycle_after, args.recycle_memory), (Some(Duration::from_secs(60)), Some(64 << 20)));
        let settings = args.settings().unwrap();
        assert_eq!((settings.args, settings.directories), (vec!["--x".into()], vec!["data".into()]));
        assert_eq!(settings.timeout, Some(Time::millis(5000)));
        assert!(pool(&["--fresh", "a.wasm"]).fresh);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_to_write() {
        for (text, sentence) in
            [("0", "at least one"), ("3..2", "the larger one"), ("x", "not a whole number"), ("1..", "")]
        {
            assert!(parse_workers(text).unwrap_err().contains(sentence), "{text}");
        }
        assert!(parse_workers("10_001").unwrap_err().contains("the most of one pool"));
        for text in ["1", "0,4", "x", "3,", "-1", ""] {
            assert!(parse_descriptors(text).is_err(), "{text}");
        }
        assert!(parse_reuse("0").is_err() && parse_waiting("1_000_001").is_err());
    }
}
