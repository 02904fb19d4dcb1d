//! WASI 0.1 for core modules: each function of `wasi_snapshot_preview1`, on a table of descriptors of our own.
//!
//! | file | functions |
//! | --- | --- |
//! | `descriptors` | `fd_close`, `fd_renumber` |
//! | `files` | `fd_read`, `fd_write` and what else is done with an open file |
//! | `open`, `paths` | `path_…` |
//! | `status` | `…_filestat_…`: size, times |
//! | `rights` | `fd_fdstat_…` |
//! | `directories` | `fd_readdir`, `fd_prestat_…` |
//! | `system` | arguments, environment, clocks, random numbers |
//! | `sockets` | `sock_…` |
//!
//! Below a [`Guest`], and shared by the functions: `table` (which number is what), `listing`, `texts`, `resolve` (from a
//! path to what it names), `filetype`.
//!
//! What must not be here: a path that is walked step by step, a length of the guest's that allocates, a runtime. Reading and
//! writing the three streams is [`super::stdio`], waiting [`super::poll`].

mod descriptors;
mod directories;
mod errno;
mod files;
mod filetype;
mod listing;
mod memory;
mod open;
mod paths;
mod resolve;
mod rights;
mod sockets;
mod status;
mod system;
mod table;
#[cfg(test)]
mod tests;
mod texts;

pub(super) use resolve::TRIES;
pub(super) use table::Table;
pub(super) use texts::Texts;

use super::{
    guest::{BadPointer, Exit, Guest, NoMemory},
    poll,
};
use errno::Failure;
use sandhog_engine::wasi1::MODULE;
use wasmtime::{Caller, Extern, Linker, Memory};

macro_rules! functions {
    ($($name:ident($($argument:ident: $type:ty),*) = $body:path;)+) => {
        fn link_all(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
            $(linker.func_wrap(
                MODULE,
                stringify!($name),
                |mut caller: Caller<'_, Guest>, $($argument: $type),*| -> wasmtime::Result<u32> {
                    let (memory, guest) = memory_of(&mut caller, stringify!($name))?;
                    told($body(guest, memory, $($argument),*), stringify!($name))
                },
            )?;)+
            Ok(())
        }
    };
}

