//! A member's page: memory of it and the keeper alone, with a word that says that its waits are to end, and what it waits for.
//!
//! The keeper writes the first, the member the rest. A member that was taken over writes all of it: that ends its own waits late
//! and shows it where it does not wait.
//!
//! Must not: be read by anybody but the two.

use sandhog_protocol::objects::{Member, ObjectId};
use sandhog_sys::futex::{self, While};
use sandhog_sys::shared::{Access, Shared, Word};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;

/// Not 0: its waits are to end.
const STOP: usize = 0;
/// The word at which it sleeps, in the object's segment.
const PLACE: usize = 1;
/// Two words: the object that it waits for.
const OBJECT: usize = 2;
/// Two words: since when, in milliseconds; 0 where it does not wait.
const SINCE: usize = 4;

/// The page of one member.
#[derive(Debug)]
pub struct Page {
    memory: Shared,
    member: Member,
}

/// What a member waits for, as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    pub object: ObjectId,
    pub place: usize,
    /// By the monotonic clock.
    pub since_ms: u64,
}

impl Page {
    /// Of the file that is mapped.
    pub const BYTES: u64 = 4096;

    /// # Errors
    /// As mmap(2); `InvalidInput`: it is of another size.
    pub fn map(file: OwnedFd, member: Member) -> io::Result<Self> {
        let memory = Shared::map(file.as_fd(), Access::Write)?;
        if memory.len() as u64 != Self::BYTES {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Self { memory, member })
    }

    #[must_use]
    pub fn member(&self) -> Member {
        self.member
    }

    /// Whether its waits are to end.
    #[inline]
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop_word().is_some_and(|word| word.load() != 0)
    }

    /// By the keeper: ends its waits, the one that there is and all that follow.
    pub fn stop(&self) {
        self.store(STOP, 1);
        if let Some(word) = self.stop_word() {
            futex::wake(word, u32::MAX);
        }
    }

    /// By the keeper.
    #[must_use]
    pub fn waits(&self) -> Option<Waits> {
        let long = |place| self.memory.long(place).map_or(0, |long| long.load());
        let place = self.memory.word(PLACE).map_or(0, Word::load);
        let waits = Waits { object: ObjectId(long(OBJECT)), place: place as usize, since_ms: long(SINCE) };
        (waits.since_ms != 0).then_some(waits)
    }

    /// By the member: what it waits for from here on.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a segment has less than 2^32 words; the keeper checks the number"
    )]
    pub(crate) fn begin(&self, waits: Waits) {
        self.store(PLACE, waits.place as u32);
        self.store_long(OBJECT, waits.object.0);
        self.store_long(SINCE, waits.since_ms.max(1));
    }

    pub(crate) fn end(&self) {
        self.store_long(SINCE, 0);
    }

    /// The word with which a wait goes on.
    pub(crate) fn while_it_goes_on(&self) -> Option<While<'_>> {
        self.stop_word().map(|word| While { word, is: 0 })
    }

    #[inline]
    fn stop_word(&self) -> Option<Word<'_>> {
        self.memory.word(STOP)
    }

    fn store(&self, place: usize, value: u32) {
        if let Some(word) = self.memory.word_mut(place) {
            word.store(value, Ordering::Release);
        }
    }

    fn store_long(&self, place: usize, value: u64) {
        if let Some(long) = self.memory.long_mut(place) {
            long.store(value, Ordering::Release);
        }
    }
}
