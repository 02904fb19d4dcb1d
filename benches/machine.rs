//! Where it was measured, with which walls, and beside whom not: without that a figure says nothing.

use super::Outcome;
use super::peers::Peers;
use super::pooled::{Pooled, Work};
use sandhog_client::{Job, Verdict};
use serde_json::{Value, json};
use std::fs;
use std::process::Stdio;

pub(crate) struct Machine {
    processors: usize,
    model: String,
    is_virtual: bool,
    kernel: String,
    memory_gib: u64,
    /// Of a run, and of a pool's task.
    walls: [Walls; 2],
    missing: Vec<&'static str>,
}

#[derive(PartialEq)]
struct Walls {
    standing: Vec<String>,
    weak: Vec<String>,
    missing: Vec<String>,
}

impl Machine {
    pub(crate) fn look(peers: &Peers) -> Outcome<Self> {
        let cpus = fs::read_to_string("/proc/cpuinfo")?;
        let of_cpus = |field: &str| {
            let line = cpus.lines().find(|line| line.split(':').next().is_some_and(|name| name.trim() == field));
            line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let memory = fs::read_to_string("/proc/meminfo")?;
        let kib =
            memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok());
        Ok(Self {
            processors: std::thread::available_parallelism()?.get(),
            model: of_cpus("model name"),
            // What a hypervisor sets for its guests.
            is_virtual: of_cpus("flags").split(' ').any(|flag| flag == "hypervisor"),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            memory_gib: kib.map_or(0, |kib: u64| kib.div_ceil(1 << 20)),
            walls: walls(peers)?.map(|verdict| Walls {
                standing: verdict.walls,
                weak: verdict.weak_walls,
                missing: verdict.missing_walls,
            }),
            missing: peers.missing(),
        })
    }

    pub(crate) fn json(&self) -> Value {
        let walls = self.walls.each_ref().map(|walls| json!([walls.standing, walls.weak, walls.missing]));
        json!({"processors": self.processors, "model": self.model, "is_virtual": self.is_virtual, "kernel": self.kernel,
               "memory_gib": self.memory_gib, "walls": walls, "missing": self.missing})
    }

    /// A paragraph for people.
    pub(crate) fn sentence(&self) -> String {
        let Self { processors, model, kernel, memory_gib, .. } = self;
        let kind = if self.is_virtual { "a virtual machine" } else { "a machine" };
        let [run, pool] = &self.walls;
        let mut said =
            format!("Measured on {kind} with {processors} processors ({model}), {memory_gib} GiB, Linux {kernel}.");
        said += &if run == pool {
            format!(" Walls of a run and of a pool's task: {}.", run.sentence())
        } else {
            format!(" Walls of a run: {}. Walls of a pool's task: {}.", run.sentence(), pool.sentence())
        };
        if !self.missing.is_empty() {
            said += &format!(" Not measured, since missing: {}.", self.missing.join(", "));
        }
        said
    }
}

impl Walls {
    fn sentence(&self) -> String {
        let of = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        format!("{}; weaker than they could be: {}; missing: {}", of(&self.standing), of(&self.weak), of(&self.missing))
    }
}

/// Verdicts of hello: of `sandhog run`, and of a pool.
fn walls(peers: &Peers) -> Outcome<[Verdict; 2]> {
    let run =
        Job::new(peers.guest(super::start::GUEST)).executable(&peers.sandhog).stdout(Stdio::null()).start()?.wait()?;
    let pool = Pooled::start(peers, super::start::GUEST, Work::Command(&[]), 1)?.verdict()?;
    Ok([run, pool])
}
