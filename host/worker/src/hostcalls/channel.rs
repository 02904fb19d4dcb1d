//! `sandhog:job/channel`: messages between two attempts, or between an attempt and the program that started it.

use super::sockets::{self, Sent};
use super::types::{Error, Incoming, Outgoing, Timeout, answer};
use super::view::{Parts, View};
use super::waiting::{Attempted, Bell, Left, Store, Timed, Waiting, define};
use crate::session::{self, Connection, Source, Until};
use sandhog_channel::Progress;
use sandhog_protocol::limits;
use sandhog_protocol::message::Format;
use std::os::fd::AsFd;
use wasmtime::component::{LinkerInstance, Resource, ResourceType, WasmList};

type Handle = Resource<Connection>;

impl Left for Progress {}

pub(super) fn link<T: View + Send + 'static>(
    channel: &mut LinkerInstance<'_, T>,
    waiting: Waiting,
) -> wasmtime::Result<()> {
    channel.resource("connection", ResourceType::host::<Connection>(), |mut store, rep| {
        store.data_mut().parts().table.delete(Handle::new_own(rep))?;
        Ok(())
    })?;
    channel.func_wrap("parent", |mut store: Store<'_, T>, (): ()| {
        let Parts { session, table } = store.data_mut().parts();
        Ok((session.parent().map(|connection| table.push(connection)).transpose()?,))
    })?;
    channel.func_wrap("[method]connection.limit", |mut store: Store<'_, T>, call: (Handle, u64)| {
        store.data_mut().parts().table.get(&call.0)?.limit(call.1);
        Ok(())
    })?;
    channel.func_wrap("[method]connection.take-socket", |mut store: Store<'_, T>, (connection,): (Handle,)| {
        let table = store.data_mut().parts().table;
        let handle = table.get(&connection)?.take_handle();
        Ok((handle.map(|handle| sockets::come(table, handle)).transpose()?,))
    })?;
    channel.func_wrap("[method]connection.disconnect", |mut store: Store<'_, T>, (connection,): (Handle,)| {
        store.data_mut().parts().table.get(&connection)?.disconnect();
        Ok(())
    })?;
    define(channel, waiting, "[method]connection.send", send, |store, call: &Sending| room(store, &call.0))?;
    define(channel, waiting, "[method]connection.send-with", send_with, |store, call: &SendingWith| {
        // Nobody tells when fewer sockets are on their way.
        Ok(room(store, &call.0)?.in_part())
    })?;
    define(channel, waiting, "[method]connection.send-batch", send_batch, |store, call: &SendingBatch| {
        room(store, &call.0)
    })?;
    define(channel, waiting, "[method]connection.recv", recv, |store, call: &Receiving| message(store, &call.0))?;
    define(channel, waiting, "[method]connection.recv-batch", recv_batch, |store, call: &Receiving| {
        message(store, &call.0)
    })
}

type Sending = (Handle, Outgoing, Timeout);
type SendingWith = (Handle, Outgoing, Sent, Timeout);
type SendingBatch = (Handle, WasmList<u8>, Timeout);
type Receiving = (Handle, Timeout);

impl Timed for Sending {
    fn timeout(&self) -> Timeout {
        self.2
    }
}

impl Timed for SendingWith {
    fn timeout(&self) -> Timeout {
        self.3
    }
}

impl Timed for SendingBatch {
    fn timeout(&self) -> Timeout {
        self.2
    }
}

impl Timed for Receiving {
    fn timeout(&self) -> Timeout {
        self.1
    }
}

fn room<T: View>(store: &mut Store<'_, T>, connection: &Handle) -> wasmtime::Result<Bell> {
    let Parts { session, table } = store.data_mut().parts();
    Ok(Bell::of_sources(session, &[Source::Room(table.get(connection)?)]))
}

fn message<T: View>(store: &mut Store<'_, T>, connection: &Handle) -> wasmtime::Result<Bell> {
    let Parts { session, table } = store.data_mut().parts();
    Ok(Bell::of_sources(session, &[Source::Message(table.get(connection)?)]))
}

