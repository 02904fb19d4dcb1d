//! The daemon, its spawner, its zygotes and its workers are killed at random moments while jobs run: after each kill nothing is
//! there but what the living daemon has, and in the end all that is wanted is up.
//!
//! `SANDHOG_KILLS` says how many, `SANDHOG_SEED` with which seed.

use rustix::process::Signal;
use sandhog_harness::{
    Command, Daemon, LIMIT, PROMISED, Process, Random, Seen, limit, module, mounts,
    traces::{cgroups_of, stale_cgroups_of},
    until,
};
use sandhog_protocol::control::Phase;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Commands that run beside this test, and have an id that it had, have ended within this.
const SWEPT: Duration = Duration::from_secs(30);

/// What is killed; the workers most often, as in life.
const VICTIMS: [&str; 6] =
    ["sandhog", STARTING, "sandhog-spawner", "sandhog-zygote", "sandhog-worker", "sandhog-worker"];

/// A daemon that is not ready yet.
const STARTING: &str = "a daemon that starts";

/// Far more than a kill takes on a busy machine, with the start that follows it.
const EACH: Duration = Duration::from_secs(2);

/// Longest pause before a kill: about what a start takes.
const PAUSE: Duration = Duration::from_millis(150);

/// Jobs that sleep, that have several instances, that end and are started again, and one after the other.
fn jobs() -> Value {
    let job = |name: &str, guest: &str, more: Value| {
        let mut job = json!({
            "name": name, "module": module(guest), "restart": "always", "ready": "10ms",
            "backoff": { "first": "1ms", "max": "50ms" }, "intensity": { "restarts": 10_000, "within": "1m" },
        });
        more.as_object().unwrap().iter().for_each(|(key, value)| job[key] = value.clone());
        job
    };
    json!({ "jobs": [
        job("sleeper", "sleep_forever", json!({})),
        job("many", "sleep_forever", json!({ "instances": 3 })),
        job("later", "sleep_forever", json!({ "after": ["sleeper"] })),
        job("ends", "hello", json!({})),
        job("spins", "spin_forever", json!({ "timeout": "300ms" })),
    ] })
}

/// A number from the environment.
fn number(variable: &str, usual: u64) -> u64 {
    let Ok(text) = std::env::var(variable) else { return usual };
    let parsed = text.strip_prefix("0x").map_or_else(|| text.parse(), |hex| u64::from_str_radix(hex, 16));
    parsed.unwrap_or_else(|error| panic!("{variable}={text}: {error}"))
}

struct Chaos {
    daemon: Daemon,
    seen: Seen,
    mounts: BTreeSet<String>,
}

impl Chaos {
    fn begin() -> Self {
        let mounts = mounts();
        let daemon = Daemon::start();
        daemon.post("/v1/apply", &jobs()).expect(200);
        let seen = Seen::of(daemon.pid());
        Self { daemon, seen, mounts }
    }

    /// Kills one, and expects that what went with it has gone.
    fn kill(&mut self, victim: &str, random: &mut Random, what: &str) {
        self.seen.look();
        match victim {
            "sandhog" => self.end(what, |it| it.daemon.signal(Signal::KILL)),
            STARTING => {
                self.end_for_good(what, |it| it.daemon.signal(Signal::KILL));
                self.kill_while_it_starts(random, what);
                self.daemon.start_again();
                self.seen = Seen::of(self.daemon.pid());
            }
            "sandhog-spawner" => {
                let Some(spawner) = self.seen.named(victim).cloned() else { return };
                self.end(what, |_| spawner.signal(Signal::KILL));
            }
            _ => self.kill_one_of(victim, random, what),
        }
    }

