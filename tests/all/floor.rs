//! Facts about the spawner's floor, by a coordinator that was taken over: the command is an honest `run` in all but what it
//! asks of its spawner (`host/doctor/src/hostile.rs`).

use sandhog_harness::{Daemon, Folder, Outcome, Person, module, root_or_missing};
use serde_json::Value;

/// What no command may ask for. `cpu`: only where the job has a limit.
const HOSTILE: [&str; 14] = [
    "no-walls",
    "native",
    "cgroup-memory",
    "cgroup-tasks",
    "many-slots",
    "slot-memory",
    "slot-of-nobody",
    "data",
    "file",
    "open-files",
    "cpu",
    "directory-for-stream",
    "many-directories",
    "compiler-with-directory",
];

/// Walls of everybody's.
const WALLS: [&str; 7] = ["namespaces", "root", "capabilities", "rlimits", "directories", "landlock", "seccomp"];

/// Somebody's command; behind sudo it is that person's, and its spawner is root's.
struct Commander {
    workspace: Folder,
    sudo: bool,
}

impl Commander {
    /// By root, by an ordinary user, and by one behind sudo, as far as this process may be those.
    fn all() -> Vec<Self> {
        let mut all: Vec<Self> =
            Person::all().into_iter().map(|who| Self { workspace: Folder::of(who), sudo: false }).collect();
        all.extend(sandhog_harness::is_root().then(Self::behind_sudo));
        all
    }

    fn behind_sudo() -> Self {
        Self { workspace: Folder::of(Person::Root), sudo: true }
    }

    fn output(&self, words: &[&str]) -> Outcome {
        let command = self.workspace.sandhog(words).taken_over();
        if !self.sudo {
            return command.run();
        }
        let uid = Person::MADE_UP.uid().to_string();
        command.env("SUDO_UID", &uid).env("SUDO_GID", &uid).env("SUDO_USER", "nobody-in-particular").run()
    }

    /// What became of this plan under the floor of a `run` with these flags.
    fn asks(&self, plan: &str, flags: &[&str]) -> Value {
        let (plan, module) = (format!("plan:{plan}"), module("hello"));
        let output = self.output(&[&["doctor", "--probe", &plan, "--"], flags, &[&module]].concat());
        let who = format!("{:?}, sudo: {}", self.workspace.person, self.sudo);
        let found: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{who}: {error}: {output:?}"));
        eprintln!("{who}: {found}");
        found
    }
}

#[test]
fn a_coordinator_that_was_taken_over_gets_nothing_below_the_floor_and_loses_its_spawner() {
    for command in Commander::all() {
        for plan in HOSTILE {
            let found = command.asks(plan, &["--cpu", "5s"]);
            assert_eq!(found["stopped"], true, "{found}");
            assert!(found["detail"].as_str().unwrap().starts_with("the spawner has ended"), "{found}");
        }
    }
}

/// The twin: the same way, with a plan above the floor.
#[test]
fn a_coordinator_that_asks_for_all_walls_has_its_worker() {
    for command in Commander::all() {
        let found = command.asks("honest", &[]);
        assert_eq!(
            (&found["stopped"], &found["detail"]),
            (&false.into(), &"a worker was started; the spawner goes on".into())
        );
    }
}

#[test]
fn no_wall_is_left_out_without_the_operators_word() {
    for command in Commander::all() {
        for wall in WALLS {
            let found = command.asks(&format!("without-{wall}"), &[]);
            assert_eq!(found["stopped"], true, "{found}");
            let detail = found["detail"].as_str().unwrap();
            assert!(detail.starts_with("the spawner has ended") && detail.contains(wall), "{found}");
        }
    }
}

#[test]
fn a_wall_that_can_be_built_is_not_left_out_though_it_may_be() {
    for command in Commander::all() {
        for wall in WALLS {
            let found = command.asks(&format!("without-{wall}"), &["--allow-missing", wall]);
            let detail = found["detail"].as_str().unwrap();
            assert_eq!(found["stopped"], true, "{found}");
            assert!(detail.starts_with("the spawner goes on") && detail.contains("it can"), "{found}");
        }
        // One that was let go lets no other go.
        let found = command.asks("without-seccomp", &["--allow-missing", "landlock"]);
        assert!(found["detail"].as_str().unwrap().starts_with("the spawner has ended"), "{found}");
    }
}

#[test]
fn a_job_of_a_daemon_does_without_a_wall_only_where_the_daemon_was_started_so() {
    let daemon = Daemon::start();
    let manifest = |walls: &str| {
        let module = module("sleep_forever");
        format!("[job.a]\nmodule = '{module}'\nready = '10ms'\nallow_missing = {walls}\n")
    };
    let refused = daemon.up(&manifest("['cgroup']"));
    assert_ne!(refused.code, 0, "{refused:#?}");
    for words in ["the job a: allow_missing \"cgroup\"", "sandhog daemon --allow-missing cgroup"] {
        assert!(refused.stderr.contains(words), "{refused:#?}");
    }
    assert!(daemon.find("a").is_none());
    daemon.up_well(&manifest("[]"));
}

#[test]
fn up_says_it_to_the_daemon_that_it_starts_and_starts_none_in_vain() {
    let daemon = Daemon::start();
    let module = module("sleep_forever");
    let manifest = format!("[job.a]\nmodule = '{module}'\nready = '10ms'\nallow_missing = ['cgroup', 'landlock']\n");
    daemon.well(&["down", "--daemon"]);
    let refused = daemon.up(&manifest);
    assert!(refused.code == 126 && refused.stderr.contains("sandhog up --allow-missing"), "{refused:#?}");
    assert!(!daemon.socket().exists());
    daemon.well(&["up", "--allow-missing", "cgroup,landlock"]);
    // Every wall that this machine has stands all the same.
    let job = daemon.json(&["show", "a"]);
    assert!(job["spec"]["allow_missing"].as_array().is_some_and(|walls| walls.len() == 2), "{job}");
    daemon.well(&["down", "all", "--daemon"]);
}

/// A wall that fails is seen by the spawner itself, in a process that runs nothing.
#[test]
fn a_wall_that_fails_is_let_go_by_whoever_saw_it_fail() {
    if !root_or_missing("a machine without cgroups") {
        return;
    }
    let workspace = Folder::of(Person::Root);
    let setup = "mount -t tmpfs none /sys/fs/cgroup";
    let ran = workspace.run_in_own_mounts(setup, &["--allow-missing", "cgroup,landlock", &module("hello")]);
    assert_eq!(ran.is(0, "completed").text(), "hello\n");
    assert_eq!(ran.list("missing_walls"), ["cgroup"]);
    workspace.run_in_own_mounts(setup, &["--allow-missing", "landlock", &module("hello")]).refused_with(&["cgroup"]);
}
