//! Inside of a queue: one member at a time, that makes its changes so that whoever finds it dead can undo them.
//!
//! Before the first of the header's words changes, all of them are noted at once; of any other word its place and what it
//! holds. A change stands once nothing is noted any more. Unreachable parts (free blocks, free slots, the end of a chain)
//! need no note.
//!
//! Must not: know an item.

use super::calls;
use super::layout::{
    CLOSED, GETTERS, GUARD, HEADER, JOINERS, Layout, MOST_NOTES, NOTED, NOTES, PUTTERS, ROOM_BYTES, ROOM_ITEMS, SHADOW,
    UNDONE, WAITING,
};
use crate::limits::STOPPING;
use crate::{Problem, Until, Words};
use sandhog_protocol::objects::Member;

/// The header's words are noted; below this flag is the number of other notes.
const WHOLE_HEADER: u32 = 1 << 31;

pub(super) struct Inside<'w, W> {
    pub(super) words: &'w W,
    pub(super) layout: Layout,
    pub(super) me: Member,
    noted: u32,
    /// How many to wake at each of the three lines.
    notify: [u32; 3],
    /// The line in which this member has waited before it came in.
    pub(super) waited: Option<usize>,
}

impl<'w, W: Words> Inside<'w, W> {
    /// None: for what has no time of its own.
    ///
    /// # Errors
    /// As every wait.
    #[inline]
    pub(super) fn enter(layout: Layout, words: &'w W, me: Member, until: Option<Until>) -> Result<Self, Problem> {
        match until {
            Some(Until::Now) => enter_now(words, me)?,
            Some(until) => GUARD.enter(words, me, until)?,
            None => GUARD.enter_surely(words, me)?,
        }
        Ok(Self::of(layout, words, me))
    }

    /// As whoever has been let in, or for a look at what is its own.
    #[inline]
    pub(super) fn of(layout: Layout, words: &'w W, me: Member) -> Self {
        Self { words, layout, me, noted: 0, notify: [0; 3], waited: None }
    }

    #[inline]
    pub(super) fn load(&self, place: usize) -> u32 {
        self.words.load(place)
    }

    #[inline]
    pub(super) fn load_long(&self, place: usize) -> u64 {
        self.words.load_long(place)
    }

    #[inline]
    pub(super) fn set(&mut self, place: usize, value: u32) {
        if (HEADER..NOTED).contains(&place) {
            self.note_header();
        } else {
            self.note(place);
        }
        self.words.store(place, value);
    }

    #[inline]
    fn note_header(&mut self) {
        if self.noted & WHOLE_HEADER == 0 {
            for at in (0..NOTED - HEADER).step_by(2) {
                self.words.store_long(SHADOW + at, self.words.load_long(HEADER + at));
            }
            self.noted |= WHOLE_HEADER;
            self.words.store(NOTED, self.noted);
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "a segment has less than 2^32 words")]
    fn note(&mut self, place: usize) {
        let number = self.noted & !WHOLE_HEADER;
        debug_assert!(number < MOST_NOTES, "an operation that changes more words than can be noted");
        let note = NOTES + 2 * number as usize;
        self.words.store(note, place as u32);
        self.words.store(note + 1, self.words.load(place));
        self.noted += 1;
        self.words.store(NOTED, self.noted);
    }

    #[inline]
    pub(super) fn set_undone(&mut self, tasks: u64) {
        self.note_header();
        self.words.store_long(UNDONE, tasks);
    }

    /// What was noted stands.
    #[inline]
    pub(super) fn commit(&mut self) {
        if self.noted > 0 {
            self.words.store(NOTED, 0);
            self.noted = 0;
        }
    }

    /// Undoes what was noted, by whomever. Can be cut off at any step, and done again.
    pub(super) fn undo(&mut self) {
        let noted = self.load(NOTED);
        let number = (noted & !WHOLE_HEADER).min(MOST_NOTES);
        for note in (0..number as usize).rev().map(|note| NOTES + 2 * note) {
            let place = self.load(note) as usize;
            // Any other place was not noted by `set`.
            if place >= NOTED && place < self.layout.end_of_notes() {
                self.words.store(place, self.load(note + 1));
            }
        }
        if noted & WHOLE_HEADER != 0 {
            for at in (0..NOTED - HEADER).step_by(2) {
                self.words.store_long(HEADER + at, self.words.load_long(SHADOW + at));
            }
        }
        self.words.store(NOTED, 0);
        self.noted = 0;
    }

    /// Once outside, so many of those in this line are woken.
    #[inline]
    pub(super) fn notify(&mut self, line: usize, most: u32) {
        let count = &mut self.notify[line - GETTERS];
        *count = count.saturating_add(most);
    }

    /// Nothing that was put is left to be done: those that wait for that are woken.
    pub(super) fn all_done(&mut self, undone: u64) {
        if undone == 0 {
            self.notify(JOINERS, u32::MAX);
        }
    }

    /// There is something for one more: of a closed queue, that it is. Its closing calls all, but while one that was called is on
    /// its way, nobody else is: that one passes on that it is closed, and each behind it.
    pub(super) fn is_left(&self, line: usize) -> bool {
        let is_closed = self.load(CLOSED) != 0;
        match line {
            GETTERS => is_closed || self.load(WAITING) > 0,
            PUTTERS => is_closed || (self.load(ROOM_ITEMS) > 0 && self.load(ROOM_BYTES) > 0),
            // All that wait for all to be done are called together.
            _ => false,
        }
    }

    /// Comes out, and what was changed stands.
    #[inline]
    pub(super) fn finish(mut self) {
        self.commit();
        let mut wake = [0; 3];
        for line in [GETTERS, PUTTERS, JOINERS] {
            let most = self.notify[line - GETTERS];
            wake[line - GETTERS] = if most > 0 { calls::call(self.words, line, most) } else { 0 };
        }
        if let Some(line) = self.waited {
            wake[line - GETTERS] += calls::pass_on(self.words, line, self.is_left(line));
        }
        self.release();
        for line in [GETTERS, PUTTERS, JOINERS] {
            if wake[line - GETTERS] > 0 {
                self.words.wake(line, wake[line - GETTERS]);
            }
        }
    }

    /// Comes out without a change.
    pub(super) fn leave_with<T>(mut self, problem: Problem) -> Result<T, Problem> {
        self.undo();
        self.notify = [0; 3];
        self.finish();
        Err(problem)
    }

    /// Lets the next one in.
    #[inline]
    pub(super) fn release(&self) {
        // Somebody else's word there is of one who does not keep to the rules.
        let _ = GUARD.leave(self.words, self.me);
    }
}

/// That somebody else is inside says nothing of whether there is an item, or room: it is over in a moment.
fn enter_now<W: Words>(words: &W, me: Member) -> Result<(), Problem> {
    let mut entered = GUARD.enter(words, me, Until::Now);
    for _ in 0..STOPPING {
        if entered != Err(Problem::WouldBlock) {
            break;
        }
        // Lets others run.
        let _ = words.wait(GETTERS, 0, Until::Now);
        entered = GUARD.enter(words, me, Until::Now);
    }
    entered
}
