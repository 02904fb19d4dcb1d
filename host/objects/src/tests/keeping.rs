//! Tests of the keeper: its reaction to messages, and to the contents of memory.

use super::group::{Group, as_kind, copy};
use crate::Page;
use crate::keeper::Keeper;
use rustix::io::Errno;
use sandhog_objects_model::{Object, Problem, Until, Words};
use sandhog_protocol::objects::{Element, FromKeeper, Kind, Member, OBJECTS, ObjectId, ToKeeper};
use sandhog_sys::shared::{self, Access, Shared};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;

const QUEUE: Kind = Kind::Queue { items: 4, bytes: 1000 };

const KINDS: [Kind; 11] = [
    Kind::Lock,
    Kind::Rlock,
    Kind::Semaphore { permits: 2 },
    Kind::BoundedSemaphore { permits: 2 },
    Kind::Event,
    Kind::Condition,
    Kind::Barrier { parties: 3 },
    Kind::Value { element: Element::I64 },
    Kind::Array { element: Element::F32, length: 1000 },
    Kind::Memory { bytes: 100_000 },
    QUEUE,
];

fn file(bytes: u64) -> OwnedFd {
    shared::create(c"object", bytes).unwrap()
}

fn errno(keeper: &mut Keeper, id: u64, kind: Kind, files: Vec<OwnedFd>) -> i32 {
    let answers = keeper.hear(ToKeeper::Object { object: ObjectId(id), kind, fresh: true }, files);
    let [FromKeeper::Made { object: ObjectId(made), errno }] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(*made, id);
    *errno
}

#[test]
fn all_memory_of_an_object_is_allocated_when_it_is_made() {
    for kind in KINDS {
        let (bytes, mut keeper) = (Object::bytes(kind).unwrap(), Keeper::default());
        let file = file(bytes);
        assert_eq!(errno(&mut keeper, 1, kind, vec![copy(&file)]), 0);
        let allocated = rustix::fs::fstat(&file).unwrap().st_blocks.cast_unsigned() * 512;
        assert!(allocated >= bytes, "{kind:?}: {allocated} of {bytes}");
    }
}

#[test]
fn a_file_that_does_not_fit_its_kind_is_refused_and_nothing_of_it_is_allocated() {
    let (bytes, mut keeper) = (Object::bytes(QUEUE).unwrap(), Keeper::default());
    for wrong in [1, bytes - 1, bytes + 1, 1 << 40] {
        let file = file(wrong);
        assert_eq!(errno(&mut keeper, 1, QUEUE, vec![copy(&file)]), Errno::INVAL.raw_os_error());
        assert_eq!(rustix::fs::fstat(&file).unwrap().st_blocks, 0);
    }
    assert_eq!(errno(&mut keeper, 1, QUEUE, vec![]), Errno::INVAL.raw_os_error());
    assert_eq!(errno(&mut keeper, 1, QUEUE, vec![file(bytes), file(bytes)]), Errno::INVAL.raw_os_error());
    let huge = Kind::Memory { bytes: 1 << 63 };
    assert_ne!(errno(&mut keeper, 1, huge, vec![file(bytes)]), 0);
    assert_eq!(errno(&mut keeper, 1, Kind::Pipe, vec![file(bytes)]), Errno::INVAL.raw_os_error());
    assert_eq!(errno(&mut keeper, 1, QUEUE, vec![file(bytes)]), 0);
    assert_eq!(errno(&mut keeper, 1, QUEUE, vec![file(bytes)]), Errno::EXIST.raw_os_error());
}

#[test]
fn a_keeper_has_as_many_objects_as_a_group_may_have() {
    let (bytes, mut keeper) = (Object::bytes(Kind::Event).unwrap(), Keeper::default());
    for id in 0..OBJECTS as u64 {
        assert_eq!(errno(&mut keeper, id, Kind::Event, vec![file(bytes)]), 0);
    }
    let one_more = OBJECTS as u64;
    assert_eq!(errno(&mut keeper, one_more, Kind::Event, vec![file(bytes)]), Errno::MFILE.raw_os_error());
    assert_eq!(keeper.hear(ToKeeper::Forget(ObjectId(7)), vec![]), []);
    assert_eq!(errno(&mut keeper, one_more, Kind::Event, vec![file(bytes)]), 0);
}

