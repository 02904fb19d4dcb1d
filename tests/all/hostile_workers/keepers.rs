//! Keepers of shared objects that were taken over, each by a lie of its own (`host/worker/src/keeper/lies.rs`): their groups go on
//! with the next keeper, other groups notice nothing, and nothing stays with the daemon.

use crate::objects_lifetime::{ask, script};
use sandhog_harness::{Daemon, process, until};
use std::thread;

/// The memory that means the first lie, in KiB; the next one is a page more.
const FIRST: usize = 264;
const PAGE: usize = 4;

/// As in the list there, and whether the keeper is ended for it. It takes ten seconds to notice one that says too little.
const LIES: [(&str, bool); 16] = [
    ("silent", true),
    ("deaf", true),
    ("ahead", true),
    ("twice", true),
    ("late", true),
    ("stranger", true),
    ("living", true),
    ("unasked", true),
    ("long", true),
    ("failing", false),
    ("oversize", true),
    ("torn", true),
    ("rubbish", true),
    ("guest", true),
    ("descriptor", true),
    ("flood", true),
];

/// What a daemon may have at the most, in bytes.
const FLAT: u64 = 96 << 20;

const ROUNDS: usize = 4;
const MANY: usize = 500;

fn lie_to(daemon: &Daemon, at: usize) {
    let (name, ends) = LIES[at];
    let memory = format!("--object=m: memory({}KiB) rw", FIRST + PAGE * at);
    let (group, most) = (format!("--group=of-{name}"), format!("--max-objects={MANY}"));
    daemon.start_job(name, "objects", &[&group, "--object=l: lock", &memory, &most]);
    script(daemon, &[(name, "open lock l", "there"), (name, "lock l", "held…"), (name, "open memory m", "there")]);
    match name {
        "long" => {
            daemon.json_lines(&["objects"]);
        }
        // Each round is all that there may be, and all of it is gone behind it.
        "ahead" => (0..ROUNDS).for_each(|_| drop(ask(daemon, name, &format!("new-many lock {MANY}")))),
        _ => drop(ask(daemon, name, "new lock x")),
    }
    if ends {
        script(daemon, &[(name, "new lock x", "there"), (name, "lock x @5000", "held…")]);
    }
    // What was there before is as it was.
    script(daemon, &[(name, "release l", "done"), (name, "lock l @5000", "held…"), (name, "write m 0 x", "done")]);
    daemon.well(&["delete", name]);
}

fn keepers(daemon: &Daemon) -> Vec<u32> {
    process::named_below(daemon.pid(), "sandhog-keeper")
}

#[test]
fn a_keeper_that_lies_disturbs_its_own_group_only_and_the_next_one_takes_over() {
    let daemon = Daemon::start_taken_over();
    daemon.start_job("honest", "objects", &["--object=l: lock", "--object=v: value(i64) rw"]);
    script(&daemon, &[("honest", "open lock l", "there"), ("honest", "open i64 v", "there")]);
    let [honest] = keepers(&daemon)[..] else { panic!("not one keeper") };
    let before = process::descriptors(daemon.pid());
    thread::scope(|scope| {
        let daemon = &daemon;
        let liars: Vec<_> = (0..LIES.len()).map(|at| scope.spawn(move || lie_to(daemon, at))).collect();
        until("the end of the liars", || {
            script(
                daemon,
                &[("honest", "lock l @5000", "held…"), ("honest", "add v 1", "…"), ("honest", "release l", "done")],
            );
            liars.iter().all(thread::ScopedJoinHandle::is_finished).then_some(())
        });
    });
    until("nothing of the liars", || (keepers(&daemon) == [honest]).then_some(()));
    until("their descriptors", || (process::descriptors(daemon.pid()) <= before).then_some(()));
    let peak = process::peak_bytes(daemon.pid()).unwrap();
    assert!(peak < FLAT, "{peak} bytes");
}
