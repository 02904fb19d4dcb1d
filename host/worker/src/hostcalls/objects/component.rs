//! The functions as a component has them.
//!
//! Must not: know an operation.

use super::super::types::{Error, Outgoing, Timeout, or_default};
use super::super::view::{Parts, Seen, View};
use super::define::{Define, Given, Known, Told, method};
use super::handle::{Answer, Model, NO_SUCH_NAME, Of, Outcome, Target, target};
use sandhog_protocol::message::Format;
use sandhog_protocol::objects::{NAME, Right};
use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, ResourceType, WasmList, WasmStr};

type Store<'a, T> = StoreContextMut<'a, T>;
type CallResult<R> = wasmtime::Result<(Answer<R>,)>;

impl<T: View + 'static> Define for LinkerInstance<'_, T> {
    fn resource<M: Model>(&mut self) -> wasmtime::Result<()> {
        LinkerInstance::resource(self, M::NAME, ResourceType::host::<super::handle::Handle<M>>(), |mut store, rep| {
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
        self.func_wrap(name, move |mut store: Store<'_, T>, given: P| -> CallResult<R> {
            Ok((operation(store.data_mut().parts(), given)?,))
        })
    }

    fn known<M: Model, R: Known>(
        &mut self,
        name: &str,
        operation: impl Fn(M) -> R + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()> {
        self.func_wrap(name, move |mut store: Store<'_, T>, (handle,): (Of<M>,)| {
            Ok((operation(store.data_mut().parts().table.get(&handle)?.model()),))
        })
    }

    fn named<R: Told>(
        &mut self,
        name: &str,
        operation: impl Fn(Parts<'_>, String) -> Answer<R> + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()> {
        self.func_wrap(name, move |mut store: Store<'_, T>, (name,): (WasmStr,)| -> CallResult<R> {
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
        self.func_wrap(&method::<M>("write"), move |store: Store<'_, T>, call: Call<M>| -> CallResult<()> {
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
        type Call<M> = (Of<M>, Outgoing, Timeout);
        self.func_wrap(&method::<M>("put"), move |store: Store<'_, T>, call: Call<M>| -> CallResult<()> {
            let (handle, Outgoing { format, body }, timeout) = call;
            let Seen { session, table } = store.data().seen();
            let to = target(session, table, &handle, Right::Put)?;
            Ok((to.and_then(|to| operation(&to, format.into(), body.as_le_slice(&store), timeout)),))
        })
    }

    fn put_batch<M: Model>(
        &mut self,
        operation: impl Fn(&Target<'_, M>, &[u8], Timeout) -> Answer<()> + Copy + Send + Sync + 'static,
    ) -> wasmtime::Result<()> {
        type Call<M> = (Of<M>, WasmList<u8>, Timeout);
        self.func_wrap(&method::<M>("put-batch"), move |store: Store<'_, T>, call: Call<M>| -> CallResult<()> {
            let (handle, batch, timeout) = call;
            let Seen { session, table } = store.data().seen();
            let to = target(session, table, &handle, Right::Put)?;
            Ok((to.and_then(|to| operation(&to, batch.as_le_slice(&store), timeout)),))
        })
    }
}
