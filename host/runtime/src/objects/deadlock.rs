//! Members that wait for each other in a circle. Pure.

use sandhog_protocol::objects::{Member, ObjectId};
use std::collections::{BTreeMap, BTreeSet};

/// What is seen of a group's locks at about the same time.
#[derive(Debug, Default)]
pub(super) struct Locks {
    holders: BTreeMap<ObjectId, Member>,
    /// A guest does one thing at a time, so it waits for one object.
    waits: BTreeMap<Member, ObjectId>,
}

/// Each waits for the object beside it, which the next one holds, and the last one for that of the first. The least member is the
/// first one, so that a circle is always the same.
pub(super) type Circle = Vec<(Member, ObjectId)>;

impl Locks {
    pub(super) fn holds(&mut self, object: ObjectId, member: Member) {
        self.holders.insert(object, member);
    }

    pub(super) fn waits(&mut self, member: Member, object: ObjectId) {
        self.waits.entry(member).or_insert(object);
    }

    /// All circles. Each member waits for one, so it is in one at most.
    pub(super) fn circles(&self) -> Vec<Circle> {
        let (mut seen, mut circles) = (BTreeSet::new(), Vec::new());
        for start in self.waits.keys() {
            let (mut way, mut member) = (Vec::new(), *start);
            while seen.insert(member) {
                let Some(object) = self.waits.get(&member) else { break };
                way.push((member, *object));
                let Some(holder) = self.holders.get(object) else { break };
                member = *holder;
            }
            // Behind where it met itself: whoever only waits for those in the circle is not in it.
            if let Some(begins) = way.iter().position(|(on_the_way, _)| *on_the_way == member)
                && self.waits_for_holder(&way)
            {
                circles.push(turned(way.split_off(begins)));
            }
        }
        circles
    }

    /// Whether the way's last member waits for what somebody holds who is on it.
    fn waits_for_holder(&self, way: &[(Member, ObjectId)]) -> bool {
        let holder = way.last().and_then(|(_, object)| self.holders.get(object));
        holder.is_some_and(|holder| way.iter().any(|(member, _)| member == holder))
    }
}

/// The same circle from its least member on.
fn turned(mut circle: Circle) -> Circle {
    let least = circle.iter().enumerate().min_by_key(|(_, (member, _))| *member).map_or(0, |(at, _)| at);
    circle.rotate_left(least);
    circle
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(seat: u16) -> Member {
        Member { seat, generation: 1 }
    }

    fn locks(holds: &[(u64, u16)], waits: &[(u16, u64)]) -> Vec<Vec<(u16, u64)>> {
        let mut locks = Locks::default();
        holds.iter().for_each(|(object, seat)| locks.holds(ObjectId(*object), member(*seat)));
        waits.iter().for_each(|(seat, object)| locks.waits(member(*seat), ObjectId(*object)));
        let plain = |circle: Circle| circle.into_iter().map(|(member, object)| (member.seat, object.0)).collect();
        locks.circles().into_iter().map(plain).collect()
    }

    #[test]
    fn whoever_waits_for_each_other_is_in_a_circle_and_who_waits_for_them_is_not() {
        assert_eq!(locks(&[(1, 1), (2, 2)], &[(1, 2), (2, 1)]), [[(1, 2), (2, 1)]]);
        assert_eq!(locks(&[(1, 1), (2, 2)], &[(0, 1), (3, 2), (2, 1), (1, 2)]), [[(1, 2), (2, 1)]]);
        assert_eq!(locks(&[(1, 1)], &[(1, 1)]), [[(1, 1)]]);
        assert_eq!(locks(&[(1, 3), (2, 1), (3, 2)], &[(3, 3), (2, 2), (1, 1)]), [[(1, 1), (3, 3), (2, 2)]]);
    }

    #[test]
    fn whoever_will_go_on_is_in_none() {
        for (holds, waits) in [
            (&[][..], &[][..]),
            (&[(1, 1)], &[(2, 1)]),
            (&[(1, 1), (2, 2)], &[(1, 2)]),
            (&[(1, 1), (2, 2)], &[(1, 2), (2, 3)]),
            (&[(1, 1), (2, 2), (3, 3)], &[(1, 2), (2, 3), (4, 1)]),
        ] {
            assert!(locks(holds, waits).is_empty(), "{holds:?} {waits:?}");
        }
    }

    #[test]
    fn two_circles_are_two() {
        let holds = [(1, 1), (2, 2), (3, 3), (4, 4)];
        assert_eq!(locks(&holds, &[(1, 2), (2, 1), (3, 4), (4, 3)]), [[(1, 2), (2, 1)], [(3, 4), (4, 3)]]);
    }
}
