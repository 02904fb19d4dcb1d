//! `memory`: bytes. And how bytes are copied out of an object.

use super::super::view::Parts;
use super::define::Define;
use super::handle::{Answer, Model, Of, Outcome, READ};
use super::open::resource;
use crate::session::{self, Shared};
use sandhog_objects_model::{Memory, Problem};
use sandhog_protocol::limits;

pub(super) fn link(objects: &mut impl Define) -> wasmtime::Result<()> {
    resource::<Memory>(objects)?;
    objects.known::<Memory, u64>("[method]memory.size", Memory::size)?;
    objects.function::<(Of<Memory>, u64, u64), Vec<u8>>("[method]memory.read", |parts, (memory, at, count)| {
        copied(
            parts,
            &memory,
            |memory| (at, count, 1, memory.size()),
            |memory, words, into| memory.read(words, at, into),
        )
    })?;
    objects.write::<Memory>(|to, at, bytes| to.call(|memory, words, _| memory.write(words, at, bytes)))
}

/// Bytes of an object, copied by `copy`. `asked`: the first place, how many, bytes of each, and how many there are.
pub(super) fn copied<M: Model>(
    parts: Parts<'_>,
    handle: &Of<M>,
    asked: impl FnOnce(M) -> (u64, u64, u64, u64),
    copy: impl FnOnce(M, &Shared<'_>, &mut [u8]) -> Result<(), Problem>,
) -> Outcome<Vec<u8>> {
    let Parts { session, table } = parts;
    let handle = table.get(handle)?;
    let bytes = || -> Answer<Vec<u8>> {
        handle.needs(READ)?;
        let (first, count, size, all) = asked(handle.model());
        // Before anything is allocated for it.
        let length = length_of_copy(count, size)?;
        if first.checked_add(count).is_none_or(|end| end > all) {
            return Err(Problem::Invalid.into());
        }
        let mut bytes = vec![0; length];
        handle.call(session.waits(), |model, memory, _| copy(model, memory, &mut bytes))?;
        Ok(bytes)
    };
    Ok(bytes())
}

/// Of one call, in bytes.
///
/// # Errors
/// [`session::Error::TooLarge`]: more than a message may have.
fn length_of_copy(count: u64, size: u64) -> Result<usize, session::Error> {
    let length = count.checked_mul(size).and_then(|length| usize::try_from(length).ok());
    length.filter(|length| *length <= limits::MESSAGE).ok_or(session::Error::TooLarge { max: limits::MESSAGE as u64 })
}
