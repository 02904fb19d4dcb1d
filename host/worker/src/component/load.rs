//! Loading and linking a component, in the zygote.

use super::{ComponentGuest, link};
use crate::engine::Error;
use sandhog_engine::interfaces;
use sandhog_engine::{Text, loader};
use sandhog_protocol::plan::Kind;
use std::fs::File;
use wasmtime::{
    Engine,
    component::{Component, ComponentExportIndex, InstancePre},
};

/// A component, loaded and linked, from which any number of attempts start, each in a process of its own.
pub struct Prepared {
    pub(super) engine: Engine,
    pub(super) instance: InstancePre<ComponentGuest>,
    pub(super) entry: Entry,
    /// It was compiled with the fuel counter.
    pub(super) fuel: bool,
    #[expect(dead_code, reason = "keeps its number; the code itself is mapped")]
    file: File,
}

impl Prepared {
    /// Whether it answers tasks that come through its connection.
    pub(crate) fn is_handler(&self) -> bool {
        match self.entry {
            Entry::Handler(_) => true,
            Entry::Command(_) => false,
        }
    }
}

/// What is called.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    /// `run` of `wasi:cli/run`, once.
    Command(ComponentExportIndex),
    /// `handle` of our world `handler`, for each task.
    Handler(ComponentExportIndex),
}

/// Loads the compiled component in `file`, and links it.
///
/// # Errors
/// [`Error::Stale`] where the file is not one that this engine compiled with these settings; [`Error::Link`].
pub(crate) fn load(engine: Engine, text: &Text, kind: Kind, fuel: bool, file: File) -> Result<Prepared, Error> {
    let component = loader::load_component(&engine, text, &file).map_err(Error::Stale)?;
    component.initialize_copy_on_write_image().map_err(Error::Stale)?;
    let instance = link::linker(&engine, kind).and_then(|linker| linker.instantiate_pre(&component));
    let instance = instance.map_err(Error::Link)?;
    let entry =
        entry(&engine, &component).ok_or_else(|| Error::Link(wasmtime::Error::msg("it has nothing to start")))?;
    Ok(Prepared { engine, instance, entry, fuel, file })
}

fn entry(engine: &Engine, component: &Component) -> Option<Entry> {
    let exports = component.component_type();
    if let Some(name) = interfaces::newest_run(exports.exports(engine).map(|(name, _)| name)) {
        let run = component.get_export_index(None, name)?;
        return component.get_export_index(Some(&run), "run").map(Entry::Command);
    }
    component.get_export_index(None, "handle").map(Entry::Handler)
}
