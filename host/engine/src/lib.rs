//! The agreement of compiler and worker: the engine's settings ([`settings`]), the allowed imports and required exports
//! of a module ([`wasi1`], [`objects`], [`interfaces`]), and the loading of a compiled module ([`loader`]).
//!
//! Must not: know a guest, compile anything, open a path.

pub mod interfaces;
pub mod loader;
pub mod objects;
pub mod settings;
pub mod wasi1;

pub use loader::Text;
