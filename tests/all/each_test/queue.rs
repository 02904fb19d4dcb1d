//! Who may run: many tests beside each other, or one alone, in the order in which they came.
//!
//! Must not: favour anybody. A test that waits to run alone holds back those who come later, else it would wait until the end;
//! and they run before the next one that came after them.

use std::sync::{Condvar, Mutex, MutexGuard};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Beside,
    Alone,
}

/// Who is in, and whose turn is next.
#[derive(Debug, Default, PartialEq, Eq)]
struct Order {
    /// Tickets that were given out. Each is used in its turn.
    given: u64,
    /// The ticket whose turn it is.
    turn: u64,
    beside: u32,
    alone: bool,
}

impl Order {
    const fn new() -> Self {
        Self { given: 0, turn: 0, beside: 0, alone: false }
    }

    fn arrive(&mut self) -> u64 {
        self.given += 1;
        self.given - 1
    }

    /// Whether it went in.
    #[must_use]
    fn enter(&mut self, ticket: u64, kind: Kind) -> bool {
        let has_room = match kind {
            Kind::Beside => !self.alone,
            Kind::Alone => !self.alone && self.beside == 0,
        };
        if self.turn != ticket || !has_room {
            return false;
        }
        self.turn += 1;
        match kind {
            Kind::Beside => self.beside += 1,
            Kind::Alone => self.alone = true,
        }
        true
    }

    fn leave(&mut self, kind: Kind) {
        match kind {
            Kind::Beside => self.beside -= 1,
            Kind::Alone => self.alone = false,
        }
    }
}

pub(super) struct Queue {
    order: Mutex<Order>,
    changed: Condvar,
}

impl Queue {
    pub(super) const fn new() -> Self {
        Self { order: Mutex::new(Order::new()), changed: Condvar::new() }
    }

    /// Waits for its turn.
    pub(super) fn enter(&self, kind: Kind) {
        let mut order = self.lock();
        let ticket = order.arrive();
        while !order.enter(ticket, kind) {
            order = self.changed.wait(order).unwrap();
        }
        // The next one may have room as well.
        self.changed.notify_all();
    }

    pub(super) fn leave(&self, kind: Kind) {
        self.lock().leave(kind);
        self.changed.notify_all();
    }

    pub(super) fn waiting(&self) -> u64 {
        let order = self.lock();
        order.given - order.turn
    }

    pub(super) fn running_beside(&self) -> u32 {
        self.lock().beside
    }

    fn lock(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap()
    }
}

/// Tests of these kinds that came in this order: which are in after each of the steps, where those at the given places leave.
fn run(kinds: &[Kind], leaves: &[usize]) -> Vec<Vec<usize>> {
    let mut order = Order::new();
    let tickets: Vec<u64> = kinds.iter().map(|_| order.arrive()).collect();
    let (mut waiting, mut inside): (Vec<usize>, Vec<usize>) = ((0..kinds.len()).collect(), Vec::new());
    let mut seen = Vec::new();
    let mut leaves = leaves.iter();
    loop {
        // The last one tries first: the threads wake in any order.
        while let Some(place) = waiting.iter().rposition(|test| order.enter(tickets[*test], kinds[*test])) {
            inside.push(waiting.remove(place));
        }
        seen.push(inside.clone());
        let Some(leaves) = leaves.next() else { return seen };
        let place = inside.iter().position(|test| test == leaves).expect("it is in");
        order.leave(kinds[inside.remove(place)]);
    }
}

#[test]
fn a_test_that_runs_alone_waits_for_those_before_it_and_holds_back_those_behind_it() {
    use Kind::{Alone, Beside};
    let steps = run(&[Beside, Beside, Alone, Beside, Alone, Beside], &[1, 0, 2, 3, 4, 5]);
    assert_eq!(steps, [vec![0, 1], vec![0], vec![2], vec![3], vec![4], vec![5], vec![]]);
    let steps = run(&[Alone, Alone, Beside, Beside], &[0, 1, 3, 2]);
    assert_eq!(steps, [vec![0], vec![1], vec![2, 3], vec![2], vec![]]);
}
