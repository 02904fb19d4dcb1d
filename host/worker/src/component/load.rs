//! Loading and linking a component, in the zygote.

use super::{ComponentGuest, link};
use crate::engine::Error;
use crate::hostcalls::Waiting;
use sandhog_engine::interfaces;
use sandhog_engine::{Text, loader};
use sandhog_protocol::plan::{self, Kind, Metering};
use std::fs::File;
use wasmtime::{
    Engine,
    component::{Component, ComponentExportIndex, InstancePre},
};
use wasmtime_wasi_http::{p2::bindings as p2, p3::bindings as p3};

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
    pub(crate) fn entry(&self) -> plan::Entry {
        match self.entry {
            Entry::Command(_) => plan::Entry::Command,
            Entry::Handler(_) => plan::Entry::Handler,
            Entry::Http(_) => plan::Entry::Http,
        }
    }
}

/// What is called.
pub(super) enum Entry {
    /// `run` of `wasi:cli/run`, once.
    Command(ComponentExportIndex),
    /// `handle` of our world `handler`, for each task.
    Handler(ComponentExportIndex),
    /// An interface of `wasi:http`, for each request.
    Http(Http),
}

/// The interface, with its types checked.
pub(super) enum Http {
    /// `handle` of `wasi:http/incoming-handler` 0.2.
    Incoming(p2::ProxyPre<ComponentGuest>),
    /// `handle` of `wasi:http/handler` 0.3.
    Service(p3::ServicePre<ComponentGuest>),
}

/// Loads the compiled component in `file`, and links it.
///
/// # Errors
/// [`Error::Stale`] where the file is not one that this engine compiled with these settings; [`Error::Link`].
pub(crate) fn load(engine: Engine, text: &Text, kind: Kind, metering: Metering, file: File) -> Result<Prepared, Error> {
    let component = loader::load_component(&engine, text, &file).map_err(Error::Stale)?;
    component.initialize_copy_on_write_image().map_err(Error::Stale)?;
    // One that serves has other requests.
    let waiting = if metering.epochs { Waiting::Yields } else { Waiting::Blocks };
    let instance = link::linker(&engine, kind, waiting).and_then(|linker| linker.instantiate_pre(&component));
    let instance = instance.map_err(Error::Link)?;
    let entry = entry(&engine, &component, &instance, metering.epochs).map_err(Error::Link)?;
    Ok(Prepared { engine, instance, entry, fuel: metering.fuel, file })
}

/// What the component is called for. `serves`: it was compiled for serving, and where it can do more than one thing it is to do
/// that.
fn entry(
    engine: &Engine,
    component: &Component,
    instance: &InstancePre<ComponentGuest>,
    serves: bool,
) -> wasmtime::Result<Entry> {
    let ty = component.component_type();
    let names = || ty.exports(engine).map(|(name, _)| name);
    let http = interfaces::newest_http(names());
    let run = interfaces::newest_run(names()).and_then(|name| {
        let run = component.get_export_index(None, name)?;
        component.get_export_index(Some(&run), "run").map(Entry::Command)
    });
    let other = run.or_else(|| component.get_export_index(None, "handle").map(Entry::Handler));
    match (http, other) {
        (Some(_), Some(other)) if !serves => Ok(other),
        (Some(name), _) if name.starts_with(interfaces::INCOMING_HANDLER) => {
            p2::ProxyPre::new(instance.clone()).map(|entry| Entry::Http(Http::Incoming(entry)))
        }
        (Some(_), _) => p3::ServicePre::new(instance.clone()).map(|entry| Entry::Http(Http::Service(entry))),
        (None, Some(other)) => Ok(other),
        (None, None) => Err(wasmtime::Error::msg("it has nothing to start")),
    }
}
