//! The wall around files, sockets and signals that a process puts up against itself: everything that this
//! kernel's Landlock can deny is denied, then the granted directories are allowed, read-only or read-write.
//!
//! It must not open anything: a directory arrives as an fd, and the rule belongs to the directory behind it,
//! wherever it is mounted. So two grants of one directory have the rights of the wider one here, and only
//! the mount tells them apart.
//!
//! Sources: landlock(7), Documentation/userspace-api/landlock.rst, `linux/landlock.h`. Landlock sees a file when
//! it is opened; what is already open stays. It does not see chdir, stat, chmod, chown, utime, setxattr,
//! fcntl locks or access(2): mounts, identity and the filter of system calls hold those.
//!
//! | ABI | Linux | what it adds here |
//! | --- | --- | --- |
//! | 1 | 5.13 | opening, listing, making and removing files |
//! | 2 | 5.19 | names that move between directories; before, all such moves are refused |
//! | 3 | 6.2 | truncation |
//! | 4 | 6.7 | TCP: bind, connect |
//! | 5 | 6.10 | ioctl on devices |
//! | 6 | 6.12 | scopes: abstract Unix sockets, signals |
//! | 7 | 6.15 | control of the audit log |
//! | 9 | 7.1 | connecting to Unix sockets by path |
//! | 10 | 7.2 | UDP: bind, connect, send |

use sandhog_protocol::plan::Access;
use sandhog_sys::landlock::{self, Handled};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// Rights on files, `LANDLOCK_ACCESS_FS_*` of `linux/landlock.h`, with the ABI that they came with.
mod file {
    pub(super) const EXECUTE: u64 = 1;
    pub(super) const WRITE_FILE: u64 = 1 << 1;
    pub(super) const READ_FILE: u64 = 1 << 2;
    pub(super) const READ_DIR: u64 = 1 << 3;
    pub(super) const REMOVE_DIR: u64 = 1 << 4;
    pub(super) const REMOVE_FILE: u64 = 1 << 5;
    pub(super) const MAKE_CHAR: u64 = 1 << 6;
    pub(super) const MAKE_DIR: u64 = 1 << 7;
    pub(super) const MAKE_REG: u64 = 1 << 8;
    pub(super) const MAKE_SOCK: u64 = 1 << 9;
    pub(super) const MAKE_FIFO: u64 = 1 << 10;
    pub(super) const MAKE_BLOCK: u64 = 1 << 11;
    pub(super) const MAKE_SYM: u64 = 1 << 12;
    /// ABI 2.
    pub(super) const REFER: u64 = 1 << 13;
    /// ABI 3.
    pub(super) const TRUNCATE: u64 = 1 << 14;
    /// ABI 5.
    pub(super) const IOCTL_DEV: u64 = 1 << 15;
    /// ABI 9.
    pub(super) const RESOLVE_UNIX: u64 = 1 << 16;

    /// All of ABI 1.
    pub(super) const FIRST: u64 = EXECUTE
        | WRITE_FILE
        | READ_FILE
        | READ_DIR
        | REMOVE_DIR
        | REMOVE_FILE
        | MAKE_CHAR
        | MAKE_DIR
        | MAKE_REG
        | MAKE_SOCK
        | MAKE_FIFO
        | MAKE_BLOCK
        | MAKE_SYM;
    /// What a read-only grant gives.
    pub(super) const READING: u64 = READ_FILE | READ_DIR;
    /// What a read-write grant gives. REFER: names may move between granted directories, for all of them
    /// have the same rights. Never: execution, device files, sockets and FIFOs made by a guest, ioctl on
    /// devices, connecting to a socket that lies in the directory.
    pub(super) const WRITING: u64 =
        READING | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SYM | REFER | TRUNCATE;
}

/// Rights on sockets, `LANDLOCK_ACCESS_NET_*`. No rule of ours ever gives one.
mod net {
    /// ABI 4: BIND_TCP, CONNECT_TCP.
    pub(super) const TCP: u64 = 0b11;
    /// ABI 10: BIND_UDP, CONNECT_SEND_UDP.
    pub(super) const UDP: u64 = 0b1100;
}