#[test]
fn what_a_dead_member_held_is_told_once_and_passes_on() {
    let mut group = Group::default();
    let (lock, semaphore, queue) =
        (group.make(Kind::Lock), group.make(Kind::Semaphore { permits: 1 }), group.make(QUEUE));
    let (dead, heir) = (group.join(1, 1), group.join(2, 1));
    let opened = group.open(lock, dead);
    as_kind!(opened, Lock).acquire(&opened.segment, dead, Until::Now).unwrap();
    let opened = group.open(semaphore, dead);
    as_kind!(opened, Semaphore).acquire(&opened.segment, dead, Until::Now).unwrap();
    let opened = group.open(queue, dead);
    as_kind!(opened, Queue).put(&opened.segment, dead, 1, &[b"task"], Until::Now).unwrap();
    as_kind!(opened, Queue).take(&opened.segment, dead, Until::Now).unwrap();
    for object in [lock, semaphore, queue] {
        assert_eq!(group.look(object).holders, [dead], "{object:?}");
    }
    assert_eq!(group.died(dead), [lock, semaphore, queue]);
    let opened = group.open(lock, heir);
    let acquired = as_kind!(opened, Lock).acquire(&opened.segment, heir, Until::Now).unwrap();
    assert_eq!(acquired.died, Some(dead));
    let opened = group.open(semaphore, heir);
    as_kind!(opened, Semaphore).acquire(&opened.segment, heir, Until::Now).unwrap();
    let opened = group.open(queue, heir);
    let got = as_kind!(opened, Queue).get(&opened.segment, heir, Until::Now).unwrap();
    assert_eq!((got.format, got.body), (1, b"task".to_vec()));
    assert_eq!(group.died(dead), [], "once");
}

#[test]
fn a_keeper_that_takes_over_recovers_from_those_that_died_meanwhile() {
    let mut group = Group::default();
    let lock = group.make(Kind::Lock);
    let (dead, living) = (group.join(1, 1), group.join(2, 1));
    let opened = group.open(lock, dead);
    as_kind!(opened, Lock).acquire(&opened.segment, dead, Until::Now).unwrap();
    assert_eq!(group.replace_keeper(&[]), []);
    let opened = group.open(lock, living);
    let again = |group: &mut Group| {
        (group.look(lock).holders, as_kind!(opened, Lock).acquire(&opened.segment, living, Until::Now))
    };
    assert_eq!(again(&mut group), (vec![dead], Err(Problem::WouldBlock)));
    let answers = group.replace_keeper(&[dead]);
    assert_eq!(answers, [FromKeeper::Recovered { member: dead, held: vec![lock] }]);
    assert_eq!(again(&mut group).1.unwrap().died, Some(dead));
}

#[test]
fn garbage_in_an_object_and_in_a_page_stops_nobody_and_nothing_else() {
    let mut group = Group::default();
    let objects = KINDS.map(|kind| group.make(kind));
    let lock = group.make(Kind::Lock);
    let (hostile, honest) = (group.join(1, 1), group.join(2, 1));
    let opened = group.open(lock, honest);
    as_kind!(opened, Lock).acquire(&opened.segment, honest, Until::Now).unwrap();
    let mut chance = 1_u64;
    for _ in 0..200 {
        for object in objects {
            let opened = group.open(object, hostile);
            for place in 0..200 {
                chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let value = match chance >> 61 {
                    0 => 0,
                    1 => u32::MAX,
                    2 => u32::from(hostile.generation) << 14 | u32::from(hostile.seat),
                    3 => (chance >> 40) as u32 & 0xff,
                    _ => (chance >> 29) as u32,
                };
                opened.segment.store(place, value);
            }
            let state = group.look(object);
            assert!(state.holders.len() <= 256 && state.waiters.len() <= 256);
        }
        let answers = group.keeper.hear(ToKeeper::Died(Member { seat: 1, generation: 1 }), vec![]);
        drop((answers, group.keeper.settle()));
    }
    assert_eq!(as_kind!(opened, Lock).release(&opened.segment, honest), Ok(()));
}

#[test]
fn a_page_that_is_none_and_a_member_that_there_is_already_are_left_alone() {
    let mut group = Group::default();
    let member = group.join(1, 1);
    let other = Member { seat: 2, generation: 1 };
    let keeper = &mut group.keeper;
    for files in [vec![], vec![file(1)], vec![file(1 << 20)], vec![file(Page::BYTES), file(Page::BYTES)]] {
        assert_eq!(keeper.hear(ToKeeper::Member(other), files), []);
        assert_eq!(keeper.hear(ToKeeper::Stop(other), vec![]), []);
    }
    let second = file(Page::BYTES);
    assert_eq!(keeper.hear(ToKeeper::Member(member), vec![copy(&second)]), []);
    assert_eq!(keeper.hear(ToKeeper::Stop(member), vec![]), []);
    let second = Shared::map(second.as_fd(), Access::Write).unwrap();
    assert_eq!(second.word_mut(0).unwrap().load(Ordering::Relaxed), 0);
}
