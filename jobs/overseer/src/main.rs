//! A supervisor with health checks. Its child counts its heartbeats in a shared value; the supervisor looks at the count and at
//! what the child uses, ends one that hangs or takes too much, and starts the next. The child of this example hangs at its first
//! try, hoards memory at its second, and does its work at its third.
//!
//!     sandhog run --max-objects 1 --child patient=overseer.wasm overseer.wasm

use sandhog::shared::Value;
use sandhog::{Child, Error, Job, LiveUsage, Result, Rights, process};
use std::time::Duration;

/// From one look to the next, and how many looks may see no heartbeat.
const PAUSE: Duration = Duration::from_millis(100);
const MISSES: u32 = 30;
const MOST_BYTES: u64 = 64 << 20;
const TRIES: u32 = 5;

/// What the supervisor knows of one try.
#[derive(Default)]
struct Health {
    beats: u64,
    missed: u32,
}

impl Health {
    /// One look: why the child has to go, if it has to.
    fn look(&mut self, beats: u64, usage: &LiveUsage) -> Option<&'static str> {
        self.missed = if beats == self.beats { self.missed + 1 } else { 0 };
        self.beats = beats;
        if usage.resident_bytes > MOST_BYTES {
            return Some("too much memory");
        }
        (self.missed >= MISSES).then_some("no heartbeat")
    }
}

/// Until it ends or has to: why, in the supervisor's words.
fn oversee(child: &Child, beats: &Value<u64>) -> Result<Option<&'static str>> {
    let mut health = Health::default();
    loop {
        match child.within(PAUSE).wait() {
            Ok(_) => return Ok(None),
            Err(Error::TimedOut) => {}
            Err(error) => return Err(error),
        }
        // Of one that has just ended there is none any more.
        if let Some(why) = health.look(beats.get()?, &child.usage().unwrap_or_default()) {
            child.kill();
            return Ok(Some(why));
        }
    }
}

fn patient(number: u32) -> Result<()> {
    let beats = Value::<u64>::open("beats")?;
    let mut hoard = Vec::new();
    let mut turn = 0_u32;
    loop {
        beats.add(1)?;
        turn += 1;
        match (number, turn) {
            (1, _) => std::thread::sleep(Duration::MAX),
            (2, ..20) => hoard.push(vec![number; 2 << 20]),
            (3.., 20) => return Ok(()),
            _ => std::thread::sleep(PAUSE / 20), // Where its work would be.
        }
    }
}

#[sandhog::main]
fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    if let Some(number) = process::initial_data()? {
        return Ok(patient(number)?);
    }
    let beats = Value::new(0_u64)?;
    for number in 1..=TRIES {
        let job = Job::new("patient").data(&number)?.value("beats", &beats, Rights::WRITE);
        let child = job.spawn()?;
        match oversee(&child, &beats)? {
            Some(why) => println!("try {number}: {why}, {}", child.wait()?.kind),
            None => println!("try {number}: {}", child.wait()?),
        }
        if child.wait()?.success() {
            return Ok(());
        }
    }
    Err("given up".into())
}

#[test]
fn a_child_without_heartbeats_has_to_go_and_one_that_has_some_does_not() {
    let (mut health, usage) = (Health::default(), LiveUsage::default());
    assert!((1..100).all(|beats| health.look(beats, &usage).is_none()));
    let looks: Vec<_> = (0..MISSES).map(|_| health.look(99, &usage)).collect();
    assert_eq!(looks.iter().flatten().count(), 1);
    let large = LiveUsage { resident_bytes: MOST_BYTES + 1, ..usage };
    assert_eq!(health.look(100, &large), Some("too much memory"));
}