/// `LANDLOCK_SCOPE_*`, ABI 6: ABSTRACT_UNIX_SOCKET, SIGNAL.
const SCOPES: u64 = 0b11;

/// `LANDLOCK_RESTRICT_SELF_LOG_SAME_EXEC_OFF`, ABI 7: the kernel's documentation asks for it where unknown code
/// runs without an exec of its own, so that it can't fill the audit log.
const LOG_OFF: u32 = 1;

/// From this ABI on the wall is as high as designed. What came later denies what no process of ours can
/// try: its filter of system calls makes no sockets.
const FULL: u32 = 6;

/// Why the wall was not built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// ENOSYS, EOPNOTSUPP: not built into this kernel, or left out of its `lsm=` list.
    #[error("find Landlock in this kernel")]
    Missing(#[source] io::Error),
    #[error("create a Landlock ruleset for ABI {abi}")]
    Create {
        abi: u32,
        #[source]
        source: io::Error,
    },
    #[error("add granted directory {index} to the Landlock ruleset")]
    Allow {
        index: usize,
        #[source]
        source: io::Error,
    },
    /// EPERM: `no_new_privs` is not set.
    #[error("put itself under the Landlock ruleset")]
    Restrict(#[source] io::Error),
}

/// What was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The kernel's Landlock ABI.
    pub abi: u32,
}

/// The kernel's Landlock ABI. None: it has no Landlock, or it is turned off.
pub fn abi() -> Option<u32> {
    landlock::abi().ok()
}

/// What this ABI leaves open, a sentence for people. None: nothing.
pub fn weakness(abi: u32) -> Option<String> {
    let later = [
        (3, "truncating files"),
        (4, "TCP sockets"),
        (5, "ioctl on devices"),
        (FULL, "signals and abstract Unix sockets"),
    ];
    let open: Vec<_> = later.iter().filter(|(since, _)| abi < *since).map(|(_, what)| *what).collect();
    (!open.is_empty()).then(|| {
        format!("Landlock ABI {abi} does not cover {}; Linux 6.12 and newer does (ABI {FULL})", open.join(", "))
    })
}

