//! Whether an attempt costs more the more a pool has made: one pool, one attempt after the other.

use super::Outcome;
use super::figures::Figures;
use super::peers::Peers;
use super::pooled::{Pooled, Work};
use super::progress::Progress;
use super::table::{Table, figure};
use serde_json::{Value, json};

/// Attempts of which a median is taken, from each of these on.
const WINDOW: usize = 200;
/// The first attempt is the first of them; those beyond the second need more rounds.
const FROM: [usize; 5] = [1, 1_000, 10_000, 100_000, 1_000_000];
/// Rounds from which on an attempt is reached: some minutes for the last.
const ROUNDS: [usize; 5] = [0, 0, 0, 300, 3_000];

pub(crate) fn measure(peers: &Peers, rounds: usize) -> Outcome<Value> {
    let reached: Vec<usize> =
        FROM.iter().zip(ROUNDS).filter(|(_, least)| rounds >= *least).map(|(&from, _)| from).collect();
    let pool = Pooled::start(peers, super::start::GUEST, Work::Command(&[]), 1)?;
    let progress = Progress::start("growth of a pool", reached.len());
    let (mut rows, mut done, mut first) = (Vec::new(), 0, None);
    for (at, from) in reached.into_iter().enumerate() {
        progress.at(at);
        for _ in done + 1..from {
            pool.one()?;
        }
        let mut figures = Figures::default();
        for _ in 0..WINDOW {
            figures.add(pool.one()?);
        }
        done = from - 1 + WINDOW;
        let first = *first.get_or_insert(figures.median());
        rows.push(json!({"attempt": from, "us": figures.summary(Some(first))}));
    }
    Ok(rows.into())
}

pub(crate) fn table(growth: &Value) -> Table {
    let row = |line: &Value| {
        let us = &line["us"];
        let cells = [&us["ratio"], &us["median"], &us["p99"]].map(|cell| figure(cell.as_f64()));
        [format!("from attempt {} on", line["attempt"])].into_iter().chain(cells).collect()
    };
    Table {
        headline: format!("Growth: {WINDOW} attempts of one pool, one after the other"),
        columns: vec!["", "to the first", "median µs", "p99 µs"],
        rows: growth.as_array().into_iter().flatten().map(row).collect(),
        bars: Some(2),
    }
}
