//! What a command leaves behind, or must not: processes and cgroups.
//!
//! Must not: clear anything away.

use crate::process::Process;
use crate::waiting::PROMISED;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Every process of one run that was ever seen, and the pid namespace that all later ones are born into.
pub struct Seen {
    /// The process that all others are below.
    pub command: u32,
    processes: Vec<Process>,
    namespace: Option<PathBuf>,
}

impl Seen {
    /// None of them yet: see [`Self::look`].
    pub fn of(command: u32) -> Self {
        Self { command, processes: Vec::new(), namespace: None }
    }

    /// Looks again, and adds what is new.
    pub fn look(&mut self) {
        for process in Process::tree(self.command) {
            if process.name == "sandhog-spawner" && self.namespace.is_none() {
                self.namespace = namespace_of(process.pid);
            }
            if !self.processes.contains(&process) {
                self.processes.retain(|known| known.pid != process.pid);
                self.processes.push(process);
            }
        }
    }

    /// The first one that lives and has this name.
    pub fn named(&self, name: &str) -> Option<&Process> {
        self.processes.iter().find(|process| process.name == name && process.is_alive())
    }

    /// All that live and have this name.
    pub fn all_named(&self, name: &str) -> Vec<Process> {
        self.processes.iter().filter(|process| process.name == name && process.is_alive()).cloned().collect()
    }

    /// The process with this number that was seen.
    ///
    /// # Panics
    ///
    /// Where none was.
    #[track_caller]
    pub fn process(&self, pid: u32) -> &Process {
        let found = self.processes.iter().find(|process| process.pid == pid);
        found.unwrap_or_else(|| panic!("no process {pid} among {:#?}", self.processes))
    }

    /// What still lives, the command itself left out.
    pub fn alive(&self) -> Vec<Process> {
        let same = |process: &Process| self.namespace.is_some() && namespace_of(process.pid) == self.namespace;
        let inside = Process::all().into_iter().filter(|process| process.is_alive() && same(process));
        let known = self.processes.iter().filter(|process| process.pid != self.command && process.is_alive());
        known.cloned().chain(inside).collect()
    }

    /// Nothing of it lives on for longer than [`PROMISED`].
    ///
    /// # Panics
    ///
    /// Where something does.
    #[track_caller]
    pub fn expect_gone(&self, what: &str) {
        let deadline = Instant::now() + PROMISED;
        while !self.alive().is_empty() {
            assert!(Instant::now() < deadline, "{what}: still there after {PROMISED:?}: {:#?}", self.alive());
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn namespace_of(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/pid")).ok()
}

/// The paths in a folder; none where there is no such folder.
pub fn entries(folder: &Path) -> BTreeSet<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Cgroups of ours, in every hierarchy, that hold no process: a living run has one there all the time.
pub fn stale_cgroups() -> BTreeSet<PathBuf> {
    all_cgroups().into_iter().filter(|path| is_empty(path)).collect()
}

fn is_empty(cgroup: &Path) -> bool {
    fs::read_to_string(cgroup.join("cgroup.procs")).is_ok_and(|pids| pids.is_empty())
}

/// Those of [`cgroups_of`] that hold no process.
pub fn stale_cgroups_of(runtime: &Path) -> BTreeSet<PathBuf> {
    cgroups_of(runtime).into_iter().filter(|path| is_empty(path)).collect()
}

/// Cgroups of those who have this runtime directory: in their names is the FNV-1a of its path.
pub fn cgroups_of(runtime: &Path) -> BTreeSet<PathBuf> {
    let bytes = runtime.as_os_str().as_encoded_bytes();
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    let middle = format!("-{hash:016x}-");
    let is_its = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().contains(&middle));
    all_cgroups().into_iter().filter(is_its).collect()
}

/// Those of ours, in every hierarchy.
pub fn all_cgroups() -> BTreeSet<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let is_cgroup = |line: &&str| line.contains(" - cgroup ") || line.contains(" - cgroup2 ");
    let homes = mounts.lines().filter(is_cgroup).filter_map(|line| line.split(' ').nth(4));
    let ours = homes.flat_map(|point| entries(&Path::new(point).join("sandhog")));
    ours.filter(|path| path.is_dir()).collect()
}
