//! New objects without a name, and ends of pipes.

use super::super::types::{Error, answer};
use super::super::view::{HANDLES, Parts, View};
use super::component::Linked;
use super::define::Define;
use super::element::Element;
use super::handle::{Model, Of, Outcome};
use super::open::hand_out;
use crate::session::Connection;
use sandhog_objects_model::{Array, Barrier, Condition, Event, Lock, Memory, Queue, Rlock, Semaphore, Value};
use sandhog_protocol::objects::Kind;
use wasmtime::StoreContextMut;
use wasmtime::component::Resource;

pub(super) fn link(objects: &mut impl Define) -> wasmtime::Result<()> {
    objects.function::<(), Of<Lock>>("create-lock", |parts, ()| create(parts, Kind::Lock))?;
    objects.function::<(), Of<Rlock>>("create-rlock", |parts, ()| create(parts, Kind::Rlock))?;
    objects.function::<(u32, bool), Of<Semaphore>>("create-semaphore", |parts, (permits, bounded)| {
        create(parts, if bounded { Kind::BoundedSemaphore { permits } } else { Kind::Semaphore { permits } })
    })?;
    objects.function::<(), Of<Event>>("create-event", |parts, ()| create(parts, Kind::Event))?;
    objects.function::<(), Of<Condition>>("create-condition", |parts, ()| create(parts, Kind::Condition))?;
    objects.function::<(u32,), Of<Barrier>>("create-barrier", |parts, (parties,)| {
        create(parts, Kind::Barrier { parties })
    })?;
    objects.function::<(Element,), Of<Value>>("create-value", |parts, (element,)| {
        create(parts, Kind::Value { element: element.into() })
    })?;
    objects.function::<(Element, u64), Of<Array>>("create-array", |parts, (element, length)| {
        create(parts, Kind::Array { element: element.into(), length })
    })?;
    objects.function::<(u64,), Of<Memory>>("create-memory", |parts, (bytes,)| create(parts, Kind::Memory { bytes }))?;
    objects.function::<(u32, u64), Of<Queue>>("create-queue", |parts, (items, bytes)| {
        create(parts, Kind::Queue { items, bytes })
    })
}

/// For components alone: a connection is a resource of another interface.
pub(super) fn link_pipes<T: View + Send + 'static>(objects: &mut Linked<'_, '_, T>) -> wasmtime::Result<()> {
    objects.linker.func_wrap("create-pipe", |mut store: StoreContextMut<'_, T>, (): ()| {
        Ok((create_pipe(store.data_mut().parts()),))
    })?;
    objects.named::<Resource<Connection>>("open-pipe", |Parts { session, table }, name| {
        let connection = session.open_pipe(name)?;
        table.push(connection).map_err(|_| Error::Quota(format!("{HANDLES} handles")).into())
    })
}

/// One that finds no room in the table is closed, and the other one with it.
fn create_pipe(Parts { session, table }: Parts<'_>) -> Result<(Resource<Connection>, Resource<Connection>), Error> {
    let full = |_| Error::Quota(format!("{HANDLES} handles"));
    let [first, second] = answer(session.create_pipe())?;
    let first = table.push(first).map_err(full)?;
    match table.push(second).map_err(full) {
        Ok(second) => Ok((first, second)),
        Err(error) => {
            // It has just been put there.
            drop(table.delete(first));
            Err(error)
        }
    }
}

fn create<M: Model>(parts: Parts<'_>, kind: Kind) -> Outcome<Of<M>> {
    let Parts { session, table } = parts;
    let made = session.create(kind);
    let handle = made.and_then(|attachment| hand_out(Parts { session, table }, attachment));
    Ok(handle.map_err(Into::into))
}
