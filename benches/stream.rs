//! How fast bytes pass through a guest that copies stdin to stdout, from a pipe to a pipe.

use super::Outcome;
use super::figures::Figures;
use super::peers::Peers;
use super::progress::Progress;
use super::table::{Table, figure};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

const BYTES: u64 = 2 << 30;
const MIB: f64 = (1 << 20) as f64;
/// What this process writes and reads at a time: so large that its own calls do not count.
const PIECE: usize = 1 << 20;

pub(crate) fn measure(peers: &Peers, rounds: usize) -> Outcome<Value> {
    let mut rows = vec![("sandhog run", peers.sandhog_run(&[], "cat", &[]), Figures::default())];
    if let Some(wasmtime) = peers.wasmtime_run("cat", &[])? {
        rows.push(("wasmtime run, precompiled", wasmtime, Figures::default()));
    }
    rows.push(("cat", vec!["cat".to_owned()], Figures::default()));
    // The first run may compile.
    pass(&peers.sandhog_run(&[], "cat", &[]), 1)?;
    let progress = Progress::start("2 GiB through a pipe", rounds);
    for round in 0..rounds {
        progress.at(round);
        for (_, command, figures) in &mut rows {
            figures.add(BYTES as f64 / MIB / pass(command, BYTES)?);
        }
    }
    drop(progress);
    let measure = rows.iter().find(|(name, ..)| name.starts_with("wasmtime")).map(|(.., figures)| figures.median());
    Ok(rows.iter().map(|(name, _, figures)| json!({"what": name, "mib_per_s": figures.summary(measure)})).collect())
}

/// Sends so many bytes through a command; the seconds from its start to its end.
fn pass(command: &[String], bytes: u64) -> Outcome<f64> {
    let [program, args @ ..] = command else { return Err("no command".into()) };
    let before = Instant::now();
    let mut child = Command::new(program).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (Some(input), Some(mut output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("a child without pipes".into());
    };
    let feeder = std::thread::spawn(move || feed(input, bytes));
    let (mut piece, mut passed) = (vec![0; PIECE], 0);
    loop {
        match output.read(&mut piece)? {
            0 => break,
            read => passed += read as u64,
        }
    }
    let status = child.wait()?;
    let seconds = before.elapsed().as_secs_f64();
    let fed = feeder.join().map_err(|_| "the thread that feeds a command panicked")?;
    if passed != bytes || !status.success() {
        return Err(format!("{program} passed {passed} of {bytes} bytes on and ended with {status} ({fed:?})").into());
    }
    Ok(seconds)
}

fn feed(mut input: impl Write, bytes: u64) -> std::io::Result<()> {
    let piece = vec![b'x'; PIECE];
    let mut left = bytes;
    while left > 0 {
        let length = PIECE.min(usize::try_from(left).unwrap_or(PIECE));
        input.write_all(&piece[..length])?;
        left -= length as u64;
    }
    Ok(())
}

pub(crate) fn table(stream: &Value) -> Table {
    let row = |line: &Value| {
        let rate = &line["mib_per_s"];
        let name = line["what"].as_str().unwrap_or("").to_owned();
        vec![name, figure(rate["ratio"].as_f64()), figure(rate["median"].as_f64())]
    };
    Table {
        headline: "2 GiB through a guest that copies, pipe to pipe".to_owned(),
        columns: vec!["", "to wasmtime", "MiB/s"],
        rows: stream.as_array().into_iter().flatten().map(row).collect(),
        bars: Some(2),
    }
}
