//! The way of an answer into the guest's memory.
//!
//! Must not: know an operation.

use super::super::super::view::Parts;
use super::super::handle::Outcome;
use super::tell::{List, Out, Tell};
use crate::at_once::at_once;
use crate::guest::{BadPointer, Guest};
use crate::preview1::memory_of;
use sandhog_engine::objects::{MODULE, REALLOC};
use wasmtime::{Caller, Extern};

/// Why a guest's call can't be answered; it ends the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unanswered {
    #[error("the module imports {MODULE} and was started as if it did not")]
    NotPrepared,
    #[error("the module exports no function {REALLOC} of the usual type, which makes room for what {MODULE} returns")]
    NoRoom,
    #[error("a name that is not UTF-8")]
    NotText,
}

#[inline]
pub(super) fn parts(guest: &mut Guest) -> wasmtime::Result<Parts<'_>> {
    Ok(guest.sharing.as_mut().ok_or(Unanswered::NotPrepared)?.parts())
}

/// Does an operation, and writes what it comes to.
#[inline]
pub(super) fn answer<R: Tell>(
    caller: &mut Caller<'_, Guest>,
    at: u32,
    operation: impl FnOnce(Parts<'_>) -> Outcome<R>,
) -> wasmtime::Result<()> {
    let (memory, guest) = memory_of(caller, MODULE)?;
    let told = operation(parts(guest)?)?;
    let mut out = Out { memory, lists: None };
    told.tell(&mut out, at)?;
    match out.lists {
        None => Ok(()),
        Some(list) => place(caller, list),
    }
}

/// Does an operation with bytes of the guest's memory, and writes what it comes to.
pub(super) fn answer_with_bytes(
    caller: &mut Caller<'_, Guest>,
    (start, length): (u32, u32),
    at: u32,
    operation: impl FnOnce(Parts<'_>, &[u8]) -> Outcome<()>,
) -> wasmtime::Result<()> {
    let (memory, guest) = memory_of(caller, MODULE)?;
    let bytes = within(memory, start, length)?;
    let told = operation(parts(guest)?, bytes)?;
    answer(caller, at, |_| Ok(told))
}

#[inline]
pub(super) fn within(memory: &[u8], start: u32, length: u32) -> Result<&[u8], BadPointer> {
    memory.get(start as usize..start as usize + length as usize).ok_or(BadPointer { call: MODULE })
}

/// Puts lists and texts where the guest makes room for them. Only these functions call the guest, and none of them holds anything
/// meanwhile.
fn place(caller: &mut Caller<'_, Guest>, first: Box<List>) -> wasmtime::Result<()> {
    let Some(Extern::Func(realloc)) = caller.get_export(REALLOC) else { return Err(Unanswered::NoRoom.into()) };
    let realloc = realloc.typed::<(u32, u32, u32, u32), u32>(&*caller).map_err(|_| Unanswered::NoRoom)?;
    let mut left = Some(first);
    while let Some(list) = left {
        let List { at, bytes, next } = *list;
        left = next;
        let length = u32::try_from(bytes.len()).map_err(|_| BadPointer { call: MODULE })?;
        // Nothing is read at the address of an empty list; it only must not be 0.
        let start = match length {
            0 => 1,
            _ => at_once(realloc.call_async(&mut *caller, (0, 0, 1, length))).ok_or(Unanswered::NoRoom)??,
        };
        let (memory, _) = memory_of(caller, MODULE)?;
        let room = memory.get_mut(start as usize..start as usize + bytes.len());
        room.ok_or(BadPointer { call: MODULE })?.copy_from_slice(&bytes);
        let mut out = Out { memory, lists: None };
        out.put(at, start.to_le_bytes())?;
        out.put(at.wrapping_add(4), length.to_le_bytes())?;
    }
    Ok(())
}
