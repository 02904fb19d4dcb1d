//! Start to verdict of hello from a pool, one at a time, beside the limit of any process that is started by exec, and what else
//! one would use.

use super::contestant::{Contestant, Helper};
use super::figures::Figures;
use super::peers::{Peers, text};
use super::pooled::{Pooled, Work};
use super::progress::Progress;
use super::table::{Table, figure};
use super::{Outcome, crun, start, tiny};
use serde_json::{Value, json};
use std::time::Duration;

/// What all others are compared with.
const MEASURE: &str = "vfork and exec of a tiny static program (the limit)";

/// Runs in a row of what takes tenths of a millisecond: a 99th percentile needs hundreds.
const QUICK: usize = 10;
/// Between runs that do not follow each other at once: several times what one takes.
const PAUSE: Duration = Duration::from_millis(2);

struct Row {
    name: &'static str,
    contestant: Contestant,
    /// Runs in each round, and what is waited before each.
    runs: usize,
    pause: Option<Duration>,
    figures: Figures,
}

impl Row {
    fn turn(&mut self, counts: bool) -> Outcome<()> {
        for _ in 0..self.runs {
            self.pause.into_iter().for_each(std::thread::sleep);
            let micros = self.contestant.run()?;
            if counts {
                self.figures.add(micros);
            }
        }
        Ok(())
    }
}

pub(crate) fn measure(peers: &Peers, rounds: usize) -> Outcome<Value> {
    let mut rows = rows(peers)?;
    let progress = Progress::start("start to verdict of hello from a pool", rounds);
    for round in 0..=rounds {
        progress.at(round.saturating_sub(1));
        // Each begins a round in its turn; nobody's first time counts.
        for index in 0..rows.len() {
            let at = (index + round) % rows.len();
            rows[at].turn(round > 0)?;
        }
    }
    drop(progress);
    let measure = rows.iter().find(|row| row.name == MEASURE);
    let (median, p99) = measure.map(|row| (row.figures.median(), row.figures.p99())).unzip();
    let line = |row: &Row| {
        let p99_ratio = p99.map(|p99| row.figures.p99() / p99);
        json!({"what": row.name, "us": row.figures.summary(median), "p99_ratio": p99_ratio})
    };
    Ok(rows.iter().map(line).collect())
}

fn rows(peers: &Peers) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    let mut add = |name, contestant, runs, pause| {
        rows.push(Row { name, contestant, runs, pause, figures: Figures::default() });
    };
    let pooled = |guest, work| Pooled::start(peers, guest, work, 1).map(Contestant::Pooled);
    add(MEASURE, limit(peers)?, QUICK, None);
    add("the same, with pauses of 2 ms", limit(peers)?, QUICK, Some(PAUSE));
    add("sandhog pool, all walls", pooled("hello", Work::Command(&[]))?, QUICK, None);
    add("sandhog pool, with pauses of 2 ms", pooled("hello", Work::Command(&[]))?, QUICK, Some(PAUSE));
    add("sandhog pool, a component", pooled("speak", Work::Command(&["hello", ""]))?, QUICK, None);
    add("sandhog pool, a handler, a process for each task", pooled("hello-handler", Work::Handler)?, QUICK, None);
    for (name, contestant) in others(peers, 0)? {
        add(name, contestant, 1, None);
    }
    Ok(rows)
}

pub(crate) fn limit(peers: &Peers) -> Outcome<Contestant> {
    Ok(Contestant::Command(vec![text(&tiny::program(peers)?)]))
}

/// What else one would use, as far as it is here. `which` tells those apart that run at the same time.
pub(crate) fn others(peers: &Peers, which: usize) -> Outcome<Vec<(&'static str, Contestant)>> {
    let mut others = Vec::new();
    if let Some(wasmtime) = peers.wasmtime_run(start::GUEST, &[])? {
        if let Some(bwrap) = &peers.bwrap {
            others.push((start::IN_BUBBLEWRAP, start::in_bubblewrap(bwrap, &wasmtime)));
        }
        others.push((start::MEASURE, Contestant::Command(wasmtime)));
    }
    others.extend(crun::contestant(peers, which)?);
    if let Some(python) = &peers.python {
        let helper = Helper::script(python, "python_process.py", "fork")?;
        others.push(("Python multiprocessing, fork", Contestant::Helper(helper)));
    }
    if let Some(node) = &peers.node {
        let helper = Helper::script(node, "node_fork.js", "once")?;
        others.push(("Node child_process.fork", Contestant::Helper(helper)));
    }
    Ok(others)
}

pub(crate) fn table(warm: &Value) -> Table {
    let row = |line: &Value| {
        let us = &line["us"];
        let ratios = [&us["ratio"], &line["p99_ratio"], &us["median"], &us["p99"]].map(|cell| figure(cell.as_f64()));
        [line["what"].as_str().unwrap_or("").to_owned()].into_iter().chain(ratios).collect()
    };
    Table {
        headline: "Start to verdict of hello from a pool, one at a time".to_owned(),
        columns: vec!["", "to the limit", "p99 to its p99", "median µs", "p99 µs"],
        rows: warm.as_array().into_iter().flatten().map(row).collect(),
        bars: Some(3),
    }
}
