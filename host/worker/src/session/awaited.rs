//! Those of this process that wait for a change as futures, and are told of it by whoever makes it.
//!
//! Must not: know what changes.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// See the module. Where nobody waits, telling costs one look.
#[derive(Default)]
pub(crate) struct Awaited {
    waiting: AtomicU32,
    /// Changes that somebody was told of.
    changes: AtomicU32,
    wakers: Mutex<Vec<Waker>>,
}

/// One wait, from its making on.
pub(crate) struct Change<'a> {
    awaited: &'a Awaited,
    before: u32,
}

impl Awaited {
    fn wakers(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It has changed.
    #[inline]
    pub(crate) fn tell(&self) {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.changes.fetch_add(1, Ordering::Relaxed);
            self.wake();
        }
    }

    fn wake(&self) {
        let wakers = mem::take(&mut *self.wakers());
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Until the next change.
    pub(crate) fn change(&self) -> Change<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Change { awaited: self, before: self.changes.load(Ordering::Relaxed) }
    }
}

impl Future for Change<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.awaited.changes.load(Ordering::Relaxed) != self.before {
            return Poll::Ready(());
        }
        let mut wakers = self.awaited.wakers();
        if wakers.iter().any(|waker| waker.will_wake(context.waker())) {
            return Poll::Pending;
        }
        wakers.push(context.waker().clone());
        // Of waits that are over: whoever is woken looks again, and says anew how to be woken.
        let are_old = wakers.len() > 2 * self.awaited.waiting.load(Ordering::Relaxed) as usize;
        drop(wakers);
        if are_old {
            self.awaited.wake();
        }
        Poll::Pending
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        self.awaited.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::Wake;

    #[derive(Default)]
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn each_wait_is_woken_by_the_next_change_and_by_none_before() {
        let awaited = Awaited::default();
        awaited.tell();
        let all: [Arc<Woken>; 3] = std::array::from_fn(|_| Arc::default());
        let poll = |change: Pin<&mut Change<'_>>, by: &Arc<Woken>| {
            change.poll(&mut Context::from_waker(&Waker::from(Arc::clone(by))))
        };
        let (mut first, mut second) = (pin!(awaited.change()), pin!(awaited.change()));
        assert!(poll(first.as_mut(), &all[0]).is_pending() && poll(second.as_mut(), &all[1]).is_pending());
        awaited.tell();
        assert!(poll(first.as_mut(), &all[0]).is_ready() && poll(second.as_mut(), &all[1]).is_ready());
        assert_eq!(all.each_ref().map(|woken| woken.0.load(Ordering::Relaxed)), [1, 1, 0]);
        let mut third = pin!(awaited.change());
        assert!(poll(third.as_mut(), &all[2]).is_pending());
    }

    #[test]
    fn wakers_of_waits_that_are_over_do_not_pile_up() {
        let awaited = Awaited::default();
        for _ in 0..1000 {
            let waker = Waker::from(Arc::<Woken>::default());
            assert!(pin!(awaited.change()).poll(&mut Context::from_waker(&waker)).is_pending());
        }
        assert!(awaited.wakers().len() <= 2, "{}", awaited.wakers().len());
        assert_eq!(awaited.waiting.load(Ordering::Relaxed), 0);
    }
}
