//! The host's side of `wit/sandhog.wit`, one file an interface; `objects` has one for each resource.
//!
//! What a guest passes is hostile: lengths are checked where the bytes lie, in the guest's memory, before anything is
//! copied. What is wrong with a call is a typed error; only what the engine itself finds wrong with it (a handle that is
//! none, a pointer outside of the memory, text that is not UTF-8, more than [`wasmtime::Store::set_hostcall_fuel`] allows
//! in one call) traps.
//!
//! The functions are linked by hand. What the engine's macro makes copies every list before the host sees its length, and
//! takes twice as long for a large one.
//!
//! What this must not do: decide what a guest may. That is the coordinator's.

mod channel;
mod child_handles;
mod child_waits;
mod children;
mod objects;
mod process;
mod sockets;
mod text;
mod types;
mod view;
mod waiting;

#[cfg(test)]
mod tests;

pub(crate) use objects::link_lowered;
pub(crate) use view::{HANDLES, MemoryUse, Parts, Seen, Sharing, View};
pub(crate) use waiting::Waiting;

use sandhog_engine::objects::MODULE;
use wasmtime::component::Linker;

/// Makes all interfaces known to components of any of the worlds. With [`Waiting::Yields`] they are called in a runtime that waits
/// for descriptors.
///
/// # Errors
/// Where one of the names is taken.
pub(crate) fn link<T: View + Send + 'static>(linker: &mut Linker<T>, waiting: Waiting) -> wasmtime::Result<()> {
    // Types alone; components import it all the same.
    linker.instance("sandhog:job/types@0.1.0")?;
    process::link(&mut linker.instance("sandhog:job/process@0.1.0")?, waiting)?;
    sockets::link(&mut linker.instance("sandhog:job/sockets@0.1.0")?, waiting)?;
    channel::link(&mut linker.instance("sandhog:job/channel@0.1.0")?, waiting)?;
    objects::link(&mut linker.instance(MODULE)?, waiting)?;
    children::link(&mut linker.instance("sandhog:job/children@0.1.0")?, waiting)
}
