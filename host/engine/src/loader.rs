//! Loading a compiled module: native code out of a file.
//!
//! It is mapped twice: once as data, for the engine to read and check, and then its code over that, readable and executable,
//! from the file. So no page that is executed was ever writable, and none is made executable that was not from its first
//! moment: the kernel can refuse that (PR_SET_MDWE), and the zygote's filter never allows it.

#![allow(unsafe_code)]

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap, mprotect};
use std::{
    fs::File,
    io,
    ops::Range,
    ptr,
    sync::{Arc, Mutex, PoisonError},
};
use wasmtime::{CustomCodeMemory, Engine, Module, component::Component};

/// The size of a page, in bytes. The filters know this architecture alone.
const PAGE: usize = 4096;

/// Where an engine has put the code of the one module that it loads: what it asks to be made executable, it is only told
/// about, and [`load`] or [`load_component`] does it.
#[derive(Default)]
pub struct Text(Mutex<Option<(usize, usize)>>);

impl Text {
    /// For the engine's settings.
    pub fn hook(self: &Arc<Self>) -> Arc<dyn CustomCodeMemory> {
        Arc::clone(self) as _
    }

    /// Start and length of the code; none where the module has no function.
    fn range(&self) -> Option<(usize, usize)> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CustomCodeMemory for Text {
    fn required_alignment(&self) -> usize {
        PAGE
    }

    fn publish_executable(&self, start: *const u8, length: usize) -> wasmtime::Result<()> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace((start.addr(), length));
        if known.is_some() { Err(wasmtime::Error::msg("this engine has loaded a module already")) } else { Ok(()) }
    }

    fn unpublish_executable(&self, start: *const u8, length: usize) -> wasmtime::Result<()> {
        // SAFETY: the engine names whole pages of code of the module that was loaded here, which are only read, and calls no
        // code in it any more.
        let protected = unsafe { mprotect(start.cast_mut().cast(), length, MprotectFlags::READ) };
        protected.map_err(|errno| io::Error::from(errno).into())
    }
}

/// Loads the compiled module in `file`, which stays open inside the module and is mapped again by every
/// instance: it must never change. No path is opened. The engine has to have been built with `text`.
///
/// # Errors
/// The engine's own, where the file is not a module compiled by this engine with these settings; and what mmap(2) says.
pub fn load(engine: &Engine, text: &Text, file: File) -> wasmtime::Result<Module> {
    let again = file.try_clone()?;
    // SAFETY: the engine asks for a file that it wrote itself and that nobody changes. The coordinator upholds
    // both: only its compilers' output gets into the cache, under a checksum, where nobody else can write.
    // A compiler that a hostile module took over could break the first promise; whoever calls this is
    // therefore sealed already (`host/zygote`) and has nothing that such code could gain.
    let module = unsafe { Module::deserialize_open_file(engine, file)? };
    execute(&again, module.image_range(), text)?;
    Ok(module)
}

/// Loads the compiled component in `file`, for as long as the process lives: it must never change. No path is opened, which is
/// how the engine would load one; it takes memory as well. The engine has to have been built with `text`.
///
/// # Errors
/// As [`load`].
pub fn load_component(engine: &Engine, text: &Text, file: &File) -> wasmtime::Result<Component> {
    let length = usize::try_from(file.metadata()?.len())?;
    // An empty file can't be mapped.
    let bytes = if length == 0 { ptr::NonNull::from(&mut [][..]) } else { map(file, length)? };
    // SAFETY: the memory is mapped for good and by nobody else. That the engine wrote what is in it, and that
    // nobody changes it, is upheld as in `load`.
    let component = unsafe { Component::deserialize_raw(engine, bytes)? };
    execute(file, component.image_range(), text)?;
    Ok(component)
}

fn map(file: &File, length: usize) -> io::Result<ptr::NonNull<[u8]>> {
    // SAFETY: a new mapping, where the kernel likes, which replaces nothing.
    let start = unsafe { mmap(ptr::null_mut(), length, ProtFlags::READ, MapFlags::PRIVATE, file, 0)? };
    let start = ptr::NonNull::new(start.cast()).ok_or(io::ErrorKind::InvalidData)?;
    Ok(ptr::NonNull::slice_from_raw_parts(start, length))
}

/// Maps the code of a module anew, as code, from the file that all of `image` was mapped from.
fn execute(file: &File, image: Range<*const u8>, text: &Text) -> io::Result<()> {
    let Some((start, length)) = text.range() else { return Ok(()) };
    let offset = start.checked_sub(image.start.addr()).filter(|offset| offset.is_multiple_of(PAGE));
    let inside = start.checked_add(length).is_some_and(|end| end <= image.end.addr());
    let (Some(offset), true) = (offset, inside) else { return Err(io::ErrorKind::InvalidData.into()) };
    let (address, code) = (image.start.wrapping_add(offset).cast_mut(), ProtFlags::READ | ProtFlags::EXEC);
    // SAFETY: what is replaced lies in the image, as was just seen, which was mapped whole from this file at offset 0 and
    // never written to: the engine reads the same bytes there as before. No code in it has run yet.
    unsafe { mmap(address.cast(), length, code, MapFlags::PRIVATE | MapFlags::FIXED, file, offset as u64)? };
    Ok(())
}
