//! Errors of loading, for modules of all kinds.

use std::io;

/// Why no engine or no prepared module came about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("failed to build the engine")]
    Engine(#[source] wasmtime::Error),
    #[error("failed to install the timers' signal handlers")]
    Timers(#[source] io::Error),
    /// Compile the module again.
    #[error("failed to load the compiled module")]
    Stale(#[source] wasmtime::Error),
    /// The module was let through by the compiler and can't be linked: a component that knows an interface, but not as it is here.
    #[error("it can't be linked to what it imports, so it was built against another version of an interface")]
    Link(#[source] wasmtime::Error),
}
