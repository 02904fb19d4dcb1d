//! How a zygote is started: its ids, its descriptors, its program; and how the spawner tells its children apart.

use crate::Executables;
use crate::ids::Lease;
use rustix::fs::{Mode, OFlags, openat};
use sandhog_ipc::send_packet;
use sandhog_protocol::plan::Program;
use sandhog_protocol::plan::{Wall, Walls};
use sandhog_protocol::spawn::{FromZygote, Ids};
use sandhog_protocol::start::{CONTROL_FD, IPC_FD, STAMPED, ZYGOTE};
use sandhog_sandbox::namespaces::{self, IdMap};
use sandhog_sandbox::{capabilities, failure};
use sandhog_sys::descriptors::Newborn;
use sandhog_sys::process::{self, Child, Forked, SingleThreaded};
use sandhog_sys::stamps;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Inside, the zygote is root and workers are 1, or from 1 on where each slot has its own; without privilege all are the person.
pub(super) fn id_map(lease: Option<&Lease>) -> IdMap {
    match lease {
        Some(lease) => {
            let (uid, gid) = lease.worker(0);
            let count = if lease.are_own() { lease.workers() } else { 1 };
            IdMap {
                uids: vec![(0, lease.zygote, 1), (1, uid, count)],
                gids: vec![(0, lease.zygote, 1), (1, gid, count)],
                deny_setgroups: false,
            }
        }
        None => IdMap {
            uids: vec![(0, rustix::process::geteuid().as_raw(), 1)],
            gids: vec![(0, rustix::process::getegid().as_raw(), 1)],
            deny_setgroups: true,
        },
    }
}

/// Of a worker in this slot, or of the only one, as its zygote sees them.
pub(super) fn worker_ids(lease: &Lease, slot: Option<u32>, own_namespaces: bool) -> Ids {
    let slot = slot.unwrap_or(0);
    let (uid, gid) = match (own_namespaces, lease.are_own()) {
        (true, true) => (1 + slot, 1 + slot),
        (true, false) => (1, 1),
        (false, true | false) => lease.worker(slot),
    };
    Ids { uid, gid }
}

/// Which namespaces a zygote comes into.
#[derive(Clone, Copy)]
pub(super) enum NewNamespaces {
    All,
    /// Without the wall of namespaces an empty root still needs a mount namespace, or it would take the machine's
    /// own root away.
    Mount,
    None,
}

impl NewNamespaces {
    pub(super) fn of(walls: &Walls) -> Self {
        match (walls.contains(&Wall::Namespaces), walls.contains(&Wall::Root)) {
            (true, _) => Self::All,
            (false, true) => Self::Mount,
            (false, false) => Self::None,
        }
    }

    /// Of a zygote before its program has started: it enters the namespaces of [`Self::All`] later, since they are
    /// made while it starts.
    pub(super) fn flags(self) -> i32 {
        match self {
            Self::All | Self::None => 0,
            Self::Mount => namespaces::MOUNT,
        }
    }
}

/// What the refusal of a zygote names as its step, where its program can't be executed.
pub(super) const PROGRAM: &str = "start the zygote's program";

/// A child that becomes the executable of `program` at once, with its channel in its place.
///
/// Inside: why its program could not be executed, where it could not say so itself.
///
/// # Errors
/// As clone3(2).
pub(super) fn fork(
    token: &SingleThreaded,
    executables: &Executables,
    program: Program,
    new_namespaces: NewNamespaces,
    start_directory: Option<BorrowedFd<'_>>,
    control: &OwnedFd,
) -> io::Result<io::Result<Child>> {
    let variable = CString::new(format!("{IPC_FD}={CONTROL_FD}"))?;
    let mut args = vec![ZYGOTE, executables.build.as_c_str()];
    args.extend(stamps::is_on().then_some(STAMPED));
    let program = process::Program::new(executables.of(program).as_fd(), &args, &[variable.as_c_str()]);
    // Before: its first place may come sooner than the next one of this process.
    stamps::note("zygote is forked");
    match (new_namespaces, start_directory) {
        // It enters its namespaces by the rights that it has here, and has others inside.
        (NewNamespaces::All, None) => process::start_program(token, &program, control.as_fd(), CONTROL_FD),
        (NewNamespaces::All | NewNamespaces::Mount | NewNamespaces::None, _) => {
            match process::fork_into(token, new_namespaces.flags(), start_directory)? {
                Forked::Parent(child) => Ok(Ok(child)),
                Forked::Child(newborn) => {
                    let error = become_zygote(newborn, &program, control, new_namespaces);
                    let words = FromZygote::Unsealed(failure(PROGRAM, &error));
                    let _ = send_packet(control, &words, &[]);
                    process::exit_now(1)
                }
            }
        }
    }
}

/// In the child. Returns only on failure.
fn become_zygote(
    newborn: Newborn,
    program: &process::Program<'_>,
    control: &OwnedFd,
    new_namespaces: NewNamespaces,
) -> io::Error {
    let prepared = || -> io::Result<()> {
        match new_namespaces {
            NewNamespaces::All => {}
            NewNamespaces::Mount => {
                namespaces::detach_mounts().map_err(io::Error::other)?;
                capabilities::keep_across_exec().map_err(io::Error::other)?;
            }
            NewNamespaces::None => capabilities::keep_across_exec().map_err(io::Error::other)?,
        }
        Err(program.execute(newborn, control.as_fd(), CONTROL_FD))
    };
    match prepared() {
        Ok(()) => io::ErrorKind::Other.into(),
        Err(error) => error,
    }
}

pub(super) fn write_maps(proc: &OwnedFd, pidfd: BorrowedFd<'_>, map: &IdMap) -> io::Result<()> {
    let pid = proc_pid(proc, pidfd)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let process = openat(proc, pid.to_string(), flags, Mode::empty())?;
    namespaces::map_ids(process.as_fd(), map).map_err(io::Error::other)
}

/// The number of the process behind a pidfd in the namespace that /proc shows, from its entry in fdinfo (pidfd_open(2);
/// proc(5), `NSpid`).
///
/// # Errors
/// The process has gone, or is not in the spawner's own namespace, which is one below that.
pub(super) fn proc_pid(proc: &OwnedFd, pidfd: BorrowedFd<'_>) -> io::Result<i32> {
    let info =
        openat(proc, format!("self/fdinfo/{}", pidfd.as_raw_fd()), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut text = [0; 512];
    let length = rustix::io::read(&info, &mut text)?;
    let text = String::from_utf8_lossy(&text[..length]);
    let numbers = text.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
    let mut numbers = numbers.split_whitespace().map_while(|number| number.parse::<i32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(outside), Some(_)) => Ok(outside),
        (Some(_) | None, _) => Err(io::Error::other("a child's number could not be read")),
    }
}
