//! Loading a compiled module: native code out of a file.

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap, mprotect};
use std::{fs::File, io, ptr, sync::Arc};
use wasmtime::{CustomCodeMemory, Engine, Module, component::Component};

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

/// Maps the compiled component in `file`, for as long as the process lives: it must never change. No path is opened. The
/// engine has to have been built with [`publisher`]: it opens components by path or takes memory, and of memory it
/// does not know that it may make it executable.
///
/// # Errors
/// As [`load`]; and what mmap(2) says.
pub(crate) fn load_component(engine: &Engine, file: &File) -> wasmtime::Result<Component> {
    let length = usize::try_from(file.metadata()?.len())?;
    // An empty file can't be mapped.
    let bytes = if length == 0 { ptr::NonNull::from(&mut [][..]) } else { map(file, length)? };
    // SAFETY: the memory is mapped for good and by nobody else. That the engine wrote what is in it, and that
    // nobody changes it, is upheld as in `load`.
    unsafe { Component::deserialize_raw(engine, bytes) }
}

fn map(file: &File, length: usize) -> io::Result<ptr::NonNull<[u8]>> {
    // SAFETY: a new mapping, where the kernel likes, which replaces nothing.
    let start = unsafe { mmap(ptr::null_mut(), length, ProtFlags::READ, MapFlags::PRIVATE, file, 0)? };
    let start = ptr::NonNull::new(start.cast()).ok_or(io::ErrorKind::InvalidData)?;
    Ok(ptr::NonNull::slice_from_raw_parts(start, length))
}

/// What makes the code of a component executable, for the engine's settings.
pub(crate) fn publisher() -> Arc<dyn CustomCodeMemory> {
    Arc::new(Publisher)
}

struct Publisher;

impl CustomCodeMemory for Publisher {
    fn required_alignment(&self) -> usize {
        // What the filter of another page size would be written for; `crate::sandbox::seccomp` knows this architecture alone.
        4096
    }

    fn publish_executable(&self, start: *const u8, length: usize) -> wasmtime::Result<()> {
        protect(start, length, MprotectFlags::READ | MprotectFlags::EXEC)
    }

    fn unpublish_executable(&self, start: *const u8, length: usize) -> wasmtime::Result<()> {
        protect(start, length, MprotectFlags::READ)
    }
}

fn protect(start: *const u8, length: usize, flags: MprotectFlags) -> wasmtime::Result<()> {
    // SAFETY: the engine names whole pages of code inside of the memory that `load_component` has mapped, which
    // is not written to either way, and calls no code in it that it has taken back.
    unsafe { mprotect(start.cast_mut().cast(), length, flags) }.map_err(|errno| io::Error::from(errno).into())
}
