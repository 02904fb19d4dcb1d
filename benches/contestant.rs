//! Something whose start to end is measured: a command of its own, a pool's task, or a helper that starts things itself and
//! says how long each took.

use super::Outcome;
use super::pooled::Pooled;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

pub(crate) enum Contestant {
    /// Program and arguments.
    Command(Vec<String>),
    Helper(Helper),
    Pooled(Pooled),
}

impl Contestant {
    /// One start to its end, in microseconds.
    pub(crate) fn run(&mut self) -> Outcome<f64> {
        match self {
            Self::Command(command) => time(command, Stdio::null()),
            Self::Pooled(pooled) => pooled.one(),
            Self::Helper(helper) => helper.ask(""),
        }
    }
}

/// From before the start to after the end of a command whose output nobody reads, in microseconds. The standard
/// library starts it by posix_spawn(3).
fn time(command: &[String], stdin: Stdio) -> Outcome<f64> {
    let [program, args @ ..] = command else { return Err("no command".into()) };
    let mut command = Command::new(program);
    command.args(args).stdin(stdin).stdout(Stdio::null());
    let before = Instant::now();
    let status = command.status().map_err(|error| format!("{program} could not be started: {error}"))?;
    let micros = before.elapsed().as_secs_f64() * 1e6;
    if status.success() { Ok(micros) } else { Err(format!("{program} {} ended with {status}", args.join(" ")).into()) }
}

/// The same for a command that reads a file.
pub(crate) fn with_input(command: &[String], input: &Path) -> Outcome<f64> {
    time(command, File::open(input)?.into())
}

/// A process that answers each line on its stdin by a line with the microseconds that it took to do what the line says.
pub(crate) struct Helper {
    child: Child,
    /// None: it is ending.
    ask: Option<ChildStdin>,
    answer: BufReader<ChildStdout>,
}

impl Helper {
    /// Starts it. Its first answer is waited for, and thrown away: it may still be starting itself.
    pub(crate) fn start(command: &mut Command) -> Outcome<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(ask), Some(answer)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a helper without pipes".into());
        };
        let mut helper = Self { child, ask: Some(ask), answer: BufReader::new(answer) };
        helper.ask("")?;
        Ok(helper)
    }

    /// One of the scripts in `peers`.
    pub(crate) fn script(program: &Path, script: &str, argument: &str) -> Outcome<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(script);
        Self::start(Command::new(program).arg(script).arg(argument))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Microseconds; an empty line asks for whatever it always does.
    pub(crate) fn ask(&mut self, what: &str) -> Outcome<f64> {
        let mut line = String::new();
        let ask = self.ask.as_mut().ok_or("a helper that has ended was asked")?;
        ask.write_all(format!("{what}\n").as_bytes())?;
        self.answer.read_line(&mut line)?;
        line.trim().parse().map_err(|_| format!("a helper of the benchmarks said {:?}", line.trim()).into())
    }
}

impl Drop for Helper {
    /// It ends with its stdin, and ends its own children first: killed it would leave them behind.
    fn drop(&mut self) {
        drop(self.ask.take());
        let _ = self.child.wait();
    }
}

/// The benchmarks' own helper: starts the command once for each line.
pub(crate) fn serve(command: &[String]) -> Outcome<()> {
    for line in std::io::stdin().lines() {
        line?;
        println!("{}", time(command, Stdio::null())?);
    }
    Ok(())
}
