//! An object's memory during one call of a guest's: what an operation on it reads, writes and waits with.
//!
//! Must not: know an operation.

use super::control::Control;
use super::error::Error;
use super::objects::Object;
use sandhog_objects::now_ns;
use sandhog_objects_model::{Until, Waited, Words};
use sandhog_protocol::objects::ObjectId;
use sandhog_protocol::request::Request;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// After this long people are told of a wait, in nanoseconds.
const A_WHILE: u64 = 1_000_000_000;

/// What a wait says to the coordinator. Its clones are one.
#[derive(Clone)]
pub(crate) struct Waits {
    control: Control,
    /// The guest has said that it listens for a stop.
    listens: Arc<AtomicBool>,
}

impl Waits {
    pub(super) fn new(control: Control) -> Self {
        Self { control, listens: Arc::default() }
    }

    /// Says that the guest listens for a stop; once.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub(crate) fn listen(&self) -> Result<(), Error> {
        if self.listens.swap(true, Ordering::Relaxed) { Ok(()) } else { self.control.ask(Request::Listens) }
    }

    /// Tells people of a wait that has lasted for a while.
    pub(crate) fn tell(&self, object: ObjectId) {
        // Where the coordinator has gone, this process is about to end as well.
        let _ = self.control.ask(Request::Waits { object });
    }
}

/// The memory of one object, for one call. What needs no wait costs no message and no system call.
pub(crate) struct Shared<'a> {
    object: &'a Object,
    waits: &'a Waits,
    /// When this call began to wait, by the monotonic clock in nanoseconds; 0: it has not.
    since: Cell<u64>,
    told: Cell<bool>,
}

impl<'a> Shared<'a> {
    pub(crate) fn new(object: &'a Object, waits: &'a Waits) -> Self {
        Self { object, waits, since: Cell::new(0), told: Cell::new(false) }
    }

    /// When people are to be told that it waits; None: they have been.
    fn tells_at(&self) -> Option<u64> {
        if self.told.get() {
            return None;
        }
        if self.since.get() == 0 {
            self.since.set(now_ns());
        }
        Some(self.since.get().saturating_add(A_WHILE))
    }
}

impl Words for Shared<'_> {
    #[inline]
    fn load(&self, place: usize) -> u32 {
        self.object.segment().load(place)
    }

    #[inline]
    fn store(&self, place: usize, value: u32) {
        self.object.segment().store(place, value);
    }

    #[inline]
    fn compare_exchange(&self, place: usize, old: u32, new: u32) -> Result<u32, u32> {
        self.object.segment().compare_exchange(place, old, new)
    }

    #[inline]
    fn fetch_add(&self, place: usize, more: u32) -> u32 {
        self.object.segment().fetch_add(place, more)
    }

    #[inline]
    fn load_long(&self, place: usize) -> u64 {
        self.object.segment().load_long(place)
    }

    #[inline]
    fn store_long(&self, place: usize, value: u64) {
        self.object.segment().store_long(place, value);
    }

    #[inline]
    fn compare_exchange_long(&self, place: usize, old: u64, new: u64) -> Result<u64, u64> {
        self.object.segment().compare_exchange_long(place, old, new)
    }

    #[inline]
    fn fetch_add_long(&self, place: usize, more: u64) -> u64 {
        self.object.segment().fetch_add_long(place, more)
    }

    #[inline]
    fn read(&self, place: usize, into: &mut [u8]) {
        self.object.segment().read(place, into);
    }

    #[inline]
    fn write(&self, place: usize, from: &[u8]) {
        self.object.segment().write(place, from);
    }

    fn wait(&self, place: usize, expected: u32, until: Until) -> Waited {
        let segment = self.object.segment();
        if until == Until::Now {
            return segment.wait(place, expected, until);
        }
        // Where the coordinator has gone, this process is about to end as well.
        let _ = self.waits.listen();
        let soon = match (self.tells_at(), until) {
            (None, _) => return segment.wait(place, expected, until),
            (Some(soon), Until::At(time)) if time <= soon => return segment.wait(place, expected, until),
            (Some(soon), Until::At(_) | Until::Never | Until::Now) => soon,
        };
        match segment.wait(place, expected, Until::At(soon)) {
            Waited::TimedOut => {
                self.told.set(true);
                self.waits.tell(self.object.id());
                segment.wait(place, expected, until)
            }
            waited @ (Waited::Woken | Waited::Stopping) => waited,
        }
    }

    #[inline]
    fn pause(&self) {
        self.object.segment().pause();
    }

    #[inline]
    fn wake(&self, place: usize, most: u32) {
        self.object.segment().wake(place, most);
    }
}
