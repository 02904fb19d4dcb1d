//! Processes as /proc shows them.
//!
//! Must not: wait. A process may be gone at any moment, and each question has an answer for that.

use rustix::process::{Pid, Signal, kill_process};
use std::fs;

/// A process, by its number and its start, so that a number that is used again is another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// As this process sees it.
    pub pid: u32,
    /// See [`name_of`].
    pub name: String,
    /// The process that started it, or that took it over.
    pub parent: u32,
    state: u8,
    /// When it started, in clock ticks since the machine did.
    pub start: u64,
}

impl Process {
    /// The process that has this number now; `None` where it is gone.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name is in parentheses and may hold anything.
        let (before, after) = stat.rsplit_once(") ")?;
        let (_, name) = before.split_once(" (")?;
        let fields: Vec<&str> = after.split(' ').collect();
        Some(Self {
            pid,
            name: called(pid, name)?.to_owned(),
            parent: fields[1].parse().ok()?,
            state: fields[0].as_bytes()[0],
            start: fields[19].parse().ok()?,
        })
    }

    /// All that there are, in the order of their numbers.
    pub fn all() -> Vec<Self> {
        let names = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut all: Vec<Self> = names.filter_map(|name| Self::of(name.parse().ok()?)).collect();
        all.sort_unstable_by_key(|process| process.pid);
        all
    }

    /// This process and all below it, each after its parent.
    pub fn tree(root: u32) -> Vec<Self> {
        let all = Self::all();
        let mut tree: Vec<Self> = all.iter().filter(|process| process.pid == root).cloned().collect();
        let mut next = 0;
        while let Some(parent) = tree.get(next).map(|process| process.pid) {
            tree.extend(all.iter().filter(|process| process.parent == parent).cloned());
            next += 1;
        }
        tree
    }

    /// It still runs: it is neither gone nor a zombie that only waits for its parent.
    pub fn is_alive(&self) -> bool {
        self.now().is_some_and(|now| !matches!(now.state, b'Z' | b'X'))
    }

    /// A signal has stopped it.
    pub fn is_stopped(&self) -> bool {
        self.now().is_some_and(|now| now.state == b'T')
    }

    fn now(&self) -> Option<Self> {
        Self::of(self.pid).filter(|now| now.start == self.start)
    }

    /// Sends it a signal where it still runs.
    pub fn signal(&self, signal: Signal) {
        if self.is_alive() {
            let pid = Pid::from_raw(self.pid.cast_signed()).unwrap();
            let _ = kill_process(pid, signal);
        }
    }

    /// The user and group that it runs as; `None` where it is gone.
    pub fn ids(&self) -> Option<(u32, u32)> {
        let id = |name| status(self.pid, name)?.split_whitespace().next()?.parse::<u32>().ok();
        Some((id("Uid:")?, id("Gid:")?))
    }
}

/// The processes below one, each after its parent.
pub fn descendants(of: u32) -> Vec<u32> {
    Process::tree(of).into_iter().map(|process| process.pid).filter(|pid| *pid != of).collect()
}

/// A field of /proc/PID/stat (proc(5)), counted from the one after the name; `None` where the process is gone.
fn stat_field(pid: u32, index: usize) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(index)?.parse().ok()
}

/// User CPU time so far, in clock ticks.
pub fn cpu_ticks(pid: u32) -> u64 {
    stat_field(pid, 11).unwrap_or(0)
}

/// CPU time so far, its own and the kernel's for it, in clock ticks.
pub fn all_cpu_ticks(pid: u32) -> u64 {
    stat_field(pid, 11).zip(stat_field(pid, 12)).map_or(0, |(user, system)| user + system)
}

/// Most memory that it ever had, in bytes; `None` where the process is gone.
pub fn peak_bytes(pid: u32) -> Option<u64> {
    status_bytes(pid, "VmHWM:")
}

/// Memory that it has, in bytes; `None` where the process is gone.
pub fn resident_bytes(pid: u32) -> Option<u64> {
    status_bytes(pid, "VmRSS:")
}

fn status_bytes(pid: u32, name: &str) -> Option<u64> {
    Some(status(pid, name)?.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}

/// What stands behind a name in /proc/PID/status.
fn status(pid: u32, name: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned)
}

/// How many files it has open; 0 where the process is gone.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// The number is some process's, be it a zombie's or another one's than before: see [`Process::is_alive`].
pub fn is_there(pid: u32) -> bool {
    fs::exists(format!("/proc/{pid}")).unwrap()
}

/// The worker of a command, once its zygote has made it.
pub fn worker_of(command: u32) -> Option<u32> {
    named_below(command, WORKER).first().copied()
}

/// The processes of this name below one.
pub fn named_below(of: u32, name: &str) -> Vec<u32> {
    let below = Process::tree(of).into_iter().filter(|process| process.pid != of && process.name == name);
    below.map(|process| process.pid).collect()
}

/// Sends a signal to the process that has this number now, which is to be there.
pub fn send(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

/// The name that a worker gives itself.
const WORKER: &str = "sandhog-worker";

/// The name of a process; `None` where it is gone. Until a zygote has named itself it bears the name of its executable, which is
/// a worker's, too: it is called a zygote from the start.
pub fn name_of(pid: u32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    called(pid, name.trim_end_matches('\n')).map(str::to_owned)
}

fn called(pid: u32, name: &str) -> Option<&str> {
    Some(if name == WORKER && !is_first_of_its_namespace(pid)? { "sandhog-zygote" } else { name })
}

/// As a worker is, and a zygote never.
fn is_first_of_its_namespace(pid: u32) -> Option<bool> {
    Some(status(pid, "NSpid:")?.split_whitespace().next_back() == Some("1"))
}

/// The processes that a thread of this one has started and not yet waited for. Those of another thread are not among them.
pub fn children_of_thread(thread: i32) -> Vec<u32> {
    let listed = fs::read_to_string(format!("/proc/self/task/{thread}/children")).unwrap_or_default();
    listed.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Its words, as somebody would type them.
pub fn command_line(pid: u32) -> String {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> = words.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    words.join(" ").trim_end().to_owned()
}
