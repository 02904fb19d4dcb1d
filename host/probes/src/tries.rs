//! How each probe tries its forbidden thing. Where a call on the list could do it, it tries that one, so that it is
//! another wall that has to stand.

use super::granted::{FILE, OUTSIDE, SETUID};
#[cfg(feature = "hostile")]
use super::lies;
use super::probe::Probe;
use rustix::fs::{AtFlags, CWD, FileType, MemfdFlags, Mode, OFlags, ResolveFlags, Timestamps};
use rustix::io::Errno;
use rustix::process::Pid;
use sandhog_protocol::plan::Access;
use sandhog_protocol::worker::ProbeReport;
use sandhog_sys::descriptors::StandardStream;
use sandhog_sys::probe as attempt;
use std::io;
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::Path;

/// Files that are tried to have open at once: more than a probe's plan gives.
const FILES: usize = 256;
/// A call that tells a process about another one, which no guest needs.
#[expect(clippy::cast_possible_truncation, reason = "a call's number is below 1000")]
const GETPPID: u32 = libc::SYS_getppid.cast_unsigned() as u32;
/// Processes, or threads, of a bomb that nothing stops.
const BOMB: usize = 64;
/// Numbers of descriptors that are looked at, from 0 on: more than most machines let one process have.
const NUMBERS: i32 = 1 << 16;
/// The one variable that a zygote is started with: where its channel is.
const OURS: &str = "SANDHOG_IPC_FD";

/// Runs the probe of this name, in a worker. `channel` is the worker's: for those that lie.
pub fn run(name: &str, channel: BorrowedFd<'_>, directories: &[(OwnedFd, Access)]) -> ProbeReport {
    let Some(probe) = Probe::parse(name) else {
        return ProbeReport { stopped: false, detail: "there is no such probe".into() };
    };
    match outcome(&probe, channel, directories.first().map(|(fd, _)| fd.as_fd())) {
        Ok(detail) => ProbeReport { stopped: false, detail },
        Err(errno) => ProbeReport { stopped: true, detail: errno_name(errno) },
    }
}

/// Tries it. What came through, in words, or what stood against it.
fn outcome(
    probe: &Probe,
    #[cfg_attr(not(feature = "hostile"), expect(unused_variables, reason = "it is for lies"))] channel: BorrowedFd<'_>,
    directory: Option<BorrowedFd<'_>>,
) -> Result<String, Errno> {
    let granted = directory.ok_or(Errno::NOENT);
    match probe {
        Probe::Connect(port) => done(TcpStream::connect((Ipv4Addr::LOCALHOST, *port)), "connected"),
        Probe::Udp => done(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)), "a socket"),
        Probe::AbstractSocket(name) => {
            done(SocketAddr::from_abstract_name(name).and_then(|name| UnixStream::connect_addr(&name)), "connected")
        }
        Probe::PathSocket(path) => done(UnixStream::connect(path), "connected"),
        Probe::Read(path) => read(CWD, path),
        Probe::Proc => read(CWD, Path::new("/proc/self/status")),
        Probe::CwdEscape => read(granted?, Path::new(OUTSIDE)),
        Probe::OwnExecutable => write_own_executable(),
        Probe::ChmodGranted => came(rustix::fs::chmodat(granted?, FILE, Mode::RWXU, AtFlags::empty())),
        Probe::SetxattrGranted => set_attribute(granted?),
        Probe::UtimesGranted => touch(granted?),
        Probe::CreateGranted => create(granted?),
        Probe::SetuidFile => executed(attempt::execute(granted?, SETUID)),
        Probe::DeviceNode => make_device(granted?),
        Probe::Setuid => become_somebody(),
        Probe::Chroot => came(rustix::process::chroot("/")),
        Probe::Mount => came(rustix::mount::fsopen("tmpfs", rustix::mount::FsOpenFlags::FSOPEN_CLOEXEC)),
        Probe::Userns => came(attempt::make_user_namespace()),
        Probe::Kill(pid) => came(rustix::process::test_kill_process(Pid::from_raw(*pid).ok_or(Errno::INVAL)?)),
        Probe::Tgkill(pid) => came(attempt::signal_thread(*pid)),
        Probe::Ptrace(pid) => came(attempt::trace(*pid)),
        Probe::Getppid => came(attempt::call(GETPPID)),
        Probe::Exec => executed(attempt::execute(CWD, c"/bin/sh/no-such-program")),
        Probe::Bpf => came(attempt::make_bpf_map()),
        Probe::Keyctl => came(attempt::session_keyring()),
        Probe::Perf => came(attempt::count_events()),
        Probe::Syscall(number) => came(attempt::call(*number)),
        Probe::X32(number) => came(attempt::call_x32(*number)),
        Probe::Int80 => came(attempt::getpid_by_32_bit_entry()),
        Probe::OpenFiles => open_files(),
        Probe::Files => copy_files(),
        Probe::Memory(mebibytes) => fill_memory(*mebibytes),
        Probe::SharedMemory(mebibytes) => fill_file(*mebibytes),
        Probe::SharedMapping(mebibytes) => fill_shared(*mebibytes),
        Probe::WrittenCode => came(attempt::execute_what_is_written()),
        Probe::PriorityLock => came(attempt::lock_with_priority()),
        Probe::Timer => came(attempt::make_timer()),
        Probe::Stack => Ok(format!("{} frames", recurse(0))),
        Probe::Spin => loop {
            std::hint::spin_loop();
        },
        Probe::ForkBomb => many("processes", BOMB, || attempt::fork_sleeper().map(drop)),
        Probe::ThreadBomb => many("threads", BOMB, || attempt::start_sleeping_thread().map(drop)),
        Probe::Fds => foreign_descriptors(granted?),
        Probe::Env => foreign_variables(),
        #[cfg(feature = "hostile")]
        Probe::Lie(lie) => lies::tell(lie, channel),
    }
}

