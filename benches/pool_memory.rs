//! Workers that wait: what each of 200 has to itself, and how soon 1,000 are ready and what they take together.

use super::Outcome;
use super::contestant::Helper;
use super::figures::Figures;
use super::peers::Peers;
use super::pooled::Pooled;
use super::processes::{Process, pages, tree};
use super::table::{Table, figure};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;

const GUEST: &str = super::start::GUEST;
const SOME: u32 = 200;
const MANY: u32 = 1_000;
const WORKER: &str = "sandhog-worker";

pub(crate) fn measure(peers: &Peers) -> Outcome<Value> {
    // The first one may compile.
    drop(Pooled::ready(peers, GUEST, 1)?);
    let private = private_of_some(peers)?;
    let (ready_ms, together) = many(peers)?;
    let mut each = vec![json!({"what": "sandhog, a worker of 200 that wait", "kib": private})];
    if let Some(python) = &peers.python {
        each.push(json!({"what": "Python Pool(1), its process", "kib": child_kib(python, "python_pool.py")?}));
    }
    if let Some(node) = &peers.node {
        each.push(json!({"what": "Node fork, its child", "kib": child_kib(node, "node_tasks.js")?}));
    }
    Ok(json!({"each": each, "ready_ms": ready_ms, "together": together}))
}

/// The median of private memory; the spawner is no worker, and a zygote is one of hundreds.
fn private_of_some(peers: &Peers) -> Outcome<Option<f64>> {
    let pool = Pooled::ready(peers, GUEST, SOME)?;
    let mut figures = Figures::default();
    for process in tree(std::process::id())?.iter().filter(|process| process.name == WORKER) {
        if let Some(pages) = pages(process.pid) {
            figures.add(kib(pages.private));
        }
    }
    drop(pool);
    Ok(Some(figures.median()).filter(|median| median.is_finite()))
}

/// Milliseconds from before the start of a pool until so many of its workers wait; and memory of all of its processes.
fn many(peers: &Peers) -> Outcome<(f64, Value)> {
    let available = available_kib()?;
    let before = Instant::now();
    let pool = Pooled::ready(peers, GUEST, MANY)?;
    let ready_ms = before.elapsed().as_secs_f64() * 1e3;
    let own = std::process::id();
    let all: Vec<Process> = tree(own)?.into_iter().filter(|process| process.pid != own).collect();
    // Page tables and the kernel's own structures are in this alone.
    let taken = available - available_kib()?;
    let of_all: Option<Vec<_>> = all.iter().map(|process| pages(process.pid)).collect();
    let sum = of_all.map(|all| all.iter().map(|pages| kib(pages.proportional)).sum::<f64>());
    drop(pool);
    Ok((ready_ms, json!({"processes": all.len(), "pages_kib": sum, "taken_kib": taken})))
}

/// Private memory of the one child of a helper.
fn child_kib(program: &Path, script: &str) -> Outcome<Option<f64>> {
    let mut helper = Helper::script(program, script, "kept")?;
    helper.ask("1")?;
    let children = tree(helper.pid())?;
    Ok(children.iter().skip(1).filter_map(|process| pages(process.pid)).map(|pages| kib(pages.private)).next())
}

/// Memory of the machine that could be had.
fn available_kib() -> Outcome<f64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo")?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("/proc/meminfo without MemAvailable")?.parse()?)
}

fn kib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0
}

pub(crate) fn tables(memory: &Value) -> Vec<Table> {
    let each = memory["each"].as_array();
    let first = each.and_then(|each| each.first()).and_then(|line| line["kib"].as_f64());
    let row = |line: &Value| {
        let kib = line["kib"].as_f64();
        let ratio = kib.zip(first).map(|(kib, first)| kib / first);
        vec![line["what"].as_str().unwrap_or("").to_owned(), figure(ratio), figure(kib)]
    };
    let each = Table {
        headline: "Private memory of a worker that waits".to_owned(),
        columns: vec!["", "to sandhog", "KiB"],
        rows: each.into_iter().flatten().map(row).collect(),
        bars: Some(2),
    };
    let mib = |key: &str| figure(memory["together"][key].as_f64().map(|kib| kib / 1024.0));
    let rows = [
        ("ready, in ms after the start of the pool", figure(memory["ready_ms"].as_f64())),
        ("pages of all of its processes, MiB", mib("pages_kib")),
        ("taken from the machine's available memory, MiB", mib("taken_kib")),
    ];
    let many = Table {
        headline: format!("{MANY} workers that wait"),
        columns: vec!["", "together"],
        rows: rows.map(|(name, cell)| vec![name.to_owned(), cell]).into(),
        // Each row has a unit of its own.
        bars: None,
    };
    vec![each, many]
}
