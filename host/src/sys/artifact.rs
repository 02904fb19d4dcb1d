//! Loading a compiled module: native code out of a file.

use std::fs::File;
use wasmtime::{Engine, Module};

/// Maps the compiled module in `file`, which stays open inside the module and is mapped again by every
/// instance: it must never change. No path is opened.
///
/// # Errors
/// The engine's own, where the file is not a module compiled by this engine with these settings.
pub(crate) fn load(engine: &Engine, file: File) -> wasmtime::Result<Module> {
    // SAFETY: the engine asks for a file that it wrote itself and that nobody changes. The coordinator upholds
    // both: only its compilers' output gets into the cache, under a checksum, where nobody else can write.
    // A compiler that a hostile module took over could break the first promise; whoever calls this is
    // therefore sealed already (`spawn/zygote.rs`) and has nothing that such code could gain.
    unsafe { Module::deserialize_open_file(engine, file) }
}
