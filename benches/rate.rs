//! Sealed attempts a second, two at a time.

use super::Outcome;
use super::contestant::Contestant;
use super::figures::Figures;
use super::peers::Peers;
use super::pooled::{Pooled, Work};
use super::progress::Progress;
use super::table::{Table, figure};
use super::warm;
use serde_json::{Value, json};
use std::time::Instant;

/// How many are made in a round of what takes tenths of a millisecond, and of what takes many.
const QUICK: usize = 4_000;
const SLOW: usize = 60;

enum Pair {
    /// A pool of two.
    Pool(Pooled),
    /// Two that know nothing of each other.
    Two([Contestant; 2]),
}

impl Pair {
    /// So many a second.
    fn rate(&mut self, count: usize) -> Outcome<f64> {
        match self {
            Self::Pool(pooled) => Ok(count as f64 / pooled.many(count)? * 1e6),
            Self::Two(two) => both(two, count / 2),
        }
    }
}

fn both(two: &mut [Contestant; 2], each: usize) -> Outcome<f64> {
    let before = Instant::now();
    std::thread::scope(|scope| {
        // An error can't leave its thread as it is.
        let run = |one: &mut Contestant| (0..each).try_for_each(|_| one.run().map(drop).map_err(|e| e.to_string()));
        let threads: Vec<_> = two.iter_mut().map(|one| scope.spawn(move || run(one))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread panicked".to_owned())?)
    })?;
    Ok(2.0 * each as f64 / before.elapsed().as_secs_f64())
}

type Row = (&'static str, usize, Pair, Figures);

pub(crate) fn measure(peers: &Peers, rounds: usize) -> Outcome<Value> {
    let mut rows = rows(peers)?;
    let progress = Progress::start("attempts a second, two at a time", rounds);
    for round in 0..=rounds {
        progress.at(round.saturating_sub(1));
        for (_, count, pair, figures) in &mut rows {
            // Nobody's first time counts.
            let rate = pair.rate(if round > 0 { *count } else { 2 })?;
            if round > 0 {
                figures.add(rate);
            }
        }
    }
    drop(progress);
    let limit = rows.first().map(|(.., figures)| figures.median());
    Ok(rows.iter().map(|(name, .., figures)| json!({"what": name, "a_second": figures.summary(limit)})).collect())
}

fn rows(peers: &Peers) -> Outcome<Vec<Row>> {
    let row = |name, count, pair| (name, count, pair, Figures::default());
    let pool = |guest, work| Pooled::start(peers, guest, work, 2).map(Pair::Pool);
    let limit = Pair::Two([warm::limit(peers)?, warm::limit(peers)?]);
    let mut rows = vec![
        row("vfork and exec of a tiny static program (the limit)", QUICK, limit),
        row("sandhog pool, all walls", QUICK, pool("hello", Work::Command(&[]))?),
        row("sandhog pool, a handler, a process for each task", QUICK, pool("hello-handler", Work::Handler)?),
    ];
    let seconds = warm::others(peers, 1)?;
    for ((name, first), (_, second)) in warm::others(peers, 0)?.into_iter().zip(seconds) {
        rows.push(row(name, SLOW, Pair::Two([first, second])));
    }
    Ok(rows)
}

pub(crate) fn table(rate: &Value) -> Table {
    let row = |line: &Value| {
        let rate = &line["a_second"];
        let name = line["what"].as_str().unwrap_or("").to_owned();
        vec![name, figure(rate["ratio"].as_f64()), figure(rate["median"].as_f64())]
    };
    Table {
        headline: "Attempts a second, two at a time".to_owned(),
        columns: vec!["", "to the limit", "a second"],
        rows: rate.as_array().into_iter().flatten().map(row).collect(),
        bars: Some(2),
    }
}
