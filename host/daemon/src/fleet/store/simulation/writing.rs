//! What the thread that writes does.

use super::vfs::of;
use super::world::{Seen, World};
use crate::fleet::store::writer::Batch;
use std::task::{Context, Poll, Waker};

impl World {
    /// With something that is asked for in between, or not.
    pub(super) fn write(&mut self) {
        if self.rng.one_in(2) {
            if !self.write_whole() {
                self.start();
            }
            return;
        }
        let last = self.asked.last();
        let Some(batch) = self.daemon().store.shared.next_if_any() else { return };
        self.meanwhile();
        let written = batch.write(&mut self.daemon().connection);
        self.meanwhile();
        if !self.settle(batch, written, last) {
            self.start();
        }
    }

    fn meanwhile(&mut self) {
        match self.rng.below(4) {
            0 => {}
            1 => self.change(),
            2 => self.ask_for_answer(),
            _ => self.take_ids(),
        }
        // An answer that comes before it was written.
        self.hear_answers();
    }

    /// Whether the daemon still lives.
    #[must_use]
    pub(super) fn write_whole(&mut self) -> bool {
        let last = self.asked.last();
        let Some(batch) = self.daemon().store.shared.next_if_any() else { return true };
        let written = batch.write(&mut self.daemon().connection);
        self.settle(batch, written, last)
    }

    /// Likewise.
    #[must_use]
    fn settle(&mut self, batch: Batch, written: rusqlite::Result<()>, last: usize) -> bool {
        self.tell(|| format!("state {last} is written: {written:?}"));
        let is_off = of(&self.disk).is_off();
        match &written {
            Ok(()) => self.asked.committed = last,
            Err(_) if is_off => {}
            Err(_) => self.saw(Seen::Full),
        }
        self.daemon().store.shared.settle(batch, written);
        self.hear_answers();
        if is_off {
            self.kill();
        }
        !is_off
    }

    fn hear_answers(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        let daemon = self.daemon.as_mut().expect("it writes");
        let mut promised = None;
        daemon.answers.retain_mut(|(answer, state)| match answer.as_mut().poll(&mut context) {
            Poll::Ready(Ok(())) => {
                promised = promised.max(Some(*state));
                false
            }
            Poll::Ready(Err(_)) => false,
            Poll::Pending => true,
        });
        if let Some(promised) = promised {
            self.tell(|| format!("state {promised} is kept, somebody was told"));
            self.saw(Seen::Answered);
            self.asked.promised = self.asked.promised.max(promised);
        }
    }
}
