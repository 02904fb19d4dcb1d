//! The two ways in which guests have these functions: as a component's imports, and as a core module's, by the component
//! model's lowered signatures. An operation is written once, for both.

use super::super::types::Timeout;
use super::super::view::Parts;
use super::super::waiting::Left;
use super::handle::{Answer, Model, Outcome, Target};
use super::lowered::{Flat, Plain, Tell};
use super::patient::Patient;
use sandhog_protocol::message::Format;
use wasmtime::component::{ComponentNamedList, Lift, Lower};

/// What a function takes: all of it by value.
pub(super) trait Given: ComponentNamedList + Lift + Flat + Send + 'static {}

impl<P: ComponentNamedList + Lift + Flat + Send + 'static> Given for P {}

/// What a function comes to.
pub(super) trait Told: Lower + Tell + Send + 'static {}

impl<R: Lower + Tell + Send + 'static> Told for R {}

/// What a function comes to that can't fail.
pub(super) trait Known: Lower + Plain + 'static {}

impl<R: Lower + Plain + 'static> Known for R {}

/// Where functions are made known.
pub(in super::super) trait Define {
    /// The resource itself, and that a handle is given up.
    fn resource<M: Model>(&mut self) -> wasmtime::Result<()>;

    /// A function that can fail.
    fn function<P: Given, R: Told>(
        &mut self,
        name: &str,
        operation: impl Fn(Parts<'_>, P) -> Outcome<R> + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()>;

    /// A function that may have to wait for an object: `attempt` with a time that it may wait, and with what an attempt before it
    /// has left in `S`. One that may not wait any more says so and has changed nothing.
    fn waits<M: Model, P: Given + Patient<M>, R: Told, S: Left>(
        &mut self,
        name: &str,
        attempt: impl Fn(Parts<'_>, &P, Timeout, &mut S) -> Outcome<R> + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()>;

    /// The same where a wait begins with a change that its end undoes, or the request's. `blocks`: for as long as it takes, in one
    /// step. `attempt`: one of many, with what those of the same call before it have left.
    fn waits_in_steps<M: Model, P: Given + Patient<M>, R: Told, S: Left>(
        &mut self,
        name: &str,
        blocks: impl Fn(Parts<'_>, &P) -> Outcome<R> + Copy + Send + Sync + 'static,
        attempt: impl Fn(Parts<'_>, &P, &mut S) -> Outcome<R> + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()>;

    /// A function that tells of an object.
    fn known<M: Model, R: Known>(
        &mut self,
        name: &str,
        operation: impl Fn(M) -> R + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()>;

    /// A function that takes a name.
    fn named<R: Told>(
        &mut self,
        name: &str,
        operation: impl Fn(Parts<'_>, String) -> Answer<R> + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()>;

    /// `write` of this resource: bytes from a place on, where they lie in the guest's memory.
    fn write<M: Model>(
        &mut self,
        operation: impl Fn(&Target<'_, M>, u64, &[u8]) -> Answer<()> + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()>;

    /// `put` of this resource: a message where it lies.
    fn put<M: Model>(
        &mut self,
        operation: impl Fn(&Target<'_, M>, Format, &[u8], Timeout) -> Answer<()> + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()>;

    /// `put-batch` of this resource.
    fn put_batch<M: Model>(
        &mut self,
        operation: impl Fn(&Target<'_, M>, &[u8], Timeout) -> Answer<()> + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()>;
}

/// The name of a resource's function.
pub(super) fn method<M: Model>(function: &str) -> String {
    format!("[method]{}.{function}", M::NAME)
}
