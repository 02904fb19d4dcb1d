//! `lock` and `rlock`.

use super::acquires::acquires;
use super::define::Define;
use super::handle::{Of, operate};
use super::open::resource;
use sandhog_objects_model::{Lock, Rlock};
use sandhog_protocol::objects::Right;

const USE: &[Right] = &[Right::Use];

pub(super) fn link(objects: &mut impl Define) -> wasmtime::Result<()> {
    resource::<Lock>(objects)?;
    acquires::<Lock>(
        objects,
        "[method]lock.acquire",
        |lock| lock.needs(USE),
        |lock, memory, me, until| lock.acquire(memory, me, until),
    )?;
    objects.function::<(Of<Lock>,), ()>("[method]lock.release", |parts, (lock,)| {
        operate(parts, &lock, USE, |lock, memory, me| lock.release(memory, me))
    })?;
    resource::<Rlock>(objects)?;
    acquires::<Rlock>(
        objects,
        "[method]rlock.acquire",
        |lock| lock.needs(USE),
        |lock, memory, me, until| lock.acquire(memory, me, until),
    )?;
    objects.function::<(Of<Rlock>,), ()>("[method]rlock.release", |parts, (lock,)| {
        operate(parts, &lock, USE, |lock, memory, me| lock.release(memory, me))
    })
}
