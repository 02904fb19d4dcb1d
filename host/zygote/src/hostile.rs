//! A zygote that was taken over, for tests of those who hear it: it does the steps that a test made up, and nothing else.
//! It is not part of installed executables.

use crate::Workload;
use crate::zygote::{Asked, Zygote};
use sandhog_probes::zygotes::{self, Step};
use sandhog_sys::process::{self, Child, Forked};
use std::os::fd::{AsFd, OwnedFd};

impl<W: Workload> Zygote<W> {
    /// Does all steps; a worker that it makes in between is an honest one.
    pub(crate) fn lie(&mut self, steps: Vec<Step>, asked: &Asked) -> Option<()> {
        let mut made: Option<Child> = None;
        for step in steps {
            let forked = match step {
                Step::Clone => process::fork_sibling(&self.token).ok()?,
                Step::Fork => process::fork(&self.token, 0).ok()?,
                Step::Worker => {
                    let copies = |fds: &[OwnedFd]| fds.iter().map(OwnedFd::try_clone).collect::<Result<Vec<_>, _>>();
                    let (fds, entrances) = (copies(&asked.fds).ok()?, copies(&asked.entrances).ok()?);
                    let Asked { worker, ids, .. } = *asked;
                    self.clone_honestly(Asked { worker, plan: asked.plan.clone(), ids, fds, entrances })?;
                    continue;
                }
                Step::Send(packet) => {
                    zygotes::send(self.control.as_fd(), &packet, None).ok()?;
                    continue;
                }
                Step::Pidfd(packet) => {
                    zygotes::send(self.control.as_fd(), &packet, Some(made.as_ref()?.pidfd.as_fd())).ok()?;
                    continue;
                }
                Step::File(packet) => {
                    zygotes::send(self.control.as_fd(), &packet, Some(asked.fds.first()?.as_fd())).ok()?;
                    continue;
                }
                Step::Flood(packet) => loop {
                    zygotes::send(self.control.as_fd(), &packet, None).ok()?;
                },
                Step::Leave => return None,
            };
            match forked {
                Forked::Child(_) => zygotes::stray(),
                Forked::Parent(child) => made = Some(child),
            }
        }
        zygotes::stay()
    }
}
