//! Members that are processes of their own, and die of SIGKILL wherever they are.

use super::group::{Group, Opened, as_kind};
use crate::now_ns;
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use sandhog_objects_model::{Problem, Until, Words};
use sandhog_protocol::objects::{Kind, Member, ObjectId, ToKeeper};
use sandhog_sys::child::{self, Ended};
use sandhog_sys::{futex, shared};
use std::hint;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, Ordering};

const KILLED: Ended = Ended::Signalled(9);

/// A child that does not outlive its test.
fn start(body: impl FnOnce() -> i32) -> i32 {
    child::start(|| {
        set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
        body()
    })
}

fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    assert_eq!(child::wait(pid), KILLED);
}

/// The place of notes that counts what a keeper has begun.
const KEEPER: u32 = 8;

/// Words beside all objects, to count in what has happened.
struct Notes(shared::Shared);

impl Notes {
    fn new(words: u64) -> Self {
        let file = shared::create(c"notes", words * 4).unwrap();
        Self(shared::Shared::map(file.as_fd(), shared::Access::Write).unwrap())
    }

    fn at(&self, place: u32) -> &AtomicU32 {
        self.0.word_mut(place as usize).unwrap()
    }

    fn get(&self, place: u32) -> u32 {
        self.at(place).load(Ordering::SeqCst)
    }

    fn add(&self, place: u32) {
        self.at(place).fetch_add(1, Ordering::SeqCst);
    }

    fn wait_for(&self, place: u32, least: u32) {
        while self.get(place) < least {
            futex::give_way();
        }
    }
}

/// Random numbers, the same ones in each run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as u32) % end
    }
}

/// Waits until somebody waits for this object, and it has been seen who.
fn until_waited_for(group: &mut Group, object: ObjectId, member: Member) {
    while group.look(object).waiters.iter().all(|waiter| waiter.member != member) {
        futex::give_way();
    }
}

#[test]
fn two_processes_that_want_one_lock_both_get_on() {
    const ROUNDS: u32 = 20_000;
    let mut group = Group::default();
    let (lock, notes) = (group.make(Kind::Lock), Notes::new(4));
    let members = [group.join(1, 1), group.join(2, 1)];
    let children = members.map(|me| {
        start(|| {
            let opened = group.open(lock, me);
            let lock = as_kind!(opened, Lock);
            for _ in 0..ROUNDS {
                lock.acquire(&opened.segment, me, Until::Never).unwrap();
                // Neither is one access: the lock makes them one.
                let now = notes.get(0);
                notes.at(0).store(now + 1, Ordering::SeqCst);
                lock.release(&opened.segment, me).unwrap();
            }
            0
        })
    });
    children.into_iter().for_each(|pid| assert_eq!(child::wait(pid), Ended::Exited(0)));
    assert_eq!(notes.get(0), 2 * ROUNDS);
}

#[test]
fn a_wait_ends_when_its_member_is_asked_to_stop() {
    let mut group = Group::default();
    let queue = group.make(Kind::Queue { items: 1, bytes: 10 });
    let me = group.join(1, 1);
    let waiting = start(|| {
        let opened = group.open(queue, me);
        let got = as_kind!(opened, Queue).get(&opened.segment, me, Until::Never);
        // What needs no wait still goes.
        as_kind!(opened, Queue).put(&opened.segment, me, 0, &[b"x"], Until::Never).unwrap();
        i32::from(got != Err(Problem::Stopping))
    });
    until_waited_for(&mut group, queue, me);
    group.stop(me);
    assert_eq!(child::wait(waiting), Ended::Exited(0));
    assert_eq!(group.look(queue).waiters, []);
    assert_eq!(group.look(queue).level, 1);
}

#[test]
fn a_wait_is_over_at_its_time_and_not_before() {
    let mut group = Group::default();
    let (lock, queue, event) =
        (group.make(Kind::Lock), group.make(Kind::Queue { items: 1, bytes: 10 }), group.make(Kind::Event));
    let (me, other) = (group.join(1, 1), group.join(2, 1));
    let held = group.open(lock, other);
    as_kind!(held, Lock).acquire(&held.segment, other, Until::Now).unwrap();
    let check = |wait: &dyn Fn(Until) -> Option<Problem>| {
        let until = now_ns() + 30_000_000;
        assert_eq!(wait(Until::At(until)), Some(Problem::TimedOut));
        assert!(now_ns() >= until);
        assert_eq!(wait(Until::At(until)), Some(Problem::TimedOut), "a time that is over");
    };
    let opened = group.open(lock, me);
    check(&|until| as_kind!(opened, Lock).acquire(&opened.segment, me, until).err());
    let opened = group.open(queue, me);
    check(&|until| as_kind!(opened, Queue).get(&opened.segment, me, until).err());
    let opened = group.open(event, me);
    check(&|until| as_kind!(opened, Event).wait(&opened.segment, until).err());
}

