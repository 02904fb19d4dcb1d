//! What components may import: WASI, and Sandhog's own interfaces. Nothing is linked that
//! [`PROVIDED`](sandhog_engine::interfaces::PROVIDED) does not name, and the compiler refuses whatever else a component wants.

use super::{ComponentGuest, http, names, paths};
use crate::hostcalls::{self, Waiting};
use sandhog_protocol::plan::Kind;
use wasmtime::{Engine, component::Linker};

/// A linker with all that a component of this kind may import.
///
/// # Errors
/// The engine's own, where something is defined twice.
pub(super) fn linker(engine: &Engine, kind: Kind, waiting: Waiting) -> wasmtime::Result<Linker<ComponentGuest>> {
    let mut linker = Linker::new(engine);
    hostcalls::link(&mut linker, waiting)?;
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    paths::link(&mut linker)?;
    names::link(&mut linker, paths::TYPES)?;
    http::link(&mut linker, kind)?;
    match kind {
        Kind::Core | Kind::Component => {}
        Kind::Concurrent => wasmtime_wasi::p3::add_to_linker(&mut linker)?,
    }
    Ok(linker)
}
