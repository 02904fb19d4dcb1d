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
mod children;
mod objects;
mod process;
mod sockets;
mod text;
mod types;
mod view;

#[cfg(test)]
mod tests;

pub(crate) use objects::link_lowered;
pub(crate) use view::{HANDLES, MemoryUse, Parts, Seen, Sharing, View};

use sandhog_engine::objects::MODULE;
use wasmtime::component::Linker;

/// Makes all interfaces known to components of any of the worlds.
///
/// # Errors
/// Where one of the names is taken.
pub(crate) fn link<T: View + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    // Types alone; components import it all the same.
    linker.instance("sandhog:job/types@0.1.0")?;
    process::link(&mut linker.instance("sandhog:job/process@0.1.0")?)?;
    sockets::link(&mut linker.instance("sandhog:job/sockets@0.1.0")?)?;
    channel::link(&mut linker.instance("sandhog:job/channel@0.1.0")?)?;
    objects::link(&mut linker.instance(MODULE)?)?;
    children::link(&mut linker.instance("sandhog:job/children@0.1.0")?)
}
