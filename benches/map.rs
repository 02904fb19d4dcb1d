//! Many tiny tasks mapped over two processes, from the start of a pool to its last answer: a process for each, processes that
//! are reused, and chunks.

use super::Outcome;
use super::contestant::{Helper, with_input};
use super::figures::Figures;
use super::peers::{Peers, text};
use super::progress::Progress;
use super::table::{Table, figure};
use super::tiny;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Tasks of a round: with a process of Sandhog's for each, of Python's, of somebody's who starts a program for each, of GNU
/// parallel's, which takes milliseconds for one; with processes that are reused.
const FRESH: usize = 20_000;
const FRESH_PYTHON: usize = 400;
const FRESH_PROGRAM: usize = 4_000;
const FRESH_PARALLEL: usize = 400;
const REUSED: usize = 100_000;
/// ProcessPoolExecutor makes a tenth of the others in the same time.
const REUSED_EXECUTOR: usize = 10_000;
/// Tasks that are handed over at once, in the last group.
const CHUNK: &str = "1000";
/// As good as for ever.
const REUSE: &str = "1000000";

enum Mapper {
    /// A command that reads a task from each line.
    Command(Vec<String>),
    Helper(Helper),
}

struct Row {
    group: &'static str,
    name: &'static str,
    tasks: usize,
    mapper: Mapper,
    rates: Figures,
}

impl Row {
    /// Tasks a second.
    fn rate(&mut self, peers: &Peers, tasks: usize) -> Outcome<f64> {
        let micros = match &mut self.mapper {
            Mapper::Command(command) => with_input(command, &input(peers, tasks)?)?,
            Mapper::Helper(helper) => helper.ask(&tasks.to_string())?,
        };
        Ok(tasks as f64 / micros * 1e6)
    }
}

pub(crate) fn measure(peers: &Peers, rounds: usize) -> Outcome<Value> {
    let mut rows = rows(peers)?;
    let progress = Progress::start("maps of tiny tasks", rounds);
    for round in 0..=rounds {
        progress.at(round.saturating_sub(1));
        for row in &mut rows {
            let tasks = if round > 0 { row.tasks } else { 2 };
            let rate = row.rate(peers, tasks)?;
            // Nobody's first time counts.
            if round > 0 {
                row.rates.add(rate);
            }
        }
    }
    drop(progress);
    Ok(GROUPS.map(|group| json!({"group": group, "rows": summary(&rows, group)})).into_iter().collect())
}

const GROUPS: [&str; 3] = ["A process for each task", "Processes that are reused", "Chunks"];

/// Ratios are to the first of a group.
fn summary(rows: &[Row], group: &str) -> Value {
    let rows: Vec<&Row> = rows.iter().filter(|row| row.group == group).collect();
    let first = rows.first().map(|row| row.rates.median());
    let line = |row: &&Row| json!({"what": row.name, "tasks": row.tasks, "a_second": row.rates.summary(first)});
    rows.iter().map(line).collect()
}

fn rows(peers: &Peers) -> Outcome<Vec<Row>> {
    let [fresh, reused, chunked] = GROUPS;
    let mut rows = Vec::new();
    let mut add = |group, name, tasks, mapper| {
        rows.push(Row { group, name, tasks, mapper, rates: Figures::default() });
    };
    let map = |flags: &[&str], guest| Mapper::Command(sandhog_map(peers, flags, guest, &[]));
    add(fresh, "sandhog map, a handler", FRESH, map(&["--fresh"], "hello-handler"));
    add(fresh, "sandhog map, a program", FRESH, map(&[], "hello"));
    let tiny = text(&tiny::program(peers)?);
    if let Some(xargs) = &peers.xargs {
        let words = [&text(xargs), "-P2", "-n1", &tiny].map(str::to_owned);
        add(fresh, "xargs -P2, a tiny static program, unsealed", FRESH_PROGRAM, Mapper::Command(words.into()));
    }
    if let Some(parallel) = &peers.parallel {
        let words = [&text(parallel), "-j2", &tiny, "{}"].map(str::to_owned);
        add(fresh, "GNU parallel -j2, a tiny static program", FRESH_PARALLEL, Mapper::Command(words.into()));
    }
    add(reused, "sandhog map --reuse", REUSED, map(&["--reuse", REUSE], "hello-handler"));
    add(
        chunked,
        "sandhog map --reuse --chunk 1000",
        REUSED,
        map(&["--reuse", REUSE, "--chunk", CHUNK], "hello-handler"),
    );
    if let Some(python) = &peers.python {
        let helper = |how| Helper::script(python, "python_map.py", how).map(Mapper::Helper);
        add(fresh, "Python Pool(2, maxtasksperchild=1)", FRESH_PYTHON, helper("fresh")?);
        add(reused, "Python Pool(2), chunksize 1", REUSED, helper("each")?);
        add(reused, "Python ProcessPoolExecutor(2)", REUSED_EXECUTOR, helper("executor")?);
        add(chunked, "Python Pool(2), its own chunksize", REUSED, helper("default")?);
    }
    if let Some(node) = &peers.node {
        let helper = |chunk| Helper::script(node, "node_map.js", chunk).map(Mapper::Helper);
        add(reused, "Node, 2 worker_threads", REUSED, helper("1")?);
        add(chunked, "Node, 2 worker_threads, chunks of 1000", REUSED, helper(CHUNK)?);
    }
    Ok(rows)
}

/// `sandhog map` of a guest, two at a time.
pub(crate) fn sandhog_map(peers: &Peers, flags: &[&str], guest: &str, args: &[&str]) -> Vec<String> {
    let mut command = vec![text(&peers.sandhog), "map".to_owned(), "-j2".to_owned()];
    command.extend(flags.iter().map(|&flag| flag.to_owned()));
    command.push(peers.guest(guest));
    if !args.is_empty() {
        command.push("--".to_owned());
    }
    command.extend(args.iter().map(|&arg| arg.to_owned()));
    command
}

/// A file with so many tasks, a number on each line.
fn input(peers: &Peers, tasks: usize) -> Outcome<PathBuf> {
    let path = peers.file(&format!("tasks-{tasks}"));
    if !Path::new(&path).exists() {
        let mut lines = String::new();
        (0..tasks).try_for_each(|number| writeln!(lines, "{number}"))?;
        std::fs::write(&path, lines)?;
    }
    Ok(path)
}

pub(crate) fn tables(map: &Value) -> Vec<Table> {
    map.as_array().into_iter().flatten().map(table).collect()
}

fn table(group: &Value) -> Table {
    let row = |line: &Value| {
        let rate = &line["a_second"];
        let name = line["what"].as_str().unwrap_or("").to_owned();
        vec![name, figure(rate["ratio"].as_f64()), figure(rate["median"].as_f64()), line["tasks"].to_string()]
    };
    Table {
        headline: format!("Map of tiny tasks over two processes. {}", group["group"].as_str().unwrap_or("")),
        columns: vec!["", "to sandhog", "tasks a second", "tasks"],
        rows: group["rows"].as_array().into_iter().flatten().map(row).collect(),
        bars: Some(2),
    }
}
