//! An object's memory, mapped.
//!
//! Must not: know what its words mean.

use super::page::{Page, Waits};
use sandhog_objects_model::{Object, Until, Waited, Words};
use sandhog_protocol::objects::{Kind, ObjectId};
use sandhog_sys::futex::{self, Back, While};
use sandhog_sys::shared::{self, Access, Long, Shared, Word};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::{hint, io};

/// The memory of one object, as a member or the keeper has it.
#[derive(Debug)]
pub struct Segment {
    memory: Shared,
    object: ObjectId,
    /// Of the member; the keeper has none.
    page: Option<Arc<Page>>,
}

/// The clock of [`Until::At`]: the monotonic one, in nanoseconds.
#[inline]
#[must_use]
pub fn now_ns() -> u64 {
    futex::now_ns()
}

impl Segment {
    /// A member's. The descriptor is closed: the mapping is enough.
    ///
    /// # Errors
    /// As mmap(2); `InvalidInput`: the file has not the size that this kind has.
    pub fn map(file: OwnedFd, object: ObjectId, kind: Kind, writable: bool, page: Arc<Page>) -> io::Result<Self> {
        let access = if writable { Access::Write } else { Access::Read };
        Self::of(file, object, kind, access, Some(page))
    }

    /// The keeper's.
    ///
    /// # Errors
    /// As [`Segment::map`].
    pub(crate) fn keep(file: OwnedFd, object: ObjectId, kind: Kind) -> io::Result<Self> {
        Self::of(file, object, kind, Access::Write, None)
    }

    fn of(file: OwnedFd, object: ObjectId, kind: Kind, access: Access, page: Option<Arc<Page>>) -> io::Result<Self> {
        if Object::bytes(kind) != Some(shared::size(file.as_fd())?) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Self { memory: Shared::map(file.as_fd(), access)?, object, page })
    }

    /// Whether its member is asked to stop: none of its waits goes on then.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.page.as_ref().is_some_and(|page| page.is_stopping())
    }

    /// Sleeps once, and lets the keeper see what for.
    fn sleep(&self, place: usize, on: While<'_>, until_ns: Option<u64>, now_ns: u64) -> Back {
        let Some(page) = &self.page else { return futex::wait(on, None, until_ns) };
        page.begin(Waits { object: self.object, place, since_ms: now_ns / 1_000_000 });
        let back = futex::wait(on, page.while_it_goes_on(), until_ns);
        page.end();
        back
    }
}

impl Words for Segment {
    #[inline]
    fn load(&self, place: usize) -> u32 {
        self.memory.word(place).map_or(0, Word::load)
    }

    #[inline]
    fn store(&self, place: usize, value: u32) {
        if let Some(word) = self.memory.word_mut(place) {
            word.store(value, Release);
        }
    }

    #[inline]
    fn compare_exchange(&self, place: usize, old: u32, new: u32) -> Result<u32, u32> {
        match self.memory.word_mut(place) {
            Some(word) => word.compare_exchange(old, new, AcqRel, Acquire),
            None => Err(self.load(place)),
        }
    }

    #[inline]
    fn fetch_add(&self, place: usize, more: u32) -> u32 {
        match self.memory.word_mut(place) {
            Some(word) => word.fetch_add(more, AcqRel),
            None => self.load(place),
        }
    }

    #[inline]
    fn load_long(&self, place: usize) -> u64 {
        self.memory.long(place).map_or(0, Long::load)
    }

    #[inline]
    fn store_long(&self, place: usize, value: u64) {
        if let Some(long) = self.memory.long_mut(place) {
            long.store(value, Release);
        }
    }

    #[inline]
    fn compare_exchange_long(&self, place: usize, old: u64, new: u64) -> Result<u64, u64> {
        match self.memory.long_mut(place) {
            Some(long) => long.compare_exchange(old, new, AcqRel, Acquire),
            None => Err(self.load_long(place)),
        }
    }

    #[inline]
    fn fetch_add_long(&self, place: usize, more: u64) -> u64 {
        match self.memory.long_mut(place) {
            Some(long) => long.fetch_add(more, AcqRel),
            None => self.load_long(place),
        }
    }

    #[inline]
    fn read(&self, place: usize, into: &mut [u8]) {
        self.memory.read(place, into);
    }

    #[inline]
    fn write(&self, place: usize, from: &[u8]) {
        self.memory.write(place, from);
    }

    fn wait(&self, place: usize, expected: u32, until: Until) -> Waited {
        if self.is_stopping() {
            // Whoever tries again all the same gives those a chance that it waits for.
            futex::give_way();
            return Waited::Stopping;
        }
        let now = now_ns();
        let until_ns = match until {
            Until::Never => None,
            Until::At(until_ns) => Some(until_ns),
            Until::Now => {
                futex::give_way();
                return Waited::TimedOut;
            }
        };
        // A place outside never changes.
        let Some(word) = self.memory.word(place) else { return Waited::TimedOut };
        if until_ns.is_some_and(|until_ns| until_ns <= now) {
            return Waited::TimedOut;
        }
        match self.sleep(place, While { word, is: expected }, until_ns, now) {
            Back::TimedOut => Waited::TimedOut,
            Back::Look if self.is_stopping() => Waited::Stopping,
            Back::Look => Waited::Woken,
        }
    }

    fn wake(&self, place: usize, most: u32) {
        if let Some(word) = self.memory.word(place) {
            futex::wake(word, most);
        }
    }

    #[inline]
    fn pause(&self) {
        hint::spin_loop();
    }
}
