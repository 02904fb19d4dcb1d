//! Serving HTTP beside what else serves it: requests a second, how long one takes, and what an idle worker holds.
//!
//! All servers of a table run at the same time and take turns; those whose turn it is not are idle. Clients and servers share the
//! processors.

mod cgi;
mod load;
mod native;
mod servers;

pub(crate) use cgi::{WORD as CGI, serve as serve_by_cgi};
pub(crate) use native::{WORD as NATIVE, serve as serve_natively};

use super::Outcome;
use super::figures::Figures;
use super::peers::Peers;
use super::processes::{pages, tree};
use super::progress::Progress;
use super::table::{Table, figure};
use load::{Load, Ran};
use serde_json::{Value, json};
use servers::{Kind, Server};
use std::time::Duration;

/// Clients at the same time, as of the peers' own benchmarks.
const CLIENTS: usize = 32;
/// How long a round of one server is.
const ROUND: Duration = Duration::from_millis(1500);
/// How long each is warmed up, which tells nothing.
const WARM: Duration = Duration::from_millis(500);
/// What is sent and sent back.
const BODY: usize = 64 << 10;

/// What is asked of all servers of a table.
struct Ask {
    key: &'static str,
    headline: &'static str,
    kinds: &'static [Kind],
    body: usize,
    keep_alive: bool,
}

const ASKS: [Ask; 4] = [
    Ask {
        key: "hello",
        headline: "HTTP: hello, 32 connections that are kept, two workers",
        kinds: &[
            Kind::Native,
            Kind::Sandhog { guest: "http_plain_0_3", isolation: "reuse" },
            Kind::Sandhog { guest: "http_plain", isolation: "reuse" },
            Kind::Wasmtime { guest: "http_plain_0_3" },
            Kind::NodeCluster,
        ],
        body: 0,
        keep_alive: true,
    },
    Ask {
        key: "instance",
        headline: "HTTP: hello by a fresh instance for each request, 32 connections that are kept, two workers",
        kinds: &[
            Kind::Native,
            Kind::Sandhog { guest: "http_plain", isolation: "instance" },
            Kind::Wasmtime { guest: "http_plain" },
        ],
        body: 0,
        keep_alive: true,
    },
    Ask {
        key: "process",
        headline: "HTTP: hello by a fresh process for each connection, 32 connections at the same time",
        kinds: &[Kind::Native, Kind::Sandhog { guest: "http_plain", isolation: "process" }, Kind::Cgi, Kind::NodeFork],
        body: 0,
        keep_alive: false,
    },
    Ask {
        key: "echo",
        headline: "HTTP: 64 KiB sent back, 32 connections that are kept, two workers",
        kinds: &[
            Kind::Native,
            Kind::Sandhog { guest: "http_plain_0_3", isolation: "reuse" },
            Kind::Sandhog { guest: "http_plain", isolation: "reuse" },
            Kind::Wasmtime { guest: "http_plain_0_3" },
            Kind::NodeCluster,
        ],
        body: BODY,
        keep_alive: true,
    },
];

pub(crate) fn measure(peers: &Peers, rounds: usize) -> Outcome<Value> {
    let mut tables: Vec<Value> = Vec::new();
    for ask in &ASKS {
        tables.push(json!({"key": ask.key, "rows": measure_all(peers, ask, rounds)?}));
    }
    Ok(json!({"tables": tables, "memory": memory(peers)?}))
}

fn measure_all(peers: &Peers, ask: &Ask, rounds: usize) -> Outcome<Value> {
    let mut rows = Vec::new();
    for kind in ask.kinds {
        // What is not on this machine is listed at the end of all.
        if let Some(server) = Server::start(peers, *kind)? {
            let load = Load { to: server.address, clients: CLIENTS, body: ask.body, keep_alive: ask.keep_alive };
            load.run(WARM)?;
            rows.push((*kind, server, load, Measured::default()));
        }
    }
    let progress = Progress::start(ask.headline, rounds);
    for round in 0..rounds {
        progress.at(round);
        for (_, _, load, measured) in &mut rows {
            measured.add(load.run(ROUND)?);
        }
    }
    drop(progress);
    let limit = rows.first().map(|(.., measured)| measured.a_second.median());
    Ok(rows.iter().map(|(kind, .., measured)| measured.json(&kind.name(), limit)).collect())
}