    /// What ends the daemon: nothing of it is left, and the next one is started.
    fn end(&mut self, what: &str, kill: impl FnOnce(&Self)) {
        self.end_for_good(what, kill);
        let runtime = self.daemon.path("runtime");
        let stale = stale_cgroups_of(&runtime);
        self.daemon.start_again();
        self.seen = Seen::of(self.daemon.pid());
        let from = Instant::now();
        // One that is made again is soon no longer empty.
        while !stale_cgroups_of(&runtime).is_disjoint(&stale) {
            assert!(from.elapsed() < PROMISED, "{what}: not swept: {:?}", stale_cgroups_of(&runtime));
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn end_for_good(&mut self, what: &str, kill: impl FnOnce(&Self)) {
        kill(self);
        self.daemon.wait();
        self.expect_nothing_left(&self.seen, what);
    }

    /// Somewhere between its first instruction and the jobs' first attempts.
    fn kill_while_it_starts(&self, random: &mut Random, what: &str) {
        let starting = self.daemon.command(&["daemon"]).start();
        let mut seen = Seen::of(starting.pid);
        std::thread::sleep(Duration::from_micros(random.below(60_000)));
        // So that what it has started is seen.
        starting.signal(Signal::STOP);
        seen.look();
        starting.signal(Signal::KILL);
        starting.wait();
        self.expect_nothing_left(&seen, what);
    }

    fn expect_nothing_left(&self, seen: &Seen, what: &str) {
        let from = Instant::now();
        seen.expect_gone(what);
        let runtime = self.daemon.path("runtime");
        let cgroups = || cgroups_of(&runtime);
        while !cgroups().is_empty() || self.daemon.socket().exists() {
            let socket = self.daemon.socket().exists();
            let is_swept_by_the_next = !socket && cgroups() == stale_cgroups_of(&runtime);
            if from.elapsed() > PROMISED && is_swept_by_the_next {
                // Another command had got the id meanwhile, and a cgroup's id is how a sweep knows whose it is. So one that begins
                // when that has ended removes it.
                Command::guest("hello").run().printed("hello\n");
            }
            let limit = if is_swept_by_the_next { SWEPT } else { PROMISED };
            assert!(from.elapsed() < limit, "{what}: after {limit:?}: {:?}, socket: {socket}", cgroups());
            std::thread::sleep(Duration::from_millis(1));
        }
        self.expect_no_mounts(what);
    }

    fn kill_one_of(&self, name: &str, random: &mut Random, what: &str) {
        let there: Vec<Process> = self.seen.all_named(name);
        if there.is_empty() {
            return;
        }
        let process = random.one_of(&there);
        process.signal(Signal::KILL);
        let from = Instant::now();
        // Neither it nor a zombie of it: its parent has taken note.
        while Process::of(process.pid).is_some_and(|now| now == *process || now.name == process.name && !now.is_alive())
        {
            assert!(from.elapsed() < PROMISED, "{what}: {process:#?} is still there");
            std::thread::sleep(Duration::from_millis(1));
        }
        self.expect_no_mounts(what);
        assert!(self.daemon.get("/v1/daemon").status == 200, "{what}: the daemon does not answer");
    }

    fn expect_no_mounts(&self, what: &str) {
        let now = mounts();
        let more: Vec<_> = now.difference(&self.mounts).filter(|path| path.contains("sandhog")).collect();
        assert!(more.is_empty(), "{what}: {more:?}");
    }

    fn is_up(&self) -> Option<()> {
        let all = self.daemon.instances();
        let sleeps = all.iter().filter(|it| ["sleeper", "many", "later"].contains(&it.job.as_str()));
        (all.len() == 7 && sleeps.filter(|it| it.phase == Phase::Running).count() == 5).then_some(())
    }

    /// No more workers than instances, no more zygotes and cgroups than go with them, and no zombie.
    fn expect_only_what_runs(&self) {
        let tree = || Process::tree(self.daemon.pid());
        until("only what runs being there", || {
            let count = |name: &str| tree().iter().filter(|it| it.name == name).count();
            let is_clean = tree().iter().all(Process::is_alive);
            (is_clean && count("sandhog-worker") <= 7 && count("sandhog-zygote") <= 14).then_some(())
        });
    }
}

#[test]
fn random_kills_of_the_daemon_and_all_that_it_has_leave_nothing_behind() {
    let (kills, seed) = (number("SANDHOG_KILLS", 100), number("SANDHOG_SEED", 0x5a17_d0c4_a05e));
    println!("SANDHOG_SEED={seed:#x} replays this");
    limit(LIMIT + EACH * u32::try_from(kills).unwrap());
    let mut random = Random(seed);
    let mut chaos = Chaos::begin();
    for number in 0..kills {
        // It is the random moment, and nothing is concluded from it.
        let pause = Duration::from_micros(random.below(u64::try_from(PAUSE.as_micros()).unwrap()));
        std::thread::sleep(pause);
        let victim = *random.one_of(&VICTIMS);
        let what = format!("seed {seed:#x}, kill {number}: {victim} after {pause:?}");
        println!("{what}");
        chaos.kill(victim, &mut random, &what);
    }
    until("all that is wanted being up", || chaos.is_up());
    chaos.expect_only_what_runs();
    assert_eq!(chaos.daemon.stop().code, 0);
    chaos.seen.expect_gone("the last daemon");
    assert!(cgroups_of(&chaos.daemon.path("runtime")).is_empty());
}
