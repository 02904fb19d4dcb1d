//! The balance, case by case. `simulation` has what nobody thought of.

use super::*;
use std::time::Duration;

const NONE: [Action; 0] = [];

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn worker(number: u64) -> WorkerId {
    WorkerId(number)
}

/// Workers with room for two, of which so many accept; two connections may wait, for a second.
fn with_workers(count: u64) -> State {
    let mut state = State::new(Config { connections: 2, in_all: None, waiting_max: 2, waiting_for: at(1000) });
    for number in 1..=count {
        assert_eq!(state.step(at(0), Event::Joined { worker: worker(number), held: false }), NONE);
        assert_eq!(state.step(at(0), Event::Accepts { worker: worker(number) }), NONE);
    }
    state
}

fn give(number: u64, connection: ConnectionId) -> Action {
    Action::Give { worker: worker(number), connection }
}

fn end(connection: ConnectionId, fate: Fate) -> Action {
    Action::End { connection, fate }
}

fn refused(connection: ConnectionId, why: Why) -> Action {
    end(connection, Fate::Refused(why))
}

fn arrive(state: &mut State, connection: ConnectionId) -> Vec<Action> {
    state.step(at(0), Event::Arrived { connection, waited: Duration::ZERO })
}

fn reads(number: u64, connection: ConnectionId) -> Event {
    Event::Reads { worker: worker(number), connection }
}

fn declined(number: u64, connection: ConnectionId) -> Event {
    Event::Declined { worker: worker(number), connection }
}

fn closed(number: u64, connection: ConnectionId) -> Event {
    Event::Closed { worker: worker(number), connection }
}

#[test]
fn the_least_loaded_is_next_and_equals_take_turns() {
    let mut state = with_workers(3);
    assert_eq!(
        (1..=3).map(|id| arrive(&mut state, id)).collect::<Vec<_>>(),
        [[give(1, 1)], [give(2, 2)], [give(3, 3)]]
    );
    assert_eq!(state.step(at(0), reads(2, 2)), [Action::LetGo { connection: 2 }]);
    assert_eq!(state.step(at(0), closed(2, 2)), [end(2, Fate::Served)]);
    assert_eq!(arrive(&mut state, 4), [give(2, 4)]);
    assert_eq!(arrive(&mut state, 5), [give(1, 5)]);
}

#[test]
fn a_hundred_connections_are_spread_evenly_whether_they_stay_or_not() {
    for (count, stay) in (1..=9).flat_map(|count| [(count, true), (count, false)]) {
        let mut state = State::new(Config { connections: 1000, in_all: None, waiting_max: 0, waiting_for: at(1) });
        for number in 0..count {
            let _ = state.step(at(0), Event::Joined { worker: worker(number), held: false });
            let _ = state.step(at(0), Event::Accepts { worker: worker(number) });
        }
        let mut had = vec![0_u64; count as usize];
        for connection in 0..100 {
            let given = state.step(at(0), Event::Arrived { connection, waited: Duration::ZERO });
            let [Action::Give { worker: WorkerId(number), .. }] = given[..] else { panic!("{given:?}") };
            had[number as usize] += 1;
            if !stay {
                let _ = state.step(at(0), reads(number, connection));
                let _ = state.step(at(0), closed(number, connection));
            }
        }
        let (most, least) = (had.iter().max().unwrap(), had.iter().min().unwrap());
        assert!(most - least <= 1, "{count} workers had {had:?}");
    }
}

#[test]
fn a_worker_that_has_not_said_that_it_accepts_gets_none() {
    let mut state = with_workers(0);
    assert_eq!(state.step(at(0), Event::Joined { worker: worker(1), held: false }), NONE);
    assert_eq!(arrive(&mut state, 1), NONE);
    assert_eq!(state.step(at(5), Event::Accepts { worker: worker(1) }), [give(1, 1)]);
}

