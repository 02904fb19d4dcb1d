//! The functions as a component has them.
//!
//! Must not: know an operation.

use super::super::types::{Error, Outgoing, Timeout, or_default};
use super::super::view::{Parts, Seen, View};
use super::super::waiting::{Left, Store, Timed, Waiting, define};
use super::define::{Define, Given, Known, Told, method};
use super::handle::{Answer, Model, NO_SUCH_NAME, Of, Outcome, Target, bell, target};
use super::patient::Patient;
use sandhog_protocol::message::Format;
use sandhog_protocol::objects::{NAME, Right};
use wasmtime::component::{LinkerInstance, ResourceType, WasmList, WasmStr};

type CallResult<R> = wasmtime::Result<(Answer<R>,)>;

/// A linker of components, and how their functions wait.
pub(super) struct Linked<'l, 'i, T: 'static> {
    pub(super) linker: &'l mut LinkerInstance<'i, T>,
    pub(super) waiting: Waiting,
}

impl<T: View + Send + 'static> Define for Linked<'_, '_, T> {
    fn resource<M: Model>(&mut self) -> wasmtime::Result<()> {
        self.linker.resource(M::NAME, ResourceType::host::<super::handle::Handle<M>>(), |mut store, rep| {
            let Parts { session, table } = store.data_mut().parts();
            or_default(session.let_go(table.delete(Of::<M>::new_own(rep))?.attachment()));
            Ok(())
        })
    }

    fn function<P: Given, R: Told>(
        &mut self,
        name: &str,
        operation: impl Fn(Parts<'_>, P) -> Outcome<R> + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()> {
        self.linker.func_wrap(name, move |mut store: Store<'_, T>, given: P| -> CallResult<R> {
            Ok((operation(store.data_mut().parts(), given)?,))
        })
    }

    fn waits<M: Model, P: Given + Patient<M>, R: Told, S: Left>(
        &mut self,
        name: &str,
        attempt: impl Fn(Parts<'_>, &P, Timeout, &mut S) -> Outcome<R> + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()> {
        let attempt = move |store: &mut Store<'_, T>, given: &P, timeout: Timeout, left: &mut S| {
            attempt(store.data_mut().parts(), given, timeout, left)
        };
        let bell = |store: &mut Store<'_, T>, given: &P| bell(store.data_mut().parts(), given.object());
        define(self.linker, self.waiting, name, attempt, bell)
    }

    fn waits_in_steps<M: Model, P: Given + Patient<M>, R: Told, S: Left>(
        &mut self,
        name: &str,
        blocks: impl Fn(Parts<'_>, &P) -> Outcome<R> + Copy + Send + Sync + 'static,
        attempt: impl Fn(Parts<'_>, &P, &mut S) -> Outcome<R> + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()> {
        match self.waiting {
            Waiting::Blocks => self.function(name, move |parts, given: P| blocks(parts, &given)),
            Waiting::Yields => self.waits(name, move |parts, given: &P, _, left: &mut S| attempt(parts, given, left)),
        }
    }

    fn known<M: Model, R: Known>(
        &mut self,
        name: &str,
        operation: impl Fn(M) -> R + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()> {
        self.linker.func_wrap(name, move |mut store: Store<'_, T>, (handle,): (Of<M>,)| {
            Ok((operation(store.data_mut().parts().table.get(&handle)?.model()),))
        })
    }

    fn named<R: Told>(
        &mut self,
        name: &str,
        operation: impl Fn(Parts<'_>, String) -> Answer<R> + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()> {
        self.linker.func_wrap(name, move |mut store: Store<'_, T>, (name,): (WasmStr,)| -> CallResult<R> {
            let name = name.to_str(&store)?;
            if name.len() > NAME {
                return Ok((Err(Error::NotFound(NO_SUCH_NAME.to_owned()).into()),));
            }
            let name = name.into_owned();
            Ok((operation(store.data_mut().parts(), name),))
        })
    }

    fn write<M: Model>(
        &mut self,
        operation: impl Fn(&Target<'_, M>, u64, &[u8]) -> Answer<()> + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()> {
        type Call<M> = (Of<M>, u64, WasmList<u8>);
        self.linker.func_wrap(&method::<M>("write"), move |store: Store<'_, T>, call: Call<M>| -> CallResult<()> {
            let (handle, at, bytes) = call;
            let Seen { session, table } = store.data().seen();
            let to = target(session, table, &handle, Right::Write)?;
            Ok((to.and_then(|to| operation(&to, at, bytes.as_le_slice(&store))),))
        })
    }

    fn put<M: Model>(
        &mut self,
        operation: impl Fn(&Target<'_, M>, Format, &[u8], Timeout) -> Answer<()> + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()> {
        let attempt = move |store: &mut Store<'_, T>, call: &Put<M>, timeout: Timeout, (): &mut ()| {
            let (handle, Outgoing { format, body }, _) = call;
            let Seen { session, table } = store.data().seen();
            let to = target(session, table, handle, Right::Put)?;
            Ok(to.and_then(|to| operation(&to, (*format).into(), body.as_le_slice(&*store), timeout)))
        };
        let name = method::<M>("put");
        define(self.linker, self.waiting, &name, attempt, |store, call: &Put<M>| {
            bell(store.data_mut().parts(), &call.0)
        })
    }

    fn put_batch<M: Model>(
        &mut self,
        operation: impl Fn(&Target<'_, M>, &[u8], Timeout) -> Answer<()> + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()> {
        let attempt = move |store: &mut Store<'_, T>, call: &PutBatch<M>, timeout: Timeout, (): &mut ()| {
            let (handle, batch, _) = call;
            let Seen { session, table } = store.data().seen();
            let to = target(session, table, handle, Right::Put)?;
            Ok(to.and_then(|to| operation(&to, batch.as_le_slice(&*store), timeout)))
        };
        let bell = |store: &mut Store<'_, T>, call: &PutBatch<M>| bell(store.data_mut().parts(), &call.0);
        define(self.linker, self.waiting, &method::<M>("put-batch"), attempt, bell)
    }
}

type Put<M> = (Of<M>, Outgoing, Timeout);
type PutBatch<M> = (Of<M>, WasmList<u8>, Timeout);

impl<M: Model> Timed for Put<M> {
    fn timeout(&self) -> Timeout {
        self.2
    }
}

impl<M: Model> Timed for PutBatch<M> {
    fn timeout(&self) -> Timeout {
        self.2
    }
}
