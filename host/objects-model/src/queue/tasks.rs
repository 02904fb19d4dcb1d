//! Tasks: all that was put and is not done, and how many of them each member has got.
//!
//! A member's word has its generation above and its tasks below. A member that gets more than [`MOST`] items without a
//! `task_done` does not use this count, and no other member waits for it.
//!
//! Must not: know an item.

use super::inside::Inside;
use super::layout::UNDONE;
use crate::limits::SEATS;
use crate::{Problem, Words, named};
use sandhog_protocol::objects::Member;

const BITS: u32 = 16;
const MOST: u32 = (1 << BITS) - 1;

/// How many tasks this member has.
fn of<W: Words>(inside: &Inside<'_, W>, member: Member) -> u32 {
    let word = inside.load(inside.layout.tasks(member));
    if word >> BITS == u32::from(member.generation) { word & MOST } else { 0 }
}

fn set<W: Words>(inside: &mut Inside<'_, W>, tasks: u32) {
    let me = inside.me;
    let word = if tasks == 0 { 0 } else { u32::from(me.generation) << BITS | tasks.min(MOST) };
    inside.set(inside.layout.tasks(me), word);
}

/// It has got so many.
#[inline]
pub(super) fn add<W: Words>(inside: &mut Inside<'_, W>, tasks: u32) {
    set(inside, of(inside, inside.me).saturating_add(tasks));
}

/// One is done: of its own, or one that somebody else got.
pub(super) fn done<W: Words>(inside: &mut Inside<'_, W>) -> Result<(), Problem> {
    let undone = inside.load_long(UNDONE).checked_sub(1).ok_or(Problem::Invalid)?;
    inside.set_undone(undone);
    set(inside, of(inside, inside.me).saturating_sub(1));
    inside.all_done(undone);
    Ok(())
}

/// Nobody does those any more that the dead member got: whoever waits for all to be done does not wait for them.
pub(super) fn settle<W: Words>(inside: &mut Inside<'_, W>) {
    let tasks = of(inside, inside.me);
    inside.set_undone(inside.load_long(UNDONE).saturating_sub(tasks.into()));
    set(inside, 0);
    inside.commit();
}

/// Those that have tasks.
pub(super) fn members<W: Words>(layout: super::layout::Layout, words: &W) -> impl Iterator<Item = Member> {
    (0..SEATS).filter_map(move |seat| {
        let generation = (words.load(layout.tasks(Member { seat, generation: 0 })) >> BITS) as u16;
        let member = Member { seat, generation };
        named(crate::code(member))
    })
}
