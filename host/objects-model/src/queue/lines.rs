//! Three lines of those that wait at a queue: to get an item, to put one, to see all done.
//!
//! A line is a word: a number that grows with each call, and two flags. A member that has to wait sets [`SOME`] while it
//! is inside, and sleeps while the word stays unchanged. A call wakes as many as can go on and takes the flag away; each
//! of them passes it on when it comes out, together with what it leaves, so that a call wakes no more than there is
//! something for and nobody is forgotten. A death among them is made good by `recovery`, which wakes all.
//!
//! Must not: change anything but these words.

use super::calls::{ALL, FLAGS, SOME, next};
use super::inside::Inside;
use super::layout::{Layout, PUTTERS};
use crate::{Problem, Until, Waited, Words};
use sandhog_protocol::objects::Member;

/// Comes inside when it is `ready` there.
///
/// # Errors
/// What `ready` says; that the time is over, nothing is ready now, or the member is to stop.
pub(super) fn stand<'w, W: Words>(
    layout: Layout,
    words: &'w W,
    me: Member,
    until: Until,
    line: usize,
    ready: impl Fn(&Inside<'w, W>) -> Result<bool, Problem>,
) -> Result<Inside<'w, W>, Problem> {
    let (mut slept, mut over) = (false, None);
    loop {
        let waited = slept.then_some(line);
        let time = if over.is_some() { None } else { Some(until) };
        let mut inside = Inside::enter(layout, words, me, time).inspect_err(|_| {
            // It may have been called in the place of others.
            if waited.is_some() {
                words.wake(line, u32::MAX);
            }
        })?;
        inside.waited = waited;
        match (ready(&inside), over) {
            (Ok(true), _) => return Ok(inside),
            (Ok(false), Some(problem)) | (Err(problem), _) => return inside.leave_with(problem),
            (Ok(false), None) if until == Until::Now => return inside.leave_with(Problem::WouldBlock),
            (Ok(false), None) => {}
        }
        let (value, wake) = join(&inside, line, slept);
        inside.release();
        if wake > 0 {
            words.wake(line, wake);
        }
        over = match words.wait(line, value, until) {
            Waited::Woken => None,
            Waited::TimedOut => Some(Problem::TimedOut),
            Waited::Stopping => Some(Problem::Stopping),
        };
        slept = true;
    }
}

/// The word with which to sleep, and how many to wake before. `woken`: from a sleep, perhaps in the place of one that slept before
/// it was called: whoever comes between a call and its wake sleeps on the word of after the call.
fn join<W: Words>(inside: &Inside<'_, W>, line: usize, woken: bool) -> (u32, u32) {
    let now = inside.load(line);
    let useless = line == PUTTERS && woken && now & ALL == 0 && inside.is_left(line);
    let value = if useless { next(now) | FLAGS } else { now | SOME };
    inside.words.store(line, value);
    (value, if useless { u32::MAX } else { 0 })
}
