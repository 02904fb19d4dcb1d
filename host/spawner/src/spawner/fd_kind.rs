//! Descriptors beside a request: what each is for, and which requests have any.
//!
//! Must not: know what a plan may ask for; that is the floor's.

use rustix::fs::{FileType, Stat, major, minor};
use rustix::net::{AddressFamily, SocketType, ipproto, sockopt};
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
    /// A TCP socket that listens.
    Listener,
    Directory,
}

impl FdKind {
    pub(super) fn takes(self, status: &Stat) -> bool {
        match (self, FileType::from_raw_mode(status.st_mode)) {
            (Self::Socket | Self::Listener, FileType::Socket)
            | (Self::Stream, FileType::Fifo | FileType::RegularFile)
            | (Self::Dump, FileType::RegularFile)
            | (Self::Directory, FileType::Directory) => true,
            (Self::Stream, FileType::CharacterDevice) => (major(status.st_rdev), minor(status.st_rdev)) == NULL,
            (Self::Socket | Self::Stream | Self::Dump | Self::Listener | Self::Directory, _) => false,
        }
    }
}

/// Whether it is a socket on which TCP listens. Nothing else is given to workers to accept from.
pub(super) fn listens(fd: &OwnedFd) -> bool {
    let is_inet = matches!(sockopt::socket_domain(fd), Ok(AddressFamily::INET | AddressFamily::INET6));
    is_inet
        && sockopt::socket_type(fd) == Ok(SocketType::STREAM)
        && sockopt::socket_protocol(fd) == Ok(Some(ipproto::TCP))
        && sockopt::socket_acceptconn(fd) == Ok(true)
}

/// How many descriptors of a worker are passed on as they are: channel, three streams, its connection and the file for its
/// core dump if it has them, the sockets on which it listens.
pub(super) fn plain_fds(plan: &WorkerPlan) -> usize {
    4 + usize::from(plan.connected) + usize::from(plan.coredump) + plan.listeners as usize
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

    #[test]
    fn a_socket_that_listens_is_one_of_tcp() {
        let at = |address: &str| std::net::TcpListener::bind(address).unwrap();
        let (four, six) = (at("127.0.0.1:0"), at("[::1]:0"));
        let client = std::net::TcpStream::connect(four.local_addr().unwrap()).unwrap();
        assert!([OwnedFd::from(four), six.into()].iter().all(listens));
        let (socket, _other) = pair(SocketType::STREAM).unwrap();
        let unix = std::os::unix::net::UnixListener::bind_addr(&unnamed()).unwrap();
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let others = [client.into(), socket, unix.into(), udp.into(), open("/dev/null"), open("/")];
        assert!(!others.iter().any(listens));
    }

    fn unnamed() -> std::os::unix::net::SocketAddr {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("sandhog-test-{}", std::process::id());
        std::os::unix::net::SocketAddr::from_abstract_name(name).unwrap()
    }
}
