//! What compiler and worker have to agree on: the engine's settings ([`settings`]), and what a module may import and must
//! export ([`wasi1`], [`objects`], [`interfaces`]); and how a compiled module gets into memory ([`loader`]).
//!
//! Must not: know a guest, compile anything, open a path.

pub mod interfaces;
pub mod loader;
pub mod objects;
pub mod settings;
pub mod wasi1;

pub use loader::Text;
