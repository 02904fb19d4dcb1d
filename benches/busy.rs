//! A map of tasks that compute: how busy it keeps the processors, beside native processes.

use super::Outcome;
use super::compute::cpu_ms_of_children;
use super::contestant::with_input;
use super::figures::Figures;
use super::map::sandhog_map;
use super::peers::{Peers, text};
use super::progress::Progress;
use super::table::{Table, figure};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Some 80 ms each, and so many that the ends do not count.
const BELOW: &str = "30000000";
const TASKS: usize = 50;
const PROCESSORS: f64 = 2.0;

struct Row {
    name: &'static str,
    command: Vec<String>,
    busy_percent: Figures,
    wall_ms: Figures,
}

pub(crate) fn measure(peers: &Peers, rounds: usize) -> Outcome<Value> {
    let input = input(peers)?;
    let mut rows = rows(peers);
    let progress = Progress::start("a map of tasks that compute", rounds);
    for round in 0..rounds {
        progress.at(round);
        for row in &mut rows {
            let used = cpu_ms_of_children()?;
            let wall_ms = with_input(&row.command, &input)? / 1e3;
            row.busy_percent.add((cpu_ms_of_children()? - used) / wall_ms / PROCESSORS * 100.0);
            row.wall_ms.add(wall_ms);
        }
    }
    drop(progress);
    let sandhog = rows.first().map(|row| row.wall_ms.median());
    let line = |row: &Row| {
        let (busy, wall) = (row.busy_percent.summary(None), row.wall_ms.summary(sandhog));
        json!({"what": row.name, "busy_percent": busy, "wall_ms": wall})
    };
    Ok(rows.iter().map(line).collect())
}

fn rows(peers: &Peers) -> Vec<Row> {
    let row = |name, command| Row { name, command, busy_percent: Figures::default(), wall_ms: Figures::default() };
    let mut rows = vec![row("sandhog map -j2, a process for each task", sandhog_map(peers, &[], "primes", &["{}"]))];
    let Some(primes) = peers.native_primes() else { return rows };
    if let Some(xargs) = &peers.xargs {
        let words = [&text(xargs), "-P2", "-n1", &text(&primes)].map(str::to_owned);
        rows.push(row("xargs -P2, the same program native", words.into()));
    }
    if let Some(parallel) = &peers.parallel {
        let words = [&text(parallel), "-j2", &text(&primes), "{}"].map(str::to_owned);
        rows.push(row("GNU parallel -j2, the same program native", words.into()));
    }
    rows
}

fn input(peers: &Peers) -> Outcome<PathBuf> {
    let path = peers.file("numbers");
    std::fs::write(&path, format!("{BELOW}\n").repeat(TASKS))?;
    Ok(path)
}

pub(crate) fn table(busy: &Value) -> Table {
    let row = |line: &Value| {
        let cells = [&line["wall_ms"]["ratio"], &line["busy_percent"]["median"], &line["wall_ms"]["median"]];
        let name = line["what"].as_str().unwrap_or("").to_owned();
        [name].into_iter().chain(cells.map(|cell| figure(cell.as_f64()))).collect()
    };
    Table {
        headline: format!("{TASKS} tasks that compute the primes below {BELOW}, on 2 processors"),
        columns: vec!["", "wall to sandhog", "busy %", "wall ms"],
        rows: busy.as_array().into_iter().flatten().map(row).collect(),
        bars: Some(2),
    }
}