fn recv<T: View>(
    store: &mut Store<'_, T>,
    call: &Receiving,
    timeout: Timeout,
    (): &mut (),
) -> Attempted<Incoming, Error> {
    let Parts { session, table } = store.data_mut().parts();
    Ok(answer(session.recv(table.get(&call.0)?, Until::of(timeout))).map(Incoming::from))
}

fn recv_batch<T: View>(
    store: &mut Store<'_, T>,
    call: &Receiving,
    timeout: Timeout,
    (): &mut (),
) -> Attempted<Vec<u8>, Error> {
    let Parts { session, table } = store.data_mut().parts();
    Ok(answer(session.recv_batch(table.get(&call.0)?, Until::of(timeout))))
}

/// `progress`: how much of it has gone.
fn send<T: View + 'static>(
    store: &mut Store<'_, T>,
    (connection, message, _): &Sending,
    timeout: Timeout,
    progress: &mut Progress,
) -> Attempted<(), Error> {
    let connection = store.data_mut().parts().table.get(connection)?.clone();
    Ok(answer(send_message(store, &connection, message, progress, Until::of(timeout))))
}

/// Straight from the guest's memory, from `progress` on.
///
/// # Errors
/// As [`Connection::send`] and [`Session::wait`](session::Session::wait).
pub(super) fn send_message<T: View + 'static>(
    store: &mut Store<'_, T>,
    connection: &Connection,
    message: &Outgoing,
    progress: &mut Progress,
    until: Until,
) -> Result<(), session::Error> {
    let format = match message.format.into() {
        Format::Failure => return Err(session::Error::Invalid("a failure is a handler's answer".to_owned())),
        format @ (Format::Value | Format::Bytes) => format,
    };
    if message.body.len() > limits::MESSAGE {
        return Err(session::Error::TooLarge { max: limits::MESSAGE as u64 });
    }
    when_there_is_room(store, connection, until, |store| {
        connection.send(progress, format, message.body.as_le_slice(store))
    })
}

/// Straight from the guest's memory.
fn send_with<T: View + 'static>(
    store: &mut Store<'_, T>,
    (connection, message, handle, _): &SendingWith,
    timeout: Timeout,
    (): &mut (),
) -> Attempted<(), Error> {
    let table = store.data_mut().parts().table;
    let (connection, socket) = (table.get(connection)?.clone(), sockets::sent(table, handle)?);
    let format = match message.format.into() {
        Format::Failure => return Ok(Err(Error::Invalid("a failure is a handler's answer".to_owned()))),
        format @ (Format::Value | Format::Bytes) => format,
    };
    if message.body.len() > limits::INLINE_PAYLOAD {
        return Ok(Err(Error::TooLarge(limits::INLINE_PAYLOAD as u64)));
    }
    let until = Until::of(timeout);
    let sent = loop {
        let mut went = true;
        let sent = when_there_is_room(store, &connection, until, |store| {
            went = connection.send_with(format, message.body.as_le_slice(store), socket.as_fd())?;
            Ok(())
        });
        if went || sent.is_err() {
            break sent;
        }
        if let Err(error) = store.data_mut().parts().session.wait_a_little(until) {
            break Err(error);
        }
    };
    Ok(answer(sent))
}

fn send_batch<T: View + 'static>(
    store: &mut Store<'_, T>,
    (connection, batch, _): &SendingBatch,
    timeout: Timeout,
    (): &mut (),
) -> Attempted<(), Error> {
    if batch.len() > limits::INLINE_PAYLOAD {
        return Ok(Err(Error::TooLarge(limits::INLINE_PAYLOAD as u64)));
    }
    let connection = store.data_mut().parts().table.get(connection)?.clone();
    let sent = when_there_is_room(store, &connection, Until::of(timeout), |store| {
        connection.send_batch(batch.as_le_slice(store))
    });
    Ok(answer(sent))
}

/// Sends, after each time that there is room, until there is enough of it.
fn when_there_is_room<T: View + 'static>(
    store: &mut Store<'_, T>,
    connection: &Connection,
    until: Until,
    mut send: impl FnMut(&Store<'_, T>) -> Result<(), session::Error>,
) -> Result<(), session::Error> {
    loop {
        match send(store) {
            Err(session::Error::WouldBlock) => {
                store.data_mut().parts().session.wait_for(Source::Room(connection), until)?;
            }
            other => return other,
        }
    }
}
