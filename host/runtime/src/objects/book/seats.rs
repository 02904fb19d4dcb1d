//! Seats of members: each has one member at a time, and none that was there is ever taken for another one.

use sandhog_protocol::objects::{Member, SEATS};
use std::collections::VecDeque;

#[derive(Debug, Default)]
pub(super) struct Seats {
    /// Those that were left, the one that has been free for longest first.
    free: VecDeque<u16>,
    /// Of each seat that was ever taken: the generation of its last member.
    generations: Vec<u16>,
}

impl Seats {
    /// None: all are taken.
    pub(super) fn take(&mut self) -> Option<Member> {
        if let Some(seat) = self.free.pop_front() {
            let last = self.generations.get_mut(usize::from(seat))?;
            // 0 is nobody's.
            *last = last.checked_add(1).unwrap_or(1);
            return Some(Member { seat, generation: *last });
        }
        let seat = u16::try_from(self.generations.len()).ok().filter(|seat| *seat < SEATS)?;
        self.generations.push(1);
        Some(Member { seat, generation: 1 })
    }

    /// Nothing of this member is left in any object.
    pub(super) fn leave(&mut self, member: Member) {
        self.free.push_back(member.seat);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_has_another_generation_each_time_and_none_is_zero() {
        let mut seats = Seats::default();
        let mut last = 0;
        for _ in 0..=u32::from(u16::MAX) * 2 {
            let member = seats.take().unwrap();
            assert!(member.seat == 0 && member.generation != 0 && member.generation != last);
            last = member.generation;
            seats.leave(member);
        }
    }

    #[test]
    fn there_are_so_many_and_no_more() {
        let mut seats = Seats::default();
        let all: Vec<_> = (0..SEATS).map(|_| seats.take().unwrap()).collect();
        assert_eq!(all.last().unwrap().seat, SEATS - 1);
        assert!(seats.take().is_none());
        seats.leave(all[7]);
        assert_eq!(seats.take(), Some(Member { seat: 7, generation: 2 }));
    }
}