functions! {
    args_get(list: u32, buffer: u32) = system::args;
    args_sizes_get(count: u32, length: u32) = system::args_sizes;
    clock_res_get(id: u32, result: u32) = system::clock_resolution;
    clock_time_get(id: u32, precision: u64, result: u32) = system::clock_time;
    environ_get(list: u32, buffer: u32) = system::environ;
    environ_sizes_get(count: u32, length: u32) = system::environ_sizes;
    fd_advise(fd: u32, offset: u64, length: u64, advice: u32) = files::advise;
    fd_allocate(fd: u32, offset: u64, length: u64) = files::allocate;
    fd_close(fd: u32) = descriptors::close;
    fd_datasync(fd: u32) = files::datasync;
    fd_fdstat_get(fd: u32, result: u32) = rights::get;
    fd_fdstat_set_flags(fd: u32, flags: u32) = rights::set_flags;
    fd_fdstat_set_rights(fd: u32, rights: u64, inherited: u64) = rights::set_rights;
    fd_filestat_get(fd: u32, result: u32) = status::get;
    fd_filestat_set_size(fd: u32, size: u64) = files::set_size;
    fd_filestat_set_times(fd: u32, access: u64, change: u64, which: u32) = status::set_times;
    fd_pread(fd: u32, vector: u32, count: u32, offset: u64, result: u32) = files::pread;
    fd_prestat_dir_name(fd: u32, buffer: u32, capacity: u32) = directories::prestat_name;
    fd_prestat_get(fd: u32, result: u32) = directories::prestat;
    fd_pwrite(fd: u32, vector: u32, count: u32, offset: u64, result: u32) = files::pwrite;
    fd_read(fd: u32, vector: u32, count: u32, result: u32) = files::read;
    fd_readdir(fd: u32, buffer: u32, capacity: u32, cookie: u64, result: u32) = directories::read;
    fd_renumber(from: u32, to: u32) = descriptors::renumber;
    fd_seek(fd: u32, offset: i64, whence: u32, result: u32) = files::seek;
    fd_sync(fd: u32) = files::sync;
    fd_tell(fd: u32, result: u32) = files::tell;
    fd_write(fd: u32, vector: u32, count: u32, result: u32) = files::write;
    path_create_directory(fd: u32, path: u32, length: u32) = paths::create_directory;
    path_filestat_get(fd: u32, flags: u32, path: u32, length: u32, result: u32) = status::get_at;
    path_filestat_set_times(
        fd: u32, flags: u32, path: u32, length: u32, access: u64, change: u64, which: u32
    ) = status::set_times_at;
    path_link(fd: u32, flags: u32, old: u32, old_length: u32, new_fd: u32, new: u32, new_length: u32) = paths::link;
    path_open(
        fd: u32, links: u32, path: u32, length: u32, how: u32, rights: u64, inherited: u64, flags: u32, result: u32
    ) = open::open;
    path_readlink(fd: u32, path: u32, length: u32, buffer: u32, capacity: u32, result: u32) = paths::readlink;
    path_remove_directory(fd: u32, path: u32, length: u32) = paths::remove_directory;
    path_rename(fd: u32, old: u32, old_length: u32, new_fd: u32, new: u32, new_length: u32) = paths::rename;
    path_symlink(old: u32, old_length: u32, fd: u32, new: u32, new_length: u32) = paths::symlink;
    path_unlink_file(fd: u32, path: u32, length: u32) = paths::unlink_file;
    poll_oneoff(subscriptions: u32, events: u32, count: u32, result: u32) = wait;
    proc_raise(signal: u32) = system::raise;
    random_get(start: u32, length: u32) = system::random;
    sched_yield() = system::step_aside;
    sock_accept(fd: u32, flags: u32, result: u32) = sockets::accept;
    sock_recv(fd: u32, vector: u32, count: u32, flags: u32, length: u32, result: u32) = sockets::receive;
    sock_send(fd: u32, vector: u32, count: u32, flags: u32, result: u32) = sockets::send;
    sock_shutdown(fd: u32, how: u32) = sockets::shut_down;
}

/// Defines WASI 0.1 and nothing else.
///
/// # Errors
/// The engine's own, where a function is defined twice.
pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    link_all(linker)?;
    linker.func_wrap(MODULE, "proc_exit", proc_exit)?;
    Ok(())
}

fn proc_exit(code: u32) -> wasmtime::Result<()> {
    Err(Exit(code).into())
}

/// `poll_oneoff`
fn wait(
    guest: &mut Guest,
    memory: &mut [u8],
    subscriptions: u32,
    events: u32,
    count: u32,
    result: u32,
) -> Result<(), Failure> {
    let due = poll::poll(guest, memory, subscriptions, events, count).map_err(|_| Failure::Pointer)??;
    memory::put_size(memory, result, due)
}

/// What the guest is told; a pointer that is none ends it.
fn told(answer: Result<(), Failure>, call: &'static str) -> wasmtime::Result<u32> {
    match answer {
        Ok(()) => Ok(0),
        Err(Failure::Told(errno)) => Ok(errno as u32),
        Err(Failure::Pointer) => Err(BadPointer { call }.into()),
    }
}

/// The guest's memory and the host's side of it. Looking an export up costs more than most calls: it is done once.
#[inline]
pub(super) fn memory_of<'a>(
    caller: &'a mut Caller<'_, Guest>,
    call: &'static str,
) -> Result<(&'a mut [u8], &'a mut Guest), NoMemory> {
    let memory = match caller.data().memory {
        Some(memory) => memory,
        None => look_up(caller, call)?,
    };
    Ok(memory.data_and_store_mut(caller))
}

#[cold]
fn look_up(caller: &mut Caller<'_, Guest>, call: &'static str) -> Result<Memory, NoMemory> {
    let Some(Extern::Memory(memory)) = caller.get_export("memory") else { return Err(NoMemory { call }) };
    caller.data_mut().memory = Some(memory);
    Ok(memory)
}
