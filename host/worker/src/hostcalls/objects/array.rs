//! `array`: numbers of one kind.

use super::acquires::acquires;
use super::define::Define;
use super::element::Element;
use super::handle::{EITHER, Of, READ, WRITE, operate};
use super::memory::copied;
use super::open::resource;
use sandhog_objects_model::Array;

pub(super) fn link(objects: &mut impl Define) -> wasmtime::Result<()> {
    resource::<Array>(objects)?;
    objects.known::<Array, Element>("[method]array.element", |array| array.element().into())?;
    objects.known::<Array, u64>("[method]array.length", Array::length)?;
    integers(objects)?;
    floats(objects)?;
    objects.function::<(Of<Array>, u64, u64), Vec<u8>>("[method]array.read", |parts, (array, index, count)| {
        copied(
            parts,
            &array,
            |array| (index, count, array.element().size(), array.length()),
            |array, memory, into| array.read(memory, index, into),
        )
    })?;
    objects.write::<Array>(|to, index, bytes| to.call(|array, memory, _| array.write(memory, index, bytes)))?;
    acquires::<Array>(
        objects,
        "[method]array.acquire",
        |array| array.needs_writable(),
        |array, memory, me, until| array.lock().acquire(memory, me, until),
    )?;
    objects.function::<(Of<Array>,), ()>("[method]array.release", |parts, (array,)| {
        operate(parts, &array, EITHER, |array, memory, me| array.lock().release(memory, me))
    })
}

fn integers(objects: &mut impl Define) -> wasmtime::Result<()> {
    objects.function::<(Of<Array>, u64), i64>("[method]array.get-integer", |parts, (array, index)| {
        operate(parts, &array, READ, |array, memory, _| array.get_integer(memory, index))
    })?;
    objects.function::<(Of<Array>, u64, i64), ()>("[method]array.set-integer", |parts, (array, index, to)| {
        operate(parts, &array, WRITE, |array, memory, _| array.set_integer(memory, index, to))
    })?;
    objects.function::<(Of<Array>, u64, i64), i64>("[method]array.add-integer", |parts, (array, index, amount)| {
        operate(parts, &array, WRITE, |array, memory, _| array.add_integer(memory, index, amount))
    })?;
    objects.function::<(Of<Array>, u64, i64, i64), i64>(
        "[method]array.compare-exchange-integer",
        |parts, (array, index, expected, to)| {
            operate(parts, &array, WRITE, |array, memory, _| {
                array.compare_exchange_integer(memory, index, expected, to)
            })
        },
    )
}

fn floats(objects: &mut impl Define) -> wasmtime::Result<()> {
    objects.function::<(Of<Array>, u64), f64>("[method]array.get-float", |parts, (array, index)| {
        operate(parts, &array, READ, |array, memory, _| array.get_float(memory, index))
    })?;
    objects.function::<(Of<Array>, u64, f64), ()>("[method]array.set-float", |parts, (array, index, to)| {
        operate(parts, &array, WRITE, |array, memory, _| array.set_float(memory, index, to))
    })?;
    objects.function::<(Of<Array>, u64, f64), f64>("[method]array.add-float", |parts, (array, index, amount)| {
        operate(parts, &array, WRITE, |array, memory, _| array.add_float(memory, index, amount))
    })
}
