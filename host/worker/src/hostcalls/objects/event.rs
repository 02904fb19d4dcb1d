//! `event`.

use super::super::types::Timeout;
use super::super::waiting::Left;
use super::define::Define;
use super::handle::{Of, operate, until};
use super::open::resource;
use sandhog_objects_model::{Event, Seen};
use sandhog_protocol::objects::Right;

impl Left for Option<Seen> {}

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
    // Where an attempt has come to nothing, it has left since when to wait: no set is missed between two.
    objects.waits::<Event, (Of<Event>, Timeout), (), Option<Seen>>(
        "[method]event.wait",
        |parts, (event, _), timeout, begun| {
            operate(parts, event, &[Right::Wait], |event, memory, _| {
                let begun = *begun.get_or_insert_with(|| event.look_at(memory));
                event.wait_since(memory, begun, until(timeout))
            })
        },
    )
}
