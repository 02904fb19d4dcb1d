//! Where the time of a start goes: what all its processes have noted, on one clock.
//!
//! Must not: decide anything. Places of a worker are whatever a hostile one says.

use sandhog_protocol::spawn::Stamp;
use sandhog_sys::stamps;
use std::sync::{Mutex, PoisonError};

/// More than these of one process are not kept: a worker may send them as often as it likes.
const MAX: usize = 64;

static HEARD: Mutex<Vec<Noted>> = Mutex::new(Vec::new());

/// Which process came somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Process {
    Command,
    Spawner,
    Zygote,
    Worker,
}

impl Process {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Spawner => "spawner",
            Self::Zygote => "zygote",
            Self::Worker => "worker",
        }
    }
}

/// A place on the way of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    pub process: Process,
    pub stamp: Stamp,
}

/// What another process says of itself.
pub(super) fn hear(process: Process, stamps: Vec<Stamp>) {
    let mut heard = HEARD.lock().unwrap_or_else(PoisonError::into_inner);
    let capacity = MAX.saturating_sub(heard.iter().filter(|noted| noted.process == process).count());
    heard.extend(Stamp::bounded(stamps).into_iter().take(capacity).map(|stamp| Noted { process, stamp }));
}

/// All of it, in the order of time; nothing where it was not asked for.
#[must_use]
pub fn take() -> Vec<Noted> {
    hear(Process::Command, Stamp::all(stamps::take()));
    let mut heard = std::mem::take(&mut *HEARD.lock().unwrap_or_else(PoisonError::into_inner));
    heard.sort_by_key(|noted| noted.stamp.at_ns);
    heard
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_processes_say_is_put_in_order_and_no_process_fills_the_memory() {
        let at = |at_ns| Stamp { place: "here".repeat(1000), at_ns };
        hear(Process::Worker, (1..=1000).map(at).collect());
        hear(Process::Worker, vec![at(5)]);
        hear(Process::Zygote, vec![at(3)]);
        let taken = take();
        assert_eq!(taken.len(), MAX + 1);
        assert!(taken.is_sorted_by_key(|noted| noted.stamp.at_ns));
        assert_eq!((taken[3].process, taken[3].stamp.at_ns), (Process::Zygote, 3));
        assert!(taken.iter().all(|noted| noted.stamp.place.len() == 64));
        assert!(take().is_empty());
    }
}