/// The names of errno(3) that walls answer with.
fn errno_name(errno: Errno) -> String {
    let name = match errno {
        Errno::PERM => "EPERM",
        Errno::NOENT => "ENOENT",
        Errno::SRCH => "ESRCH",
        Errno::ACCESS => "EACCES",
        Errno::AGAIN => "EAGAIN",
        Errno::NOMEM => "ENOMEM",
        Errno::INVAL => "EINVAL",
        Errno::MFILE => "EMFILE",
        Errno::FBIG => "EFBIG",
        Errno::NOSPC => "ENOSPC",
        Errno::ROFS => "EROFS",
        Errno::XDEV => "EXDEV",
        Errno::NOSYS => "ENOSYS",
        Errno::NETUNREACH => "ENETUNREACH",
        Errno::CONNREFUSED => "ECONNREFUSED",
        Errno::NOTDIR => "ENOTDIR",
        other => return format!("errno {}", other.raw_os_error()),
    };
    name.into()
}

/// It came through if the call did.
fn came<T>(answer: Result<T, Errno>) -> Result<String, Errno> {
    answer.map(|_| "done".into())
}

fn done<T>(answer: io::Result<T>, what: &str) -> Result<String, Errno> {
    answer.map(|_| what.into()).map_err(|error| errno_of(&error))
}

