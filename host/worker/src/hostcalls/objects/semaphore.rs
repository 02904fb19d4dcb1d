//! `semaphore`, bounded and not.

use super::super::types::Timeout;
use super::define::Define;
use super::handle::{Of, operate, until};
use super::open::resource;
use sandhog_objects_model::Semaphore;
use sandhog_protocol::objects::Right;

pub(super) fn link(objects: &mut impl Define) -> wasmtime::Result<()> {
    resource::<Semaphore>(objects)?;
    objects.waits::<Semaphore, (Of<Semaphore>, Timeout), u64, ()>(
        "[method]semaphore.acquire",
        |parts, (semaphore, _), timeout, ()| {
            operate(parts, semaphore, &[Right::Acquire], |semaphore, memory, me| {
                semaphore.acquire(memory, me, until(timeout))
            })
        },
    )?;
    objects.function::<(Of<Semaphore>,), ()>("[method]semaphore.release", |parts, (semaphore,)| {
        operate(parts, &semaphore, &[Right::Release], |semaphore, memory, me| semaphore.release(memory, me))
    })?;
    objects.function::<(Of<Semaphore>,), u32>("[method]semaphore.permits", |parts, (semaphore,)| {
        let rights = [Right::Acquire, Right::Release];
        operate(parts, &semaphore, &rights, |semaphore, memory, _| Ok(semaphore.permits(memory)))
    })
}
