//! The state of a group between two searches for deadlocks.

use super::asked::Deadlock;
use sandhog_protocol::objects::ObjectId;
use sandhog_spec::units::millis;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Between two looks: each asks the keeper for all locks that somebody waits for. It doubles while nobody says anything new.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(64);

/// What is watched for circles of waiting.
#[derive(Default)]
pub(super) struct Watch {
    /// Locks that somebody has waited for, and when a member said so last, by the monotonic clock in milliseconds.
    waited: BTreeMap<ObjectId, u64>,
    due: Option<Duration>,
    looked: Option<Duration>,
    /// Looks since somebody said something new.
    looks: u32,
    /// Circles that were told and are still there.
    pub(super) told: BTreeSet<Deadlock>,
}

impl Watch {
    /// When it is to be looked.
    pub(super) fn due(&self) -> Option<Duration> {
        self.due
    }

    pub(super) fn forget(&mut self, object: ObjectId) {
        self.waited.remove(&object);
    }

    /// A member says that it waits. It says so once.
    pub(super) fn somebody_waits(&mut self, object: ObjectId, now: Duration, now_ms: u64) {
        self.waited.insert(object, now_ms);
        let due = self.looked.map_or(now, |looked| now.max(looked + PAUSE));
        (self.due, self.looks) = (Some(self.due.map_or(due, |before| before.min(due))), 0);
    }

    /// What to look at now.
    pub(super) fn look(&mut self, now: Duration) -> Vec<ObjectId> {
        (self.due, self.looked, self.looks) = (None, Some(now), self.looks.saturating_add(1));
        self.waited.keys().copied().collect()
    }

    /// At a look that began then, nobody waited for this lock. One whose member spoke just before may not have been seen.
    pub(super) fn nobody_waits(&mut self, object: ObjectId, begun_ms: u64) {
        let pause = millis(PAUSE);
        if self.waited.get(&object).is_some_and(|said| said.saturating_add(pause) <= begun_ms) {
            self.waited.remove(&object);
        }
    }

    /// A look is over. It may have missed locks, whose keeper did not answer, and no member speaks twice: another one follows for as
    /// long as somebody waits.
    pub(super) fn looked(&mut self, now: Duration) {
        if self.waited.is_empty() {
            return;
        }
        let pause = 2_u32.checked_pow(self.looks.saturating_sub(1)).map_or(LONGEST_PAUSE, |times| PAUSE * times);
        self.due.get_or_insert(now + pause.min(LONGEST_PAUSE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: ObjectId = ObjectId(1);

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn as_long_as_somebody_waits_it_is_looked_again_and_less_and_less_often() {
        let mut watch = Watch::default();
        watch.somebody_waits(LOCK, seconds(5), 5000);
        let mut times = Vec::new();
        for _ in 0..9 {
            let now = watch.due().unwrap();
            times.push(now.as_secs());
            assert_eq!(watch.look(now), [LOCK]);
            watch.looked(now);
        }
        assert_eq!(times, [5, 6, 8, 12, 20, 36, 68, 132, 196]);
        watch.somebody_waits(LOCK, seconds(200), 200_000);
        assert_eq!(watch.due(), Some(seconds(200)));
    }

    #[test]
    fn a_lock_is_watched_until_a_look_long_after_its_members_word_sees_nobody() {
        let mut watch = Watch::default();
        watch.somebody_waits(LOCK, seconds(5), 5000);
        for (begun_ms, rest) in [(5000, true), (5999, true), (6000, false)] {
            watch.look(Duration::from_millis(begun_ms));
            watch.nobody_waits(LOCK, begun_ms);
            watch.looked(Duration::from_millis(begun_ms));
            assert_eq!(watch.due().is_some(), rest, "{begun_ms}");
        }
    }
}
