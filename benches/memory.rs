//! What the processes of a run hold in memory: what hello's verdict says, and the private pages of each process of a
//! run whose guest sleeps.

use super::Outcome;
use super::peers::{Peers, text};
use super::processes::{Process, pages, tree};
use super::table::{Table, figure};
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a run may take to have its worker.
const PATIENCE: Duration = Duration::from_secs(10);
/// From a worker's first line until its guest sleeps: far more than any start.
const SETTLE: Duration = Duration::from_millis(300);

pub(crate) fn measure(peers: &Peers) -> Outcome<Value> {
    let verdict = peers.file("verdict.json");
    let hello = peers.sandhog_run(&["--verdict", &text(&verdict)], "hello", &[]);
    Command::new(&hello[0]).args(&hello[1..]).stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    let verdict: Value = serde_json::from_str(&std::fs::read_to_string(&verdict)?)?;
    let sleeping = peers.sandhog_run(&[], "sleep_forever", &[]);
    let mut run = Command::new(&sleeping[0]).args(&sleeping[1..]).stdin(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let processes = private_memory_of(run.id());
    // It ends with its spawner: SIGTERM, as anybody would.
    let stopped = Command::new("kill").arg(run.id().to_string()).status()?;
    if !stopped.success() {
        run.kill()?;
    }
    run.wait()?;
    Ok(json!({"peak_rss_bytes": verdict["peak_rss_bytes"], "private": processes?}))
}

/// Private pages of a run's processes, once there is a worker.
fn private_memory_of(coordinator: u32) -> Outcome<Value> {
    let deadline = Instant::now() + PATIENCE;
    let has_worker = |tree: &[Process]| tree.iter().any(|process| process.name == "sandhog-worker");
    while !has_worker(&tree(coordinator)?) {
        if Instant::now() > deadline {
            return Err("a run of sleep_forever has no worker".into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(SETTLE);
    let processes = tree(coordinator)?;
    let line =
        |process: &Process| json!({"what": process.name, "bytes": pages(process.pid).map(|pages| pages.private)});
    Ok(processes.iter().map(line).collect())
}

pub(crate) fn table(memory: &Value) -> Table {
    let mib = |bytes: &Value| figure(bytes.as_f64().map(|bytes| bytes / (1 << 20) as f64));
    let private = memory["private"].as_array().into_iter().flatten();
    let mut rows: Vec<Vec<String>> = private
        .map(|line| vec![format!("{}, private pages", line["what"].as_str().unwrap_or("")), mib(&line["bytes"])])
        .collect();
    rows.push(vec!["worker of hello, resident at its most".to_owned(), mib(&memory["peak_rss_bytes"])]);
    Table { headline: "Memory of a run whose guest sleeps".to_owned(), columns: vec!["", "MiB"], rows, bars: Some(1) }
}
