//! Whether a receiver looks for the next packet again and again, for a moment, before it sleeps.
//!
//! Waking a process that sleeps on another processor takes several times as long as a message itself
//! (docs/decisions/007). If two ends answer each other quickly, neither has to sleep.
//!
//! Must not: read a clock, look while nothing comes quickly, take for granted that looking pays.

use std::time::Duration;

/// How long a receiver looks: longer than a sleeping process takes to wake up and answer, which is 10 to 20 µs in a virtual
/// machine. An end to which nothing comes any more burns this much, once.
pub(crate) const LOOK: Duration = Duration::from_micros(30);

/// A packet that came sooner than this after a receiver had gone to sleep would have been there sooner without the sleep.
const QUICK: Duration = Duration::from_micros(60);

/// So many quick packets in a row are an exchange.
const EXCHANGE: u8 = 4;

/// After looking in vain a receiver sleeps for so many packets before it considers to look again, and for twice as many
/// each further time. Both ends on one processor, or a sender that is a bit too slow, cost one [`LOOK`] in 4,096 packets.
const FIRST_PAUSE: u16 = 8;
const LONGEST_PAUSE: u16 = 4096;

/// So many packets that were found by looking halve the next pause.
const TRUST: u8 = 64;

/// How to receive the next packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Look for it; then say [`Haste::found`] or [`Haste::missed`].
    Look,
    /// Sleep, and say how long it took: [`Haste::came_after`].
    Measure,
    Sleep,
}

/// What one receiver has seen.
#[derive(Debug)]
pub(crate) struct Haste {
    quick: u8,
    found: u8,
    /// The next one, in packets.
    pause: u16,
    /// Of the present one.
    left: u16,
}

impl Haste {
    pub(crate) const fn new() -> Self {
        Self { quick: 0, found: 0, pause: FIRST_PAUSE, left: 0 }
    }

    pub(crate) const fn next(&mut self) -> Next {
        if self.left > 0 {
            self.left -= 1;
            return Next::Sleep;
        }
        if self.quick < EXCHANGE { Next::Measure } else { Next::Look }
    }

    /// The packet came so long after the receiver had gone to sleep for it.
    pub(crate) fn came_after(&mut self, time: Duration) {
        self.quick = if time < QUICK { self.quick.saturating_add(1) } else { 0 };
    }

    pub(crate) const fn found(&mut self) {
        self.found += 1;
        if self.found == TRUST {
            self.found = 0;
            if self.pause > FIRST_PAUSE {
                self.pause /= 2;
            }
        }
    }

    pub(crate) const fn missed(&mut self) {
        (self.quick, self.found, self.left) = (0, 0, self.pause);
        if self.pause < LONGEST_PAUSE {
            self.pause *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MICROSECOND: Duration = Duration::from_micros(1);

    /// So many packets, each of which comes so long after somebody waits for it: how many looks found theirs, and how many
    /// did not.
    fn receive(haste: &mut Haste, packets: usize, after: Duration) -> (usize, usize) {
        let (mut found, mut missed) = (0, 0);
        for _ in 0..packets {
            match haste.next() {
                Next::Look if after <= LOOK => {
                    haste.found();
                    found += 1;
                }
                Next::Look => {
                    haste.missed();
                    missed += 1;
                }
                Next::Measure => haste.came_after(after),
                Next::Sleep => {}
            }
        }
        (found, missed)
    }

    #[test]
    fn whoever_is_answered_quickly_sleeps_four_times() {
        assert_eq!(receive(&mut Haste::new(), 1000, 5 * MICROSECOND), (996, 0));
    }

    #[test]
    fn whoever_is_answered_slowly_never_looks() {
        assert_eq!(receive(&mut Haste::new(), 100_000, 100 * MICROSECOND), (0, 0));
    }

    #[test]
    fn an_end_that_falls_idle_looks_in_vain_once() {
        let mut haste = Haste::new();
        receive(&mut haste, 1000, 5 * MICROSECOND);
        assert_eq!(receive(&mut haste, 1000, 1_000_000 * MICROSECOND), (0, 1));
    }

    #[test]
    fn looking_that_never_pays_gets_rare() {
        let mut haste = Haste::new();
        // Between the two limits: each sleep seems to be one too many, and none is.
        let (_, missed) = receive(&mut haste, 100_000, 45 * MICROSECOND);
        assert!(missed < 35, "{missed}");
        let (_, missed) = receive(&mut haste, 1_000_000, 45 * MICROSECOND);
        assert!(missed < 250, "{missed}");
    }

    #[test]
    fn looking_that_pays_again_is_trusted_again() {
        let mut haste = Haste::new();
        receive(&mut haste, 100_000, 45 * MICROSECOND);
        receive(&mut haste, 10_000, 5 * MICROSECOND);
        assert_eq!(haste.pause, FIRST_PAUSE);
    }
}
