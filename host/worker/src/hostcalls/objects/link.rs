//! The whole interface, in either way.

use super::super::view::View;
use super::super::waiting::Waiting;
use super::component::Linked;
use super::define::Define;
use super::lowered::Lowered;
use super::{array, barrier, condition, create, event, lock, memory, queue, semaphore, value};
use crate::guest::Guest;
use wasmtime::Linker;
use wasmtime::component::LinkerInstance;

/// For components.
pub(in super::super) fn link<T: View + Send + 'static>(
    objects: &mut LinkerInstance<'_, T>,
    waiting: Waiting,
) -> wasmtime::Result<()> {
    let mut objects = Linked { linker: objects, waiting };
    link_resources(&mut objects)?;
    create::link_pipes(&mut objects)
}

/// For core modules that import the interface. Pipes are not among it: a connection is a resource of another interface.
///
/// # Errors
/// Where one of the names is taken.
pub(crate) fn link_lowered(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    link_resources(&mut Lowered(linker))
}

fn link_resources(objects: &mut impl Define) -> wasmtime::Result<()> {
    lock::link(objects)?;
    semaphore::link(objects)?;
    event::link(objects)?;
    condition::link(objects)?;
    barrier::link(objects)?;
    value::link(objects)?;
    array::link(objects)?;
    memory::link(objects)?;
    queue::link(objects)?;
    create::link(objects)
}
