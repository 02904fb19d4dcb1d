//! A child that is there for its namespaces alone: it makes them, waits, and ends when nobody has use for it any more.

use super::reaping;
use super::zygote_start::{proc_pid, write_maps};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::{read, retry_on_intr, write};
use rustix::net::SocketType;
use sandhog_ipc::pair;
use sandhog_sandbox::descriptors;
use sandhog_sandbox::namespaces::IdMap;
use sandhog_sys::descriptors::Newborn;
use sandhog_sys::process::{self, Child, Forked, SingleThreaded};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

pub(super) struct Bearer {
    child: Child,
    /// By which it says how that went. It ends with whoever has this open.
    end: OwnedFd,
}

impl Bearer {
    /// Begins: a network namespace takes most of a millisecond, which passes beside this process. See [`Self::wait`].
    ///
    /// # Errors
    /// As for [`process::fork_into`].
    pub(super) fn fork(
        token: &SingleThreaded,
        flags: i32,
        start_directory: Option<BorrowedFd<'_>>,
    ) -> io::Result<Self> {
        let (end, theirs) = pair(SocketType::STREAM)?;
        match process::fork_into(token, 0, start_directory)? {
            Forked::Parent(child) => Ok(Self { child, end }),
            Forked::Child(newborn) => {
                drop(end);
                bear(newborn, token, flags, &theirs);
                process::exit_now(0)
            }
        }
    }

    /// Until the namespaces are there, once.
    ///
    /// # Errors
    /// As unshare(2), whose errors are those of clone(2).
    pub(super) fn wait(&self) -> io::Result<()> {
        let mut errno = [0; size_of::<i32>()];
        if retry_on_intr(|| read(&self.end, &mut errno))? < errno.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match i32::from_le_bytes(errno) {
            0 => Ok(()),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    /// # Errors
    /// As for [`write_maps`].
    pub(super) fn map(&self, proc: &OwnedFd, map: &IdMap) -> io::Result<()> {
        write_maps(proc, self.child.pidfd.as_fd(), map)
    }

    /// Its namespaces of these names, which last as long as they are open.
    ///
    /// # Errors
    /// As open(2).
    pub(super) fn open(&self, proc: &OwnedFd, names: &[&str]) -> io::Result<Vec<OwnedFd>> {
        let number = proc_pid(proc, self.child.pidfd.as_fd())?;
        let open = |name| openat(proc, format!("{number}/ns/{name}"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        Ok(names.iter().map(open).collect::<Result<_, _>>()?)
    }
}

/// In the child, until its end.
fn bear(newborn: Newborn, token: &SingleThreaded, flags: i32, parent: &OwnedFd) {
    // The spawner's locks are its own: whoever finds that it was killed finds them free.
    if descriptors::keep_only(newborn, &[parent.as_raw_fd()]).is_err() {
        return;
    }
    let errno = match process::unshare(token, flags) {
        Ok(()) => 0,
        Err(error) => error.raw_os_error().unwrap_or(libc::EINVAL),
    };
    if write(parent, &errno.to_le_bytes()).is_ok() && errno == 0 {
        let _ = retry_on_intr(|| read(parent, &mut [0]));
    }
}

impl Drop for Bearer {
    fn drop(&mut self) {
        // It can do nothing about that, whatever somebody else has done to it.
        reaping::end_now(&self.child);
    }
}
