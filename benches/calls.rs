//! What a call costs: a program's of a handler, beside a task for a process of Node's or Python's; a guest's of its host.

use super::Outcome;
use super::contestant::Helper;
use super::figures::Figures;
use super::peers::Peers;
use super::progress::Progress;
use super::table::{Table, figure};
use super::talk::Sealed;
use sandhog_client::{Job, Running, Timeout};
use serde_json::{Value, json};
use std::time::Instant;

const HANDLER: &str = "hello-handler";
const HOST_CALLS: usize = 1_000_000;
/// Tasks in a round, for one that keeps its process and for one that starts anew.
const KEPT: usize = 2_000;
const FRESH: usize = 200;
/// Processes that start anew take tens of milliseconds each; Python's pool replaces one in 100.
const FRESH_PROCESSES: usize = 10;

enum Worker {
    Handler(Box<Running>),
    Helper(Helper),
}

impl Worker {
    /// So many tasks, in microseconds.
    fn work(&mut self, count: usize) -> Outcome<f64> {
        match self {
            Self::Handler(handler) => {
                let before = Instant::now();
                for _ in 0..count {
                    handler.call::<str, String>("Ada", Timeout::Never)??;
                }
                Ok(before.elapsed().as_secs_f64() * 1e6)
            }
            Self::Helper(helper) => helper.ask(&count.to_string()),
        }
    }
}

/// Its name, how many tasks a round, who does it, microseconds for each.
type Row = (&'static str, usize, Worker, Figures);

pub(crate) fn measure(peers: &Peers, rounds: usize) -> Outcome<Value> {
    let [mut kept, mut fresh] = [kept(peers)?, fresh(peers)?];
    let mut guest = Sealed::start(peers)?;
    let mut host_call = Figures::default();
    let progress = Progress::start("tasks and host calls", rounds);
    for round in 0..=rounds {
        progress.at(round.saturating_sub(1));
        for (_, count, worker, figures) in kept.iter_mut().chain(&mut fresh) {
            let micros = worker.work(*count)? / *count as f64;
            // Nobody's first time counts.
            if round > 0 {
                figures.add(micros);
            }
        }
        host_call.add(guest.host_call_ns(HOST_CALLS)?);
    }
    drop(progress);
    Ok(json!({"kept": summary(&kept), "fresh": summary(&fresh), "host_call_ns": host_call.summary(None)}))
}

/// Ratios are to the first.
fn summary(rows: &[Row]) -> Value {
    let measure = rows.first().map(|(.., figures)| figures.median());
    rows.iter().map(|(name, .., figures)| json!({"what": name, "us": figures.summary(measure)})).collect()
}

fn kept(peers: &Peers) -> Outcome<Vec<Row>> {
    let handler = Job::new(peers.guest(HANDLER)).executable(&peers.sandhog).start()?;
    let mut rows = vec![row("sandhog, handler", KEPT, Worker::Handler(Box::new(handler)))];
    if let Some(node) = &peers.node {
        rows.push(row("Node fork, one child for all", KEPT, helper(node, "node_tasks.js", "kept")?));
    }
    if let Some(python) = &peers.python {
        rows.push(row("Python Pool(1)", KEPT, helper(python, "python_pool.py", "kept")?));
    }
    Ok(rows)
}

fn fresh(peers: &Peers) -> Outcome<Vec<Row>> {
    let handler = Job::new(peers.guest(HANDLER)).executable(&peers.sandhog).fresh().start()?;
    let mut rows = vec![row("sandhog, handler, a fresh instance for each", FRESH, Worker::Handler(Box::new(handler)))];
    if let Some(node) = &peers.node {
        rows.push(row("Node fork, a fresh child for each", FRESH_PROCESSES, helper(node, "node_tasks.js", "fresh")?));
    }
    if let Some(python) = &peers.python {
        let pool = helper(python, "python_pool.py", "fresh")?;
        rows.push(row("Python Pool(1), maxtasksperchild=1", FRESH_PROCESSES, pool));
    }
    Ok(rows)
}

fn helper(program: &std::path::Path, script: &str, argument: &str) -> Outcome<Worker> {
    Ok(Worker::Helper(Helper::script(program, script, argument)?))
}

fn row(name: &'static str, count: usize, worker: Worker) -> Row {
    (name, count, worker, Figures::default())
}

pub(crate) fn tables(calls: &Value) -> Vec<Table> {
    let row = |line: &Value| {
        let us = line["us"]["median"].as_f64();
        let name = line["what"].as_str().unwrap_or("").to_owned();
        vec![name, figure(line["us"]["ratio"].as_f64()), figure(us), figure(us.map(|us| 1e6 / us))]
    };
    let rows = ["kept", "fresh"].into_iter().flat_map(|part| calls[part].as_array().into_iter().flatten());
    let tasks = Table {
        headline: "A task and its answer".to_owned(),
        columns: vec!["", "to sandhog", "µs", "a second"],
        rows: rows.map(row).collect(),
        bars: Some(2),
    };
    let ns = figure(calls["host_call_ns"]["median"].as_f64());
    let host = Table {
        headline: "A guest's call of its host".to_owned(),
        columns: vec!["", "ns"],
        rows: vec![vec!["process.uptime".to_owned(), ns]],
        bars: None,
    };
    vec![tasks, host]
}
