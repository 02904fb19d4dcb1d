//! The processes below one, and the memory that each has.
//!
//! Must not: start or end one.

use super::Outcome;
use std::fs;

pub(crate) struct Process {
    pub(crate) pid: u32,
    parent: u32,
    pub(crate) name: String,
}

/// A process's pages, in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Pages {
    /// That nobody else has.
    pub(crate) private: u64,
    /// With its share of those that others have as well.
    pub(crate) proportional: u64,
}

/// A process and all below it.
pub(crate) fn tree(ancestor: u32) -> Outcome<Vec<Process>> {
    let entries = fs::read_dir("/proc")?.filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut others: Vec<Process> = pids.filter_map(process).collect();
    others.sort_unstable_by_key(|process| process.pid);
    let mut tree: Vec<Process> = others.extract_if(.., |process| process.pid == ancestor).collect();
    let mut at = 0;
    while let Some(parent) = tree.get(at).map(|process| process.pid) {
        tree.extend(others.extract_if(.., |process| process.parent == parent));
        at += 1;
    }
    Ok(tree)
}

/// `None` where it has ended meanwhile.
fn process(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (start, fields) = stat.rsplit_once(')')?;
    let (_, name) = start.split_once('(')?;
    let parent = fields.split_whitespace().nth(1)?.parse().ok()?;
    Some(Process { pid, parent, name: name.to_owned() })
}

/// `None` where this person may not look: a sealed worker lets nobody but root.
pub(crate) fn pages(pid: u32) -> Option<Pages> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let sum = |fields: &[&str]| {
        let values = rollup.lines().filter_map(|line| {
            let (field, value) = line.split_once(':')?;
            let kib: u64 = value.split_whitespace().next()?.parse().ok()?;
            fields.contains(&field).then_some(kib << 10)
        });
        values.sum()
    };
    Some(Pages { private: sum(&["Private_Clean", "Private_Dirty"]), proportional: sum(&["Pss"]) })
}