/// Of all rounds.
#[derive(Default)]
struct Measured {
    a_second: Figures,
    median_us: Figures,
    p99_us: Figures,
    failed: u64,
}

impl Measured {
    fn add(&mut self, ran: Ran) {
        self.a_second.add(ran.answers.len() as f64 / ran.took.as_secs_f64());
        let mut each = Figures::default();
        ran.answers.iter().for_each(|time| each.add(time.as_secs_f64() * 1e6));
        self.median_us.add(each.median());
        self.p99_us.add(each.p99());
        self.failed += ran.failed;
    }

    fn json(&self, name: &str, limit: Option<f64>) -> Value {
        json!({
            "what": name,
            "a_second": self.a_second.summary(limit),
            "us": {"median": self.median_us.median(), "p99": self.p99_us.median()},
            "failed": self.failed,
        })
    }
}

/// Private pages of each worker that has answered and waits.
fn memory(peers: &Peers) -> Outcome<Value> {
    let kinds = [
        Kind::Sandhog { guest: "http_plain", isolation: "instance" },
        Kind::Sandhog { guest: "http_plain_0_3", isolation: "reuse" },
        Kind::Sandhog { guest: "http_plain", isolation: "process" },
        Kind::Wasmtime { guest: "http_plain" },
        Kind::NodeCluster,
    ];
    let mut rows = Vec::new();
    for kind in kinds {
        let Some(server) = Server::start(peers, kind)? else { continue };
        Load { to: server.address, clients: CLIENTS, body: 0, keep_alive: true }.run(WARM)?;
        let of_a_worker = tree(server.pid())?.into_iter().filter(|process| process.name == kind.worker());
        // The newest of them: what others came from may bear the same name.
        let held = of_a_worker.filter_map(|process| pages(process.pid)).map(|pages| pages.private).next_back();
        rows.push(json!({"what": kind.name(), "bytes": held}));
    }
    Ok(rows.into())
}

pub(crate) fn tables(measured: &Value) -> Vec<Table> {
    let measured_tables = measured["tables"].as_array().into_iter().flatten();
    let mut tables: Vec<Table> =
        ASKS.iter().zip(measured_tables).map(|(ask, table)| requests(ask, &table["rows"])).collect();
    let memory = measured["memory"].as_array().into_iter().flatten();
    let mib = |row: &Value| figure(row["bytes"].as_f64().map(|bytes| bytes / (1 << 20) as f64));
    tables.push(Table {
        headline: "HTTP: private pages of an idle worker".to_owned(),
        columns: vec!["", "MiB"],
        rows: memory.map(|row| vec![row["what"].as_str().unwrap_or("").to_owned(), mib(row)]).collect(),
        bars: Some(1),
    });
    tables
}

fn requests(ask: &Ask, rows: &Value) -> Table {
    let row = |line: &Value| {
        let of = |value: &Value| figure(value.as_f64());
        let failed = line["failed"].to_string();
        let name = line["what"].as_str().unwrap_or("").to_owned();
        let (rate, us) = (&line["a_second"], &line["us"]);
        vec![name, of(&rate["ratio"]), of(&rate["median"]), of(&us["median"]), of(&us["p99"]), failed]
    };
    Table {
        headline: ask.headline.to_owned(),
        columns: vec!["", "to the limit", "a second", "median µs", "p99 µs", "failed"],
        rows: rows.as_array().into_iter().flatten().map(row).collect(),
        bars: Some(2),
    }
}
