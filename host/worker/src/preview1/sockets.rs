//! Calls for sockets. No guest has one yet: whatever it names is none.

use super::{
    Guest,
    errno::{Errno, Failure},
};

/// `sock_accept`
pub(super) fn accept(guest: &mut Guest, _: &mut [u8], number: u32, _: u32, _: u32) -> Result<(), Failure> {
    no_socket(guest, number)
}

/// `sock_recv`
#[expect(clippy::too_many_arguments, reason = "the call has them")]
pub(super) fn receive(
    guest: &mut Guest,
    _: &mut [u8],
    number: u32,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
) -> Result<(), Failure> {
    no_socket(guest, number)
}

/// `sock_send`
pub(super) fn send(
    guest: &mut Guest,
    _: &mut [u8],
    number: u32,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
) -> Result<(), Failure> {
    no_socket(guest, number)
}

/// `sock_shutdown`
pub(super) fn shut_down(guest: &mut Guest, _: &mut [u8], number: u32, _: u32) -> Result<(), Failure> {
    no_socket(guest, number)
}

fn no_socket(guest: &Guest, number: u32) -> Result<(), Failure> {
    guest.table.get(number)?;
    Err(Errno::Notsock.into())
}
