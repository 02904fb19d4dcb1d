//! `sandhog:job/sockets`: sockets of TCP that a guest was given, and what it accepts from them.

use super::types::{Error, Timeout, answer};
use super::view::{HANDLES, Parts, View};
use super::waiting::{Attempted, Bell, Store, Timed, Waiting, define};
use crate::session::{self, Socket, Source, Until};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use wasmtime::component::{
    ComponentType, Lift, LinkerInstance, Lower, Resource, ResourceTable, ResourceType, WasmList,
};

/// A place where clients connect.
pub(super) struct Listener(Socket);

/// A connection to a client.
pub(super) struct Stream(Socket);

/// What comes with a message.
#[derive(ComponentType, Lower)]
#[component(variant)]
pub(super) enum Handle {
    #[component(name = "listener")]
    Listener(Resource<Listener>),
    #[component(name = "stream")]
    Stream(Resource<Stream>),
}

/// What is sent with a message.
#[derive(ComponentType, Lift)]
#[component(variant)]
pub(super) enum Sent {
    #[component(name = "listener")]
    Listener(Resource<Listener>),
    #[component(name = "stream")]
    Stream(Resource<Stream>),
}

type Accepting = (Resource<Listener>, Timeout);
type Reading = (Resource<Stream>, u64, Timeout);
type Writing = (Resource<Stream>, WasmList<u8>, Timeout);

impl Timed for Accepting {
    fn timeout(&self) -> Timeout {
        self.1
    }
}

impl Timed for Reading {
    fn timeout(&self) -> Timeout {
        self.2
    }
}

impl Timed for Writing {
    fn timeout(&self) -> Timeout {
        self.2
    }
}

pub(super) fn link<T: View + Send + 'static>(
    sockets: &mut LinkerInstance<'_, T>,
    waiting: Waiting,
) -> wasmtime::Result<()> {
    handles(sockets)?;
    define(sockets, waiting, "[method]tcp-listener.accept", accept, |store, call: &Accepting| {
        let Parts { session, table } = store.data_mut().parts();
        let clients = Source::Readable(listener(table, &call.0)?);
        Ok(Bell::of_sources(session, &[clients, Source::Stopping]))
    })?;
    define(sockets, waiting, "[method]tcp-stream.read", read, |store, call: &Reading| {
        let Parts { session, table } = store.data_mut().parts();
        Ok(Bell::of_sources(session, &[Source::Readable(stream(table, &call.0)?)]))
    })?;
    define(sockets, waiting, "[method]tcp-stream.write", write, |store, call: &Writing| {
        let Parts { session, table } = store.data_mut().parts();
        Ok(Bell::of_sources(session, &[Source::Writable(stream(table, &call.0)?)]))
    })
}

/// What a guest has by a socket without waiting.
fn handles<T: View + 'static>(sockets: &mut LinkerInstance<'_, T>) -> wasmtime::Result<()> {
    sockets.resource("tcp-listener", ResourceType::host::<Listener>(), |mut store, rep| {
        store.data_mut().parts().table.delete(Resource::<Listener>::new_own(rep))?;
        Ok(())
    })?;
    sockets.resource("tcp-stream", ResourceType::host::<Stream>(), |mut store, rep| {
        store.data_mut().parts().table.delete(Resource::<Stream>::new_own(rep))?;
        Ok(())
    })?;
    sockets.func_wrap(
        "[method]tcp-listener.address",
        |mut store: Store<'_, T>, (socket,): (Resource<Listener>,)| {
            Ok((told(store.data_mut().parts().table.get(&socket)?.0.address()),))
        },
    )?;
    sockets.func_wrap("[method]tcp-stream.peer", |mut store: Store<'_, T>, (socket,): (Resource<Stream>,)| {
        Ok((told(store.data_mut().parts().table.get(&socket)?.0.peer()),))
    })?;
    sockets.func_wrap("listeners", |mut store: Store<'_, T>, (): ()| {
        let Parts { session, table } = store.data_mut().parts();
        let listeners = session.listeners().iter().map(|socket| table.push(Listener(socket.clone())));
        Ok((listeners.collect::<Result<Vec<_>, _>>()?,))
    })
}

fn told(address: Result<SocketAddr, session::Error>) -> Result<String, Error> {
    answer(address).map(|address| address.to_string())
}

fn accept<T: View>(
    store: &mut Store<'_, T>,
    call: &Accepting,
    timeout: Timeout,
    (): &mut (),
) -> Attempted<Resource<Stream>, Error> {
    let Parts { session, table } = store.data_mut().parts();
    let listener = table.get(&call.0)?.0.clone();
    let client = match answer(session.accept(&listener, Until::of(timeout))) {
        Ok(client) => client,
        Err(error) => return Ok(Err(error)),
    };
    Ok(table.push(Stream(client)).map_err(|_| Error::Quota(format!("{HANDLES} handles"))))
}

fn read<T: View>(store: &mut Store<'_, T>, call: &Reading, timeout: Timeout, (): &mut ()) -> Attempted<Vec<u8>, Error> {
    let Parts { session, table } = store.data_mut().parts();
    Ok(answer(session.read_socket(&table.get(&call.0)?.0, call.1, Until::of(timeout))))
}

/// Straight from the guest's memory.
fn write<T: View + 'static>(
    store: &mut Store<'_, T>,
    (stream, bytes, _): &Writing,
    timeout: Timeout,
    (): &mut (),
) -> Attempted<u64, Error> {
    if bytes.len() == 0 {
        return Ok(Err(Error::Invalid("a write of no bytes".to_owned())));
    }
    let stream = store.data_mut().parts().table.get(stream)?.0.clone();
    let until = Until::of(timeout);
    loop {
        match stream.write(bytes.as_le_slice(&*store)) {
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

/// The socket that is to be sent.
pub(super) fn sent(table: &ResourceTable, sent: &Sent) -> wasmtime::Result<Socket> {
    Ok(match sent {
        Sent::Listener(listener) => table.get(listener)?.0.clone(),
        Sent::Stream(stream) => table.get(stream)?.0.clone(),
    })
}

/// A socket that has come, as the guest has it. One for which there is no handle left is closed.
pub(super) fn come(table: &mut ResourceTable, handle: session::Handle) -> wasmtime::Result<Handle> {
    Ok(match handle {
        session::Handle::Listener(socket) => Handle::Listener(table.push(Listener(socket))?),
        session::Handle::Stream(socket) => Handle::Stream(table.push(Stream(socket))?),
    })
}

/// For a wait.
pub(super) fn listener<'a>(table: &'a ResourceTable, of: &Resource<Listener>) -> wasmtime::Result<BorrowedFd<'a>> {
    Ok(table.get(of)?.0.as_fd())
}

/// The same of a connection.
pub(super) fn stream<'a>(table: &'a ResourceTable, of: &Resource<Stream>) -> wasmtime::Result<BorrowedFd<'a>> {
    Ok(table.get(of)?.0.as_fd())
}
