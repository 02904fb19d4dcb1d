//! A child that is there for its namespaces alone: it waits, and ends when nobody has use for it any more.

use super::ends::reap_now;
use super::zygote_start::{proc_pid, write_maps};
use rustix::fs::{Mode, OFlags, openat};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, pidfd_send_signal};
use sandhog_sandbox::namespaces::IdMap;
use sandhog_sys::process::{self, Child, Forked, SingleThreaded};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

pub(super) struct Bearer {
    child: Child,
    /// It ends with whoever has this open.
    _end: OwnedFd,
}

impl Bearer {
    /// # Errors
    /// As for [`process::fork_into`].
    pub(super) fn fork(
        token: &SingleThreaded,
        flags: i32,
        start_directory: Option<BorrowedFd<'_>>,
    ) -> io::Result<Self> {
        let (waits, end) = pipe_with(PipeFlags::CLOEXEC)?;
        match process::fork_into(token, flags, start_directory)? {
            Forked::Parent(child) => Ok(Self { child, _end: end }),
            Forked::Child => {
                drop(end);
                let _ = rustix::io::read(&waits, &mut [0]);
                process::exit_now(0)
            }
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

impl Drop for Bearer {
    fn drop(&mut self) {
        // It can do nothing about that, whatever somebody else has done to it.
        let _ = pidfd_send_signal(&self.child.pidfd, Signal::KILL);
        reap_now(self.child.pidfd.as_fd());
    }
}
