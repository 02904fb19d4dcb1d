//! futex(2) and futex_waitv(2) on words that several processes have: sleep while a word is what is expected, wake those that
//! sleep there.
//!
//! Must not: decide how long to wait, or what for.

use super::shared::Word;
use super::timer;
use rustix::io::Errno;
use rustix::thread::futex::{self, Flags, Wait, WaitFlags, WaitPtr, WaitvFlags};
use rustix::time::{ClockId, Timespec};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

/// A kernel without futex_waitv(2) (before Linux 5.16) sleeps on the first word alone, and no longer than this at once, so that a
/// change of the second is seen soon.
const SLICE_NS: u64 = 50_000_000;

/// A word, and the value with which it is slept on.
#[derive(Clone, Copy)]
pub struct While<'s> {
    pub word: Word<'s>,
    pub is: u32,
}

/// Why a wait came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Back {
    /// One of the words is another one, somebody woke, a signal came, or nothing happened.
    Look,
    TimedOut,
}

/// By the monotonic clock, in nanoseconds. The C library's call: the other one looks for the kernel's vDSO by prctl(2) first, which
/// no filter allows.
#[inline]
#[must_use]
pub fn now_ns() -> u64 {
    timer::now()
}

/// Sleeps while both words are as they are said to be, until one of them is woken or `until_ns`, by the monotonic clock.
#[must_use]
pub fn wait(first: While<'_>, second: Option<While<'_>>, until_ns: Option<u64>) -> Back {
    /// Of this kernel: known once it has been asked.
    static MISSING: AtomicBool = AtomicBool::new(false);
    if !MISSING.load(Ordering::Relaxed) {
        match wait_for_any(first, second, until_ns) {
            Err(Errno::NOSYS) => MISSING.store(true, Ordering::Relaxed),
            Err(Errno::TIMEDOUT) => return Back::TimedOut,
            // EAGAIN: another value; EINTR: a signal. All others would say the same of each further try, and a caller that looks
            // at the word again and finds it unchanged comes back here: none is known to happen for words that are mapped.
            Ok(_) | Err(_) => return Back::Look,
        }
    }
    wait_in_slices(first, second, until_ns, now_ns())
}

fn wait_for_any(first: While<'_>, second: Option<While<'_>>, until_ns: Option<u64>) -> Result<usize, Errno> {
    let waiter = |on: While<'_>| {
        let mut waiter = Wait::new();
        waiter.val = on.is.into();
        waiter.uaddr = WaitPtr::new(ptr::from_ref(on.word.for_futex()).cast_mut().cast());
        waiter.flags = WaitFlags::SIZE_U32;
        waiter
    };
    let waiters = [waiter(first), waiter(second.unwrap_or(first))];
    let count = 1 + usize::from(second.is_some());
    let until = until_ns.map(time);
    futex::waitv(&waiters[..count], WaitvFlags::empty(), until.as_ref(), ClockId::Monotonic)
}

/// As [`wait`], with what every kernel has. Comes back after one slice at the latest.
fn wait_in_slices(first: While<'_>, second: Option<While<'_>>, until_ns: Option<u64>, now_ns: u64) -> Back {
    if second.is_some_and(|second| second.word.load() != second.is) {
        return Back::Look;
    }
    let left = until_ns.map_or(u64::MAX, |until| until.saturating_sub(now_ns));
    let slice = if second.is_some() { left.min(SLICE_NS) } else { left };
    let limit = (slice < u64::MAX).then(|| time(slice));
    match futex::wait(first.word.for_futex(), Flags::empty(), first.is, limit.as_ref()) {
        Err(Errno::TIMEDOUT) if left == slice => Back::TimedOut,
        Ok(()) | Err(_) => Back::Look,
    }
}

fn time(ns: u64) -> Timespec {
    Timespec { tv_sec: (ns / 1_000_000_000).cast_signed(), tv_nsec: (ns % 1_000_000_000).cast_signed() }
}

/// Wakes so many of those that sleep on the word.
pub fn wake(word: Word<'_>, most: u32) {
    // The kernel takes a signed number. It can't fail for a word that is mapped.
    let _ = futex::wake(word.for_futex(), Flags::empty(), most.min(i32::MAX.cast_unsigned()));
}

/// Lets others run that can.
pub fn give_way() {
    rustix::thread::sched_yield();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::child::{self, Ended};
    use crate::shared::{Access, Shared, create};
    use std::os::fd::AsFd;
    use std::thread;

    fn memory() -> Shared {
        let file = create(c"test", 4096).unwrap();
        Shared::map(file.as_fd(), Access::Write).unwrap()
    }

    fn on(memory: &Shared, place: usize, is: u32) -> While<'_> {
        While { word: memory.word(place).unwrap(), is }
    }

    fn set(memory: &Shared, place: usize, value: u32) {
        memory.word_mut(place).unwrap().store(value, Ordering::Release);
        wake(memory.word(place).unwrap(), u32::MAX);
    }

    type Waits = fn(While<'_>, Option<While<'_>>, Option<u64>) -> Back;

    /// With the call of newer kernels, and without.
    const BOTH: [Waits; 2] = [wait, |first, second, until| wait_in_slices(first, second, until, now_ns())];

    #[test]
    fn a_wait_ends_by_the_other_word_in_another_process() {
        for wait in BOTH {
            for place in [0, 1] {
                let memory = memory();
                let child = child::start(|| {
                    while memory.word(0).unwrap().load() == 0 && memory.word(1).unwrap().load() == 0 {
                        if wait(on(&memory, 0, 0), Some(on(&memory, 1, 0)), None) == Back::TimedOut {
                            return 1;
                        }
                    }
                    7
                });
                set(&memory, place, 1);
                assert_eq!(child::wait(child), Ended::Exited(7));
            }
        }
    }

    #[test]
    fn a_wait_ends_at_its_time_and_not_before() {
        for wait in BOTH {
            for (second, after_ns) in [(None, 20_000_000), (Some(1), 20_000_000), (Some(1), 120_000_000), (None, 0)] {
                let memory = memory();
                let until = now_ns() + after_ns;
                let second = second.map(|place| on(&memory, place, 0));
                while wait(on(&memory, 0, 0), second, Some(until)) != Back::TimedOut {}
                assert!(now_ns() >= until);
            }
        }
    }

    #[test]
    fn a_wait_for_what_is_already_otherwise_comes_back_at_once() {
        let memory = memory();
        for wait in BOTH {
            assert_eq!(wait(on(&memory, 0, 1), None, None), Back::Look);
            assert_eq!(wait(on(&memory, 0, 0), Some(on(&memory, 1, 1)), None), Back::Look);
        }
    }

    #[test]
    fn as_many_are_woken_as_is_said() {
        let memory = memory();
        thread::scope(|scope| {
            let sleepers: Vec<_> = (0..2).map(|_| scope.spawn(|| wait(on(&memory, 0, 0), None, None))).collect();
            // Each call wakes one at most: only who sleeps is counted, so this ends once both have.
            let mut woken = 0;
            while woken < 2 {
                woken += futex::wake(memory.word(0).unwrap().for_futex(), Flags::empty(), 1).unwrap();
            }
            sleepers.into_iter().for_each(|sleeper| assert_eq!(sleeper.join().unwrap(), Back::Look));
        });
    }
}
