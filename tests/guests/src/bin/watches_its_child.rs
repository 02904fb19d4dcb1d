//! Looks at what its child `child` (`does_as_told`) uses, and prints what is true of it. The first argument is the case:
//!
//! - `computes`: one that computes is on the CPU for longer and longer
//! - `takes`: one that takes memory has it, also at its peak when it has been taken
//! - `hangs`: one that never does anything any more is seen, and once it has ended nobody is
//! - `starts`: one that has hardly begun
//! - `alone`: one without a connection
//! - `often`: asks and asks, until it is stopped

use sandhog::{Child, Error, Job, LiveUsage};
use std::time::Duration;

const BUSY: Duration = Duration::from_millis(100);

/// Does it, and has said so.
fn does(child: &Child, what: &str) {
    child.send(what).unwrap();
    assert_eq!(child.recv::<String>().unwrap(), format!("did {what}"));
}

fn computes(child: &Child) {
    let first = child.usage().unwrap();
    let (mut last, mut rounds) = (first, 0);
    while last.cpu < first.cpu + BUSY {
        does(child, "spin 20");
        rounds += 1;
        let usage = child.usage().unwrap();
        assert!(usage.cpu > last.cpu, "{last:?}, then {usage:?}");
        last = usage;
    }
    println!("busy {}", last.cpu >= BUSY);
    println!("messages {}", (last.messages_received, last.messages_sent) == (rounds, rounds));
    println!("threads {}", last.threads > 0);
}

fn takes(child: &Child) {
    does(child, "ready");
    let before = child.usage().unwrap();
    does(child, "take 64");
    let after = child.usage().unwrap();
    println!("less than 64 MiB before {}", before.resident_bytes < 64 << 20);
    println!("more after {}", after.resident_bytes >= before.resident_bytes + (64 << 20));
    println!("peak {}", after.peak_resident_bytes >= after.resident_bytes);
}

fn hangs(child: &Child) {
    child.send("hang").unwrap();
    // It has taken the message where that is its last one: it is seen before, then, and ever after.
    println!("seen {}", (0..100).all(|_| child.usage().is_ok()));
    child.kill();
    child.wait().unwrap();
    println!("ended {:?}", child.usage());
    println!("and ever after {:?}", child.usage());
}

fn starts(child: &Child) {
    let first = child.usage().unwrap();
    does(child, "ready");
    // It speaks to its parent directly, which may be sooner than the coordinator has heard that it began.
    let until = std::time::Instant::now() + Duration::from_secs(60);
    let then = loop {
        let usage = child.usage().unwrap();
        if usage.resident_bytes > 1 << 20 || std::time::Instant::now() > until {
            break usage;
        }
    };
    println!("first {}", first.cpu <= then.cpu && first.messages_sent == 0);
    println!("then {}", then.resident_bytes > 1 << 20);
}

fn alone() {
    let child = Job::new("child").arg("hang").spawn().unwrap();
    let usage = child.usage().unwrap();
    println!("no messages {}", (usage.messages_received, usage.messages_sent) == (0, 0));
    let until = std::time::Instant::now() + Duration::from_secs(60);
    while child.usage().unwrap() == LiveUsage::default() {
        assert!(std::time::Instant::now() < until);
    }
    println!("begins true");
    child.kill();
    // Whoever asks before it has ended is answered, and whoever asks after that hears so.
    let end = loop {
        if let Err(error) = child.usage() {
            break error;
        }
    };
    println!("ends {}", end == Error::Closed);
    println!("{}", child.wait().unwrap());
}

#[sandhog::main]
fn main() {
    let case = std::env::args().nth(1).unwrap();
    if case == "alone" {
        return alone();
    }
    let child = Job::new("child").connected().spawn().unwrap();
    match case.as_str() {
        "computes" => computes(&child),
        "takes" => takes(&child),
        "hangs" => hangs(&child),
        "starts" => starts(&child),
        "often" => loop {
            child.usage().unwrap();
        },
        _ => panic!("{case}"),
    }
}
