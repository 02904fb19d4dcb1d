//! What a guest may ask of its host: WASI 0.1, out of nothing, plus the plan's arguments, environment and
//! granted directories. Nothing is inherited, nothing is resolved by a path of the host's.
//!
//! The functions are wasmtime-wasi's, made to work in the calling thread, but for these, which are ours:
//!
//! | function | because |
//! | --- | --- |
//! | `fd_read`, `fd_write` on the three streams | theirs copy pieces of 4 KiB twice: see [`super::stdio`] |
//! | `fd_close`, `fd_renumber` | they tell which descriptors the three streams still are |
//! | `path_…` | they are asked again where the kernel could not tell: see [`super::paths`] |
//! | `poll_oneoff` | theirs starts a thread to wait for a file, and needs a runtime to wait for more than a time: see [`super::poll`] |
//! | `proc_exit` | theirs refuses codes from 126 on |
//! | `random_get` | theirs stretches a seed; ours asks the kernel each time, so no fork can repeat it |

use super::{
    guest::{BadPointer, Exit, Guest, NoMemory},
    paths, poll,
    session::Input,
    stdio::{self, Stdio, Stream},
    store::Limiter,
};
use rustix::{
    io::{Errno, retry_on_intr},
    rand::GetRandomFlags,
};
use sandhog_protocol::plan::{Access, GuestPlan};
use std::{
    io,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};
use wasmtime::{AsContextMut, Caller, Extern, Linker};
use wasmtime_wasi::{
    FsPerms, HostMonotonicClock, WasiCtxBuilder,
    p1::{
        self,
        wasi_snapshot_preview1::{self as theirs, WasiSnapshotPreview1},
    },
};
use wiggle::GuestMemory;

/// The module that guests import WASI 0.1 from.
pub(super) const MODULE: &str = "wasi_snapshot_preview1";

/// Why a guest's side of the host could not be built.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("failed to take {files} granted directories for {names} names")]
    Directories { names: usize, files: usize },
    #[error("failed to enter the granted directory {name}: {error}")]
    Enter { name: String, error: io::Error },
    #[error("failed to open the granted directory {name}: {error:#}")]
    Open { name: String, error: wasmtime::Error },
}

/// What a guest of `plan` starts with. `input`: who lets its stdin come. Draws random numbers (seeds that no guest sees), so it has its place after the fork.
///
/// # Errors
/// Where a granted directory can't be opened.
pub(super) fn guest(
    plan: &GuestPlan,
    directories: Vec<(OwnedFd, Access)>,
    input: Option<Input>,
) -> Result<Guest, Error> {
    let birth = Instant::now();
    let mut builder = WasiCtxBuilder::new();
    builder
        .args(&plan.args)
        .envs(&plan.env)
        // A worker has no other threads: whatever waits, waits here.
        .allow_blocking_current_thread(true)
        .monotonic_clock(Monotonic(birth));
    grant_all(&mut builder, plan, &directories)?;
    let mounts = directories.into_iter().map(|(directory, _)| directory).collect();
    let (wasi, limiter) = (builder.build_p1(), Limiter::new(plan.memory_bytes));
    let stdio = input.into_iter().fold(Stdio::new(), Stdio::with_input);
    Ok(Guest { wasi, stdio, limiter, birth, mounts })
}

/// Grants the plan's directories, in its order.
///
/// # Errors
/// Where one can't be opened, or is missing.
pub(super) fn grant_all(
    builder: &mut WasiCtxBuilder,
    plan: &GuestPlan,
    directories: &[(OwnedFd, Access)],
) -> Result<(), Error> {
    if plan.directories.len() != directories.len() {
        return Err(Error::Directories { names: plan.directories.len(), files: directories.len() });
    }
    for (name, (directory, access)) in plan.directories.iter().zip(directories) {
        grant(builder, name, directory, *access)?;
    }
    Ok(())
}

