//! What every zygote of a guest needs, begun before its plan is known: its program starts and its namespaces are made while the
//! command still reads its arguments.
//!
//! Must not: say anything to the program, which waits for its plan; be used for a plan that asks for something else.

use super::bearer::Bearer;
use super::ends::reap_now;
use super::start::fork_program;
use super::zygote_start::NewNamespaces;
use super::{Files, Refusal};
use crate::Executables;
use rustix::net::SocketType;
use rustix::process::{Signal, pidfd_send_signal};
use sandhog_ipc::pair;
use sandhog_protocol::plan::{Program, ZygotePlan};
use sandhog_sandbox::{cgroup, namespaces};
use sandhog_sys::process::{Child, SingleThreaded};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Whatever else a guest's plan says.
const PROGRAM: Program = Program::Guest { fuel: false };

pub(super) struct Early {
    pub child: Child,
    /// In the namespace that /proc shows.
    pub number: i32,
    pub control: OwnedFd,
    pub bearer: Bearer,
}

impl Early {
    /// None where it can't be begun, and where a zygote is born in its cgroup, which the plan has to describe: then it begins with
    /// its plan, and whoever asks for it hears why it does not.
    pub(super) fn begin(token: &SingleThreaded, executables: &Executables, files: &Files) -> Option<Self> {
        if cgroup::is_unified() {
            return None;
        }
        let (control, theirs) = control().ok()?;
        let (child, number) =
            fork_program(token, executables, files, PROGRAM, NewNamespaces::All, None, &theirs).ok()?;
        match Bearer::fork(token, namespaces::ZYGOTE, None) {
            Ok(bearer) => Some(Self { child, number, control, bearer }),
            Err(_) => {
                end_child(&child);
                None
            }
        }
    }

    /// Whether a zygote of this plan begins in the same way.
    pub(super) fn serves(&self, plan: &ZygotePlan) -> bool {
        let is_guests = match plan.program {
            Program::Guest { .. } => true,
            Program::Compiler | Program::Probe => false,
        };
        is_guests && matches!(NewNamespaces::of(&plan.walls), NewNamespaces::All)
    }

    /// Ends it: nobody has use for it.
    pub(super) fn end(self) {
        end_child(&self.child);
    }
}

/// The two ends of what a zygote is told by. The spawner waits for nobody.
pub(super) fn control() -> Result<(OwnedFd, OwnedFd), Refusal> {
    let refuse = |error: io::Error| Refusal::new(None, "make a socket", error);
    let (control, theirs) = pair(SocketType::SEQPACKET).map_err(refuse)?;
    rustix::io::ioctl_fionbio(&control, true).map_err(|errno| refuse(errno.into()))?;
    Ok((control, theirs))
}

pub(super) fn end_child(child: &Child) {
    let _ = pidfd_send_signal(&child.pidfd, Signal::KILL);
    reap_now(child.pidfd.as_fd());
}
