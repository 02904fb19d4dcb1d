//! What an operation on a shared object costs a guest, as a core module and as a component, beside Python's multiprocessing.

use super::Outcome;
use super::contestant::Helper;
use super::figures::Figures;
use super::peers::Peers;
use super::progress::Progress;
use super::table::{Table, figure};
use serde_json::{Value, json};
use std::hint::black_box;
use std::io::Write;
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

/// What is measured: for people, for guests (two: they run at the same time, and the first says what it took), for Python.
const ROWS: &[(&str, &[&str], &str)] = &[
    ("lock and unlock", &["lock"], "lock"),
    ("the same by two contenders, each", &["contend", "contend"], "contend"),
    ("rlock", &["rlock"], "rlock"),
    ("semaphore", &["semaphore"], "semaphore"),
    ("value: increment under its lock", &["value-locked"], "value-locked"),
    ("value: atomic add", &["value-add"], ""),
    ("event there and back", &["event-there", "event-back"], "event"),
    ("queue, 100 B, one way", &["get", "put"], "queue"),
    ("queue, batched", &["get-batches", "put-batches"], ""),
    ("array, 4 MB copied in", &["array"], "array"),
];

pub(crate) fn measure(peers: &Peers, rounds: usize) -> Outcome<Value> {
    let mut python = match &peers.python {
        Some(python) => Some(Helper::script(python, "python_objects.py", "")?),
        None => None,
    };
    let mut figures: Vec<[Figures; 3]> = ROWS.iter().map(|_| Default::default()).collect();
    let mut copies = Figures::default();
    let progress = Progress::start("shared objects", rounds);
    for round in 0..rounds {
        progress.at(round);
        for ((_, works, peer), [core, component, other]) in ROWS.iter().zip(&mut figures) {
            core.add(guests(peers, CORE, works)?);
            component.add(guests(peers, COMPONENT, works)?);
            if let Some(python) = python.as_mut().filter(|_| !peer.is_empty()) {
                other.add(python.ask(peer)?);
            }
        }
        copies.add(copy());
    }
    drop(progress);
    let row = |(name, ..): &(&str, &[&str], &str), [core, component, other]: &[Figures; 3]| json!({"what": name, "core_ns": core.median(), "component_ns": component.median(), "python_ns": other.median()});
    let rows: Vec<Value> = ROWS.iter().zip(&figures).map(|(what, figures)| row(what, figures)).collect();
    Ok(json!({"rows": rows, "copy_ns": copies.median()}))
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
        let [core, component, python] = ["core_ns", "component_ns", "python_ns"].map(|column| line[column].as_f64());
        let ratio = core.zip(python).map(|(core, python)| core / python);
        let name = line["what"].as_str().unwrap_or("").to_owned();
        [name].into_iter().chain([ratio, core, component, python].map(figure)).collect()
    };
    let mut rows: Vec<Vec<String>> = objects["rows"].as_array().into_iter().flatten().map(row).collect();
    rows.push(["memcpy of 4 MB, natively", "", &figure(objects["copy_ns"].as_f64()), "", ""].map(str::to_owned).into());
    vec![Table {
        headline: "Shared objects, from a guest".to_owned(),
        columns: vec!["", "to Python", "core module, ns", "component, ns", "Python multiprocessing, ns"],
        rows,
        bars: None,
    }]
}
