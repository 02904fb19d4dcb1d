//! Whoever waits gets there, although another takes it again at once each time, or clears it.
//!
//! The other's operations are done whole, before the one that waits has its turn.

use super::world::{Actor, TurnOver, View, World};
use crate::event::Event;
use crate::limits::PATIENCE;
use crate::object::Object;
use crate::problem::Problem;
use crate::words::Until;
use sandhog_protocol::objects::{Kind, Member};
use sandhog_simulation::Rng;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

const EAGER: Member = Member { seat: 0, generation: 1 };
const PATIENT: Member = Member { seat: 1, generation: 1 };

fn acquire(object: Object, words: &View, me: Member, until: Until) -> Result<(), Problem> {
    match object {
        Object::Lock(lock) => lock.acquire(words, me, until).map(drop),
        Object::Semaphore(semaphore) => semaphore.acquire(words, me, until).map(drop),
        other => panic!("{other:?} is not acquired"),
    }
}

fn release(object: Object, words: &View, me: Member) -> Result<(), Problem> {
    match object {
        Object::Lock(lock) => lock.release(words, me),
        Object::Semaphore(semaphore) => semaphore.release(words, me),
        other => panic!("{other:?} is not released"),
    }
}

/// `None`: it sleeps.
fn turn<T>(world: &RefCell<World>, member: Member, act: impl FnOnce(&View) -> T) -> Option<T> {
    let actor = usize::from(member.seat);
    if world.borrow().actors[actor].is_asleep() {
        return None;
    }
    world.borrow_mut().give_turn(actor, 1000);
    match catch_unwind(AssertUnwindSafe(|| act(&View(world)))) {
        Ok(done) => {
            world.borrow_mut().actors[actor].begin();
            Some(done)
        }
        Err(panic) if panic.is::<TurnOver>() => None,
        Err(panic) => resume_unwind(panic),
    }
}

/// With two members, and nothing done yet.
fn world(kind: Kind) -> RefCell<World> {
    let mut world = World::new(Object::bytes(kind).unwrap(), Rng::new(0));
    world.actors.resize_with(2, Actor::default);
    RefCell::new(world)
}

/// Times that the eager one has it before the patient one gets it.
fn overtakings(kind: Kind) -> u32 {
    let object = Object::of(kind).unwrap();
    let world = world(kind);
    turn(&world, EAGER, |words| object.initialise(words));
    turn(&world, EAGER, |words| acquire(object, words, EAGER, Until::Never)).unwrap().unwrap();
    for overtakings in 0..100 {
        if let Some(done) = turn(&world, PATIENT, |words| acquire(object, words, PATIENT, Until::Never)) {
            done.unwrap();
            return overtakings;
        }
        let _ = turn(&world, EAGER, |words| release(object, words, EAGER));
        let _ = turn(&world, EAGER, |words| acquire(object, words, EAGER, Until::Now));
    }
    panic!("it never gets {kind:?}");
}

#[test]
fn nobody_is_overtaken_for_ever() {
    for kind in [Kind::Lock, Kind::Semaphore { permits: 1 }] {
        assert!(overtakings(kind) <= PATIENCE + 3, "{kind:?}");
    }
}

#[test]
fn whoever_waits_when_an_event_is_set_goes_on_although_it_is_cleared_at_once() {
    let world = world(Kind::Event);
    let event = Event::at(0);
    while !world.borrow().actors[usize::from(PATIENT.seat)].is_asleep() {
        assert_eq!(turn(&world, PATIENT, |words| event.wait(words, Until::Never)), None);
    }
    turn(&world, EAGER, |words| event.set(words)).unwrap().unwrap();
    turn(&world, EAGER, |words| event.clear(words)).unwrap().unwrap();
    assert_eq!(turn(&world, PATIENT, |words| event.wait(words, Until::Never)), Some(Ok(())));
}
