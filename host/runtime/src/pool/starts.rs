//! The starts that the policy wants and that have not begun, in order.
//!
//! Must not: begin it.

use sandhog_supervisor::pool::{SlotId, ZygoteId};
use std::collections::VecDeque;

/// Something that is to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    Zygote(ZygoteId),
    Worker(SlotId, ZygoteId),
}

#[derive(Default)]
pub(super) struct Starts(VecDeque<Start>);

impl Starts {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn push(&mut self, start: Start) {
        self.0.push_back(start);
    }

    pub(super) fn next(&mut self) -> Option<Start> {
        self.0.pop_front()
    }

    /// A worker's start, out of its turn: its zygote.
    pub(super) fn take(&mut self, id: SlotId) -> Option<ZygoteId> {
        let zygote_of = |start: &Start| match *start {
            Start::Worker(slot, zygote) if slot == id => Some(zygote),
            Start::Worker(..) | Start::Zygote(_) => None,
        };
        let (place, zygote) = self.0.iter().enumerate().find_map(|(place, start)| Some((place, zygote_of(start)?)))?;
        self.0.remove(place);
        Some(zygote)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_taken_once_and_the_others_keep_their_order() {
        let mut starts = Starts::default();
        let all =
            [Start::Zygote(ZygoteId(1)), Start::Worker(SlotId(1), ZygoteId(0)), Start::Worker(SlotId(2), ZygoteId(0))];
        all.into_iter().for_each(|start| starts.push(start));
        assert_eq!(starts.take(SlotId(1)), Some(ZygoteId(0)));
        assert_eq!(starts.take(SlotId(1)), None);
        assert_eq!([starts.next(), starts.next(), starts.next()], [Some(all[0]), Some(all[2]), None]);
        assert!(starts.is_empty());
    }
}
