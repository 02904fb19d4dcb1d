//! What a function takes, as it lies in the parameters of a lowered one.

use super::super::super::types::Timeout;
use super::super::super::view::Parts;
use super::super::element::Element;
use super::super::handle::{Model, Of, Outcome};
use super::answer::answer;
use super::tell::Tell;
use crate::guest::Guest;
use sandhog_engine::objects::MODULE;
use sandhog_protocol::message::Format;
use wasmtime::component::Resource;
use wasmtime::{Caller, Linker};

/// See [`super`].
pub(in super::super) trait Flat: Sized {
    /// Makes `operation` known under `name`. All of these functions have an answer that can be an error, so it is written into
    /// the guest's memory.
    fn define<R: Tell>(
        linker: &mut Linker<Guest>,
        name: &str,
        operation: impl Fn(Parts<'_>, Self) -> Outcome<R> + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()>;
}

macro_rules! flat {
    ($($(@ $model:ident)? $given:ty = ($($parameter:ident: $flat:ty),*) => $made:expr;)+) => {
        $(impl $(<$model: Model>)? Flat for $given {
            fn define<R: Tell>(
                linker: &mut Linker<Guest>,
                name: &str,
                operation: impl Fn(Parts<'_>, Self) -> Outcome<R> + Copy + Send + Sync + 'static,
            ) -> wasmtime::Result<()> {
                let call = move |mut caller: Caller<'_, Guest>, $($parameter: $flat,)* at: u32| {
                    let given = $made;
                    answer(&mut caller, at, |parts| operation(parts, given))
                };
                linker.func_wrap(MODULE, name, call)?;
                Ok(())
            }
        })+
    };
}

flat! {
    () = () => ();
    (u32,) = (one: u32) => (one,);
    (u64,) = (one: u64) => (one,);
    (u32, bool) = (one: u32, two: u32) => (one, two != 0);
    (u32, u64) = (one: u32, two: u64) => (one, two);
    (Element,) = (one: u32) => (element(one)?,);
    (Element, u64) = (one: u32, two: u64) => (element(one)?, two);
    @M (Of<M>,) = (handle: u32) => (of(handle),);
    @M (Of<M>, Timeout) = (handle: u32, some: u32, ns: u64) => (of(handle), timeout(some, ns));
    @M (Of<M>, u32) = (handle: u32, one: u32) => (of(handle), one);
    @M (Of<M>, u32, Timeout) = (handle: u32, one: u32, some: u32, ns: u64) => (of(handle), one, timeout(some, ns));
    @M (Of<M>, u64) = (handle: u32, one: u64) => (of(handle), one);
    @M (Of<M>, u64, u64) = (handle: u32, one: u64, two: u64) => (of(handle), one, two);
    @M (Of<M>, u64, i64) = (handle: u32, one: u64, two: i64) => (of(handle), one, two);
    @M (Of<M>, u64, i64, i64) = (handle: u32, one: u64, two: i64, three: i64) => (of(handle), one, two, three);
    @M (Of<M>, u64, f64) = (handle: u32, one: u64, two: f64) => (of(handle), one, two);
    @M (Of<M>, i64) = (handle: u32, one: i64) => (of(handle), one);
    @M (Of<M>, i64, i64) = (handle: u32, one: i64, two: i64) => (of(handle), one, two);
    @M (Of<M>, f64) = (handle: u32, one: f64) => (of(handle), one);
    @M (Of<M>, f64, f64) = (handle: u32, one: f64, two: f64) => (of(handle), one, two);
}

/// A handle as the guest has it. What is none is found out where it is looked up.
pub(super) fn of<M: Model>(handle: u32) -> Of<M> {
    Resource::new_borrow(handle.wrapping_sub(1))
}

pub(super) const fn timeout(some: u32, ns: u64) -> Timeout {
    if some == 0 { None } else { Some(ns) }
}

fn element(number: u32) -> wasmtime::Result<Element> {
    Element::numbered(number).ok_or_else(|| NoSuch { what: "element", number }.into())
}

pub(super) fn format(number: u32) -> wasmtime::Result<Format> {
    match number {
        0 => Ok(Format::Value),
        1 => Ok(Format::Bytes),
        2 => Ok(Format::Failure),
        number => Err(NoSuch { what: "format", number }.into()),
    }
}

/// No guest that was made by bindings passes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the guest passed the number {number} for a {what}, of which there are not as many")]
struct NoSuch {
    what: &'static str,
    number: u32,
}
