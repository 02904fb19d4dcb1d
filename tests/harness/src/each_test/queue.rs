//! The threads that wait for their turn.
//!
//! Must not: decide whose turn it is. [`Order`] does.

use super::order::{Kind, Order};
use std::sync::{Condvar, Mutex, MutexGuard};

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
        self.lock().waiting()
    }

    pub(super) fn running_beside(&self) -> u32 {
        self.lock().running_beside()
    }

    fn lock(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap()
    }
}
