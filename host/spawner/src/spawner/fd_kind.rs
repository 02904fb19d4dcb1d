//! Descriptors beside a request: what each is for, and which requests have any.
//!
//! Must not: know what a plan may ask for; that is the floor's.

use rustix::fs::{FileType, Stat, major, minor};
use sandhog_protocol::plan::WorkerPlan;
use sandhog_protocol::spawn::ToSpawner;
use std::io;
use std::os::fd::OwnedFd;

/// The device of /dev/null: Documentation/admin-guide/devices.txt.
const NULL: (u32, u32) = (1, 3);

/// What a descriptor is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FdKind {
    /// To its zygote, its worker or its parent.
    Socket,
    /// A standard stream: a pipe, a file, or nothing. A socket would be somebody else's, a directory a grant.
    Stream,
    /// A regular file for a core dump.
    Dump,
    Directory,
}

impl FdKind {
    pub(super) fn takes(self, status: &Stat) -> bool {
        match (self, FileType::from_raw_mode(status.st_mode)) {
            (Self::Socket, FileType::Socket)
            | (Self::Stream, FileType::Fifo | FileType::RegularFile)
            | (Self::Dump, FileType::RegularFile)
            | (Self::Directory, FileType::Directory) => true,
            (Self::Stream, FileType::CharacterDevice) => (major(status.st_rdev), minor(status.st_rdev)) == NULL,
            (Self::Socket | Self::Stream | Self::Dump | Self::Directory, _) => false,
        }
    }
}

/// How many descriptors of a worker are passed on as they are: channel, three streams, its connection and the file for its
/// core dump if it has them.
pub(super) fn plain_fds(plan: &WorkerPlan) -> usize {
    4 + usize::from(plan.connected) + usize::from(plan.coredump)
}

/// Descriptors beside a request that takes none are a breach.
///
/// # Errors
/// InvalidData: the end of the coordinator.
pub(super) fn validate_request(request: &ToSpawner, fds: &[OwnedFd]) -> io::Result<()> {
    let takes_some = match request {
        ToSpawner::StartZygote { .. } | ToSpawner::StartWorker { .. } | ToSpawner::Guard => true,
        ToSpawner::Kill { .. }
        | ToSpawner::Pause { .. }
        | ToSpawner::Resume { .. }
        | ToSpawner::PauseAll
        | ToSpawner::ResumeAll
        | ToSpawner::EndZygote { .. } => false,
    };
    if takes_some || fds.is_empty() { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::fstat;
    use rustix::net::SocketType;
    use sandhog_ipc::pair;

    fn open(path: &str) -> OwnedFd {
        std::fs::File::open(path).unwrap().into()
    }

    #[test]
    fn each_place_takes_its_kind_of_descriptor_and_no_other() {
        let (socket, _other) = pair(SocketType::SEQPACKET).unwrap();
        let (pipe, _writer) = rustix::pipe::pipe().unwrap();
        let (null, file, directory) = (open("/dev/null"), open("/proc/self/exe"), open("/"));
        let taken = |kind: FdKind| {
            let fds = [&socket, &pipe, &null, &file, &directory, &open("/dev/zero")];
            fds.map(|fd| kind.takes(&fstat(fd).unwrap()))
        };
        assert_eq!(taken(FdKind::Socket), [true, false, false, false, false, false]);
        assert_eq!(taken(FdKind::Stream), [false, true, true, true, false, false]);
        assert_eq!(taken(FdKind::Directory), [false, false, false, false, true, false]);
    }
}
