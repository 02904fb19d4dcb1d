//! The daemon itself: how it starts and ends, what it leaves, what it keeps, and what it says of a bad state.

mod ends;
mod keeps;
mod state;
mod unit;

use sandhog_harness::{Daemon, PROMISED, Process, Seen, module, mounts, traces::cgroups_of};
use sandhog_protocol::control::Phase;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

/// A job that sleeps until it is ended, and is ready soon.
fn sleeper(name: &str) -> Value {
    json!({ "name": name, "module": module("sleep_forever"), "ready": "10ms" })
}

/// Has the daemon keep these jobs up, not waited for.
#[track_caller]
fn apply(daemon: &Daemon, jobs: &[Value]) {
    daemon.post("/v1/apply", &json!({ "jobs": jobs })).expect(200);
}

/// A daemon that keeps two sleepers up, and both are.
fn with_two_sleepers() -> Daemon {
    let daemon = Daemon::start();
    apply(&daemon, &[sleeper("one"), sleeper("two")]);
    daemon.until_phase("one", Phase::Running);
    daemon.until_phase("two", Phase::Running);
    daemon
}

/// What a daemon must leave as it was.
struct Traces {
    seen: Seen,
    mounts: BTreeSet<String>,
    runtime: PathBuf,
}

impl Traces {
    fn of(daemon: &Daemon) -> Self {
        let mut seen = Seen::of(daemon.pid());
        seen.look();
        Self { seen, mounts: mounts(), runtime: daemon.path("runtime") }
    }

    fn named(&self, name: &str) -> Process {
        self.seen.named(name).unwrap_or_else(|| panic!("no {name}")).clone()
    }

    /// Soon nothing of it is there any more but the files that the next daemon uses.
    #[track_caller]
    fn expect_gone(&self, what: &str) {
        self.seen.expect_gone(what);
        let deadline = Instant::now() + PROMISED;
        let socket = self.runtime.join("control.sock");
        while !cgroups_of(&self.runtime).is_empty() || socket.exists() {
            let left = cgroups_of(&self.runtime);
            assert!(Instant::now() < deadline, "{what}: after {PROMISED:?}: {left:?}, socket: {}", socket.exists());
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        assert!(mounts().is_subset(&self.mounts), "{what}: {:?}", mounts().difference(&self.mounts));
    }
}
