//! Start to end of a module that says hello, from a warm cache.

use super::Outcome;
use super::contestant::{Contestant, Helper};
use super::figures::Figures;
use super::peers::{Peers, text};
use super::progress::Progress;
use super::table::{Table, figure};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// What all others are compared with.
pub(crate) const MEASURE: &str = "wasmtime run, precompiled, unsealed";

pub(crate) const IN_BUBBLEWRAP: &str = "wasmtime run in bubblewrap";

pub(crate) const GUEST: &str = "hello";

/// Commands of the helper's shell: everything where cgroups could be mounted goes, for this shell and its children.
const WITHOUT_CGROUPS: &str = r#"mount -t tmpfs none /sys/fs/cgroup && exec "$@""#;

pub(crate) fn measure(peers: &Peers, rounds: usize) -> Outcome<Value> {
    let mut contestants = contestants(peers)?;
    let progress = Progress::start("start to end of hello", rounds);
    for (_, contestant, _) in &mut contestants {
        contestant.run()?;
    }
    for round in 0..rounds {
        progress.at(round);
        // Each starts a round in its turn, so that nobody always follows the same one.
        for index in 0..contestants.len() {
            let at = (index + round) % contestants.len();
            let (_, contestant, figures) = &mut contestants[at];
            figures.add(contestant.run()?);
        }
    }
    drop(progress);
    let measure = contestants.iter().find(|(name, ..)| *name == MEASURE).map(|(.., figures)| figures.median());
    let rows = contestants.iter().map(|(name, _, figures)| json!({"what": name, "us": figures.summary(measure)}));
    let rows: Vec<Value> = rows.collect();
    Ok(json!({"rows": rows, "start_us": start_us(peers, rounds)?}))
}

type Row = (&'static str, Contestant, Figures);

fn contestants(peers: &Peers) -> Outcome<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    let mut add = |name, contestant| rows.push((name, contestant, Figures::default()));
    add("fork and exec of /bin/true", Contestant::Command(vec!["/bin/true".to_owned()]));
    add("sandhog run, all walls", Contestant::Command(peers.sandhog_run(&[], GUEST, &[])));
    // Says the same, as a component of WASI 0.2.
    add("sandhog run, a component", Contestant::Command(peers.sandhog_run(&[], "speak", &["hello", ""])));
    if let Some(helper) = without_cgroups(peers)? {
        add("sandhog run, no cgroups on the machine", Contestant::Helper(helper));
    }
    if let Some(wasmtime) = peers.wasmtime_run(GUEST, &[])? {
        if let Some(bwrap) = &peers.bwrap {
            add(IN_BUBBLEWRAP, in_bubblewrap(bwrap, &wasmtime));
        }
        add(MEASURE, Contestant::Command(wasmtime));
    }
    if let Some(python) = &peers.python {
        for (name, method) in [("Python multiprocessing, fork", "fork"), ("Python multiprocessing, spawn", "spawn")] {
            add(name, Contestant::Helper(Helper::script(python, "python_process.py", method)?));
        }
    }
    if let Some(node) = &peers.node {
        add("Node child_process.fork", Contestant::Helper(Helper::script(node, "node_fork.js", "once")?));
    }
    Ok(rows)
}

/// A command in namespaces of its own, with all files to read.
pub(crate) fn in_bubblewrap(bwrap: &Path, command: &[String]) -> Contestant {
    let sealed = ["--unshare-all", "--ro-bind", "/", "/", "--die-with-parent", "--"].map(str::to_owned);
    Contestant::Command([text(bwrap)].into_iter().chain(sealed).chain(command.iter().cloned()).collect())
}

/// A helper in a mount namespace of its own without cgroups; none where this person may not make one.
fn without_cgroups(peers: &Peers) -> Outcome<Option<Helper>> {
    let shell = ["--mount", "--propagation", "private", "sh", "-c", WITHOUT_CGROUPS, "sh"];
    let possible = Command::new("unshare").args(shell).arg("true").output().is_ok_and(|output| output.status.success());
    if !possible {
        return Ok(None);
    }
    let mut command = Command::new("unshare");
    command.args(shell).arg(std::env::current_exe()?).arg("--serve");
    command.args(peers.sandhog_run(&["--allow-missing", "cgroup"], GUEST, &[]));
    Helper::start(&mut command).map(Some)
}

/// What the verdicts say: from the request to the worker's start, in microseconds.
fn start_us(peers: &Peers, rounds: usize) -> Outcome<Value> {
    let verdict = peers.file("verdict.json");
    let path = text(&verdict);
    let mut run = Contestant::Command(peers.sandhog_run(&["--verdict", &path], GUEST, &[]));
    let mut figures = Figures::default();
    let progress = Progress::start("request to start, by the verdicts", rounds);
    for round in 0..rounds {
        progress.at(round);
        run.run()?;
        let verdict: Value = serde_json::from_str(&std::fs::read_to_string(&verdict)?)?;
        figures.add(verdict["start_us"].as_f64().ok_or("a verdict without start_us")?);
    }
    Ok(figures.summary(None))
}

pub(crate) fn table(start: &Value) -> Table {
    let row = |name: &str, us: &Value| {
        vec![name.to_owned(), figure(us["ratio"].as_f64()), figure(us["median"].as_f64()), figure(us["p90"].as_f64())]
    };
    let rows = start["rows"].as_array().into_iter().flatten();
    let mut rows: Vec<Vec<String>> = rows.map(|line| row(line["what"].as_str().unwrap_or(""), &line["us"])).collect();
    rows.push(row("of sandhog run: request to the worker's start", &start["start_us"]));
    Table {
        headline: "Start to end of hello, from a warm cache".to_owned(),
        columns: vec!["", "to wasmtime", "median µs", "p90 µs"],
        rows,
        bars: Some(2),
    }
}
