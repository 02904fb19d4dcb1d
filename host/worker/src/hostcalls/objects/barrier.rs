//! `barrier`.

use super::super::types::Timeout;
use super::define::Define;
use super::handle::{Of, operate, until};
use super::open::resource;
use sandhog_objects_model::Barrier;
use sandhog_protocol::objects::Right;

const USE: &[Right] = &[Right::Use];

pub(super) fn link(objects: &mut impl Define) -> wasmtime::Result<()> {
    resource::<Barrier>(objects)?;
    objects.function::<(Of<Barrier>, Timeout), u32>("[method]barrier.wait", |parts, (barrier, timeout)| {
        operate(parts, &barrier, USE, |barrier, memory, me| barrier.wait(memory, me, until(timeout)))
    })?;
    objects.function::<(Of<Barrier>,), ()>("[method]barrier.reset", |parts, (barrier,)| {
        operate(parts, &barrier, USE, |barrier, memory, me| barrier.reset(memory, me))
    })?;
    objects.function::<(Of<Barrier>,), ()>("[method]barrier.abort", |parts, (barrier,)| {
        operate(parts, &barrier, USE, |barrier, memory, me| barrier.abort(memory, me))
    })?;
    objects.known::<Barrier, u32>("[method]barrier.parties", Barrier::parties)?;
    objects.function::<(Of<Barrier>,), u32>("[method]barrier.waiting", |parts, (barrier,)| {
        operate(parts, &barrier, USE, |barrier, memory, _| Ok(barrier.waiting(memory)))
    })?;
    objects.function::<(Of<Barrier>,), bool>("[method]barrier.is-broken", |parts, (barrier,)| {
        operate(parts, &barrier, USE, |barrier, memory, _| Ok(barrier.is_broken(memory)))
    })
}
