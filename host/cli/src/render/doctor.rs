//! What the doctor found, as a table for people and as one JSON object for tools.

use super::table;
use sandhog_doctor::attempt::Tried;
use sandhog_doctor::matrix::{Cell, Here, Row};
use sandhog_doctor::{Probe, allowed_syscalls, answered_syscalls, syscall_of};
use sandhog_spec::text::escape;
use serde_json::{Value, json};

/// A row for each wall, a line for each that is not whole, and what it all means.
pub fn table(rows: &[Row]) -> String {
    let cells = rows.iter().map(|row| {
        [
            row.wall.name().into(),
            here(&row.here).into(),
            row.tries.into(),
            mark(&row.control),
            mark(&row.alone),
            mark(&row.all),
        ]
    });
    let heading = ["WALL", "HERE", "A PROBE TRIES TO", "NO WALL", "THIS WALL ALONE", "ALL WALLS"];
    let mut text = table::table(heading, &cells.collect::<Vec<_>>());
    let remarks = rows.iter().filter_map(remark).collect::<Vec<_>>();
    if !remarks.is_empty() {
        text.push_str(&format!("\n{}\n", remarks.join("\n")));
    }
    text.push_str(&format!("\n{}\n", summary(rows)));
    text
}

/// One line of JSON with everything in it, and the system calls that a guest's worker may make or is answered.
pub fn json(rows: &[Row]) -> String {
    let walls: Vec<Value> = rows.iter().map(wall).collect();
    let list = |calls: std::collections::BTreeMap<u32, (&str, Vec<&str>)>| -> Vec<Value> {
        calls
            .into_iter()
            .map(|(number, (name, reason))| json!({ "number": number, "name": name, "reason": reason }))
            .collect()
    };
    let object = json!({
        "walls": walls,
        "ok": rows.iter().all(Row::is_ok),
        "allowed_syscalls": list(allowed_syscalls()),
        "answered_syscalls": list(answered_syscalls()),
    });
    format!("{object}\n")
}

/// One probe, as one line of JSON.
pub fn probe(probe: &Probe, tried: &Tried) -> String {
    self::tried(&probe.to_string(), syscall_of(probe), tried)
}

/// What came of something of this name.
pub fn tried(name: &str, syscall: Option<&str>, tried: &Tried) -> String {
    let verdict = serde_json::to_value(&tried.verdict).map(|verdict| verdict["verdict"].clone()).unwrap_or_default();
    let object = json!({
        "probe": name,
        "syscall": syscall,
        "stopped": tried.stopped,
        "detail": tried.detail,
        "verdict": verdict,
    });
    format!("{object}\n")
}

fn wall(row: &Row) -> Value {
    let cell = |cell: &Cell| json!({ "ok": cell.ok, "stopped": cell.stopped, "detail": cell.detail });
    json!({
        "wall": row.wall.name(),
        "here": here(&row.here),
        "reason": reason(&row.here),
        "probe": row.tries,
        "control": cell(&row.control),
        "alone": cell(&row.alone),
        "all": cell(&row.all),
    })
}

fn here(here: &Here) -> &'static str {
    match here {
        Here::Yes => "yes",
        Here::Weak(_) => "weak",
        Here::Missing(_) => "missing",
    }
}

fn reason(here: &Here) -> Option<&str> {
    match here {
        Here::Yes => None,
        Here::Weak(reason) | Here::Missing(reason) => Some(reason),
    }
}

/// Readable without colour, and for ears: the mark, then the word.
fn mark(cell: &Cell) -> String {
    match (cell.ok, cell.stopped) {
        (true, None) => "- not here".into(),
        (true, Some(false)) => "✓ it can".into(),
        (true, Some(true)) => format!("✓ stopped: {}", cell.detail),
        (false, Some(false)) => "✗ it can".into(),
        (false, Some(true)) => format!("✗ stopped: {}", cell.detail),
        (false, None) => "✗ no answer".into(),
    }
}

/// What is to be said about a row beyond its cells.
fn remark(row: &Row) -> Option<String> {
    let name = row.wall.name();
    let unanswered = || {
        let cells = [("no wall", &row.control), ("this wall alone", &row.alone), ("all walls", &row.all)];
        let cell = cells.into_iter().find(|(_, cell)| !cell.ok && cell.stopped.is_none())?;
        Some(format!("{name}, {}: {}", cell.0, escape(&cell.1.detail)))
    };
    match &row.here {
        Here::Yes => unanswered(),
        Here::Weak(reason) => Some(format!("{name} is weak: {}", escape(reason))),
        Here::Missing(reason) => Some(format!(
            "{name} is missing: {}\n  to run without it all the same: --allow-missing {name}",
            escape(reason)
        )),
    }
}

fn summary(rows: &[Row]) -> String {
    let wrong: Vec<&str> = rows.iter().filter(|row| !row.is_ok()).map(|row| row.wall.name()).collect();
    let weak = rows.iter().filter(|row| matches!(row.here, Here::Weak(_))).count();
    match (wrong.is_empty(), weak) {
        (true, 0) => "All walls stand, and each stops its probe alone.".into(),
        (true, _) => "Every required wall stands, and each stops its probe alone. \
             Root gets every wall: sudo sandhog doctor"
            .into(),
        (false, _) => format!("Not well: {}. Look for ✗ above.", wrong.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::shows;
    use sandhog_protocol::plan::Wall;

    fn cell(ok: bool, stopped: Option<bool>, detail: &str) -> Cell {
        Cell { ok, stopped, detail: detail.into() }
    }

    fn rows() -> Vec<Row> {
        let row = |wall, here, alone| Row {
            wall,
            here,
            tries: "do it",
            control: cell(true, Some(false), "done"),
            alone,
            all: cell(true, Some(true), "SIGSYS"),
        };
        let not_here = || cell(true, None, "not here");
        vec![
            row(Wall::Root, Here::Yes, cell(true, Some(true), "ENOENT")),
            Row {
                control: not_here(),
                all: not_here(),
                ..row(Wall::Identity, Here::Weak("not started as root".into()), not_here())
            },
            row(Wall::Landlock, Here::Missing("no Landlock\n".into()), cell(false, None, "refused")),
            row(Wall::Seccomp, Here::Yes, cell(false, Some(false), "done")),
        ]
    }

    #[test]
    fn the_table_reads_like_this() {
        shows("doctor", &table(&rows()));
    }

    #[test]
    fn json_says_whether_all_is_well() {
        let mut rows = rows();
        let ok = |rows: &[Row]| serde_json::from_str::<Value>(&json(rows)).unwrap()["ok"].clone();
        assert_eq!(ok(&rows), false);
        rows.truncate(2);
        assert_eq!(ok(&rows), true);
    }
}
