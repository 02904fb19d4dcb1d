//! Calls on descriptors of any kind: `fd_close`, `fd_renumber`.

use super::{Guest, errno::Failure};

/// `fd_close`
pub(super) fn close(guest: &mut Guest, _: &mut [u8], number: u32) -> Result<(), Failure> {
    guest.table.remove(number)?;
    Ok(())
}

/// `fd_renumber`
pub(super) fn renumber(guest: &mut Guest, _: &mut [u8], from: u32, to: u32) -> Result<(), Failure> {
    Ok(guest.table.renumber(from, to)?)
}