#[test]
fn no_more_wait_than_may_and_none_for_longer() {
    let mut state = with_workers(0);
    assert_eq!([arrive(&mut state, 1), arrive(&mut state, 2)], [NONE, NONE]);
    assert_eq!(arrive(&mut state, 3), [refused(3, Why::Full)]);
    assert_eq!(state.next_wake(), Some(at(1000)));
    assert_eq!(state.step(at(1000), Event::Tick), [refused(1, Why::Late), refused(2, Why::Late)]);
    assert_eq!(state.next_wake(), None);
}

#[test]
fn with_no_room_to_wait_one_that_a_worker_takes_at_once_is_taken() {
    let mut state = State::new(Config { connections: 1, in_all: None, waiting_max: 0, waiting_for: at(1000) });
    let _ = state.step(at(0), Event::Joined { worker: worker(1), held: false });
    let _ = state.step(at(0), Event::Accepts { worker: worker(1) });
    assert_eq!(arrive(&mut state, 1), [give(1, 1)]);
    assert_eq!(arrive(&mut state, 2), [refused(2, Why::Full)]);
}

#[test]
fn those_that_a_full_worker_can_not_have_wait_for_one_to_end() {
    let mut state = with_workers(1);
    let _ = (arrive(&mut state, 1), arrive(&mut state, 2));
    assert_eq!(arrive(&mut state, 3), NONE);
    assert_eq!(state.step(at(1), closed(1, 2)), [end(2, Fate::Withdrawn), give(1, 3)]);
}

#[test]
fn what_a_dead_worker_has_not_read_goes_to_others_and_the_rest_is_lost() {
    let mut state = with_workers(1);
    let _ = (arrive(&mut state, 1), arrive(&mut state, 2));
    let _ = state.step(at(1), reads(1, 1));
    // It has only closed its end: it may still read.
    assert_eq!(state.step(at(2), Event::HungUp { worker: worker(1) }), NONE);
    let _ = state.step(at(2), Event::Joined { worker: worker(2), held: false });
    assert_eq!(state.step(at(2), Event::Accepts { worker: worker(2) }), NONE);
    assert_eq!(state.step(at(3), Event::Gone { worker: worker(1) }), [end(1, Fate::Lost), give(2, 2)]);
    assert_eq!(state.counts(), Counts { workers: 1, waiting: 0, unread: 1, read: 0 });
}

#[test]
fn those_that_come_back_are_before_those_that_wait() {
    let mut state = with_workers(1);
    for id in 1..=4 {
        let _ = arrive(&mut state, id);
    }
    let _ = state.step(at(1), Event::Joined { worker: worker(2), held: false });
    assert_eq!(state.step(at(2), Event::Gone { worker: worker(1) }), NONE);
    assert_eq!(state.counts().waiting, 4, "they do not count against what may wait");
    assert_eq!(state.step(at(3), Event::Accepts { worker: worker(2) }), [give(2, 1), give(2, 2)]);
}

#[test]
fn one_that_is_to_finish_is_told_once_and_hands_over_what_it_declines() {
    let mut state = with_workers(2);
    let _ = (arrive(&mut state, 1), arrive(&mut state, 2));
    assert_eq!(state.step(at(1), Event::Finish { worker: worker(1) }), [Action::Finish { worker: worker(1) }]);
    assert_eq!(state.step(at(1), Event::Finish { worker: worker(1) }), NONE);
    assert_eq!(arrive(&mut state, 3), [give(2, 3)]);
    let _ = state.step(at(2), closed(2, 3));
    assert_eq!(state.step(at(2), declined(1, 1)), [give(2, 1)]);
}

#[test]
fn one_that_retires_gets_no_more_and_is_told_to_finish() {
    let mut state = with_workers(1);
    assert_eq!(state.step(at(1), Event::Retires { worker: worker(1) }), [Action::Finish { worker: worker(1) }]);
    assert_eq!(arrive(&mut state, 1), NONE);
    // The two words crossed.
    let mut state = with_workers(1);
    let _ = state.step(at(1), Event::Finish { worker: worker(1) });
    assert_eq!(state.step(at(1), Event::Retires { worker: worker(1) }), NONE);
}

