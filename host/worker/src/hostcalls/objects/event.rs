//! `event`.

use super::super::types::Timeout;
use super::define::Define;
use super::handle::{Of, operate, until};
use super::open::resource;
use sandhog_objects_model::Event;
use sandhog_protocol::objects::Right;

const SET: &[Right] = &[Right::Set];

pub(super) fn link(objects: &mut impl Define) -> wasmtime::Result<()> {
    resource::<Event>(objects)?;
    objects.function::<(Of<Event>,), ()>("[method]event.set", |parts, (event,)| {
        operate(parts, &event, SET, |event, memory, _| event.set(memory))
    })?;
    objects.function::<(Of<Event>,), ()>("[method]event.clear", |parts, (event,)| {
        operate(parts, &event, SET, |event, memory, _| event.clear(memory))
    })?;
    objects.function::<(Of<Event>,), bool>("[method]event.is-set", |parts, (event,)| {
        operate(parts, &event, &[Right::Wait, Right::Set], |event, memory, _| Ok(event.is_set(memory)))
    })?;
    objects.function::<(Of<Event>, Timeout), ()>("[method]event.wait", |parts, (event, timeout)| {
        operate(parts, &event, &[Right::Wait], |event, memory, _| event.wait(memory, until(timeout)))
    })
}
