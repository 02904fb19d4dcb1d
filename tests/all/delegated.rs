//! Facts about cgroups of an ordinary user, in version 1, where an operator has handed some over.

use sandhog_harness::{Folder, Need, Outcome, PROMISED, Person, missing, module, root_or_missing, until_within};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// A cgroup in each hierarchy, with a person as its owner.
struct Handed {
    workspace: Folder,
    directories: Vec<PathBuf>,
}

impl Handed {
    /// None: says what is missing.
    fn new() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if !root_or_missing("handing a cgroup over") {
            return None;
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let point = |controller: &str| {
            let is_its = |line: &&str| {
                line.contains(" - cgroup ")
                    && line.rsplit(' ').next().unwrap().split(',').any(|word| word == controller)
            };
            mounts.lines().find(is_its).and_then(|line| line.split(' ').nth(4)).map(PathBuf::from)
        };
        let (Some(memory), Some(pids)) = (point("memory"), point("pids")) else {
            missing(Need::Cgroup, "the hierarchies memory and pids of version 1");
            return None;
        };
        let workspace = Folder::of(Person::ordinary());
        let name = format!("sandhog-handed-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut directories = vec![memory.join(&name), pids.join(&name)];
        directories.dedup();
        for directory in &directories {
            fs::create_dir(directory).unwrap();
            for path in [directory.clone(), directory.join("tasks"), directory.join("cgroup.procs")] {
                chown(path, Some(workspace.person.uid()), Some(workspace.person.uid())).unwrap();
            }
        }
        Some(Self { workspace, directories })
    }

    fn enter(&self) -> String {
        let enter = self.directories.iter().map(|directory| format!("echo $$ > '{}/tasks'", directory.display()));
        enter.collect::<Vec<_>>().join("; ")
    }

    /// `sandhog run` by the person, inside.
    fn run(&self, args: &[&str]) -> Outcome {
        self.workspace.run_after(&[], &self.enter(), args)
    }

    fn doctor(&self) -> Value {
        let output = self.workspace.sandhog(["doctor", "--json"]).after(&self.enter()).run();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }

    /// Cgroups of ours below it.
    fn left(&self) -> Vec<PathBuf> {
        let below = self.directories.iter().filter_map(|directory| fs::read_dir(directory.join("sandhog")).ok());
        below.flatten().flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        for directory in &self.directories {
            let _ = (fs::remove_dir(directory.join("sandhog")), fs::remove_dir(directory));
        }
    }
}

#[test]
fn an_ordinary_user_has_the_wall_in_a_cgroup_that_was_handed_over() {
    let Some(handed) = Handed::new() else { return };
    let ran = handed.run(&[&module("hello")]);
    assert_eq!(ran.is(0, "completed").text(), "hello\n");
    assert!(ran.list("walls").contains(&"cgroup") && !ran.list("weak_walls").contains(&"cgroup"), "{ran:#?}");
    assert!(ran.list("weak_walls").contains(&"identity"), "{ran:#?}");
    handed.run(&["--memory", "32MiB", &module("grow_memory"), "--", "64"]).is(137, "memory");
    assert_eq!(handed.left(), Vec::<PathBuf>::new());
    // The twin, outside.
    let ran = handed.workspace.run(&[&module("hello")]);
    assert!(ran.list("weak_walls").contains(&"cgroup"), "{ran:#?}");
}

#[test]
fn memory_that_no_process_owns_is_counted_in_a_cgroup_that_was_handed_over() {
    let Some(handed) = Handed::new() else { return };
    let found = handed.doctor();
    let rows = found["walls"].as_array().unwrap();
    let row = rows.iter().find(|row| row["wall"] == "cgroup").unwrap();
    assert_ne!(row["here"], "missing", "{row}");
    for cell in ["alone", "all"] {
        assert_eq!(row[cell]["stopped"], true, "{row}");
    }
    assert_eq!(found["ok"], true, "{found}");
    assert_eq!(handed.left(), Vec::<PathBuf>::new());
}

/// The floor is that of whoever has cgroups.
#[test]
fn a_wall_that_was_handed_over_is_not_left_out() {
    let Some(handed) = Handed::new() else { return };
    let command = handed.workspace.sandhog(["doctor", "--probe", "plan:without-cgroup", "--", &module("hello")]);
    let output = command.taken_over().after(&handed.enter()).run();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert!(found["detail"].as_str().unwrap().starts_with("the spawner has ended"), "{found}");
}

#[test]
fn a_command_that_is_killed_leaves_no_cgroup_once_the_next_has_begun() {
    let Some(handed) = Handed::new() else { return };
    let child = handed.workspace.sandhog(["run", &module("sleep_forever")]).after(&handed.enter()).start();
    let spawner = child.process("sandhog-spawner");
    child.process("sandhog-worker");
    assert!(!handed.left().is_empty());
    spawner.signal(rustix::process::Signal::KILL);
    child.wait();
    until_within("the next one has swept", PROMISED, || {
        handed.run(&[&module("hello")]).is(0, "completed");
        handed.left().is_empty().then_some(())
    });
}