#[test]
fn one_that_declines_unasked_rests_and_nothing_is_handed_over_for_ever() {
    let mut state = with_workers(1);
    assert_eq!(arrive(&mut state, 1), [give(1, 1)]);
    let mut now = at(0);
    for _ in 0..HANDED_OVER {
        assert_eq!(state.step(now, declined(1, 1)), NONE);
        assert_eq!(state.next_wake(), Some(now + REST));
        now += REST;
        assert_eq!(state.step(now, Event::Tick), [give(1, 1)]);
    }
    assert_eq!(state.step(now, declined(1, 1)), [refused(1, Why::HandedOver)]);
}

#[test]
fn what_could_not_be_sent_keeps_its_place_until_there_is_room() {
    let mut state = with_workers(1);
    let _ = (arrive(&mut state, 1), arrive(&mut state, 2), arrive(&mut state, 3));
    for connection in [2, 1] {
        assert_eq!(state.step(at(1), Event::Unsent { worker: worker(1), connection }), NONE);
    }
    assert_eq!(state.next_wake(), Some(at(1000)), "they wait since they came");
    assert_eq!(state.step(at(2), Event::Room { worker: worker(1) }), [give(1, 1), give(1, 2)]);
}

#[test]
fn whoever_breaks_the_rules_is_told_of_once_and_heard_no_more() {
    let lies = [
        (Event::Accepts { worker: worker(1) }, Breach::Twice),
        (reads(1, 9), Breach::NotIts),
        (declined(1, 9), Breach::NotIts),
        (closed(1, 9), Breach::NotIts),
        (reads(1, 1), Breach::ReadBefore),
        (declined(1, 1), Breach::ReadBefore),
        (Event::Broke { worker: worker(1), breach: Breach::Packet }, Breach::Packet),
    ];
    for (lie, breach) in lies {
        let mut state = with_workers(1);
        let _ = (arrive(&mut state, 1), arrive(&mut state, 2));
        let _ = state.step(at(0), reads(1, 1));
        assert_eq!(state.step(at(1), lie), [Action::Breach { worker: worker(1), breach }]);
        assert_eq!(state.step(at(1), lie), NONE);
        assert_eq!(state.step(at(1), closed(1, 1)), NONE);
        assert_eq!(state.step(at(1), Event::Finish { worker: worker(1) }), NONE);
        // It lives: what it has not read is nobody else's yet.
        let _ = state.step(at(1), Event::Joined { worker: worker(2), held: false });
        assert_eq!(state.step(at(1), Event::Accepts { worker: worker(2) }), NONE);
        assert_eq!(state.step(at(2), Event::Gone { worker: worker(1) }), [end(1, Fate::Lost), give(2, 2)]);
    }
    let mut state = with_workers(1);
    let _ = state.step(at(0), Event::Retires { worker: worker(1) });
    let twice = Action::Breach { worker: worker(1), breach: Breach::Twice };
    assert_eq!(state.step(at(1), Event::Retires { worker: worker(1) }), [twice]);
}

#[test]
fn a_drain_is_over_when_each_connection_has_a_reader_or_an_end() {
    let mut state = with_workers(1);
    let _ = (arrive(&mut state, 1), arrive(&mut state, 2), arrive(&mut state, 3));
    assert_eq!(state.step(at(1), Event::Drain), NONE);
    assert_eq!(arrive(&mut state, 4), [refused(4, Why::Closing)]);
    let _ = state.step(at(2), reads(1, 1));
    let _ = state.step(at(3), Event::Finish { worker: worker(1) });
    // Nobody is left who takes the third.
    assert_eq!(state.step(at(4), declined(1, 2)), [refused(2, Why::Closing), Action::Drained]);
    assert_eq!(state.step(at(5), closed(1, 1)), [end(1, Fate::Served)]);
    assert_eq!(with_workers(0).step(at(1), Event::Drain), [Action::Drained]);
}

