//! Facts about one member, or several one after the other.

use crate::simulation::{Actor, View, World};
use crate::{
    Acquired, Array, Arrivals, Barrier, Condition, Memory, Object, Problem, Recovery, Rlock, Semaphore, Until, Value,
};
use sandhog_protocol::objects::{Element, Kind, Member};
use sandhog_simulation::Rng;
use std::cell::RefCell;

const ANN: Member = Member { seat: 1, generation: 7 };
const BOB: Member = Member { seat: 2, generation: 65_535 };

/// Whatever is done with an object of this kind, and the names of its accesses.
fn with<T>(kind: Kind, act: impl FnOnce(Object, &View, &RefCell<World>) -> T) -> T {
    let object = Object::of(kind).unwrap();
    let mut world = World::new(Object::bytes(kind).unwrap(), Rng::new(0));
    world.actors.push(Actor::default());
    world.give_turn(0, u64::MAX);
    let world = RefCell::new(world);
    object.initialise(&View(&world));
    act(object, &View(&world), &world)
}

/// The accesses that it makes.
fn accesses<T>(world: &RefCell<World>, act: impl FnOnce(&View) -> T) -> Vec<&'static str> {
    let before = world.borrow().names().len();
    act(&View(world));
    world.borrow().names().split_off(before)
}

#[test]
fn a_lock_that_nobody_wants_is_taken_and_given_back_by_one_exchange_each() {
    with(Kind::Lock, |object, _, world| {
        let Object::Lock(lock) = object else { panic!("{object:?}") };
        let taken = accesses(world, |words| lock.acquire(words, ANN, Until::Never).unwrap());
        assert_eq!(taken, ["exchange long", "load long", "store long"]);
        assert_eq!(accesses(world, |words| lock.release(words, ANN).unwrap()), ["exchange long"]);
    });
    with(Kind::Rlock, |object, _, world| {
        let Object::Rlock(lock) = object else { panic!("{object:?}") };
        let taken = accesses(world, |words| lock.acquire(words, ANN, Until::Never).unwrap());
        assert_eq!(taken, ["exchange long", "load long", "store long", "store"]);
        assert_eq!(accesses(world, |words| lock.release(words, ANN).unwrap()), ["load", "exchange long"]);
    });
}

#[test]
fn a_permit_that_nobody_wants_is_taken_and_given_back_by_one_exchange_each() {
    with(Kind::Semaphore { permits: 3 }, |object, words, world| {
        let Object::Semaphore(semaphore) = object else { panic!("{object:?}") };
        semaphore.acquire(words, ANN, Until::Never).unwrap();
        let taken = accesses(world, |words| semaphore.acquire(words, ANN, Until::Never).unwrap());
        assert_eq!(taken, ["load long", "load long", "exchange long", "store long", "add long"]);
        let released = accesses(world, |words| semaphore.release(words, ANN).unwrap());
        assert_eq!(released, ["load long", "load long", "exchange long", "store long"]);
        assert_eq!(semaphore.permits(words), 2);
    });
}

#[test]
fn a_number_is_changed_by_one_access() {
    with(Kind::Value { element: Element::I64 }, |object, _, world| {
        let Object::Value(value) = object else { panic!("{object:?}") };
        assert_eq!(accesses(world, |words| value.add_integer(words, 1)), ["add long"]);
        assert_eq!(accesses(world, |words| value.get_integer(words)), ["load long"]);
        assert_eq!(accesses(world, |words| value.set_integer(words, 3)), ["store long"]);
    });
}

#[test]
fn a_release_beyond_its_bound_is_an_error() {
    with(Kind::BoundedSemaphore { permits: 1 }, |_, words, _| {
        let semaphore = Semaphore::of(1, true).unwrap();
        assert_eq!(semaphore.release(words, ANN), Err(Problem::OverBound));
        semaphore.acquire(words, ANN, Until::Now).unwrap();
        assert_eq!(semaphore.acquire(words, BOB, Until::Now), Err(Problem::WouldBlock));
        // Anybody may release.
        assert_eq!(semaphore.release(words, BOB), Ok(()));
        assert_eq!(semaphore.release(words, ANN), Err(Problem::OverBound));
    });
}

#[test]
fn whoever_dies_holding_a_lock_is_told_of_once() {
    with(Kind::Rlock, |object, words, _| {
        let lock = Rlock::at(0);
        lock.acquire(words, ANN, Until::Now).unwrap();
        lock.acquire(words, ANN, Until::Now).unwrap();
        assert_eq!(object.look(words).holders, [ANN]);
        assert_eq!(lock.acquire(words, BOB, Until::Now), Err(Problem::WouldBlock));
        assert_eq!(lock.release(words, BOB), Err(Problem::NotHeld));
        assert_eq!(object.recover(words, ANN), Recovery::Held);
        assert_eq!(object.recover(words, ANN), Recovery::Nothing);
        assert_eq!(lock.acquire(words, BOB, Until::Now), Ok(Acquired { token: 2, died: Some(ANN) }));
        lock.release(words, BOB).unwrap();
        assert_eq!(lock.release(words, BOB), Err(Problem::NotHeld));
        assert_eq!(lock.acquire(words, BOB, Until::Now), Ok(Acquired { token: 3, died: None }));
    });
}

