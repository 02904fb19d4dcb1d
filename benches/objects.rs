//! What an operation on a shared object costs a guest, as a core module and as a component, beside Python's multiprocessing
//! and memory that worker threads of Node share.

use super::Outcome;
use super::contestant::Helper;
use super::figures::Figures;
use super::peers::Peers;
use super::progress::Progress;
use super::table::{Table, figure};
use serde_json::{Value, json};
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// What all guests here are granted.
const OBJECTS: [&str; 9] = [
    "lock: lock",
    "rlock: rlock",
    "semaphore: semaphore(1) acquire release",
    "value: value(i64) rw",
    "array: array(f32, 1000000) rw",
    "there: event set wait",
    "back: event set wait",
    "queue: queue(1000, 1MiB) put get",
    "start: barrier(2)",
];

const CORE: &str = "times_objects";
const COMPONENT: &str = "times_objects_as_component";

/// A copy as large as that of the array, in bytes.
const COPY: usize = 4_000_000;

type Row = (&'static str, &'static [&'static str], &'static str, &'static str);

/// What is measured: for people, for guests (two: they run at the same time, and the first says what it took), for Python, for
/// Node. An empty one: it has no such thing.
const ROWS: &[Row] = &[
    ("lock and unlock", &["lock"], "lock", "lock"),
    ("the same by two contenders, each", &["contend", "contend"], "contend", "contend"),
    ("rlock", &["rlock"], "rlock", ""),
    ("semaphore", &["semaphore"], "semaphore", ""),
    ("value: increment under its lock", &["value-locked"], "value-locked", "value-locked"),
    ("value: atomic add", &["value-add"], "", "value-add"),
    ("event there and back", &["event-there", "event-back"], "event", "event"),
    ("queue, 100 B, one way", &["get", "put"], "queue", ""),
    ("queue, batched", &["get-batches", "put-batches"], "", ""),
    ("array, 4 MB copied in", &["array"], "array", "array"),
];

pub(crate) fn measure(peers: &Peers, rounds: usize) -> Outcome<Value> {
    let mut python = helper(peers.python.as_deref(), "python_objects.py")?;
    let mut node = helper(peers.node.as_deref(), "node_objects.js")?;
    let mut figures: Vec<[Figures; 4]> = ROWS.iter().map(|_| Default::default()).collect();
    let mut copies = Figures::default();
    let progress = Progress::start("shared objects", rounds);
    for round in 0..rounds {
        progress.at(round);
        for ((_, works, in_python, in_node), [core, component, of_python, of_node]) in ROWS.iter().zip(&mut figures) {
            core.add(guests(peers, CORE, works)?);
            component.add(guests(peers, COMPONENT, works)?);
            for (helper, what, figures) in [(&mut python, in_python, of_python), (&mut node, in_node, of_node)] {
                if let Some(helper) = helper.as_mut().filter(|_| !what.is_empty()) {
                    figures.add(helper.ask(what)?);
                }
            }
        }
        copies.add(copy());
    }
    drop(progress);
    let row = |((name, ..), [core, component, python, node]): (&Row, &[Figures; 4])| {
        json!({
            "what": name,
            "core_ns": core.median(),
            "component_ns": component.median(),
            "python_ns": python.median(),
            "node_ns": node.median(),
        })
    };
    let rows: Vec<Value> = ROWS.iter().zip(&figures).map(row).collect();
    Ok(json!({"rows": rows, "copy_ns": copies.median()}))
}

fn helper(program: Option<&Path>, script: &str) -> Outcome<Option<Helper>> {
    program.map(|program| Helper::script(program, script, "")).transpose()
}

/// One run of the guest, or a map of two: what the first says.
fn guests(peers: &Peers, guest: &str, works: &[&str]) -> Outcome<f64> {
    let mut command = Command::new(&peers.sandhog);
    command.arg(if works.len() == 1 { "run" } else { "map" });
    command.args(OBJECTS.iter().flat_map(|object| ["--object", object])).arg(peers.guest(guest));
    match works {
        [alone] => command.args(["--", alone]),
        _ => command.args(["-j2", "--", "{}"]),
    };
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take().filter(|_| works.len() > 1) {
        stdin.write_all(works.join("\n").as_bytes())?;
    }
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let ns = said.lines().next().and_then(|line| line.parse().ok());
    ns.filter(|_| output.status.success()).ok_or_else(|| format!("{guest} {works:?} said {said:?}").into())
}

/// The same copy within one process's memory, in nanoseconds.
fn copy() -> f64 {
    let (from, mut to) = (vec![1_u8; COPY], vec![0_u8; COPY]);
    let before = Instant::now();
    for _ in 0..100 {
        black_box(&mut to).copy_from_slice(black_box(&from));
    }
    before.elapsed().as_secs_f64() * 1e9 / 100.0
}

pub(crate) fn tables(objects: &Value) -> Vec<Table> {
    let row = |line: &Value| {
        let columns = ["core_ns", "component_ns", "python_ns", "node_ns"];
        let [core, component, python, node] = columns.map(|column| line[column].as_f64());
        let ratio = core.zip(python).map(|(core, python)| core / python);
        let name = line["what"].as_str().unwrap_or("").to_owned();
        [name].into_iter().chain([ratio, core, component, python, node].map(figure)).collect()
    };
    let mut rows: Vec<Vec<String>> = objects["rows"].as_array().into_iter().flatten().map(row).collect();
    let copy = figure(objects["copy_ns"].as_f64());
    rows.push(["memcpy of 4 MB, natively", "", &copy, "", "", ""].map(str::to_owned).into());
    vec![Table {
        headline: "Shared objects, from a guest".to_owned(),
        columns: vec![
            "",
            "to Python",
            "core module, ns",
            "component, ns",
            "Python multiprocessing, ns",
            "Node worker threads, ns",
        ],
        rows,
        bars: None,
    }]
}
