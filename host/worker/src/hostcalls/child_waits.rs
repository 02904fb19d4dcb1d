//! What of `sandhog:job/children` may have to wait: for a child's end, its answer, its streams, or the first of several things.

use super::channel::send_message;
use super::child_handles::{Child, Reader, Writer};
use super::sockets::{self, Listener, Stream};
use super::types::{Error, Incoming, Outgoing, Timeout, Verdict, answer};
use super::view::{Parts, View};
use super::waiting::{Attempted, Bell, Left, Store, Timed, Waiting, define};
use crate::session::{self, Connection, Source, Until, write};
use sandhog_channel::Progress;
use sandhog_protocol::limits;
use sandhog_protocol::message::Format;
use std::os::fd::AsFd;
use std::sync::Arc;
use wasmtime::component::{ComponentType, Lift, LinkerInstance, Resource, ResourceTable, WasmList};

#[derive(ComponentType, Lift)]
#[component(variant)]
enum Awaited {
    #[component(name = "message")]
    Message(Resource<Connection>),
    #[component(name = "bytes")]
    Bytes(Resource<Reader>),
    #[component(name = "ended")]
    Ended(Resource<Child>),
    #[component(name = "stopping")]
    Stopping,
    #[component(name = "client")]
    Client(Resource<Listener>),
    #[component(name = "data")]
    Data(Resource<Stream>),
}

type Ending = (Resource<Child>, Timeout);
type Calling = (Resource<Child>, Outgoing, Timeout);
type Reading = (Resource<Reader>, u64, Timeout);
type Writing = (Resource<Writer>, WasmList<u8>, Timeout);
type Several = (Vec<Awaited>, Timeout);

macro_rules! timed {
    ($($given:ty = $last:tt;)+) => {
        $(impl Timed for $given {
            fn timeout(&self) -> Timeout {
                self.$last
            }
        })+
    };
}

timed! { Ending = 1; Calling = 2; Reading = 2; Writing = 2; Several = 1; }

pub(super) fn link<T: View + Send + 'static>(
    children: &mut LinkerInstance<'_, T>,
    waiting: Waiting,
) -> wasmtime::Result<()> {
    define(children, waiting, "[method]child.wait", wait, |store, call: &Ending| {
        let Parts { session, table } = store.data_mut().parts();
        Ok(Bell::of_sources(session, &[Source::Ended(table.get(&call.0)?.0)]))
    })?;
    define(children, waiting, "[method]child.call", call, |store, call: &Calling| {
        let Parts { session, table } = store.data_mut().parts();
        let child = table.get(&call.0)?.0;
        let connection = session.connection_to(child);
        // Its answer comes by the way that its task goes.
        let room = connection.as_ref().map(Source::Room);
        let sources: Vec<_> = room.into_iter().chain([Source::Ended(child)]).collect();
        Ok(Bell::of_sources(session, &sources))
    })?;
    define(children, waiting, "[method]reader.read", read, |store, call: &Reading| {
        let Parts { session, table } = store.data_mut().parts();
        Ok(Bell::of_sources(session, &[Source::Readable(table.get(&call.0)?.0.as_fd())]))
    })?;
    define(children, waiting, "[method]writer.write", write_bytes, |store, call: &Writing| {
        let Parts { session, table } = store.data_mut().parts();
        Ok(Bell::of_sources(session, &[Source::Writable(table.get(&call.0)?.0.as_fd())]))
    })?;
    define(children, waiting, "wait-any", wait_any, |store, call: &Several| {
        let Parts { session, table } = store.data_mut().parts();
        let sources: Vec<_> = call.0.iter().map(|one| one.source(table)).collect::<wasmtime::Result<_>>()?;
        Ok(Bell::of_sources(session, &sources))
    })
}

fn wait<T: View>(store: &mut Store<'_, T>, call: &Ending, timeout: Timeout, (): &mut ()) -> Attempted<Verdict, Error> {
    let Parts { session, table } = store.data_mut().parts();
    let ended = session.verdict(table.get(&call.0)?.0, Until::of(timeout));
    Ok(answer(ended).map(|ended| Verdict::from(ended.as_ref())))
}