fn errno_of(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// The first byte of a file.
fn read(directory: BorrowedFd<'_>, path: &Path) -> Result<String, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat2(directory, path, flags, Mode::empty(), ResolveFlags::empty())?;
    rustix::io::read(&file, &mut [0_u8]).map(|_| "read".into())
}

fn create(directory: BorrowedFd<'_>) -> Result<String, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
    came(rustix::fs::openat2(directory, "new", flags, Mode::RUSR | Mode::WUSR, ResolveFlags::empty()))
}

fn write_own_executable() -> Result<String, Errno> {
    if (0..NUMBERS).any(attempt::is_writable_file) {
        return Ok("a descriptor of a file, open for writing".into());
    }
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    came(rustix::fs::openat2(CWD, "/proc/self/exe", flags, Mode::empty(), ResolveFlags::empty()))
}

fn set_attribute(directory: BorrowedFd<'_>) -> Result<String, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat2(directory, FILE, flags, Mode::empty(), ResolveFlags::empty())?;
    came(rustix::fs::fsetxattr(&file, "user.sandhog", b"1", rustix::fs::XattrFlags::empty()))
}

fn touch(directory: BorrowedFd<'_>) -> Result<String, Errno> {
    let epoch = rustix::fs::Timespec { tv_sec: 0, tv_nsec: 0 };
    let times = Timestamps { last_access: epoch, last_modification: epoch };
    came(rustix::fs::utimensat(directory, FILE, &times, AtFlags::empty()))
}

/// /dev/null's: harmless where it comes through.
fn make_device(directory: BorrowedFd<'_>) -> Result<String, Errno> {
    let null = rustix::fs::makedev(1, 3);
    came(rustix::fs::mknodat(directory, "device", FileType::CharacterDevice, Mode::RUSR, null))
}

/// An execution that came as far as the file's format came through.
fn executed(errno: Errno) -> Result<String, Errno> {
    if errno == Errno::NOEXEC { Ok("executed".into()) } else { Err(errno) }
}

fn become_somebody() -> Result<String, Errno> {
    let ids = [0, 1, 2, 65_534].map(rustix::process::Uid::from_raw);
    let me = rustix::process::getuid();
    let mut others = ids.into_iter().filter(|id| *id != me);
    let changed = others.find(|id| rustix::thread::set_thread_res_uid(*id, *id, *id).is_ok());
    changed.map(|id| format!("became user {}", id.as_raw())).ok_or(Errno::PERM)
}

fn open_files() -> Result<String, Errno> {
    let open = || rustix::fs::openat(CWD, "/", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    let files = (0..FILES).map(|_| open()).collect::<Result<Vec<_>, _>>()?;
    Ok(format!("{} files", files.len()))
}

fn copy_files() -> Result<String, Errno> {
    let copy = || rustix::io::fcntl_dupfd_cloexec(StandardStream::Stdin.borrow(), 3);
    let files = (0..FILES).map(|_| copy()).collect::<Result<Vec<_>, _>>()?;
    Ok(format!("{} files", files.len()))
}

fn fill_memory(mebibytes: u64) -> Result<String, Errno> {
    let size = usize::try_from(mebibytes << 20).map_err(|_| Errno::NOMEM)?;
    let mut memory: Vec<u8> = Vec::new();
    memory.try_reserve_exact(size).map_err(|_| Errno::NOMEM)?;
    memory.resize(size, 1);
    std::hint::black_box(&memory);
    Ok(format!("{mebibytes} MiB"))
}

fn fill_file(mebibytes: u64) -> Result<String, Errno> {
    let file = rustix::fs::memfd_create("probe", MemfdFlags::CLOEXEC)?;
    let piece = vec![1; 1 << 20];
    for _ in 0..mebibytes {
        rustix::io::write(&file, &piece)?;
    }
    Ok(format!("{mebibytes} MiB"))
}

fn fill_shared(mebibytes: u64) -> Result<String, Errno> {
    let size = usize::try_from(mebibytes << 20).map_err(|_| Errno::NOMEM)?;
    attempt::fill_shared_mapping(size)?;
    Ok(format!("{mebibytes} MiB"))
}

/// Without end: the compiler can't know that the depth is never reached.
fn recurse(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    if std::hint::black_box(depth) == u64::MAX { depth } else { recurse(depth + 1).max(frame[0]) }
}

fn many(what: &str, count: usize, start: impl Fn() -> Result<(), Errno>) -> Result<String, Errno> {
    (0..count).try_for_each(|_| start())?;
    Ok(format!("{count} {what}"))
}

/// Beside the three streams, the directory and the channel, which is one more, there is none.
fn foreign_descriptors(directory: BorrowedFd<'_>) -> Result<String, Errno> {
    let open: Vec<i32> = (0..NUMBERS).filter(|number| attempt::is_open(*number)).collect();
    let foreign = open.iter().filter(|number| **number > 2 && **number != directory.as_raw_fd()).count();
    if foreign == 1 { Err(Errno::NOENT) } else { Ok(format!("{} open: {open:?}", open.len())) }
}

fn foreign_variables() -> Result<String, Errno> {
    let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    let foreign: Vec<String> = names.filter(|name| name != OURS).collect();
    if foreign.is_empty() { Err(Errno::NOENT) } else { Ok(foreign.join(" ")) }
}
