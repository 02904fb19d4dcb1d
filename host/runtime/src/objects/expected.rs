//! Answers that a keeper owes, and until when. Pure.

use sandhog_protocol::objects::{Member, ObjectId};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// How long a keeper may take for one: it takes a millisecond, but for memory that the machine has to make room for first.
pub(super) const ANSWER: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Owed {
    Made(ObjectId),
    Recovered(Member),
    State(ObjectId),
}

#[derive(Default)]
pub(super) struct Expected {
    /// With the number of the question.
    owed: HashMap<Owed, u64>,
    /// In the order of their ends; those that were answered meanwhile as well.
    until: VecDeque<(Duration, u64, Owed)>,
    asked: u64,
}

impl Expected {
    /// False: it is owed already.
    pub(super) fn ask(&mut self, owed: Owed, now: Duration) -> bool {
        if self.owed.contains_key(&owed) {
            return false;
        }
        self.asked += 1;
        self.owed.insert(owed, self.asked);
        self.until.push_back((now + ANSWER, self.asked, owed));
        true
    }

    /// Whether it was owed.
    pub(super) fn answered(&mut self, owed: Owed) -> bool {
        let was_owed = self.owed.remove(&owed).is_some();
        while self.until.front().is_some_and(|(_, number, owed)| self.owed.get(owed) != Some(number)) {
            self.until.pop_front();
        }
        was_owed
    }

    /// When the first one is overdue.
    pub(super) fn until(&self) -> Option<Duration> {
        self.until.front().map(|(until, ..)| *until)
    }

    /// One that is overdue; it has as much time again.
    pub(super) fn overdue(&mut self, now: Duration) -> Option<Owed> {
        let (_, number, owed) = *self.until.front().filter(|(until, ..)| *until <= now)?;
        self.until.pop_front();
        self.until.push_back((now + ANSWER, number, owed));
        Some(owed)
    }

    /// Nobody owes anything any more.
    pub(super) fn clear(&mut self) {
        self.owed.clear();
        self.until.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_is_owed_once_and_the_oldest_one_has_the_first_end() {
        let mut expected = Expected::default();
        let (one, two) = (Owed::Made(ObjectId(1)), Owed::State(ObjectId(1)));
        let at = Duration::from_secs;
        assert!(expected.ask(one, at(0)) && expected.ask(two, at(1)) && !expected.ask(one, at(2)));
        assert_eq!(expected.until(), Some(ANSWER));
        assert!(expected.answered(one) && !expected.answered(one));
        assert_eq!(expected.until(), Some(ANSWER + at(1)));
        assert!(expected.ask(one, at(5)));
        assert!(expected.answered(two));
        assert_eq!(expected.until(), Some(ANSWER + at(5)), "of the second question");
        assert_eq!(expected.overdue(ANSWER), None);
        assert_eq!(expected.overdue(ANSWER + at(6)), Some(one));
        assert_eq!(expected.until(), Some(ANSWER + ANSWER + at(6)));
        expected.clear();
        assert!(!expected.answered(one) && expected.until().is_none());
    }
}