#[test]
fn a_stranger_changes_nothing() {
    let mut state = with_workers(1);
    for event in [reads(7, 1), declined(7, 1), closed(7, 1), Event::Gone { worker: worker(7) }] {
        assert_eq!(state.step(at(0), event), NONE);
    }
    assert_eq!(state.counts(), Counts { workers: 1, ..Counts::default() });
}

#[test]
fn one_that_has_waited_elsewhere_is_refused_as_soon_as_if_it_had_waited_here() {
    let mut state = with_workers(0);
    let arrived = |connection, waited| Event::Arrived { connection, waited: at(waited) };
    assert_eq!(state.step(at(5000), arrived(1, 400)), NONE);
    assert_eq!(state.step(at(5000), arrived(2, 700)), NONE);
    assert_eq!(state.next_wake(), Some(at(5300)));
    assert_eq!(state.step(at(5300), Event::Tick), [refused(2, Why::Late)]);
    assert_eq!(state.step(at(5300), arrived(3, 1000)), [refused(3, Why::Late)]);
    assert_eq!(state.step(at(5600), Event::Tick), [refused(1, Why::Late)]);
    // Where somebody takes it at once, nobody asks.
    let mut state = with_workers(1);
    assert_eq!(state.step(at(5000), arrived(1, 9000)), [give(1, 1)]);
}

#[test]
fn one_that_is_held_has_questions_alone_until_it_is_admitted() {
    let mut state = with_workers(0);
    let ask = |connection| Event::Asked { worker: worker(1), connection };
    assert_eq!(state.step(at(0), Event::Joined { worker: worker(1), held: true }), NONE);
    assert_eq!(state.step(at(0), ask(1)), [end(1, Fate::Own)], "it does not take any yet");
    assert_eq!(state.step(at(0), Event::Accepts { worker: worker(1) }), NONE);
    assert_eq!(arrive(&mut state, 2), NONE);
    assert_eq!(state.step(at(0), ask(3)), [give(1, 3)]);
    assert_eq!(state.counts(), Counts { waiting: 1, ..Counts::default() });
    assert_eq!(state.step(at(0), reads(1, 3)), [Action::LetGo { connection: 3 }]);
    assert_eq!(state.step(at(0), closed(1, 3)), [end(3, Fate::Own)]);
    assert_eq!(state.step(at(0), Event::Admitted { worker: worker(1) }), [give(1, 2)]);
}

#[test]
fn a_question_is_never_handed_over_and_never_counts() {
    let mut state = with_workers(2);
    let ask = |connection| Event::Asked { worker: worker(1), connection };
    let _ = (arrive(&mut state, 1), arrive(&mut state, 2), arrive(&mut state, 3), arrive(&mut state, 4));
    assert_eq!(state.step(at(0), ask(5)), [give(1, 5)], "it has room for no client");
    assert_eq!(state.step(at(0), declined(1, 5)), [end(5, Fate::Own)]);
    assert_eq!(state.step(at(0), ask(6)), [give(1, 6)]);
    let unsent = Event::Unsent { worker: worker(1), connection: 6 };
    assert_eq!(state.step(at(0), unsent), [end(6, Fate::Own)]);
    assert_eq!(state.step(at(0), ask(7)), [end(7, Fate::Own)], "its socket is full");
    let _ = state.step(at(0), Event::Room { worker: worker(1) });
    assert_eq!(state.step(at(0), ask(8)), [give(1, 8)]);
    let gone = state.step(at(0), Event::Gone { worker: worker(1) });
    assert_eq!(gone, [end(8, Fate::Own)], "its clients wait for the other one, and a question does not");
}
