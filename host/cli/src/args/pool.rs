//! Flags of `pool`; see [`super::flags`] for those of a job's settings.

use super::flags::{JobFlags, OfPool};
use super::spawn::Spawn;
use clap::{Args, ValueEnum, ValueHint};
use sandhog_protocol::limits;
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

/// Most tasks at a time, and most workers that are ready: together as many as a zygote has slots.
const WORKERS_MAX: u32 = limits::SLOTS / 2;

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

    /// Tasks at a time [default: one for each processor]
    #[arg(short = 'j', long, alias = "jobs", value_name = "COUNT", value_parser = parse_workers, help_heading = WORKERS)]
    pub workers: Option<u32>,

    /// Workers that are kept ready beside those that have a task [default: one more than -j; with --reuse 1]
    #[arg(long, value_name = "COUNT", value_parser = parse_workers, help_heading = WORKERS)]
    pub ready: Option<u32>,

    /// A new process for each task: what happens anyway
    #[arg(long, conflicts_with = "reuse", help_heading = WORKERS)]
    pub fresh: bool,

    /// Handlers only: one worker does so many tasks, one after the other. They share its memory
    #[arg(long, value_name = "COUNT", value_parser = parse_reuse, help_heading = WORKERS)]
    pub reuse: Option<NonZeroU64>,

    /// Where workers come from: shared, one zygote, whose address layout they share; exec, a zygote for each, which takes
    /// milliseconds more
    #[arg(long, value_enum, default_value_t = Spawn::Shared, hide_possible_values = true, value_name = "shared|exec",
          help_heading = WORKERS)]
    pub spawn: Spawn,

    /// How long a worker beyond those that are kept ready stays without a task
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration, help_heading = WORKERS)]
    pub idle: Duration,

    /// Replace a worker that has lived for so long, after its task [default: never]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = WORKERS)]
    pub recycle_after: Option<Duration>,

    /// Replace a worker through which so many bytes of tasks and answers went, after its task [default: never]
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes, help_heading = WORKERS)]
    pub recycle_bytes: Option<u64>,
}

/// Where a conversation's messages come from and go to: the command's own descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors {
    pub input: u32,
    pub output: u32,
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

fn parse_workers(text: &str) -> Result<u32, String> {
    let count = parse_count(text).map_err(|error| error.to_string())?;
    match u32::try_from(count) {
        Ok(0) => Err("a pool needs at least one".into()),
        Ok(count) if count <= WORKERS_MAX => Ok(count),
        Ok(_) | Err(_) => Err(format!("more than {WORKERS_MAX}, the most of one pool")),
    }
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
        assert_eq!(
            (args.spawn, args.max_waiting, args.wait_timeout, args.idle),
            (Spawn::Shared, 1000, None, Duration::from_secs(10))
        );
        let settings = args.settings().unwrap();
        assert_eq!((settings.module, settings.stdin), ("a.wasm".into(), Some("none".into())));
    }

    #[test]
    fn flags_of_the_pool_and_of_its_job_arrive() {
        let args = pool(&[
            "-j",
            "4",
            "--ready=2",
            "--reuse=100",
            "--fd=4,5",
            "--protocol=msgpack",
            "--max-waiting=7",
            "--wait-timeout=1s",
            "--recycle-after=1m",
            "--recycle-bytes=64MiB",
            "--idle=1ms",
            "--spawn=exec",
            "--memory=64MiB",
            "--timeout=5s",
            "--dir=data",
            "a.wasm",
            "--",
            "--x",
        ]);
        assert_eq!((args.workers, args.ready, args.spawn), (Some(4), Some(2), Spawn::Exec));
        assert_eq!((args.reuse.map(NonZeroU64::get), args.max_waiting), (Some(100), 7));
        assert_eq!((args.fd, args.protocol), (Some(Descriptors { input: 4, output: 5 }), Protocol::Msgpack));
        assert_eq!((args.recycle_after, args.recycle_bytes), (Some(Duration::from_secs(60)), Some(64 << 20)));
        let settings = args.settings().unwrap();
        assert_eq!((settings.args, settings.directories), (vec!["--x".into()], vec!["data".into()]));
        assert_eq!(settings.timeout, Some(Time::millis(5000)));
        assert!(pool(&["--fresh", "a.wasm"]).fresh);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_to_write() {
        assert!(parse_workers("0").unwrap_err().contains("at least one"));
        assert!(parse_workers("x").unwrap_err().contains("not a whole number"));
        assert!(parse_workers("1_000_000").unwrap_err().contains("the most of one pool"));
        for text in ["1", "0,4", "x", "3,", "-1", ""] {
            assert!(parse_descriptors(text).is_err(), "{text}");
        }
        assert!(parse_reuse("0").is_err() && parse_waiting("1_000_001").is_err());
    }
}