/// The library opens directories by path only. The one path that leads to the fd is `.` while one is in it.
fn grant(builder: &mut WasiCtxBuilder, name: &str, directory: &OwnedFd, access: Access) -> Result<(), Error> {
    let permissions = match access {
        Access::ReadOnly => FsPerms::ReadOnly,
        Access::ReadWrite => FsPerms::ReadWrite,
    };
    rustix::process::fchdir(directory).map_err(|errno| Error::Enter { name: name.to_owned(), error: errno.into() })?;
    builder.preopened_dir(".", name, permissions).map_err(|error| Error::Open { name: name.to_owned(), error })?;
    Ok(())
}

/// The guest's monotonic clock: nanoseconds since its birth, so that it tells nothing of the machine's.
pub(super) struct Monotonic(pub(super) Instant);

impl HostMonotonicClock for Monotonic {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        nanoseconds(self.0.elapsed())
    }
}

/// 585 years fit.
pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Defines WASI 0.1 and nothing else.
///
/// # Errors
/// The engine's own, where a function is defined twice.
pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    p1::add_to_linker_async(linker, |guest: &mut Guest| &mut guest.wasi)?;
    linker.allow_shadowing(true);
    linker.func_wrap(MODULE, "proc_exit", proc_exit)?;
    linker.func_wrap(MODULE, "random_get", random_get)?;
    linker.func_wrap(MODULE, "poll_oneoff", poll_oneoff)?;
    linker.func_wrap_async(MODULE, "fd_read", |caller, arguments| Box::new(fd_read(caller, arguments)))?;
    linker.func_wrap_async(MODULE, "fd_write", |caller, arguments| Box::new(fd_write(caller, arguments)))?;
    linker.func_wrap_async(MODULE, "fd_close", |caller, arguments| Box::new(fd_close(caller, arguments)))?;
    linker.func_wrap_async(MODULE, "fd_renumber", |caller, arguments| Box::new(fd_renumber(caller, arguments)))?;
    paths::link(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn proc_exit(code: u32) -> wasmtime::Result<()> {
    Err(Exit(code).into())
}

fn random_get(mut caller: Caller<'_, Guest>, start: u32, length: u32) -> wasmtime::Result<u32> {
    let (memory, _) = memory_of(&mut caller, "random_get")?;
    let start = start as usize;
    let mut rest = memory.get_mut(start..start + length as usize).ok_or(BadPointer { call: "random_get" })?;
    while !rest.is_empty() {
        match retry_on_intr(|| rustix::rand::getrandom(&mut *rest, GetRandomFlags::empty())) {
            Ok(filled) => rest = rest.get_mut(filled..).unwrap_or_default(),
            Err(errno) => return Ok(wasi_errno(errno)),
        }
    }
    Ok(0)
}

fn poll_oneoff(
    mut caller: Caller<'_, Guest>,
    subscriptions: u32,
    events: u32,
    count: u32,
    written: u32,
) -> wasmtime::Result<u32> {
    let (memory, guest) = memory_of(&mut caller, "poll_oneoff")?;
    match poll::poll(guest, memory, subscriptions, events, count)? {
        Ok(events) => answer(memory, written, events, "poll_oneoff"),
        Err(errno) => Ok(wasi_errno(errno)),
    }
}

async fn fd_read(
    mut caller: Caller<'_, Guest>,
    (descriptor, vector, count, read): (u32, u32, u32, u32),
) -> wasmtime::Result<u32> {
    let (memory, guest) = memory_of(&mut caller, "fd_read")?;
    let Some(stream) = guest.stdio.stream(descriptor) else {
        let mut memory = GuestMemory::Unshared(memory);
        let arguments = (signed(descriptor), signed(vector), signed(count), signed(read));
        let (descriptor, vector, count, read) = arguments;
        return errno_of(theirs::fd_read(&mut guest.wasi, &mut memory, descriptor, vector, count, read).await);
    };
    if stream != Stream::In {
        return Ok(wasi_errno(Errno::BADF));
    }
    let (start, length) = stdio::first_buffer(memory, vector, count)?;
    let buffer = memory.get_mut(start..start + length).ok_or(BadPointer { call: "fd_read" })?;
    match guest.stdio.read(buffer) {
        Ok(length) => answer(memory, read, length, "fd_read"),
        Err(errno) => Ok(wasi_errno(errno)),
    }
}

async fn fd_write(
    mut caller: Caller<'_, Guest>,
    (descriptor, vector, count, written): (u32, u32, u32, u32),
) -> wasmtime::Result<u32> {
    let (memory, guest) = memory_of(&mut caller, "fd_write")?;
    let Some(stream) = guest.stdio.stream(descriptor) else {
        let mut memory = GuestMemory::Unshared(memory);
        let arguments = (signed(descriptor), signed(vector), signed(count), signed(written));
        let (descriptor, vector, count, written) = arguments;
        return errno_of(theirs::fd_write(&mut guest.wasi, &mut memory, descriptor, vector, count, written).await);
    };
    if stream == Stream::In {
        return Ok(wasi_errno(Errno::BADF));
    }
    match stdio::write(guest.stdio.fd(stream), memory, vector, count)? {
        Ok(length) => answer(memory, written, length, "fd_write"),
        Err(errno) => Ok(wasi_errno(errno)),
    }
}

async fn fd_close(mut caller: Caller<'_, Guest>, (descriptor,): (u32,)) -> wasmtime::Result<u32> {
    let (memory, guest) = memory_of(&mut caller, "fd_close")?;
    let mut memory = GuestMemory::Unshared(memory);
    let errno = errno_of(theirs::fd_close(&mut guest.wasi, &mut memory, signed(descriptor)).await)?;
    if errno == 0 {
        guest.stdio.closed(descriptor);
    }
    Ok(errno)
}

async fn fd_renumber(mut caller: Caller<'_, Guest>, (from, to): (u32, u32)) -> wasmtime::Result<u32> {
    let (memory, guest) = memory_of(&mut caller, "fd_renumber")?;
    let mut memory = GuestMemory::Unshared(memory);
    let errno = errno_of(theirs::fd_renumber(&mut guest.wasi, &mut memory, signed(from), signed(to)).await)?;
    if errno == 0 {
        guest.stdio.renumbered(from, to);
    }
    Ok(errno)
}

/// The guest's memory and the host's side of it. A call may copy as much of it as the store allows in one go.
pub(super) fn memory_of<'a>(
    caller: &'a mut Caller<'_, Guest>,
    call: &'static str,
) -> Result<(&'a mut [u8], &'a mut Guest), NoMemory> {
    let budget = caller.as_context_mut().hostcall_fuel();
    let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
        return Err(NoMemory { call });
    };
    let (memory, guest) = memory.data_and_store_mut(caller);
    guest.wasi.set_hostcall_fuel(budget);
    Ok((memory, guest))
}

/// Puts a length or a count where the guest wants it, and says that all is well.
fn answer(memory: &mut [u8], address: u32, value: usize, call: &'static str) -> wasmtime::Result<u32> {
    let address = address as usize;
    let slot = memory.get_mut(address..address + 4).ok_or(BadPointer { call })?;
    // What one system call moves is below 2 GiB: see read(2).
    slot.copy_from_slice(&u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes());
    Ok(0)
}

fn signed(value: u32) -> i32 {
    value.cast_signed()
}

pub(super) fn errno_of(result: wasmtime::Result<i32>) -> wasmtime::Result<u32> {
    result.map(i32::cast_unsigned)
}

/// The number of an error in WASI 0.1, `typenames.witx`, for what reading and writing a stream can meet.
fn wasi_errno(errno: Errno) -> u32 {
    match errno {
        Errno::AGAIN => 6,
        Errno::BADF => 8,
        Errno::FBIG => 22,
        Errno::INTR => 27,
        Errno::INVAL => 28,
        Errno::ISDIR => 31,
        Errno::NOMEM => 48,
        Errno::NOSPC => 51,
        Errno::PERM => 63,
        Errno::PIPE => 64,
        _ => 29,
    }
}
