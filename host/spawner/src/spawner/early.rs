//! The common start of every zygote of a guest, before its plan is known: its namespaces are created and its program
//! starts while the command still reads its arguments.
//!
//! Must not: say anything to the program, which waits for its plan; be used for a plan that asks for something else.

use super::bearer::Bearer;
use super::reaping;
use super::zygote_start::{self, NewNamespaces, proc_pid};
use crate::Executables;
use rustix::net::SocketType;
use sandhog_ipc::pair;
use sandhog_protocol::plan::{Metering, Program, ZygotePlan};
use sandhog_sandbox::{cgroup, namespaces};
use sandhog_sys::process::{Child, SingleThreaded};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Whatever else a guest's plan says.
const PROGRAM: Program = Program::Guest { metering: Metering { fuel: false, epochs: false } };

pub(super) struct Early {
    pub child: Child,
    /// In the namespace that /proc shows.
    pub number: i32,
    pub control: OwnedFd,
    pub bearer: Bearer,
}

impl Early {
    /// `proc`: /proc as a directory. None where it can't be begun, and where a zygote is born in its cgroup, which the plan has to
    /// describe: then it begins with its plan, and whoever asks for it hears why it does not.
    pub(super) fn begin(token: &SingleThreaded, executables: &Executables, proc: &OwnedFd) -> Option<Self> {
        if cgroup::is_unified() {
            return None;
        }
        let bearer = Bearer::fork(token, namespaces::ZYGOTE, None).ok()?;
        let (control, theirs) = control().ok()?;
        let child = zygote_start::fork(token, executables, PROGRAM, NewNamespaces::All, None, &theirs).ok()?.ok()?;
        match proc_pid(proc, child.pidfd.as_fd()) {
            Ok(number) => Some(Self { child, number, control, bearer }),
            Err(_) => {
                reaping::end_now(&child);
                None
            }
        }
    }

    /// Whether a zygote of this plan begins in the same way.
    pub(super) fn serves(&self, plan: &ZygotePlan) -> bool {
        let is_guests = match plan.program {
            Program::Guest { .. } => true,
            Program::Compiler | Program::Probe | Program::Keeper => false,
        };
        is_guests && matches!(NewNamespaces::of(&plan.walls), NewNamespaces::All)
    }

    /// Ends it: nobody has use for it.
    pub(super) fn end(self) {
        reaping::end_now(&self.child);
    }
}

/// The two ends of what a zygote is told by. The spawner waits for nobody.
pub(super) fn control() -> io::Result<(OwnedFd, OwnedFd)> {
    let (control, theirs) = pair(SocketType::SEQPACKET)?;
    rustix::io::ioctl_fionbio(&control, true)?;
    Ok((control, theirs))
}
