//! How fast a guest computes: the primes below a number, wall and user time.

use super::Outcome;
use super::figures::Figures;
use super::peers::Peers;
use super::progress::Progress;
use super::table::{Table, figure};
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::time::Instant;

/// About two seconds' worth.
const BELOW: &str = "800000000";
/// The kernel's unit of time in /proc (proc(5): sysconf(_SC_CLK_TCK), 100 on every Linux machine of today).
const TICK_MS: f64 = 10.0;

pub(crate) fn measure(peers: &Peers, rounds: usize) -> Outcome<Value> {
    let mut rows =
        vec![("sandhog run", peers.sandhog_run(&[], "primes", &[BELOW]), Figures::default(), Figures::default())];
    if let Some(wasmtime) = peers.wasmtime_run("primes", &[BELOW])? {
        rows.push(("wasmtime run, precompiled", wasmtime, Figures::default(), Figures::default()));
    }
    // The first run may compile.
    run(&peers.sandhog_run(&[], "primes", &["10"]))?;
    let progress = Progress::start("primes", rounds);
    for round in 0..rounds {
        progress.at(round);
        for (_, command, wall, user) in &mut rows {
            let (wall_ms, user_ms) = run(command)?;
            wall.add(wall_ms);
            user.add(user_ms);
        }
    }
    drop(progress);
    let (wall_of, user_of) = rows.get(1).map(|(.., wall, user)| (wall.median(), user.median())).unzip();
    let rows = rows.iter().map(|(name, _, wall, user)| {
        json!({"what": name, "wall_ms": wall.summary(wall_of), "user_ms": user.summary(user_of)})
    });
    Ok(rows.collect())
}

/// Wall time and user time, with that of all descendants, in milliseconds.
fn run(command: &[String]) -> Outcome<(f64, f64)> {
    let [program, args @ ..] = command else { return Err("no command".into()) };
    let (before, used) = (Instant::now(), user_ms_of_children()?);
    let status = Command::new(program).args(args).stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    if !status.success() {
        return Err(format!("{program} {} ended with {status}", args.join(" ")).into());
    }
    Ok((before.elapsed().as_secs_f64() * 1e3, user_ms_of_children()? - used))
}

fn user_ms_of_children() -> Outcome<f64> {
    let [user, _] = times_of_children()?;
    Ok(user)
}

/// User and system time.
pub(crate) fn cpu_ms_of_children() -> Outcome<f64> {
    let [user, system] = times_of_children()?;
    Ok(user + system)
}

/// Of this process's children that have ended, and of theirs (proc_pid_stat(5), `cutime` and `cstime`), in milliseconds.
fn times_of_children() -> Outcome<[f64; 2]> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // Behind the name, which may hold anything, `cutime` is the fourteenth field.
    let (_, fields) = stat.rsplit_once(')').ok_or("/proc/self/stat without a name")?;
    let mut ticks = fields.split_whitespace().skip(13);
    let mut next =
        || -> Outcome<f64> { Ok(ticks.next().ok_or("/proc/self/stat without cutime")?.parse::<f64>()? * TICK_MS) };
    Ok([next()?, next()?])
}

pub(crate) fn table(compute: &Value) -> Table {
    let row = |line: &Value| {
        let of = |what: &str, which: &str| figure(line[what][which].as_f64());
        let name = line["what"].as_str().unwrap_or("").to_owned();
        vec![name, of("wall_ms", "ratio"), of("user_ms", "ratio"), of("wall_ms", "median"), of("user_ms", "median")]
    };
    Table {
        headline: format!("Primes below {BELOW}"),
        columns: vec!["", "wall to wasmtime", "user to wasmtime", "wall ms", "user ms"],
        rows: compute.as_array().into_iter().flatten().map(row).collect(),
        bars: Some(3),
    }
}