fn read<T: View>(store: &mut Store<'_, T>, call: &Reading, timeout: Timeout, (): &mut ()) -> Attempted<Vec<u8>, Error> {
    let Parts { session, table } = store.data_mut().parts();
    Ok(answer(session.read(&table.get(&call.0)?.0, call.1, Until::of(timeout))))
}

/// Straight from the guest's memory.
fn write_bytes<T: View + 'static>(
    store: &mut Store<'_, T>,
    (writer, bytes, _): &Writing,
    timeout: Timeout,
    (): &mut (),
) -> Attempted<u64, Error> {
    if bytes.len() == 0 {
        return Ok(Err(Error::Invalid("a write of no bytes".to_owned())));
    }
    let stream = Arc::clone(&store.data_mut().parts().table.get(writer)?.0);
    let until = Until::of(timeout);
    loop {
        match write(stream.as_fd(), bytes.as_le_slice(&*store)) {
            Err(session::Error::WouldBlock) => {
                let room = Source::Writable(stream.as_fd());
                if let Err(error) = answer(store.data_mut().parts().session.wait_for(room, until)) {
                    return Ok(Err(error));
                }
            }
            other => return Ok(answer(other)),
        }
    }
}

impl Left for Called {}

/// How far a call has come.
enum Called {
    Sends(Progress),
    /// The task has gone.
    Waits,
}

impl Default for Called {
    fn default() -> Self {
        Self::Sends(Progress::default())
    }
}

fn call<T: View + 'static>(
    store: &mut Store<'_, T>,
    (child, task, _): &Calling,
    timeout: Timeout,
    called: &mut Called,
) -> Attempted<Result<Incoming, String>, Error> {
    let Parts { session, table } = store.data_mut().parts();
    let child = table.get(child)?.0;
    let Some(connection) = session.connection_to(child) else {
        return Ok(Err(Error::Invalid("the child was started without a connection".to_owned())));
    };
    let until = Until::of(timeout);
    let sent = match called {
        Called::Sends(progress) => send_message(store, &connection, task, progress, until),
        Called::Waits => Ok(()),
    };
    let session = store.data_mut().parts().session;
    let answered = match sent {
        Ok(()) => {
            if let Called::Sends(_) = std::mem::replace(called, Called::Waits) {
                connection.owes_answer();
            }
            session.answer(child, &connection, until)
        }
        Err(session::Error::Closed) => Err(session.poisoned(child, &connection, until)),
        Err(error) => Err(error),
    };
    Ok(answer(answered).map(|message| match message.format {
        Format::Failure => Err(String::from_utf8_lossy(&message.body).into_owned()),
        Format::Value | Format::Bytes => Ok(Incoming::from(message)),
    }))
}

fn wait_any<T: View>(
    store: &mut Store<'_, T>,
    (awaited, _): &Several,
    timeout: Timeout,
    (): &mut (),
) -> Attempted<Vec<u32>, Error> {
    if awaited.is_empty() || awaited.len() > limits::SOURCES {
        let reason = format!("a wait for {} sources; it takes 1 to {}", awaited.len(), limits::SOURCES);
        return Ok(Err(Error::Invalid(reason)));
    }
    let Parts { session, table } = store.data_mut().parts();
    let sources: Vec<_> = awaited.iter().map(|one| one.source(table)).collect::<wasmtime::Result<_>>()?;
    Ok(answer(session.wait(&sources, Until::of(timeout))))
}

impl Awaited {
    fn source<'a>(&self, table: &'a ResourceTable) -> wasmtime::Result<Source<'a>> {
        Ok(match self {
            Self::Message(connection) => Source::Message(table.get(connection)?),
            Self::Bytes(reader) => Source::Readable(table.get(reader)?.0.as_fd()),
            Self::Client(socket) => Source::Readable(sockets::listener(table, socket)?),
            Self::Data(socket) => Source::Readable(sockets::stream(table, socket)?),
            Self::Ended(child) => Source::Ended(table.get(child)?.0),
            Self::Stopping => Source::Stopping,
        })
    }
}
