//! Arrivals of several guests of one member at a barrier, each of which looks again and again instead of sleeping.
//!
//! A member has one word at a barrier. How a phase was for it is kept here when that is known, for those that have not looked yet,
//! before the word serves for the next phase.
//!
//! Must not: be used by two threads at once, or hold what the memory does not know of a phase that goes on.

use crate::barrier::{Arrival, Barrier};
use crate::problem::Problem;
use crate::words::{Until, Words};
use sandhog_protocol::objects::Member;
use std::collections::BTreeMap;

/// Those of one member at one barrier. None has arrived at first.
#[derive(Debug, Default)]
pub struct Arrivals(BTreeMap<u32, Phase>);

#[derive(Debug, Default)]
struct Phase {
    /// Those that have not heard how it was.
    waiting: u32,
    /// How it was. None: it goes on, as far as is known here.
    over: Option<Result<(), Problem>>,
}

/// One arrival that waits. Whoever has it gives it back to [`Arrivals::look`] until that says how it was, or to
/// [`Arrivals::leave`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    index: u32,
    phase: u32,
}

impl Arrivals {
    /// Another one arrives. `Ok`: which one it is, where it is the last; `Err`: it waits.
    ///
    /// # Errors
    /// `WouldBlock`: another member is inside for a moment; it has not arrived. `Broken`, `Damaged`.
    pub fn arrive<W: Words>(
        &mut self,
        barrier: Barrier,
        words: &W,
        me: Member,
    ) -> Result<Result<u32, Arrived>, Problem> {
        match barrier.arrive_surely(words, me, Until::Now, || self.hear(barrier, words, me))? {
            Arrival::Last(index) => {
                self.hear(barrier, words, me);
                Ok(Ok(index))
            }
            Arrival::Waits { index, phase } => {
                self.0.entry(phase).or_default().waiting += 1;
                Ok(Err(Arrived { index, phase }))
            }
        }
    }

    /// How the phase of an arrival was: which one it was. None: it goes on.
    ///
    /// # Errors
    /// Inside: `Broken`, `Damaged`.
    pub fn look<W: Words>(
        &mut self,
        barrier: Barrier,
        words: &W,
        me: Member,
        arrived: Arrived,
    ) -> Option<Result<u32, Problem>> {
        self.hear(barrier, words, me);
        let Some(phase) = self.0.get(&arrived.phase) else { return Some(Err(Problem::Damaged)) };
        let over = phase.over?;
        self.heard(arrived);
        Some(over.map(|()| arrived.index))
    }

    /// An arrival gives up, which breaks its phase unless that has ended.
    ///
    /// # Errors
    /// `why`, where it broke the phase; else as [`Arrivals::look`].
    pub fn leave<W: Words>(
        &mut self,
        barrier: Barrier,
        words: &W,
        me: Member,
        arrived: Arrived,
        why: Problem,
    ) -> Result<u32, Problem> {
        if let Some(over) = self.look(barrier, words, me, arrived) {
            return over;
        }
        let breaks = barrier.break_off(words, arrived.phase);
        match self.look(barrier, words, me, arrived) {
            Some(Err(Problem::Broken)) if breaks => Err(why),
            Some(over) => over,
            // Somebody has made the phase go on.
            None => {
                self.heard(arrived);
                Err(Problem::Damaged)
            }
        }
    }

    /// One less waits for this phase.
    fn heard(&mut self, arrived: Arrived) {
        let Some(phase) = self.0.get_mut(&arrived.phase) else { return };
        phase.waiting = phase.waiting.saturating_sub(1);
        if phase.waiting == 0 {
            self.0.remove(&arrived.phase);
        }
    }

    /// Takes in how phases were. At most one goes on, and has the member's word.
    fn hear<W: Words>(&mut self, barrier: Barrier, words: &W, me: Member) {
        for (phase, known) in &mut self.0 {
            if known.over.is_none()
                && let Some(over) = barrier.outcome(words, me, *phase)
            {
                known.over = Some(over);
                barrier.forget(words, me);
            }
        }
    }
}
