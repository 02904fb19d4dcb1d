//! Loading a compiled module and linking it, in the zygote.

mod error;

pub(crate) use error::Error;

use super::{component, guest::Guest, hostcalls, preview1};
use sandhog_engine::{Text, loader, objects, settings};
use sandhog_protocol::plan::{Kind, Metering};
use sandhog_sys::{alloc, timer};
use std::fs::File;
use wasmtime::{Engine, InstancePre, Linker};

/// What attempts start from.
pub enum Prepared {
    Core(Module),
    Component(component::Prepared),
}

/// A core module, loaded and linked, from which any number of attempts start, each in a process of its own.
pub struct Module {
    pub(super) engine: Engine,
    pub(super) instance: InstancePre<Guest>,
    /// The module was compiled with the fuel counter.
    pub(super) fuel: bool,
    /// It imports objects.
    pub(super) shares: bool,
}

/// Loads the compiled module in `file`. What is mapped again by each instance has to stay open for as long as the
/// process lives: the file, and unnamed files of a component's memories, whose numbers follow on the file's. Starts no
/// thread, opens no path, draws no random number; installs the timers' signal handlers. With `coredump` the engine notes at
/// each trap what a core dump needs.
///
/// # Errors
/// [`Error::Stale`] where the file is not one that this engine compiled with these settings.
pub(crate) fn load_for(metering: Metering, coredump: bool, kind: Kind, file: File) -> Result<Prepared, Error> {
    let (engine, text) = settings::for_running(metering, coredump, kind).map_err(Error::Engine)?;
    let prepared = match kind {
        Kind::Core => Prepared::Core(load_module(engine, &text, metering.fuel, file)?),
        Kind::Component | Kind::Concurrent => {
            // Threads come later, and would each have a heap of their own, which the C library asks /proc about.
            alloc::one_heap();
            Prepared::Component(component::load(engine, &text, kind, metering, file)?)
        }
    };
    timer::install().map_err(Error::Timers)?;
    // The stack for signals, which forks inherit.
    Engine::tls_eager_initialize();
    Ok(prepared)
}

/// As [`load_for`], without core dumps.
#[cfg(test)]
pub(crate) fn load(metering: Metering, kind: Kind, file: File) -> Result<Prepared, Error> {
    load_for(metering, false, kind, file)
}

fn load_module(engine: Engine, text: &Text, fuel: bool, file: File) -> Result<Module, Error> {
    let module = loader::load(&engine, text, file).map_err(Error::Stale)?;
    module.initialize_copy_on_write_image().map_err(Error::Stale)?;
    let shares = module.imports().any(|import| import.module() == objects::MODULE);
    let instance = link(&engine, &module, shares).map_err(Error::Link)?;
    Ok(Module { engine, instance, fuel, shares })
}

fn link(engine: &Engine, module: &wasmtime::Module, shares: bool) -> wasmtime::Result<InstancePre<Guest>> {
    let mut linker = Linker::new(engine);
    preview1::link(&mut linker)?;
    if shares {
        hostcalls::link_lowered(&mut linker)?;
    }
    linker.instantiate_pre(module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_compiled_module_is_stale() {
        let file = File::open("/dev/zero").unwrap();
        assert!(matches!(load(Metering::default(), Kind::Core, file), Err(Error::Stale(_))));
    }
}