/// Deaths in each of three tests: a thousand together. More: `SANDHOG_TEST_DEATHS=100000`.
fn rounds() -> u32 {
    std::env::var("SANDHOG_TEST_DEATHS").map_or(340, |deaths| deaths.parse().unwrap())
}

/// A keeper begins to recover, and is killed at some moment.
fn begin_to_recover(group: &mut Group, dead: Member, notes: &Notes, chance: &mut Chance) {
    notes.at(KEEPER).store(0, Ordering::SeqCst);
    let keeper = start(|| {
        notes.add(KEEPER);
        drop(group.keeper.hear(ToKeeper::Died(dead), vec![]));
        0
    });
    notes.wait_for(KEEPER, 1);
    (0..chance.below(2000)).for_each(|_| hint::spin_loop());
    kill_process(Pid::from_raw(keeper).unwrap(), Signal::KILL).unwrap();
    assert!([KILLED, Ended::Exited(0)].contains(&child::wait(keeper)));
}

#[test]
fn a_lock_passes_on_from_each_holder_that_is_killed() {
    let mut group = Group::default();
    let (lock, notes) = (group.make(Kind::Lock), Notes::new(16));
    let work = |opened: Opened| {
        let lock = as_kind!(opened, Lock);
        loop {
            let acquired = lock.acquire(&opened.segment, opened.me, Until::Never).unwrap();
            // Two words that are alike whenever nobody is at work on them; a death leaves them for the next to repair.
            if acquired.died.is_some() {
                notes.at(2).store(notes.get(1), Ordering::SeqCst);
            } else if notes.get(1) != notes.get(2) {
                return 1;
            }
            notes.add(1);
            notes.add(2);
            lock.release(&opened.segment, opened.me).unwrap();
        }
    };
    let mut chance = Chance(7);
    let (mut members, mut children) = (Vec::new(), Vec::new());
    for seat in 0..3 {
        let me = group.join(seat, 1);
        members.push(me);
        children.push(start(|| work(group.open(lock, me))));
    }
    for _ in 0..rounds() {
        let (target, who) = (notes.get(1) + chance.below(300), chance.below(3) as usize);
        notes.wait_for(1, target);
        kill(children[who]);
        begin_to_recover(&mut group, members[who], &notes, &mut chance);
        group.died(members[who]);
        members[who] = group.join(members[who].seat, members[who].generation + 1);
        children[who] = start(|| work(group.open(lock, members[who])));
    }
    let last = notes.get(1) + 100;
    notes.wait_for(1, last);
    children.into_iter().for_each(kill);
    members.iter().for_each(|member| drop(group.died(*member)));
    let me = group.join(9, 1);
    let opened = group.open(lock, me);
    let acquired = as_kind!(opened, Lock).acquire(&opened.segment, me, Until::Now).unwrap();
    assert!(acquired.died.is_some() || notes.get(1) == notes.get(2));
}

/// Items of a producer; each has a place in the notes.
const ITEMS: u32 = 1 << 23;

/// Places of notes: what was put for certain, what was done, then a word for each item.
const PUT: u32 = 0;
const DONE: u32 = 1;
const FIRST_ITEM: u32 = 16;

/// Puts numbers from where the one before has stopped; it may have put one more than it could say.
fn produce(opened: &Opened, notes: &Notes, first: u32) -> i32 {
    let queue = as_kind!(opened, Queue);
    for number in first..ITEMS {
        // Some of them are in several blocks, and some are copied outside.
        let filler = vec![7; [0, 100, 3000, 20_000][(number % 64 / 16) as usize]];
        let parts = [&number.to_le_bytes()[..], &filler];
        queue.put(&opened.segment, opened.me, 0, &parts, Until::Never).unwrap();
        notes.at(PUT).store(number + 1, Ordering::SeqCst);
    }
    0
}

fn number_of(body: &[u8]) -> u32 {
    assert!(body[4..].iter().all(|byte| *byte == 7));
    u32::from_le_bytes(body[..4].try_into().unwrap())
}

