//! The first thing that is done with a request to start something: is it above the floor, and is each descriptor of the kind
//! that its place is for?

use super::fd_kind::{FdKind, listens};
use super::{Guard, Refusal, Spawner, Zygote};
use crate::floor::Breach;
use rustix::fs::{FileType, fstat};
use sandhog_protocol::limits;
use sandhog_protocol::plan::{Wall, WorkerPlan, ZygotePlan};
use sandhog_protocol::spawn::ZygoteId;
use std::io;
use std::os::fd::OwnedFd;

/// What the refusal of a plan names as its step.
const STEP: &str = "validate a plan";

impl Refusal {
    /// Whoever asks for this is no coordinator of ours.
    pub(super) fn is_hostile(&self) -> bool {
        self.error.downcast_ref::<Breach>().is_some_and(Breach::is_hostile)
    }
}

impl Spawner {
    pub(super) fn validate_zygote(&self, id: ZygoteId, plan: &ZygotePlan, fds: &[OwnedFd]) -> Result<(), Refusal> {
        let below = |breach: Breach| Refusal::new(None, STEP, breach);
        if self.zygotes.contains_key(&id) {
            return Err(below(Breach::Number(id)));
        }
        self.setting.floor.allows_zygote(plan, &self.failed).map_err(below)?;
        if self.zygotes.len() >= self.setting.floor.max.zygotes {
            let text = format!("{} zygotes are the most of this command", self.zygotes.len());
            return Err(Refusal::new(None, STEP, io::Error::other(text)));
        }
        // The directories of its workers, about which its own wall has to know.
        let directories = fds.len().saturating_sub(1).min(limits::DIRECTORIES);
        let kinds: Vec<FdKind> =
            std::iter::once(FdKind::Socket).chain(std::iter::repeat_n(FdKind::Directory, directories)).collect();
        validate_fds(&kinds, fds)
    }

    pub(super) fn validate_worker(&self, zygote: &Zygote, plan: &WorkerPlan, fds: &[OwnedFd]) -> Result<(), Refusal> {
        let below = |breach: Breach| Refusal::new(None, STEP, breach);
        self.setting.floor.allows_worker(&zygote.plan, plan).map_err(below)?;
        let mut kinds = vec![FdKind::Socket, FdKind::Stream, FdKind::Stream, FdKind::Stream];
        kinds.extend(plan.connected.then_some(FdKind::Socket));
        kinds.extend(plan.coredump.then_some(FdKind::Dump));
        kinds.extend((0..plan.listeners).map(|_| FdKind::Listener));
        kinds.extend(plan.directories.iter().map(|_| FdKind::Directory));
        validate_fds(&kinds, fds)
    }

    /// The end of a coordinator that asks for less than the floor. Of a directory, only its mount can tell whether its wall
    /// can be built, so this is seen when it fails.
    pub(super) fn take_to_heart(&mut self, refusal: &Refusal) -> io::Result<()> {
        if refusal.wall == Some(Wall::Directories) {
            self.failed.insert(Wall::Directories);
        }
        if refusal.is_hostile() { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
    }

    /// What a daemon leaves behind: once, and nothing in a directory of somebody else's.
    ///
    /// # Errors
    /// InvalidData: the end of the coordinator.
    pub(super) fn validate_guard(&self, fds: Vec<OwnedFd>) -> io::Result<Guard> {
        let strange = || io::Error::from(io::ErrorKind::InvalidData);
        let [state, runtime, sockets] = <[OwnedFd; 3]>::try_from(fds).map_err(|_| strange())?;
        let is = |fd: &OwnedFd, kind: FileType| -> io::Result<bool> {
            let status = fstat(fd)?;
            Ok(FileType::from_raw_mode(status.st_mode) == kind && status.st_uid == self.setting.person.0)
        };
        let well = is(&state, FileType::RegularFile)?
            && is(&runtime, FileType::RegularFile)?
            && is(&sockets, FileType::Directory)?;
        if well && self.setting.floor.daemon && self.guard.is_none() {
            Ok(Guard { sockets, _locks: [state, runtime] })
        } else {
            Err(strange())
        }
    }
}

fn validate_fds(kinds: &[FdKind], fds: &[OwnedFd]) -> Result<(), Refusal> {
    let strange = |what: &'static str| Refusal::new(None, STEP, Breach::Descriptors { what });
    if kinds.len() != fds.len() {
        return Err(strange("there are more or fewer than the plan needs"));
    }
    for (kind, fd) in kinds.iter().zip(fds) {
        let status = fstat(fd).map_err(|errno| Refusal::new(None, STEP, io::Error::from(errno)))?;
        if !kind.takes(&status) || (*kind == FdKind::Listener && !listens(fd)) {
            return Err(strange("one is of another kind than the plan says"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::SocketType;
    use sandhog_ipc::pair;

    #[test]
    fn a_descriptor_too_many_too_few_or_of_another_kind_is_hostile() {
        let directory = std::fs::File::open("/").unwrap().into();
        let socket = pair(SocketType::SEQPACKET).unwrap().0;
        let fds = [socket, directory];
        assert!(validate_fds(&[FdKind::Socket, FdKind::Directory], &fds).is_ok());
        for kinds in [&[FdKind::Socket][..], &[FdKind::Socket; 2], &[FdKind::Directory, FdKind::Socket], &[]] {
            assert!(validate_fds(kinds, &fds).is_err_and(|refusal| refusal.is_hostile()), "{kinds:?}");
        }
    }
}
