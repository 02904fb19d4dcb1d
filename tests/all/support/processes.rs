//! Processes as /proc shows them.

use std::fs;

/// The descendants of a process, each after its parent.
pub(crate) fn descendants(of: u32) -> Vec<u32> {
    let mut found = vec![of];
    let mut next = 0;
    let parents = all_with_parents();
    while let Some(parent) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.remove(0);
    found
}

fn all_with_parents() -> Vec<(u32, u32)> {
    let entries = fs::read_dir("/proc").unwrap();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let mut all: Vec<_> = pids.filter_map(|pid| Some((pid, stat_field(pid, 1)?.try_into().ok()?))).collect();
    all.sort_unstable();
    all
}

/// A field of /proc/PID/stat (proc(5)), counted from the one after the name; `None` where the process is gone.
fn stat_field(pid: u32, index: usize) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(index)?.parse().ok()
}

/// User CPU time so far, in clock ticks.
pub(crate) fn cpu_ticks(pid: u32) -> u64 {
    stat_field(pid, 11).unwrap_or(0)
}

/// CPU time so far, its own and the kernel's for it, in clock ticks.
pub(crate) fn all_cpu_ticks(pid: u32) -> u64 {
    stat_field(pid, 11).zip(stat_field(pid, 12)).map_or(0, |(user, system)| user + system)
}

/// Most memory that it ever had, in bytes; `None` where the process is gone.
pub(crate) fn peak_bytes(pid: u32) -> Option<u64> {
    status_bytes(pid, "VmHWM:")
}

/// Memory that it has, in bytes; `None` where the process is gone.
pub(crate) fn resident_bytes(pid: u32) -> Option<u64> {
    status_bytes(pid, "VmRSS:")
}

fn status_bytes(pid: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}

/// How many files it has open.
pub(crate) fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

pub(crate) fn is_alive(pid: u32) -> bool {
    fs::exists(format!("/proc/{pid}")).unwrap()
}

/// The worker of a command, once its zygote has made it.
pub(crate) fn worker_of(command: u32) -> Option<u32> {
    descendants(command).into_iter().find(|pid| name_of(*pid).as_deref() == Some(WORKER))
}

/// The name that a worker gives itself.
const WORKER: &str = "sandhog-worker";

/// The name of a process; `None` where it is gone. Until a zygote has named itself it bears the name of its executable, which is
/// a worker's, too: it is called a zygote from the start.
pub(crate) fn name_of(pid: u32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    let name = name.trim_end_matches('\n');
    Some(if name == WORKER && !is_first_of_its_namespace(pid)? { "sandhog-zygote" } else { name }.to_owned())
}

/// As a worker is, and a zygote never.
fn is_first_of_its_namespace(pid: u32) -> Option<bool> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    Some(numbers.split_whitespace().next_back() == Some("1"))
}

/// The processes that a thread of this one has started and not yet waited for. Those of another thread are not among them.
pub(crate) fn children_of_thread(thread: i32) -> Vec<i32> {
    let listed = fs::read_to_string(format!("/proc/self/task/{thread}/children")).unwrap_or_default();
    listed.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Its words, as somebody would type them.
pub(crate) fn command_line(pid: i32) -> String {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> = words.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    words.join(" ").trim_end().to_owned()
}