#[test]
fn a_condition_comes_back_to_its_depth() {
    with(Kind::Condition, |_, words, _| {
        let condition = Condition::at(0);
        assert_eq!(condition.wait(words, ANN, Until::Now), Err(Problem::NotHeld));
        assert_eq!(condition.notify(words, ANN, 1), Err(Problem::NotHeld));
        condition.acquire(words, ANN, Until::Now).unwrap();
        condition.acquire(words, ANN, Until::Now).unwrap();
        assert_eq!(condition.wait(words, ANN, Until::Now), Err(Problem::WouldBlock));
        condition.release(words, ANN).unwrap();
        assert!(condition.is_held(words, ANN));
        condition.release(words, ANN).unwrap();
        assert!(!condition.is_held(words, ANN));
    });
}

#[test]
fn a_barrier_is_broken_by_whoever_gives_up_until_it_is_reset() {
    with(Kind::Barrier { parties: 2 }, |_, words, _| {
        let barrier = Barrier::of(2).unwrap();
        assert_eq!(barrier.wait(words, ANN, Until::Now), Err(Problem::WouldBlock));
        assert!(barrier.is_broken(words));
        assert_eq!(barrier.wait(words, BOB, Until::Never), Err(Problem::Broken));
        barrier.reset(words, BOB).unwrap();
        assert!(!barrier.is_broken(words));
        barrier.abort(words, BOB).unwrap();
        assert_eq!(barrier.wait(words, BOB, Until::Never), Err(Problem::Broken));
    });
}

#[test]
fn a_wait_that_looks_again_holds_nothing_and_ends_by_the_next_notification() {
    with(Kind::Condition, |_, words, _| {
        let condition = Condition::at(0);
        assert_eq!(condition.begin_to_wait(words, ANN), Err(Problem::NotHeld));
        condition.acquire(words, ANN, Until::Now).unwrap();
        condition.acquire(words, ANN, Until::Now).unwrap();
        let awaits = condition.begin_to_wait(words, ANN).unwrap();
        assert!(!condition.was_notified_since(words, awaits));
        condition.acquire(words, BOB, Until::Now).unwrap();
        condition.notify(words, BOB, 0).unwrap();
        assert!(!condition.was_notified_since(words, awaits));
        condition.notify(words, BOB, 1).unwrap();
        assert!(condition.was_notified_since(words, awaits));
        assert_eq!(condition.come_back(words, ANN, awaits), Err(Problem::WouldBlock));
        condition.release(words, BOB).unwrap();
        condition.come_back(words, ANN, awaits).unwrap();
        condition.release(words, ANN).unwrap();
        assert!(condition.is_held(words, ANN), "it comes back to its depth");
    });
}

#[test]
fn each_of_several_arrivals_of_a_member_hears_how_its_phase_was_however_late_it_looks() {
    with(Kind::Barrier { parties: 3 }, |_, words, _| {
        let (barrier, mut anns) = (Barrier::of(3).unwrap(), Arrivals::default());
        let [first, second] = [0, 1].map(|_| anns.arrive(barrier, words, ANN).unwrap().unwrap_err());
        assert_eq!(anns.look(barrier, words, ANN, first), None);
        assert_eq!(barrier.wait(words, BOB, Until::Never), Ok(2));
        assert_eq!(anns.look(barrier, words, ANN, second), Some(Ok(1)));
        // The next phase has its word, and breaks.
        let third = anns.arrive(barrier, words, ANN).unwrap().unwrap_err();
        assert_eq!(anns.look(barrier, words, ANN, third), None);
        assert_eq!(barrier.wait(words, BOB, Until::Now), Err(Problem::WouldBlock));
        assert_eq!(anns.look(barrier, words, ANN, third), Some(Err(Problem::Broken)));
        assert_eq!(anns.look(barrier, words, ANN, first), Some(Ok(0)));
        assert_eq!(anns.arrive(barrier, words, ANN), Err(Problem::Broken));
    });
}

#[test]
fn an_arrival_that_gives_up_breaks_the_barrier_for_the_others_of_its_member() {
    with(Kind::Barrier { parties: 3 }, |object, words, _| {
        let (barrier, mut anns) = (Barrier::of(3).unwrap(), Arrivals::default());
        let [first, second] = [0, 1].map(|_| anns.arrive(barrier, words, ANN).unwrap().unwrap_err());
        assert_eq!(anns.leave(barrier, words, ANN, first, Problem::TimedOut), Err(Problem::TimedOut));
        assert_eq!(anns.leave(barrier, words, ANN, second, Problem::TimedOut), Err(Problem::Broken));
        assert!(barrier.is_broken(words));
        barrier.reset(words, BOB).unwrap();
        let third = anns.arrive(barrier, words, ANN).unwrap().unwrap_err();
        assert_eq!(barrier.waiting(words), 1);
        assert_eq!(object.recover(words, ANN), Recovery::Held);
        assert_eq!(anns.look(barrier, words, ANN, third), Some(Err(Problem::Broken)));
    });
}

