//! A short lock inside of an object, for operations that change several words: see [`crate::journal`]. If a member dies
//! inside, the keeper finishes in its name. The keeper may itself be killed and start again.
//!
//! Must not: be held while its holder waits for anything else.

use crate::limits::STOPPING;
use crate::owner::{self, Owner};
use crate::problem::Problem;
use crate::words::{Until, Words};
use sandhog_protocol::objects::Member;

/// Two words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Guard(Owner);

impl Guard {
    /// `place` is even.
    pub(crate) const fn at(place: usize) -> Self {
        Self(Owner::at(place))
    }

    /// Waits for its turn. Errors: `TimedOut`, `Stopping`, `Damaged`; `WouldBlock`: not to be had in a moment.
    pub(crate) fn enter<W: Words>(self, words: &W, me: Member, until: Until) -> Result<(), Problem> {
        self.0.take(words, me, until).map(drop)
    }

    /// For operations that are to be done whenever the time is over: waits for as long as it takes, but of a member that is
    /// asked to stop only for a moment. Errors: `Stopping`, `Damaged`.
    pub(crate) fn enter_surely<W: Words>(self, words: &W, me: Member) -> Result<(), Problem> {
        let mut last = self.enter(words, me, Until::Never);
        for _ in 0..STOPPING {
            if last != Err(Problem::Stopping) {
                break;
            }
            last = match self.enter(words, me, Until::Now) {
                Err(Problem::WouldBlock) => Err(Problem::Stopping),
                other => other,
            };
        }
        last
    }

    /// Errors: `NotHeld`, `Damaged`: somebody else has written into it.
    pub(crate) fn leave<W: Words>(self, words: &W, me: Member) -> Result<(), Problem> {
        self.0.give(words, me).map_err(|_| Problem::Damaged)
    }

    /// For the keeper: `Ok` once it is held in the dead one's name; then undo the journal, settle, [`Guard::hand_over`].
    /// Errors: who is inside.
    pub(crate) fn seize<W: Words>(self, words: &W, dead: Member) -> Result<(), Member> {
        self.0.seize(words, dead)
    }

    /// Ends what [`Guard::seize`] began, and wakes all that wait for it.
    pub(crate) fn hand_over<W: Words>(self, words: &W, dead: Member) {
        self.0.recover(words, dead, owner::FREE, || {});
    }

    /// Wakes all that wait for it: they look again.
    pub(crate) fn rouse<W: Words>(self, words: &W) {
        self.0.rouse(words);
    }

    /// Whoever is inside or next.
    pub(crate) fn named<W: Words>(self, words: &W, tell: &mut dyn FnMut(Member)) {
        self.0.named(words, tell);
    }
}
