//! Messages between a program and a job, beside Node's IPC and Python's: there and back, and each way alone.

use super::Outcome;
use super::contestant::Helper;
use super::figures::Figures;
use super::peers::Peers;
use super::progress::Progress;
use super::table::{Table, figure};
use super::talk::{Kind, Native, Sealed, Talker};
use serde_json::{Map, Value, json};

/// What all others are compared with.
const MEASURE: &str = "sandhog";

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// How large, and how many: there and back, one way, one way in batches (0: too large for any).
const SIZES: [Size; 3] = [
    Size { name: "100 B", bytes: 100, there_and_back: 10_000, one_way: 20_000, batched: 1_000_000 },
    Size { name: "64 KiB", bytes: 64 * KIB, there_and_back: 500, one_way: 1_000, batched: 0 },
    Size { name: "16 MiB", bytes: 16 * MIB, there_and_back: 4, one_way: 8, batched: 0 },
];

struct Size {
    name: &'static str,
    bytes: usize,
    there_and_back: usize,
    one_way: usize,
    batched: usize,
}

impl Size {
    const fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Echo => self.there_and_back,
            Kind::Sink | Kind::Flood => self.one_way,
            Kind::SinkBatches | Kind::FloodBatches => self.batched,
        }
    }
}

/// One table: the contestants' names, and what each does there.
struct Part {
    name: &'static str,
    headline: &'static str,
    rows: &'static [(&'static str, Kind)],
}

const PARTS: [Part; 3] = [
    Part {
        name: "there_and_back",
        headline: "A message there and back",
        rows: &[
            ("native processes, raw socket", Kind::Echo),
            (MEASURE, Kind::Echo),
            ("Node IPC, json", Kind::Echo),
            ("Node IPC, advanced", Kind::Echo),
            ("Python Pipe", Kind::Echo),
            ("Python Queue", Kind::Echo),
        ],
    },
    Part {
        name: "to_the_job",
        headline: "Messages one way, to the job: each",
        rows: &[
            (MEASURE, Kind::Sink),
            ("sandhog, batched", Kind::SinkBatches),
            ("Node IPC, json", Kind::Sink),
            ("Node IPC, advanced", Kind::Sink),
            ("Python Pipe", Kind::Sink),
            ("Python Queue", Kind::Sink),
        ],
    },
    Part {
        name: "from_the_job",
        headline: "Messages one way, from the job: each",
        rows: &[
            (MEASURE, Kind::Flood),
            ("sandhog, batched", Kind::FloodBatches),
            ("Node IPC, json", Kind::Flood),
            ("Node IPC, advanced", Kind::Flood),
            ("Python Pipe", Kind::Flood),
            ("Python Queue", Kind::Flood),
        ],
    },
];

pub(crate) fn measure(peers: &Peers, rounds: usize) -> Outcome<Value> {
    let mut talkers = talkers(peers)?;
    let mut measured = Map::new();
    for part in &PARTS {
        let progress = Progress::start(part.headline, rounds);
        let mut sizes = Map::new();
        for size in &SIZES {
            sizes.insert(size.name.to_owned(), side_by_side(&mut talkers, part, size, rounds, &progress)?);
        }
        measured.insert(part.name.to_owned(), sizes.into());
    }
    Ok(measured.into())
}

/// Microseconds for each message of one size.
fn side_by_side(
    talkers: &mut [(&'static str, Talker)],
    part: &Part,
    size: &Size,
    rounds: usize,
    progress: &Progress,
) -> Outcome<Value> {
    let mut rows: Vec<_> = part.rows.iter().map(|&(name, kind)| (name, kind, Figures::default())).collect();
    for round in 0..=rounds {
        progress.at(round.saturating_sub(1));
        for (name, kind, figures) in &mut rows {
            let speaker = name.split(", batched").next().unwrap_or(name);
            let talker = talkers.iter_mut().find(|(who, _)| *who == speaker);
            let count = size.count(*kind);
            if let (Some((_, talker)), 1..) = (talker, count)
                && talker.can(size.bytes)
            {
                let micros = talker.talk(*kind, count, size.bytes)? / count as f64;
                // Nobody's first time counts.
                if round > 0 {
                    figures.add(micros);
                }
            }
        }
    }
    let measure = rows.iter().find(|(name, ..)| *name == MEASURE).map(|(.., figures)| figures.median());
    Ok(rows.iter().map(|(name, _, figures)| json!({"what": name, "us": figures.summary(measure)})).collect())
}

fn talkers(peers: &Peers) -> Outcome<Vec<(&'static str, Talker)>> {
    let mut talkers = vec![
        ("native processes, raw socket", Talker::Native(Native::start()?)),
        (MEASURE, Talker::Sealed(Sealed::start(peers)?)),
    ];
    if let Some(node) = &peers.node {
        for (name, serialization) in [("Node IPC, json", "json"), ("Node IPC, advanced", "advanced")] {
            talkers.push((name, Talker::Helper(Helper::script(node, "node_messages.js", serialization)?)));
        }
    }
    if let Some(python) = &peers.python {
        for (name, means) in [("Python Pipe", "pipe"), ("Python Queue", "queue")] {
            talkers.push((name, Talker::Helper(Helper::script(python, "python_messages.py", means)?)));
        }
    }
    Ok(talkers)
}

pub(crate) fn tables(measured: &Value) -> Vec<Table> {
    PARTS.iter().map(|part| part_table(part, &measured[part.name])).collect()
}

fn part_table(part: &Part, sizes: &Value) -> Table {
    let cells = |(at, (name, _)): (usize, &(&str, Kind))| {
        let of_size = |size: &Size| {
            let us = &sizes[size.name][at]["us"];
            [figure(us["ratio"].as_f64()), figure(us["median"].as_f64())]
        };
        [(*name).to_owned()].into_iter().chain(SIZES.iter().flat_map(of_size)).collect()
    };
    Table {
        headline: part.headline.to_owned(),
        columns: vec!["", "to sandhog", "100 B µs", "to sandhog", "64 KiB µs", "to sandhog", "16 MiB µs"],
        rows: part.rows.iter().enumerate().map(cells).collect(),
        bars: Some(2),
    }
}
