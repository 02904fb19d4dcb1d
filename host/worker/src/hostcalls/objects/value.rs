//! `value`: one number.

use super::acquires::acquires;
use super::define::Define;
use super::element::Element;
use super::handle::{EITHER, Of, READ, WRITE, operate};
use super::open::resource;
use sandhog_objects_model::Value;

pub(super) fn link(objects: &mut impl Define) -> wasmtime::Result<()> {
    resource::<Value>(objects)?;
    objects.known::<Value, Element>("[method]value.element", |value| value.element().into())?;
    integers(objects)?;
    floats(objects)?;
    acquires::<Value>(
        objects,
        "[method]value.acquire",
        |value| value.needs_writable(),
        |value, memory, me, until| value.lock().acquire(memory, me, until),
    )?;
    objects.function::<(Of<Value>,), ()>("[method]value.release", |parts, (value,)| {
        operate(parts, &value, EITHER, |value, memory, me| value.lock().release(memory, me))
    })
}

fn integers(objects: &mut impl Define) -> wasmtime::Result<()> {
    objects.function::<(Of<Value>,), i64>("[method]value.get-integer", |parts, (value,)| {
        operate(parts, &value, READ, |value, memory, _| value.get_integer(memory))
    })?;
    objects.function::<(Of<Value>, i64), ()>("[method]value.set-integer", |parts, (value, to)| {
        operate(parts, &value, WRITE, |value, memory, _| value.set_integer(memory, to))
    })?;
    objects.function::<(Of<Value>, i64), i64>("[method]value.add-integer", |parts, (value, amount)| {
        operate(parts, &value, WRITE, |value, memory, _| value.add_integer(memory, amount))
    })?;
    objects.function::<(Of<Value>, i64), i64>("[method]value.swap-integer", |parts, (value, to)| {
        operate(parts, &value, WRITE, |value, memory, _| value.swap_integer(memory, to))
    })?;
    objects.function::<(Of<Value>, i64, i64), i64>(
        "[method]value.compare-exchange-integer",
        |parts, (value, expected, to)| {
            operate(parts, &value, WRITE, |value, memory, _| value.compare_exchange_integer(memory, expected, to))
        },
    )
}

fn floats(objects: &mut impl Define) -> wasmtime::Result<()> {
    objects.function::<(Of<Value>,), f64>("[method]value.get-float", |parts, (value,)| {
        operate(parts, &value, READ, |value, memory, _| value.get_float(memory))
    })?;
    objects.function::<(Of<Value>, f64), ()>("[method]value.set-float", |parts, (value, to)| {
        operate(parts, &value, WRITE, |value, memory, _| value.set_float(memory, to))
    })?;
    objects.function::<(Of<Value>, f64), f64>("[method]value.add-float", |parts, (value, amount)| {
        operate(parts, &value, WRITE, |value, memory, _| value.add_float(memory, amount))
    })?;
    objects.function::<(Of<Value>, f64), f64>("[method]value.swap-float", |parts, (value, to)| {
        operate(parts, &value, WRITE, |value, memory, _| value.swap_float(memory, to))
    })?;
    objects.function::<(Of<Value>, f64, f64), f64>(
        "[method]value.compare-exchange-float",
        |parts, (value, expected, to)| {
            operate(parts, &value, WRITE, |value, memory, _| value.compare_exchange_float(memory, expected, to))
        },
    )
}
