//! Makes functions known to core modules.

use super::super::super::types::{Error, Timeout, or_default};
use super::super::super::view::Parts;
use super::super::super::waiting::Left;
use super::super::define::{Define, Given, Known, Told, method};
use super::super::handle::{Answer, Handle, Model, NO_SUCH_NAME, Outcome, Target, target};
use super::super::patient::Patient;
use super::answer::{Unanswered, answer, answer_with_bytes, parts, within};
use super::flat::{format, of, timeout};
use super::plain::Plain;
use crate::guest::Guest;
use crate::preview1::memory_of;
use sandhog_engine::objects::MODULE;
use sandhog_protocol::message::Format;
use sandhog_protocol::objects::{NAME, Right};
use wasmtime::component::Resource;
use wasmtime::{Caller, Linker};

/// A linker of core modules.
pub(in super::super) struct Lowered<'l>(pub(in super::super) &'l mut Linker<Guest>);

impl Define for Lowered<'_> {
    fn resource<M: Model>(&mut self) -> wasmtime::Result<()> {
        let name = format!("[resource-drop]{}", M::NAME);
        self.0.func_wrap(MODULE, &name, |mut caller: Caller<'_, Guest>, handle: u32| -> wasmtime::Result<()> {
            let Parts { session, table } = parts(caller.data_mut())?;
            let handle = table.delete(Resource::new_own(of::<M>(handle).rep()))?;
            or_default(session.let_go(Handle::<M>::attachment(&handle)));
            Ok(())
        })?;
        Ok(())
    }

    fn function<P: Given, R: Told>(
        &mut self,
        name: &str,
        operation: impl Fn(Parts<'_>, P) -> Outcome<R> + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()> {
        P::define(self.0, name, operation)
    }

    fn waits<M: Model, P: Given + Patient<M>, R: Told, S: Left>(
        &mut self,
        name: &str,
        attempt: impl Fn(Parts<'_>, &P, Timeout, &mut S) -> Outcome<R> + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()> {
        // One attempt, for as long as it takes: its worker has nothing else to do.
        P::define(self.0, name, move |parts, given| attempt(parts, &given, given.timeout(), &mut S::default()))
    }

    fn waits_in_steps<M: Model, P: Given + Patient<M>, R: Told, S: Left>(
        &mut self,
        name: &str,
        blocks: impl Fn(Parts<'_>, &P) -> Outcome<R> + Copy + Send + Sync + 'static,
        _attempt: impl Fn(Parts<'_>, &P, &mut S) -> Outcome<R> + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()> {
        P::define(self.0, name, move |parts, given| blocks(parts, &given))
    }

    fn known<M: Model, R: Known>(
        &mut self,
        name: &str,
        operation: impl Fn(M) -> R + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()> {
        type Answer<R> = wasmtime::Result<<R as Plain>::Flat>;
        self.0.func_wrap(MODULE, name, move |mut caller: Caller<'_, Guest>, handle: u32| -> Answer<R> {
            Ok(operation(parts(caller.data_mut())?.table.get(&of::<M>(handle))?.model()).flat())
        })?;
        Ok(())
    }

    fn named<R: Told>(
        &mut self,
        name: &str,
        operation: impl Fn(Parts<'_>, String) -> Answer<R> + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()> {
        let call = move |mut caller: Caller<'_, Guest>, start: u32, length: u32, at: u32| {
            let (memory, guest) = memory_of(&mut caller, MODULE)?;
            let name = std::str::from_utf8(within(memory, start, length)?).map_err(|_| Unanswered::NotText)?;
            let told = match name.len() <= NAME {
                true => operation(parts(guest)?, name.to_owned()),
                false => Err(Error::NotFound(NO_SUCH_NAME.to_owned()).into()),
            };
            answer(&mut caller, at, |_| Ok(told))
        };
        self.0.func_wrap(MODULE, name, call)?;
        Ok(())
    }

    fn write<M: Model>(
        &mut self,
        operation: impl Fn(&Target<'_, M>, u64, &[u8]) -> Answer<()> + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()> {
        let call = move |mut caller: Caller<'_, Guest>, handle: u32, place: u64, start: u32, length: u32, at: u32| {
            answer_with_bytes(&mut caller, (start, length), at, |parts, bytes| {
                let to = target(parts.session, parts.table, &of::<M>(handle), Right::Write)?;
                Ok(to.and_then(|to| operation(&to, place, bytes)))
            })
        };
        self.0.func_wrap(MODULE, &method::<M>("write"), call)?;
        Ok(())
    }

    fn put<M: Model>(
        &mut self,
        operation: impl Fn(&Target<'_, M>, Format, &[u8], Timeout) -> Answer<()> + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()> {
        let call = move |mut caller: Caller<'_, Guest>,
                         handle: u32,
                         of_format: u32,
                         start: u32,
                         length: u32,
                         some: u32,
                         ns: u64,
                         at: u32| {
            let format = format(of_format)?;
            answer_with_bytes(&mut caller, (start, length), at, |parts, body| {
                let to = target(parts.session, parts.table, &of::<M>(handle), Right::Put)?;
                Ok(to.and_then(|to| operation(&to, format, body, timeout(some, ns))))
            })
        };
        self.0.func_wrap(MODULE, &method::<M>("put"), call)?;
        Ok(())
    }

    fn put_batch<M: Model>(
        &mut self,
        operation: impl Fn(&Target<'_, M>, &[u8], Timeout) -> Answer<()> + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()> {
        let call =
            move |mut caller: Caller<'_, Guest>, handle: u32, start: u32, length: u32, some: u32, ns: u64, at: u32| {
                answer_with_bytes(&mut caller, (start, length), at, |parts, batch| {
                    let to = target(parts.session, parts.table, &of::<M>(handle), Right::Put)?;
                    Ok(to.and_then(|to| operation(&to, batch, timeout(some, ns))))
                })
            };
        self.0.func_wrap(MODULE, &method::<M>("put-batch"), call)?;
        Ok(())
    }
}