/// Denies the calling thread everything that Landlock can deny, but for `directories`, for good. The
/// process must be single-threaded and must have `no_new_privs` set.
///
/// # Errors
/// The step that failed; nothing has changed then.
pub fn apply(directories: &[(BorrowedFd<'_>, Access)]) -> Result<Applied, Error> {
    let abi = landlock::abi().map_err(Error::Missing)?;
    let handled = handled(abi);
    let ruleset = landlock::create_ruleset(&handled).map_err(|source| Error::Create { abi, source })?;
    for (index, (directory, access)) in directories.iter().enumerate() {
        let rights = rights(*access) & handled.file_rights;
        landlock::allow_beneath(ruleset.as_fd(), *directory, rights)
            .map_err(|source| Error::Allow { index, source })?;
    }
    landlock::restrict_self(ruleset.as_fd(), flags(abi)).map_err(Error::Restrict)?;
    Ok(Applied { abi })
}

/// Denies the calling thread what of Landlock has nothing to do with files, for good: signals and abstract sockets end at
/// this process and those that it makes, and there is no network. For a zygote. Were files denied, its workers' grants
/// would be, too: of two rulesets each has to allow. The process must be single-threaded and have `no_new_privs` set.
///
/// But for one right: moving and linking a file from one directory to another (REFER) is denied by each ruleset that does not
/// allow it itself, whatever it is about. So it is allowed beneath `directories`, which are the workers'.
///
/// Before ABI 4 that is nothing, and nothing is done.
///
/// # Errors
/// As [`apply`].
pub fn stay_inside(directories: &[OwnedFd]) -> Result<Applied, Error> {
    let abi = landlock::abi().map_err(Error::Missing)?;
    let handled = Handled { file_rights: file::REFER, ..handled(abi) };
    if handled.net_rights | handled.scopes != 0 {
        let ruleset = landlock::create_ruleset(&handled).map_err(|source| Error::Create { abi, source })?;
        for (index, directory) in directories.iter().enumerate() {
            landlock::allow_beneath(ruleset.as_fd(), directory.as_fd(), file::REFER)
                .map_err(|source| Error::Allow { index, source })?;
        }
        landlock::restrict_self(ruleset.as_fd(), flags(abi)).map_err(Error::Restrict)?;
    }
    Ok(Applied { abi })
}

/// Everything that this ABI can deny and that we know.
fn handled(abi: u32) -> Handled {
    let since = |first: u32, rights: u64| if abi >= first { rights } else { 0 };
    Handled {
        file_rights: file::FIRST
            | since(2, file::REFER)
            | since(3, file::TRUNCATE)
            | since(5, file::IOCTL_DEV)
            | since(9, file::RESOLVE_UNIX),
        net_rights: since(4, net::TCP) | since(10, net::UDP),
        scopes: since(6, SCOPES),
    }
}

const fn flags(abi: u32) -> u32 {
    if abi >= 7 { LOG_OFF } else { 0 }
}

const fn rights(access: Access) -> u64 {
    match access {
        Access::ReadOnly => file::READING,
        Access::ReadWrite => file::WRITING,
    }
}

#[cfg(test)]
mod tests {
    use super::{Access, Handled, abi, apply, file, handled, rights, stay_inside, weakness};
    use rustix::fs::{AtFlags, CWD, Mode, OFlags};
    use sandhog_sys::child::{self, Ended};
    use std::{
        fs,
        os::{
            fd::{AsFd, OwnedFd},
            linux::net::SocketAddrExt,
            unix::net::{SocketAddr, UnixListener, UnixStream},
        },
        path::{Path, PathBuf},
    };

    #[test]
    fn each_abi_is_asked_only_for_what_it_knows() {
        let highest = [12, 13, 14, 14, 15, 15, 15, 15, 16, 16];
        for (abi, highest) in (1..).zip(highest) {
            let Handled { file_rights, net_rights, scopes } = handled(abi);
            assert_eq!(file_rights, (1 << (highest + 1)) - 1, "ABI {abi}");
            assert_eq!(
                net_rights,
                if abi < 4 {
                    0
                } else if abi < 10 {
                    3
                } else {
                    15
                },
                "ABI {abi}"
            );
            assert_eq!(scopes, if abi < 6 { 0 } else { 3 }, "ABI {abi}");
        }
        assert_eq!(handled(99), handled(10));
    }

    #[test]
    fn no_grant_gives_execution_devices_sockets_or_fifos() {
        let never = file::EXECUTE
            | file::MAKE_CHAR
            | file::MAKE_BLOCK
            | file::MAKE_SOCK
            | file::MAKE_FIFO
            | file::IOCTL_DEV
            | file::RESOLVE_UNIX;
        for access in [Access::ReadOnly, Access::ReadWrite] {
            assert_eq!(rights(access) & never, 0);
        }
        assert_eq!(rights(Access::ReadOnly), file::READ_FILE | file::READ_DIR);
    }

    #[test]
    fn an_old_kernel_s_wall_is_called_weak_with_what_it_leaves_open() {
        assert_eq!(weakness(6), None);
        assert_eq!(weakness(7), None);
        let sentence = "Landlock ABI 4 does not cover ioctl on devices, signals and abstract Unix sockets; \
                        Linux 6.12 and newer does (ABI 6)";
        assert_eq!(weakness(4).as_deref(), Some(sentence));
        assert!(weakness(1).unwrap().contains("truncating files, TCP sockets"));
    }

    /// A directory of a test's own, with a file in it; removed in the end.
    struct Scratch(tempfile::TempDir);

    impl Scratch {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            fs::write(directory.path().join("file"), "content").unwrap();
            Self(directory)
        }

        fn open(&self) -> OwnedFd {
            rustix::fs::open(self.0.path(), OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap()
        }

        fn join(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }
    }

    /// Runs `body` in a child behind the wall.
    fn behind(directories: &[(&Scratch, Access)], body: impl FnOnce() -> bool) -> bool {
        let opened: Vec<_> = directories.iter().map(|(directory, access)| (directory.open(), *access)).collect();
        let ended = child::run(|| {
            rustix::thread::set_no_new_privs(true).unwrap();
            let granted: Vec<_> = opened.iter().map(|(fd, access)| (fd.as_fd(), *access)).collect();
            apply(&granted).unwrap();
            i32::from(!body())
        });
        assert!(matches!(ended, Ended::Exited(0 | 1)), "{ended:?}");
        ended == Ended::Exited(0)
    }

    /// No Landlock: says so.
    fn there() -> bool {
        let there = abi().is_some();
        if !there {
            eprintln!("landlock: this kernel has none, so that nothing was tried");
        }
        there
    }

    fn denied<T>(result: std::io::Result<T>) -> bool {
        result.is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
    }

    fn make(path: &Path, kind: rustix::fs::FileType) -> bool {
        rustix::fs::mknodat(CWD, path, kind, Mode::RUSR, 0).is_ok()
    }

    #[test]
    fn nothing_is_granted_without_a_grant() {
        if !there() {
            return;
        }
        let other = Scratch::new();
        let file = other.join("file");
        assert!(behind(&[], || {
            denied(fs::read(&file))
                && denied(fs::read_dir(&other.0))
                && denied(fs::write(other.join("new"), ""))
                && denied(fs::remove_file(&file))
                && denied(fs::read("/proc/self/maps"))
                && denied(fs::read("/etc/passwd"))
        }));
        assert_eq!(fs::read(&file).unwrap(), b"content");
    }

    #[test]
    fn a_read_only_grant_is_for_reading_there_and_nowhere_else() {
        if !there() {
            return;
        }
        let (granted, other) = (Scratch::new(), Scratch::new());
        assert!(behind(&[(&granted, Access::ReadOnly)], || {
            let file = granted.join("file");
            fs::read(&file).is_ok()
                && fs::read_dir(&granted.0).is_ok()
                && denied(fs::write(&file, ""))
                && denied(fs::write(granted.join("new"), ""))
                && denied(fs::create_dir(granted.join("directory")))
                && denied(fs::remove_file(&file))
                && denied(fs::rename(&file, granted.join("renamed")))
                && denied(fs::read(other.join("file")))
                && denied(fs::read(granted.join("../../etc/passwd")))
        }));
        assert_eq!(fs::read(granted.join("file")).unwrap(), b"content");
    }

    #[test]
    fn a_read_write_grant_is_for_files_directories_and_links_only() {
        if !there() {
            return;
        }
        let (granted, second) = (Scratch::new(), Scratch::new());
        let directories = [(&granted, Access::ReadWrite), (&second, Access::ReadWrite)];
        assert!(behind(&directories, || {
            let new = granted.join("new");
            fs::create_dir(granted.join("directory")).is_ok()
                && fs::write(&new, "12345").is_ok()
                && fs::File::options().write(true).open(&new).unwrap().set_len(2).is_ok()
                && fs::hard_link(&new, granted.join("link")).is_ok()
                && std::os::unix::fs::symlink("new", granted.join("symlink")).is_ok()
                && fs::rename(&new, granted.join("renamed")).is_ok()
                && fs::remove_dir(granted.join("directory")).is_ok()
                && !make(&granted.join("fifo"), rustix::fs::FileType::Fifo)
                && !make(&granted.join("socket"), rustix::fs::FileType::Socket)
                && !make(&granted.join("device"), rustix::fs::FileType::CharacterDevice)
        }));
        assert_eq!(fs::read(granted.join("renamed")).unwrap(), b"12");
    }

    #[test]
    fn a_name_moves_between_writable_grants_and_not_out_of_a_read_only_one() {
        if abi().is_none_or(|abi| abi < 2) {
            eprintln!("landlock: no ABI 2 here, so that moving names between directories was not tried");
            return;
        }
        let (one, two, reading) = (Scratch::new(), Scratch::new(), Scratch::new());
        let directories = [(&one, Access::ReadWrite), (&two, Access::ReadWrite), (&reading, Access::ReadOnly)];
        assert!(behind(&directories, || {
            fs::rename(one.join("file"), two.join("moved")).is_ok()
                && fs::rename(reading.join("file"), two.join("stolen")).is_err()
                && fs::hard_link(reading.join("file"), two.join("linked")).is_err()
                && fs::rename(two.join("moved"), reading.join("planted")).is_err()
        }));
        assert!(two.join("moved").exists() && reading.join("file").exists());
    }

    #[test]
    fn sockets_and_signals_end_at_the_wall() {
        if abi().is_none_or(|abi| abi < 6) {
            eprintln!("landlock: no ABI 6 here, so that sockets and signals were not tried");
            return;
        }
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap();
        let name = format!("sandhog-landlock-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(name).unwrap();
        let _listener = UnixListener::bind_addr(&address).unwrap();
        let parent = rustix::process::getpid();
        assert!(std::net::TcpStream::connect(port).is_ok() && UnixStream::connect_addr(&address).is_ok());
        assert!(behind(&[], || {
            denied(std::net::TcpStream::connect(port))
                && denied(std::net::TcpListener::bind("127.0.0.1:0"))
                && denied(UnixStream::connect_addr(&address))
                && rustix::process::test_kill_process(parent) == Err(rustix::io::Errno::PERM)
        }));
    }

    #[test]
    fn a_zygotes_signals_and_sockets_end_at_the_wall_and_its_workers_grants_do_not() {
        if abi().is_none_or(|abi| abi < 6) {
            eprintln!("landlock: no ABI 6 here, so that a zygote's signals and sockets were not tried");
            return;
        }
        let name = format!("sandhog-landlock-zygote-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(name).unwrap();
        let _listener = UnixListener::bind_addr(&address).unwrap();
        let (granted, other) = (Scratch::new(), Scratch::new());
        let opened = granted.open();
        let outside = rustix::process::getpid();
        let ended = child::run(|| {
            rustix::thread::set_no_new_privs(true).unwrap();
            stay_inside(&[]).unwrap();
            let own = rustix::process::getpid();
            assert!(denied(UnixStream::connect_addr(&address)));
            assert_eq!(rustix::process::test_kill_process(outside), Err(rustix::io::Errno::PERM));
            assert_eq!(rustix::process::test_kill_process(own), Ok(()));
            // Of a worker, which gets a ruleset of its own beside this one.
            let ended = child::run(|| {
                assert_eq!(rustix::process::test_kill_process(outside), Err(rustix::io::Errno::PERM));
                apply(&[(opened.as_fd(), Access::ReadWrite)]).unwrap();
                assert_eq!(rustix::process::test_kill_process(own), Err(rustix::io::Errno::PERM));
                fs::write(granted.join("new"), "text").unwrap();
                fs::rename(granted.join("new"), granted.join("renamed")).unwrap();
                i32::from(!denied(fs::read(other.join("file"))))
            });
            i32::from(ended != Ended::Exited(0))
        });
        assert_eq!(ended, Ended::Exited(0));
    }

    #[test]
    fn what_is_open_stays_open_and_nothing_is_opened_from_it() {
        if !there() {
            return;
        }
        let other = Scratch::new();
        let directory = other.open();
        let file = fs::File::open(other.join("file")).unwrap();
        assert!(behind(&[], || {
            let beneath = rustix::fs::openat(&directory, "file", OFlags::RDONLY, Mode::empty());
            std::io::read_to_string(&file).unwrap() == "content"
                && beneath.is_err_and(|error| error == rustix::io::Errno::ACCESS)
                && rustix::fs::statat(&directory, "file", AtFlags::empty()).is_ok()
        }));
    }
}