fn consume(opened: &Opened, notes: &Notes, acknowledges: bool) -> i32 {
    let queue = as_kind!(opened, Queue);
    loop {
        let done = if acknowledges {
            queue.take(&opened.segment, opened.me, Until::Never).and_then(|taken| {
                notes.add(FIRST_ITEM + number_of(&taken.item.body));
                queue.acknowledge(&opened.segment, opened.me, taken.token)
            })
        } else {
            queue.get(&opened.segment, opened.me, Until::Never).map(|got| {
                notes.add(FIRST_ITEM + number_of(&got.body));
            })
        };
        match done {
            Ok(()) => notes.add(DONE),
            Err(Problem::Closed) => return 0,
            Err(_) => return 1,
        }
    }
}

/// One producer and two consumers, each killed at random and replaced. How often each item was done; how many consumers died.
fn under_kills(acknowledges: bool) -> (Vec<u32>, u32) {
    let mut group = Group::default();
    let queue = group.make(Kind::Queue { items: 50, bytes: 200_000 });
    let notes = Notes::new(u64::from(FIRST_ITEM + ITEMS));
    let begin = |group: &Group, role: usize, me: Member, first: u32| {
        start(|| {
            let opened = group.open(queue, me);
            if role == 0 { produce(&opened, &notes, first) } else { consume(&opened, &notes, acknowledges) }
        })
    };
    let mut members: Vec<_> = (0..3).map(|seat| group.join(seat, 1)).collect();
    let mut children: Vec<_> = (0..3).map(|role| begin(&group, role, members[role], 0)).collect();
    let (mut chance, mut deaths, mut doubtful) = (Chance(3), 0, Vec::new());
    for _ in 0..rounds() {
        let (role, target) = (chance.below(3) as usize, notes.get(DONE) + chance.below(60));
        notes.wait_for(DONE, target);
        kill(children[role]);
        begin_to_recover(&mut group, members[role], &notes, &mut chance);
        group.died(members[role]);
        members[role] = group.join(members[role].seat, members[role].generation + 1);
        let next = notes.get(PUT);
        if role == 0 {
            // This one is there or not; nobody puts it again.
            doubtful.push(next);
            children[0] = begin(&group, 0, members[0], next + 1);
        } else {
            deaths += 1;
            children[role] = begin(&group, role, members[role], 0);
        }
    }
    kill(children[0]);
    group.died(members[0]);
    doubtful.push(notes.get(PUT));
    let me = group.join(9, 1);
    let opened = group.open(queue, me);
    as_kind!(opened, Queue).close(&opened.segment, me).unwrap();
    children[1..].iter().for_each(|pid| assert_eq!(child::wait(*pid), Ended::Exited(0)));
    assert_eq!(as_kind!(opened, Queue).size(&opened.segment), 0);
    assert_eq!(as_kind!(opened, Queue).bytes(&opened.segment), 0);
    let certain = (0..notes.get(PUT)).filter(|number| !doubtful.contains(number));
    (certain.map(|number| notes.get(FIRST_ITEM + number)).collect(), deaths)
}

#[test]
fn no_item_is_lost_that_is_acknowledged_and_none_is_done_twice_but_by_a_death() {
    let (done, deaths) = under_kills(true);
    assert!(done.iter().all(|times| *times >= 1), "lost");
    let twice: u32 = done.iter().map(|times| times - 1).sum();
    assert!(twice <= deaths, "{twice} times too often, {deaths} deaths");
}

#[test]
fn each_death_loses_the_item_that_was_got_at_most_and_none_is_got_twice() {
    let (done, deaths) = under_kills(false);
    assert!(done.iter().all(|times| *times <= 1), "doubled");
    let lost = done.iter().filter(|times| **times == 0).count();
    assert!(lost <= deaths as usize, "{lost} lost, {deaths} deaths");
}

#[test]
fn those_that_wait_for_a_dead_member_are_woken() {
    let mut group = Group::default();
    let lock = group.make(Kind::Lock);
    let (dead, heir) = (group.join(1, 1), group.join(2, 1));
    let held = group.open(lock, dead);
    as_kind!(held, Lock).acquire(&held.segment, dead, Until::Now).unwrap();
    let waiting = start(|| {
        let opened = group.open(lock, heir);
        let acquired = as_kind!(opened, Lock).acquire(&opened.segment, heir, Until::Never).unwrap();
        i32::from(acquired.died != Some(dead))
    });
    until_waited_for(&mut group, lock, heir);
    assert_eq!(group.died(dead), [lock]);
    assert_eq!(child::wait(waiting), Ended::Exited(0));
    let _ = held.segment.load(0);
}
