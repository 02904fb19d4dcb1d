//! `condition`: a re-entrant lock, and a wait for what changes under it.

use super::super::types::Timeout;
use super::acquired::{Acquired, acquire};
use super::acquires::acquires;
use super::define::Define;
use super::handle::{Of, operate};
use super::open::resource;
use sandhog_objects_model::Condition;
use sandhog_protocol::objects::Right;

const USE: &[Right] = &[Right::Use];

pub(super) fn link(objects: &mut impl Define) -> wasmtime::Result<()> {
    resource::<Condition>(objects)?;
    acquires::<Condition>(
        objects,
        "[method]condition.acquire",
        |condition| condition.needs(USE),
        |condition, memory, me, until| condition.acquire(memory, me, until),
    )?;
    objects.function::<(Of<Condition>,), ()>("[method]condition.release", |parts, (condition,)| {
        operate(parts, &condition, USE, |condition, memory, me| condition.release(memory, me))
    })?;
    objects.function::<(Of<Condition>, Timeout), Acquired>(
        "[method]condition.wait",
        |parts, (condition, timeout)| {
            acquire(
                parts,
                &condition,
                timeout,
                |condition| condition.needs(USE),
                |condition, memory, me, until| condition.wait(memory, me, until),
            )
        },
    )?;
    objects.function::<(Of<Condition>, u32), ()>("[method]condition.notify", |parts, (condition, most)| {
        operate(parts, &condition, USE, |condition, memory, me| condition.notify(memory, me, most))
    })?;
    objects.function::<(Of<Condition>,), ()>("[method]condition.notify-all", |parts, (condition,)| {
        operate(parts, &condition, USE, |condition, memory, me| condition.notify(memory, me, u32::MAX))
    })
}
