//! `sandhog:job/channel`: messages between two attempts, or between an attempt and the program that started it.

use super::sockets::{self, Sent};
use super::types::{Error, Incoming, Outgoing, Timeout, answer};
use super::view::{Parts, View};
use crate::session::{self, Connection, Source, Until};
use sandhog_channel::Progress;
use sandhog_protocol::limits;
use sandhog_protocol::message::Format;
use std::os::fd::AsFd;
use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, Resource, ResourceType, WasmList};

type Store<'a, T> = StoreContextMut<'a, T>;
type Handle = Resource<Connection>;
type CallResult<T> = wasmtime::Result<(Result<T, Error>,)>;

pub(super) fn link<T: View + 'static>(channel: &mut LinkerInstance<'_, T>) -> wasmtime::Result<()> {
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
    channel.func_wrap("[method]connection.send", send)?;
    channel.func_wrap("[method]connection.send-with", send_with)?;
    channel.func_wrap("[method]connection.take-socket", |mut store: Store<'_, T>, (connection,): (Handle,)| {
        let table = store.data_mut().parts().table;
        let handle = table.get(&connection)?.take_handle();
        Ok((handle.map(|handle| sockets::come(table, handle)).transpose()?,))
    })?;
    channel.func_wrap(
        "[method]connection.recv",
        |mut store: Store<'_, T>, call: (Handle, Timeout)| -> CallResult<Incoming> {
            let Parts { session, table } = store.data_mut().parts();
            Ok((answer(session.recv(table.get(&call.0)?, Until::of(call.1))).map(Incoming::from),))
        },
    )?;
    channel.func_wrap("[method]connection.send-batch", send_batch)?;
    channel.func_wrap("[method]connection.recv-batch", |mut store: Store<'_, T>, call: (Handle, Timeout)| {
        let Parts { session, table } = store.data_mut().parts();
        Ok((answer(session.recv_batch(table.get(&call.0)?, Until::of(call.1))),))
    })?;
    channel.func_wrap("[method]connection.disconnect", |mut store: Store<'_, T>, (connection,): (Handle,)| {
        store.data_mut().parts().table.get(&connection)?.disconnect();
        Ok(())
    })
}

fn send<T: View + 'static>(
    mut store: Store<'_, T>,
    (connection, message, timeout): (Handle, Outgoing, Timeout),
) -> CallResult<()> {
    let connection = store.data_mut().parts().table.get(&connection)?.clone();
    Ok((answer(send_message(&mut store, &connection, &message, Until::of(timeout))),))
}

/// Straight from the guest's memory.
///
/// # Errors
/// As [`Connection::send`] and [`Session::wait`](session::Session::wait).
pub(super) fn send_message<T: View + 'static>(
    store: &mut Store<'_, T>,
    connection: &Connection,
    message: &Outgoing,
    until: Until,
) -> Result<(), session::Error> {
    let format = match message.format.into() {
        Format::Failure => return Err(session::Error::Invalid("a failure is a handler's answer".to_owned())),
        format @ (Format::Value | Format::Bytes) => format,
    };
    if message.body.len() > limits::MESSAGE {
        return Err(session::Error::TooLarge { max: limits::MESSAGE as u64 });
    }
    let mut progress = Progress::default();
    when_there_is_room(store, connection, until, |store| {
        connection.send(&mut progress, format, message.body.as_le_slice(store))
    })
}

/// Straight from the guest's memory.
fn send_with<T: View + 'static>(
    mut store: Store<'_, T>,
    (connection, message, handle, timeout): (Handle, Outgoing, Sent, Timeout),
) -> CallResult<()> {
    let table = store.data_mut().parts().table;
    let (connection, socket) = (table.get(&connection)?.clone(), sockets::sent(table, &handle)?);
    let format = match message.format.into() {
        Format::Failure => {
            return Ok((Err(Error::Invalid("a failure is a handler's answer".to_owned())),));
        }
        format @ (Format::Value | Format::Bytes) => format,
    };
    if message.body.len() > limits::INLINE_PAYLOAD {
        return Ok((Err(Error::TooLarge(limits::INLINE_PAYLOAD as u64)),));
    }
    let until = Until::of(timeout);
    let sent = loop {
        let mut went = true;
        let sent = when_there_is_room(&mut store, &connection, until, |store| {
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
    Ok((answer(sent),))
}

fn send_batch<T: View + 'static>(
    mut store: Store<'_, T>,
    (connection, batch, timeout): (Handle, WasmList<u8>, Timeout),
) -> CallResult<()> {
    if batch.len() > limits::INLINE_PAYLOAD {
        return Ok((Err(Error::TooLarge(limits::INLINE_PAYLOAD as u64)),));
    }
    let connection = store.data_mut().parts().table.get(&connection)?.clone();
    let sent = when_there_is_room(&mut store, &connection, Until::of(timeout), |store| {
        connection.send_batch(batch.as_le_slice(store))
    });
    Ok((answer(sent),))
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
