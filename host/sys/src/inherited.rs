//! How this process was started: recorded before the standard library's own start, which opens `/dev/null` in the place of
//! closed streams, and ignores SIGPIPE.
#![allow(unsafe_code)]

use super::descriptors::{StandardStream, is_open};
use super::signal::SIGNALS;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::{mem, ptr};

/// Bit N - 1: signal N was ignored.
static IGNORED: AtomicU64 = AtomicU64::new(0);

/// Bit N: descriptor N, of 0 to 2, was closed.
static CLOSED: AtomicU8 = AtomicU8::new(0);

/// The loader calls each function of this section, and then `main`.
// SAFETY: the section is an array of function pointers in the C calling convention, which this static is. The function does
// nothing that needs the standard library's runtime: see `record`.
#[used]
#[unsafe(link_section = ".init_array")]
static RECORD: extern "C" fn() = record;

/// Before `main`, and before the standard library has done anything: no allocation, no panic, system calls and atomics only.
extern "C" fn record() {
    let ignored = (1..=SIGNALS).filter(|signal| is_ignored(*signal)).fold(0, |mask, signal| mask | bit(signal));
    IGNORED.store(ignored, Ordering::Relaxed);
    let is_closed = |stream: &StandardStream| !is_open(stream.number());
    let closed = StandardStream::ALL.into_iter().filter(is_closed).fold(0, |mask, stream| mask | closed_bit(stream));
    CLOSED.store(closed, Ordering::Relaxed);
}

/// Whether a signal is ignored now. The numbers that the C library keeps to itself are not.
fn is_ignored(signal: i32) -> bool {
    // SAFETY: `sigaction` is a plain C structure for which zero bytes are a valid value.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: nothing is changed where the new action is null; the kernel fills one structure that outlives the call.
    let answer = unsafe { libc::sigaction(signal, ptr::null(), &raw mut action) };
    answer == 0 && action.sa_sigaction == libc::SIG_IGN
}

const fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// Whether whoever started this process lets it ignore `signal`, as nohup(1) and `trap '' INT` do. False for a number that is
/// no signal.
#[must_use]
pub fn ignores(signal: i32) -> bool {
    (1..=SIGNALS).contains(&signal) && IGNORED.load(Ordering::Relaxed) & bit(signal) != 0
}

const fn closed_bit(stream: StandardStream) -> u8 {
    1 << stream.number()
}

/// Whether this process was started with this stream closed.
#[must_use]
pub fn was_closed(stream: StandardStream) -> bool {
    CLOSED.load(Ordering::Relaxed) & closed_bit(stream) != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::child::{self, Ended};
    use crate::descriptors::{Newborn, close_range};
    use crate::signal;

    const ASKED: [i32; 3] = [libc::SIGHUP, libc::SIGINT, libc::SIGXFSZ];

    /// What a program records that starts as `prepare` leaves a child: whether it ignores these signals, and has the three
    /// streams closed.
    fn recorded(prepare: impl FnOnce()) -> u8 {
        let ended = child::run(|| {
            ASKED.into_iter().for_each(|number| signal::restore_default(number).unwrap());
            prepare();
            record();
            let ignored = ASKED.map(ignores);
            let closed = StandardStream::ALL.map(was_closed);
            let bits = ignored.into_iter().chain(closed).enumerate().map(|(at, is)| i32::from(is) << at);
            bits.sum()
        });
        match ended {
            Ended::Exited(bits) => u8::try_from(bits).unwrap(),
            Ended::Signalled(signal) => panic!("ended by signal {signal}"),
        }
    }

    #[test]
    fn what_was_ignored_is_known_and_nothing_else() {
        assert_eq!(recorded(|| ()), 0);
        assert_eq!(recorded(|| signal::ignore(libc::SIGINT).unwrap()), 0b10);
        let both = || [libc::SIGHUP, libc::SIGXFSZ].into_iter().for_each(|number| signal::ignore(number).unwrap());
        assert_eq!(recorded(both), 0b101);
    }

    #[test]
    fn which_streams_were_closed_is_known() {
        let close = |first, last| close_range(Newborn::new(), first, last).unwrap();
        assert_eq!(recorded(|| close(1, 1)), 0b01_0000);
        assert_eq!(recorded(|| close(0, 2)), 0b11_1000);
    }

    #[test]
    fn no_other_number_is_a_signal() {
        assert!([i32::MIN, -1, 0, 65, i32::MAX].into_iter().all(|number| !ignores(number)));
    }
}
