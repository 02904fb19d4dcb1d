//! Calls for sockets: those that were granted, which have the numbers from 3 on, and what is accepted from them.
//!
//! Whether a call waits is the guest's own flag of its descriptor; the kernel's belongs to all who have the socket. Nobody can
//! shut a socket down: of one that several listen on that would be the end for all of them.

use super::{
    Guest,
    errno::{Errno, Failure},
    memory::{self, put_size},
    rights::NONBLOCK,
    table::{Entry, Socket},
};
use crate::{
    sockets::{self, Kind},
    stdio,
};
use rustix::event::PollFlags;
use std::os::fd::AsFd;

/// Flags of what is received, `typenames.witx`, `riflags`.
const PEEK: u32 = 1;
const WAITALL: u32 = 2;

/// Both directions, `typenames.witx`, `sdflags`.
const BOTH: u32 = 3;

impl Socket {
    /// Some of what a client sent.
    pub(super) fn receive(&self, bytes: &mut [u8], peek: bool) -> rustix::io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        self.patiently(PollFlags::IN, || sockets::receive(self.fd.as_fd(), bytes, peek))
    }

    /// Sends some of the first buffer that has anything.
    pub(super) fn transmit(&self, buffers: &[std::io::IoSlice<'_>]) -> rustix::io::Result<usize> {
        match buffers.first() {
            Some(first) => self.patiently(PollFlags::OUT, || sockets::transmit(self.fd.as_fd(), first)),
            None => Ok(0),
        }
    }

    /// Makes a call until it does not come too early, where the guest wants to wait for that.
    fn patiently<T>(&self, ready: PollFlags, mut call: impl FnMut() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
        if self.blocks { stdio::patiently(self.fd.as_fd(), ready, call) } else { call() }
    }
}

/// `sock_accept`
pub(super) fn accept(
    guest: &mut Guest,
    memory: &mut [u8],
    number: u32,
    flags: u32,
    result: u32,
) -> Result<(), Failure> {
    let listener = guest.table.socket(number)?;
    if flags & !NONBLOCK != 0 || listener.kind != Kind::Listener {
        return Err(Errno::Inval.into());
    }
    let fd = listener.patiently(PollFlags::IN, || sockets::accept(listener.fd.as_fd()))?;
    let client = Socket { fd, kind: Kind::Stream, blocks: flags & NONBLOCK == 0 };
    let number = guest.table.insert(Entry::Socket(client))?;
    memory::put(memory, result, number.to_le_bytes())
}

/// `sock_recv`: into the first buffer that has room.
#[expect(clippy::too_many_arguments, reason = "the call has them")]
pub(super) fn receive(
    guest: &mut Guest,
    memory: &mut [u8],
    number: u32,
    vector: u32,
    count: u32,
    flags: u32,
    length: u32,
    result: u32,
) -> Result<(), Failure> {
    let stream = guest.table.client(number)?;
    if flags & !(PEEK | WAITALL) != 0 {
        return Err(Errno::Inval.into());
    }
    if flags & WAITALL != 0 {
        return Err(Errno::Notsup.into());
    }
    let received = stream.receive(memory::first(memory, vector, count)?, flags & PEEK != 0)?;
    put_size(memory, length, received)?;
    // No flag: a stream has nothing that could be cut off.
    memory::put(memory, result, 0_u16.to_le_bytes())
}

/// `sock_send`
pub(super) fn send(
    guest: &mut Guest,
    memory: &mut [u8],
    number: u32,
    vector: u32,
    count: u32,
    flags: u32,
    result: u32,
) -> Result<(), Failure> {
    let stream = guest.table.client(number)?;
    if flags != 0 {
        return Err(Errno::Inval.into());
    }
    let sent = memory::to_write(memory, (vector, count), |buffers| stream.transmit(buffers))?;
    put_size(memory, result, sent)
}

/// `sock_shutdown`: a descriptor that is closed ends a connection that nobody else has.
pub(super) fn shut_down(guest: &mut Guest, _: &mut [u8], number: u32, how: u32) -> Result<(), Failure> {
    guest.table.socket(number)?;
    match how {
        1..=BOTH => Err(Errno::Notsup.into()),
        _ => Err(Errno::Inval.into()),
    }
}
