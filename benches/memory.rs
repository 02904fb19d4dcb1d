//! What the processes of a run hold in memory: what hello's verdict says, and the private pages of each process of a
//! run whose guest sleeps.

use super::Outcome;
use super::peers::{Peers, text};
use super::table::{figure, table as lines};
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
    let line = |process: &Process| json!({"what": process.name, "bytes": private_bytes(process.pid)});
    Ok(processes.iter().map(line).collect())
}

struct Process {
    pid: u32,
    parent: u32,
    name: String,
}

/// A process and all below it.
fn tree(ancestor: u32) -> Outcome<Vec<Process>> {
    let entries = std::fs::read_dir("/proc")?.filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut others: Vec<Process> = pids.filter_map(process).collect();
    others.sort_unstable_by_key(|process| process.pid);
    let mut tree: Vec<Process> = others.extract_if(.., |process| process.pid == ancestor).collect();
    let mut at = 0;
    while let Some(parent) = tree.get(at).map(|process| process.pid) {
        tree.extend(others.extract_if(.., |process| process.parent == parent));
        at += 1;
    }
    Ok(tree)
}

/// `None` where it has ended meanwhile.
fn process(pid: u32) -> Option<Process> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (start, fields) = stat.rsplit_once(')')?;
    let (_, name) = start.split_once('(')?;
    let parent = fields.split_whitespace().nth(1)?.parse().ok()?;
    Some(Process { pid, parent, name: name.to_owned() })
}

/// `None` where this person may not look: a sealed worker lets nobody but root.
fn private_bytes(pid: u32) -> Option<u64> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let private = rollup.lines().filter_map(|line| {
        let (field, value) = line.split_once(':')?;
        let kib: u64 = value.split_whitespace().next()?.parse().ok()?;
        matches!(field, "Private_Clean" | "Private_Dirty").then_some(kib << 10)
    });
    Some(private.sum())
}

pub(crate) fn table(memory: &Value) -> String {
    let mib = |bytes: &Value| figure(bytes.as_f64().map(|bytes| bytes / (1 << 20) as f64));
    let private = memory["private"].as_array().into_iter().flatten();
    let mut rows: Vec<Vec<String>> = private
        .map(|line| vec![format!("{}, private pages", line["what"].as_str().unwrap_or("")), mib(&line["bytes"])])
        .collect();
    rows.push(vec!["worker of hello, resident at its most".to_owned(), mib(&memory["peak_rss_bytes"])]);
    lines("Memory of a run whose guest sleeps", &["", "MiB"], &rows)
}
