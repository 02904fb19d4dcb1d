//! Whether an attempt costs more the more jobs a daemon knows: a daemon of its own for each number, and one job that is started
//! anew again and again.

use super::Outcome;
use super::figures::Figures;
use super::peers::Peers;
use super::progress::Progress;
use super::table::{Table, figure};
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Jobs that are known; the first is what the others are compared with.
const KNOWN: [usize; 3] = [1, 100, 10_000];
/// It says hello and ends.
const GUEST: &str = "hello";

/// A daemon of ours, which ends with this.
struct Daemon<'a> {
    peers: &'a Peers,
    folder: PathBuf,
}

impl<'a> Daemon<'a> {
    fn start(peers: &'a Peers, jobs: usize) -> Outcome<Self> {
        let daemon = Self { peers, folder: std::env::temp_dir().join(format!("sandhog-known-{}", std::process::id())) };
        fs::create_dir_all(&daemon.folder)?;
        let manifest = daemon.folder.join("sandhog.toml");
        fs::write(&manifest, manifest_of(&peers.guest(GUEST), jobs))?;
        daemon.command(&["up", &manifest.to_string_lossy()])?;
        Ok(daemon)
    }

    /// A verb, to its end.
    fn command(&self, args: &[&str]) -> Outcome<()> {
        let mut command = Command::new(&self.peers.sandhog);
        for (name, folder) in [("SANDHOG_STATE_DIR", "state"), ("SANDHOG_RUNTIME_DIR", "runtime")] {
            command.env(name, self.folder.join(folder));
        }
        let output = command.args(args).stdin(Stdio::null()).output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("sandhog {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr)).into())
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.command(&["down", "--daemon"]);
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The job that is measured, and others whose time has not come.
fn manifest_of(module: &str, jobs: usize) -> String {
    let mut text = format!("[job.measured]\nmodule = {module:?}\nrestart = \"never\"\n");
    for number in 1..jobs {
        // The first of January, at midnight.
        let _ = write!(text, "\n[job.other-{number}]\nmodule = {module:?}\nschedule = \"0 0 1 1 *\"\n");
    }
    text
}

pub(crate) fn measure(peers: &Peers, rounds: usize) -> Outcome<Value> {
    let progress = Progress::start("attempts beside many jobs", KNOWN.len());
    let (mut rows, mut first) = (Vec::new(), None);
    for (at, jobs) in KNOWN.into_iter().enumerate() {
        progress.at(at);
        let daemon = Daemon::start(peers, jobs)?;
        let mut figures = Figures::default();
        for _ in 0..rounds.max(1) {
            let before = Instant::now();
            daemon.command(&["start", "measured"])?;
            figures.add(before.elapsed().as_secs_f64() * 1e6);
        }
        let first = *first.get_or_insert(figures.median());
        rows.push(json!({"jobs": jobs, "us": figures.summary(Some(first))}));
    }
    Ok(rows.into())
}

pub(crate) fn table(known: &Value) -> Table {
    let row = |line: &Value| {
        let us = &line["us"];
        let cells = [&us["ratio"], &us["median"], &us["p99"]].map(|cell| figure(cell.as_f64()));
        [format!("{} known", line["jobs"])].into_iter().chain(cells).collect()
    };
    Table {
        headline: "Growth: `sandhog start` of one job of a daemon that says hello, from the command to its end"
            .to_owned(),
        columns: vec!["jobs", "to the first", "median µs", "p99 µs"],
        rows: known.as_array().into_iter().flatten().map(row).collect(),
        bars: Some(2),
    }
}
