//! A monitor written as a guest: it starts children, looks at what each of them uses, and ends those that use too much. They
//! need not help it: one that hangs is seen as well. The arguments: MiB of memory, milliseconds of CPU time, and the children,
//! each with arguments of its own if it needs some. With `--log debug` each look is shown.
//!
//!     sandhog run --child hoarder=hoarder.wasm --child spin=spin_forever.wasm monitor.wasm -- 64 500 hoarder:50 spin

use sandhog::{Child, Error, Job, LiveUsage, Result, process};
use std::time::{Duration, Instant};

/// From one look to the next.
const PAUSE: Duration = Duration::from_millis(100);

/// The most that a child may use.
struct Bounds {
    resident_bytes: u64,
    cpu: Duration,
}

impl Bounds {
    /// What is over them.
    fn excess(&self, usage: &LiveUsage) -> Option<String> {
        if usage.resident_bytes > self.resident_bytes {
            return Some(format!("more than {} MiB of memory", self.resident_bytes >> 20));
        }
        (usage.cpu > self.cpu).then(|| format!("more than {:?} on the CPU", self.cpu))
    }
}

/// How busy it was between two looks, in hundredths of one processor.
fn percent(before: Duration, now: Duration, passed: Duration) -> u128 {
    now.saturating_sub(before).as_micros() * 100 / passed.as_micros().max(1)
}

struct Watched {
    name: String,
    child: Child,
    cpu: Duration,
    looked: Instant,
}

impl Watched {
    fn start(word: &str) -> Result<Self> {
        let (name, arguments) = word.split_once(':').unwrap_or((word, ""));
        let child = arguments.split_whitespace().fold(Job::new(name), Job::arg).spawn()?;
        Ok(Self { name: name.into(), child, cpu: Duration::ZERO, looked: Instant::now() })
    }

    /// One look; whether it goes on.
    fn look(&mut self, bounds: &Bounds) -> Result<bool> {
        let usage = match self.child.usage() {
            Ok(usage) => usage,
            Err(Error::Closed) => {
                println!("{}: {}", self.name, self.child.wait()?);
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let busy = percent(self.cpu, usage.cpu, self.looked.elapsed());
        (self.cpu, self.looked) = (usage.cpu, Instant::now());
        sandhog::debug!("a look"; child = self.name, percent = busy, kib = usage.resident_bytes >> 10);
        if let Some(excess) = bounds.excess(&usage) {
            sandhog::warn!("ends a child"; child = self.name, why = excess);
            self.child.kill();
        }
        Ok(true)
    }
}

#[sandhog::main]
fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let [mib, ms, children @ ..] = &words[..] else {
        return Err("usage: monitor MIB CPU_MS CHILD[:ARGUMENTS]…".into());
    };
    let bounds = Bounds {
        resident_bytes: mib.parse::<u64>()? << 20,
        cpu: Duration::from_millis(ms.parse()?),
    };
    let mut watched =
        children.iter().map(|word| Watched::start(word)).collect::<Result<Vec<_>>>()?;
    while !watched.is_empty() {
        let mut rest = Vec::new();
        for mut one in watched {
            if one.look(&bounds)? {
                rest.push(one);
            }
        }
        watched = rest;
        // Those that are left end with their monitor.
        if !watched.is_empty() && process::stopping_within(PAUSE) {
            return Err(format!("asked to stop while {} run", watched.len()).into());
        }
    }
    Ok(())
}

#[test]
fn half_of_the_time_is_half_of_a_processor() {
    assert_eq!(percent(PAUSE, PAUSE * 2, PAUSE * 2), 50);
}
