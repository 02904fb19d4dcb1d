//! Facts about other bounds while connections are there.

use super::*;

const WORKER: WorkerId = WorkerId(1);

fn config(connections: u32) -> Config {
    Config { connections, in_all: None, waiting_max: 9, waiting_for: Duration::from_secs(9) }
}

fn step(state: &mut State, event: Event) -> Vec<Action> {
    state.step(Duration::ZERO, event)
}

#[test]
fn other_bounds_are_those_of_the_next_connection_and_take_nothing_away() {
    let mut state = State::new(config(1));
    let _ = step(&mut state, Event::Joined { worker: WORKER, held: false });
    let _ = step(&mut state, Event::Accepts { worker: WORKER });
    let give = |connection| Action::Give { worker: WORKER, connection };
    assert_eq!(step(&mut state, Event::Arrived { connection: 1, waited: Duration::ZERO }), [give(1)]);
    assert_eq!(step(&mut state, Event::Arrived { connection: 2, waited: Duration::ZERO }), []);
    state.configure(config(3));
    assert_eq!(step(&mut state, Event::Tick), [give(2)]);
    assert_eq!(step(&mut state, Event::Arrived { connection: 3, waited: Duration::ZERO }), [give(3)]);
    state.configure(config(2));
    for connection in [1, 2, 3] {
        let read = step(&mut state, Event::Reads { worker: WORKER, connection });
        assert_eq!(read, [Action::LetGo { connection }]);
    }
    assert_eq!(step(&mut state, Event::Arrived { connection: 4, waited: Duration::ZERO }), []);
    let served = |connection| Action::End { connection, fate: Fate::Served };
    assert_eq!(step(&mut state, Event::Closed { worker: WORKER, connection: 1 }), [served(1)]);
    assert_eq!(step(&mut state, Event::Closed { worker: WORKER, connection: 2 }), [served(2), give(4)]);
}
