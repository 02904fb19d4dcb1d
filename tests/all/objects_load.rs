//! Members that share objects are killed at random moments under load, and the keeper with them: whoever lives goes on, and
//! nothing is lost.
//!
//! `SANDHOG_KILLS` says how many, `SANDHOG_SEED` with which seed.

use rustix::process::{Pid, Signal, kill_process};
use sandhog_harness::{Group, LIMIT, Random, alone, limit, process};
use std::time::{Duration, Instant};

const MEMBERS: [&str; 4] = ["a", "b", "c", "d"];
const PERMITS: u32 = 2;
/// Items that go through the queue; each is a place in an array.
const ITEMS: usize = 2000;
/// Of how many kills one is the keeper's, too.
const KEEPERS: u64 = 25;
/// Keepers that may fail one after the other; a group of which more do is not served for a while. One that has lived so long is a
/// new beginning.
const IN_A_ROW: u32 = 3;
const HEALTHY: Duration = Duration::from_secs(11);

/// Far more than a kill takes on a busy machine.
const EACH: Duration = Duration::from_millis(100);

/// After so many kills each it is told how far it has come.
const TOLD: u64 = 5000;

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().unwrap())
}

/// The keepers of the group, which die as well.
struct Keepers {
    killed: u32,
    last: Instant,
}

impl Keepers {
    fn kill(&mut self, group: &Group) {
        if self.killed >= IN_A_ROW && self.last.elapsed() < HEALTHY {
            return;
        }
        // Between two of them there is none.
        let keeper = process::named_below(group.run.pid, "sandhog-keeper").into_iter().next();
        if let Some(pid) = keeper.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
            let _ = kill_process(pid, Signal::KILL);
            (self.killed, self.last) = (self.killed + 1, Instant::now());
        }
    }
}

fn begin() -> Group {
    let mut group = Group::with(&["--max-objects=16", "--max-children=16", "--max-child-rate=1000"]);
    group.script(&[
        ("new lock l", "there"),
        ("new i64 x 0", "there"),
        ("new i64 y 0", "there"),
        (&format!("new semaphore s {PERMITS}"), "there"),
        (&format!("new queue q {ITEMS} 1000000"), "there"),
        (&format!("new u8s marks {ITEMS}"), "there"),
        (&format!("put-range q 0 {ITEMS} item"), "done"),
    ]);
    for name in MEMBERS {
        group.script(&[(&format!("start {name}"), "started")]);
        group.tell(&format!("{name}! load"));
    }
    group
}

/// All is as if nobody had died: the lock is whole, the permits are all there, each item was done.
fn settle(group: &mut Group) {
    for name in MEMBERS {
        group.script(&[(&format!("kill {name}"), "stopped")]);
    }
    let held = group.ask("lock l");
    if held.starts_with("poisoned") {
        let left = group.ask("get x");
        group.script(&[(&format!("set y {left}"), "done")]);
    }
    assert_eq!(group.ask("get x"), group.ask("get y"));
    for _ in 0..PERMITS {
        group.script(&[("acquire s", "held…")]);
    }
    group.script(&[("permits s", "0")]);
    // What the dead had in their hands has come back, or comes.
    group.script(&[("close q", "done")]);
    let left = group.ask("drain-taken q");
    let left: Vec<usize> = serde_json::from_str(&left).unwrap_or_else(|_| panic!("{left}"));
    let marks = group.ask(&format!("read marks 0 {ITEMS}"));
    let marks: Vec<u8> = serde_json::from_str(&marks).unwrap();
    let undone = marks.iter().enumerate().filter(|(item, mark)| **mark == 0 && !left.contains(item));
    assert_eq!(undone.count(), 0, "lost");
}

#[test]
fn a_thousand_kills_under_load_leave_everybody_able_to_go_on() {
    alone();
    let (kills, seed) = (number("SANDHOG_KILLS", 1000), number("SANDHOG_SEED", 7));
    limit(LIMIT + EACH * u32::try_from(kills).unwrap());
    let mut random = Random(seed);
    let begun = Instant::now();
    let mut keepers = Keepers { killed: 0, last: begun };
    let mut group = begin();
    for kill in 0..kills {
        // The one sleep here: it is the random moment, and nothing is concluded from it.
        std::thread::sleep(Duration::from_micros(random.below(4000)));
        let name = *random.one_of(&MEMBERS);
        if random.below(KEEPERS) == 0 {
            keepers.kill(&group);
        }
        let told = group.ask(&format!("kill {name}"));
        let heard = String::from_utf8_lossy(&group.run.stderr.so_far()).into_owned();
        assert_eq!(told, "stopped", "kill {kill} of seed {seed}: {heard}");
        group.script(&[(&format!("start {name}"), "started")]);
        group.tell(&format!("{name}! load"));
        if (kill + 1) % TOLD == 0 {
            eprintln!("{} kills in {:?}", kill + 1, begun.elapsed());
        }
    }
    settle(&mut group);
    group.end();
    eprintln!("{kills} kills and {} of keepers in {:?}, seed {seed}", keepers.killed, begun.elapsed());
}