#[test]
fn integers_are_cut_to_their_size() {
    let cases = [
        (Element::I8, 200, -56),
        (Element::U8, 300, 44),
        (Element::I16, 40_000, -25_536),
        (Element::U16, -1, 65_535),
        (Element::I32, 1 << 31, -(1 << 31)),
        (Element::U32, -1, (1 << 32) - 1),
        (Element::I64, i64::MIN, i64::MIN),
        (Element::U64, -1, -1),
    ];
    for (element, put, got) in cases {
        with(Kind::Value { element }, |_, words, _| {
            let value = Value::of(element);
            value.set_integer(words, put).unwrap();
            assert_eq!(value.compare_exchange_integer(words, put, 5), Ok(got), "{element:?}");
            assert_eq!(value.swap_integer(words, put), Ok(5));
            assert_eq!(value.add_integer(words, 1), Ok(got));
            assert_eq!(value.get_float(words), Err(Problem::Invalid));
        });
    }
}

#[test]
fn floats_are_compared_by_their_bits() {
    for element in [Element::F32, Element::F64] {
        with(Kind::Value { element }, |_, words, _| {
            let value = Value::of(element);
            value.set_float(words, f64::NAN).unwrap();
            assert!(value.compare_exchange_float(words, f64::NAN, 1.5).unwrap().is_nan());
            assert_eq!(value.compare_exchange_float(words, f64::NAN, 2.5), Ok(1.5));
            assert_eq!(value.add_float(words, 0.25), Ok(1.5));
            assert_eq!(value.swap_float(words, -0.0), Ok(1.75));
            assert_eq!(value.get_integer(words), Err(Problem::Invalid));
        });
    }
}

#[test]
fn nothing_is_reached_beyond_the_end() {
    with(Kind::Array { element: Element::U16, length: 3 }, |_, words, _| {
        let array = Array::of(Element::U16, 3).unwrap();
        array.write(words, 1, &[1, 2, 3, 4]).unwrap();
        assert_eq!(array.get_integer(words, 2), Ok(0x0403));
        let mut bytes = [0; 6];
        array.read(words, 0, &mut bytes).unwrap();
        assert_eq!(bytes, [0, 0, 1, 2, 3, 4]);
        assert_eq!(array.read(words, 3, &mut []), Ok(()));
        for (index, bytes) in [(3, 2), (2, 4), (0, 3), (4, 0), (u64::MAX, 2)] {
            assert_eq!(array.write(words, index, &vec![0; bytes]), Err(Problem::Invalid), "{index}");
        }
    });
    with(Kind::Memory { bytes: 5 }, |_, words, _| {
        let memory = Memory::of(5).unwrap();
        memory.write(words, 1, &[1, 2, 3, 4]).unwrap();
        let mut bytes = [0; 3];
        memory.read(words, 2, &mut bytes).unwrap();
        assert_eq!(bytes, [2, 3, 4]);
        assert_eq!(memory.read(words, 3, &mut bytes), Err(Problem::Invalid));
        assert_eq!(memory.read(words, u64::MAX, &mut bytes), Err(Problem::Invalid));
    });
}

#[test]
fn what_there_can_not_be_has_no_size() {
    let element = Element::F64;
    let kinds = [
        Kind::Semaphore { permits: 1 << 30 },
        Kind::BoundedSemaphore { permits: u32::MAX },
        Kind::Barrier { parties: 0 },
        Kind::Barrier { parties: u32::MAX },
        Kind::Array { element, length: 0 },
        Kind::Array { element, length: 1 << 61 },
        Kind::Memory { bytes: 0 },
        Kind::Memory { bytes: 1 << 63 },
        Kind::Pipe,
    ];
    for kind in kinds {
        assert_eq!((Object::of(kind), Object::bytes(kind)), (None, None), "{kind:?}");
    }
}

#[test]
fn a_member_is_named_by_its_word() {
    for member in [ANN, BOB, Member { seat: (1 << 14) - 1, generation: 1 }] {
        assert_eq!(crate::named(crate::code(member)), Some(member));
        assert_eq!(crate::code(member) >> 30, 0);
    }
    assert_eq!(crate::named((1 << 14) - 1), None);
}

#[test]
fn the_last_element_of_an_array_lies_in_a_whole_word() {
    for element in [Element::I8, Element::U16, Element::F32, Element::F64] {
        for length in 1..9 {
            let bytes = Object::bytes(Kind::Array { element, length }).unwrap();
            let end =
                Object::bytes(Kind::Array { element: Element::U32, length: 1 }).unwrap() - 4 + length * element.size();
            assert!(bytes.is_multiple_of(4) && (end..end + 4).contains(&bytes), "{element:?} {length}: {bytes}");
        }
    }
}
