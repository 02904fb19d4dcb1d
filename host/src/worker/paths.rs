//! Calls that name a path, asked again where the kernel could not tell.
//!
//! With RESOLVE_BENEATH openat2(2) answers EAGAIN for a path with `..` in it whenever anything is renamed or mounted
//! anywhere on the machine meanwhile. The engine tries four times and then walks the path itself, which the worker's
//! filter answers with EALREADY at the first step (`sandbox/seccomp/policy.rs`). Nothing has been opened then, and the
//! whole call is simply made again.

use super::guest::Guest;
use super::wasi::{MODULE, errno_of, memory_of};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use wasmtime::{Caller, Linker};
use wasmtime_wasi::p1::wasi_snapshot_preview1 as theirs;
use wiggle::GuestMemory;

/// How often a call is made before it is refused. One round takes some 10 microseconds and loses against a rename
/// within them; a thousand lost rounds are no rename any more but a file that openat2 answers EPERM for.
const TRIES: u32 = 1000;

/// Numbers of WASI 0.1, `typenames.witx`. No file system call answers this one of itself.
const ALREADY: u32 = 7;
const IO: u32 = 29;
const MFILE: u32 = 33;
const PERM: u32 = 63;

macro_rules! calls {
    ($($name:ident($($argument:ident: $type:ty),+);)+) => {
        /// Puts ours in the place of the library's.
        pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
            $(linker.func_wrap_async(MODULE, stringify!($name), |caller, arguments| Box::new($name(caller, arguments)))?;)+
            Ok(())
        }

        $(async fn $name(mut caller: Caller<'_, Guest>, ($($argument,)+): ($($type,)+)) -> wasmtime::Result<u32> {
            for _ in 0..TRIES {
                let (memory, guest) = memory_of(&mut caller, stringify!($name))?;
                let mut memory = GuestMemory::Unshared(memory);
                let errno = errno_of(theirs::$name(&mut guest.wasi, &mut memory, $($argument),+).await)?;
                if errno != ALREADY {
                    return Ok(told(errno));
                }
            }
            Ok(PERM)
        })+
    };
}

calls! {
    path_create_directory(fd: i32, path: i32, length: i32);
    path_filestat_get(fd: i32, flags: i32, path: i32, length: i32, status: i32);
    path_filestat_set_times(fd: i32, flags: i32, path: i32, length: i32, access: i64, change: i64, which: i32);
    path_link(fd: i32, flags: i32, old: i32, old_length: i32, new_fd: i32, new: i32, new_length: i32);
    path_open(
        fd: i32, flags: i32, path: i32, length: i32, how: i32, rights: i64, inherited: i64, mode: i32, opened: i32
    );
    path_readlink(fd: i32, path: i32, length: i32, buffer: i32, room: i32, used: i32);
    path_remove_directory(fd: i32, path: i32, length: i32);
    path_rename(fd: i32, old: i32, old_length: i32, new_fd: i32, new: i32, new_length: i32);
    path_symlink(old: i32, old_length: i32, fd: i32, new: i32, new_length: i32);
    path_unlink_file(fd: i32, path: i32, length: i32);
}

/// The library has no word for "no more files" and says that something went wrong: the kernel knows whether that is it.
fn told(errno: u32) -> u32 {
    let full = || fcntl_dupfd_cloexec(std::io::stdin(), 0).is_err_and(|error| error == Errno::MFILE);
    if errno == IO && full() { MFILE } else { errno }
}
