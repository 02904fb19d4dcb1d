//! Making, replacing and reaping processes: clone(2), execveat(2), waitid(2), `_exit`(2).

use super::descriptors::Newborn;
pub use super::single_threaded::SingleThreaded;
use std::ffi::CStr;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::time::Duration;

/// What a fork returns, in either process.
pub enum Forked {
    Parent(Child),
    Child(Newborn),
}

/// A child of this process.
pub struct Child {
    pub pidfd: OwnedFd,
}

/// clone3(2)'s argument, version 2 (Linux 5.7).
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// clone3(2)'s flag: the child is started in the version 2 cgroup whose directory is in `cgroup` (Linux 5.7). Not among
/// libc's constants, which are of 32 bits.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Forks a child into new namespaces (`CLONE_NEW…`, 0 for none).
///
/// # Errors
/// As clone3(2): EPERM without the privilege, ENOSPC over a limit on namespaces.
pub fn fork(proof: &SingleThreaded, namespaces: i32) -> io::Result<Forked> {
    fork_into(proof, namespaces, None)
}

/// As [`fork`], and where a directory of the version 2 cgroup file system is given, into that cgroup.
///
/// The child is dumpable, also where this process is not: its id maps are files in /proc, which belong to root otherwise, so
/// that an ordinary user's spawner could not write them. Whatever it executes starts dumpable anyway.
///
/// # Errors
/// As clone3(2); EACCES, EBUSY and EOPNOTSUPP concern the cgroup.
pub fn fork_into(_proof: &SingleThreaded, namespaces: i32, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Forked> {
    let mut pidfd: RawFd = -1;
    let args = CloneArgs {
        flags: u64::from(namespaces.cast_unsigned())
            | libc::CLONE_PIDFD as u64
            | cgroup.map_or(0, |_| CLONE_INTO_CGROUP),
        cgroup: cgroup.map_or(0, |cgroup| u64::from(cgroup.as_raw_fd().cast_unsigned())),
        pidfd: &raw mut pidfd as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    };
    let hidden = !is_dumpable();
    if hidden {
        set_dumpable(true)?;
    }
    // SAFETY: no CLONE_VM and no new stack, so this is a fork; the proof says that there is one thread, so the
    // child's copy of the memory is whole. `args` and `pidfd` live until the call returns.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) };
    let forked = forked(pid, pidfd);
    if hidden && !matches!(forked, Ok(Forked::Child(_))) {
        set_dumpable(false)?;
    }
    forked
}

/// PR_GET_DUMPABLE: whether whoever has the same id may look into this process.
fn is_dumpable() -> bool {
    // SAFETY: takes no pointer.
    unsafe { libc::prctl(libc::PR_GET_DUMPABLE, 0_usize, 0_usize, 0_usize, 0_usize) == 1 }
}

fn set_dumpable(dumpable: bool) -> io::Result<()> {
    // SAFETY: takes numbers only.
    if unsafe { libc::prctl(libc::PR_SET_DUMPABLE, libc::c_ulong::from(dumpable), 0_usize, 0_usize, 0_usize) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// PR_SET_MDWE: from here on the kernel makes nothing executable that was not from its first moment, and nothing at once
/// writable and executable, in this process and its descendants.
///
/// # Errors
/// EINVAL before Linux 6.3.
pub fn refuse_exec_gain() -> io::Result<()> {
    let gain = libc::c_ulong::from(libc::PR_MDWE_REFUSE_EXEC_GAIN);
    // SAFETY: takes numbers only.
    if unsafe { libc::prctl(libc::PR_SET_MDWE, gain, 0_usize, 0_usize, 0_usize) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Forks a sibling: a child of this process's parent, pid 1 of a new pid namespace. The older clone(2), because a
/// seccomp filter can see its flags.
///
/// # Errors
/// As clone(2): EINVAL from the init of a pid namespace.
pub fn fork_sibling(_proof: &SingleThreaded) -> io::Result<Forked> {
    let mut pidfd: RawFd = -1;
    // No exit signal: with CLONE_PARENT the kernel takes the caller's own.
    let flags = libc::CLONE_PARENT | libc::CLONE_PIDFD | libc::CLONE_NEWPID;
    // SAFETY: as in `fork`; a null stack shares the caller's, which is right without CLONE_VM.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone,
            libc::c_ulong::from(flags.cast_unsigned()),
            0_usize,
            &raw mut pidfd,
            0_usize,
            0_usize,
        )
    };
    forked(pid, pidfd)
}

fn forked(pid: libc::c_long, pidfd: RawFd) -> io::Result<Forked> {
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child(Newborn::new())),
        // SAFETY: the kernel has just made this descriptor for us (CLONE_PIDFD) and nobody else has it.
        _ => Ok(Forked::Parent(Child { pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } })),
    }
}

/// An already open executable with its arguments and its environment, ready to be executed without any memory.
pub struct Program<'a> {
    file: BorrowedFd<'a>,
    args: Vec<*const libc::c_char>,
    env: Vec<*const libc::c_char>,
    strings: PhantomData<&'a CStr>,
}

impl<'a> Program<'a> {
    #[must_use]
    pub fn new(file: BorrowedFd<'a>, args: &[&'a CStr], env: &[&'a CStr]) -> Self {
        let pointers = |list: &[&CStr]| list.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect();
        Self { file, args: pointers(args), env: pointers(env), strings: PhantomData }
    }

    /// Replaces this process, with its `from` as descriptor `to`, whoever has owned that. Returns only the error.
    #[must_use]
    pub fn execute(&self, _proof: Newborn, from: BorrowedFd<'_>, to: RawFd) -> io::Error {
        io::Error::from_raw_os_error(self.execute_raw(from.as_raw_fd(), to))
    }

    /// Nothing but system calls. Returns only the error.
    fn execute_raw(&self, from: RawFd, to: RawFd) -> i32 {
        // SAFETY: takes numbers only. The executable may stand on the place that `from` is to have, so it goes far above that.
        let executable = unsafe { libc::fcntl(self.file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 64) };
        // SAFETY: takes numbers only; callers name a place that no Rust value of the program to come can own.
        if executable == -1 || unsafe { libc::dup2(from, to) } == -1 {
            return errno();
        }
        // SAFETY: both arrays end with a null and point to strings that end with a null; all live until the call
        // returns, which it does only on failure.
        unsafe {
            libc::syscall(
                libc::SYS_execveat,
                executable,
                c"".as_ptr(),
                self.args.as_ptr(),
                self.env.as_ptr(),
                libc::AT_EMPTY_PATH,
            );
        }
        errno()
    }
}

/// Of the system call that has just failed. Never 0.
fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL)
}

/// What [`start_program`] tells its child, and is told by it.
struct Starting<'a> {
    program: &'a Program<'a>,
    from: RawFd,
    to: RawFd,
    errno: i32,
}

/// Bytes of the stack on which a child of [`start_program`] makes four system calls.
const STACK: usize = 16 << 10;

/// Starts a child that executes a program at once, with this process's `from` as its descriptor `to`. It has this process's
/// memory until then, and this process stands still meanwhile: nothing is copied, which is a third of what it costs.
///
/// Inside: why it could not be executed. The child has been reaped then.
///
/// # Errors
/// As clone(2).
pub fn start_program(
    _proof: &SingleThreaded,
    program: &Program<'_>,
    from: BorrowedFd<'_>,
    to: RawFd,
) -> io::Result<io::Result<Child>> {
    let mut stack: Vec<u128> = Vec::with_capacity(STACK / size_of::<u128>());
    let mut pidfd: RawFd = -1;
    let mut starting = Starting { program, from: from.as_raw_fd(), to, errno: 0 };
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: CLONE_VFORK holds this thread, the only one, until the child has left its memory, so `stack`, whose end is aligned
    // as a stack is, `starting` and `pidfd` live as long as the child uses them and nobody else touches them.
    let pid = unsafe {
        let top = stack.as_mut_ptr().add(stack.capacity());
        libc::clone(become_program, top.cast(), flags, (&raw mut starting).cast(), &raw mut pidfd)
    };
    if pid == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us (CLONE_PIDFD) and nobody else has it.
    let child = Child { pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } };
    match starting.errno {
        0 => Ok(Ok(child)),
        errno => {
            // It has left the memory, and ends.
            wait(child.pidfd.as_fd(), libc::WEXITED)?;
            Ok(Err(io::Error::from_raw_os_error(errno)))
        }
    }
}

/// In the child. What it returns is its exit code.
extern "C" fn become_program(starting: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `start_program` has made it, and stands still.
    let starting = unsafe { &mut *starting.cast::<Starting<'_>>() };
    starting.errno = starting.program.execute_raw(starting.from, starting.to);
    1
}

/// Ends this process at once: no destructor, no buffer, no handler of the parent's runs.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: takes no pointer and does not return.
    unsafe { libc::_exit(code) }
}

/// A child that has ended and been reaped.
pub struct Reaped {
    pub how: How,
    /// User and system time, in microseconds, its own reaped children included.
    pub cpu_us: u64,
    /// Largest resident set, in bytes.
    pub peak_rss_bytes: u64,
}

pub enum How {
    Exited(i32),
    Signalled(i32),
}

/// Reaps the child behind a pidfd if it has ended; `None` while it lives.
///
/// # Errors
/// ECHILD where it is not a child of this process, or has been reaped.
pub fn reap(pidfd: BorrowedFd<'_>) -> io::Result<Option<Reaped>> {
    let (info, usage) = wait(pidfd, libc::WEXITED | libc::WNOHANG)?;
    // SAFETY: after a successful waitid(2) these fields are set, or zero where nobody has ended.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    if pid == 0 {
        return Ok(None);
    }
    let how = if info.si_code == libc::CLD_EXITED { How::Exited(status) } else { How::Signalled(status) };
    let micros = |time: libc::timeval| time.tv_sec.cast_unsigned() * 1_000_000 + time.tv_usec.cast_unsigned();
    Ok(Some(Reaped {
        how,
        cpu_us: micros(usage.ru_utime) + micros(usage.ru_stime),
        peak_rss_bytes: usage.ru_maxrss.cast_unsigned() * 1024,
    }))
}

/// CPU time of the process of this number, user and system, of all its threads that are or were: clock_getcpuclockid(3). Linux
/// tells everybody everybody's.
///
/// # Errors
/// ESRCH, EINVAL: there is no such process.
pub fn cpu_time(pid: u32) -> io::Result<Duration> {
    let mut clock = 0;
    // SAFETY: the pointer is to a live value of the type that libc fills.
    let errno = unsafe { libc::clock_getcpuclockid(pid.cast_signed(), &raw mut clock) };
    if errno != 0 {
        return Err(io::Error::from_raw_os_error(errno));
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live value of the type that the kernel fills.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } == -1 {
        return Err(io::Error::last_os_error());
    }
    let too_large = |_| io::Error::from(io::ErrorKind::InvalidData);
    Ok(Duration::new(time.tv_sec.try_into().map_err(too_large)?, time.tv_nsec.try_into().map_err(too_large)?))
}

/// SIGKILL to every other process of the pid namespace whose first process this is.
///
/// # Errors
/// ESRCH where there is none; EPERM where this is not the first process: elsewhere it would end whatever it may.
pub fn kill_namespace(_: &SingleThreaded) -> io::Result<()> {
    if !rustix::process::getpid().is_init() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    // SAFETY: kill(2) takes no pointer; -1 names every process of the namespace but the first.
    if unsafe { libc::kill(-1, libc::SIGKILL) } == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Whether the process behind a pidfd is a child of this one, alive or not yet reaped.
pub fn is_child(pidfd: BorrowedFd<'_>) -> bool {
    wait(pidfd, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT).is_ok()
}

/// waitid(2) as the kernel has it: with the usage that libc's wrapper leaves out.
fn wait(pidfd: BorrowedFd<'_>, options: i32) -> io::Result<(libc::siginfo_t, libc::rusage)> {
    // SAFETY: both types are plain C structures for which zero bytes are a valid value.
    let (mut info, mut usage): (libc::siginfo_t, libc::rusage) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    // SAFETY: both pointers are to live values of the types that the kernel fills.
    let answer = unsafe {
        libc::syscall(libc::SYS_waitid, libc::P_PIDFD, pidfd.as_raw_fd(), &raw mut info, options, &raw mut usage)
    };
    if answer == -1 { Err(io::Error::last_os_error()) } else { Ok((info, usage)) }
}

/// Moves this process into new namespaces (`CLONE_NEW…`).
///
/// # Errors
/// As unshare(2): EPERM where unprivileged user namespaces are forbidden, ENOSPC over a limit on them.
pub fn unshare(_proof: &SingleThreaded, namespaces: i32) -> io::Result<()> {
    // SAFETY: takes no pointer; with one thread there is none that would be left behind.
    if unsafe { libc::unshare(namespaces) } == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Lets what a command starts be nobody's: it has a session of its own, so that no terminal's Ctrl-C or hangup concerns it,
/// no signal is ignored, and of the descriptors above stderr it has `kept` alone.
pub fn as_daemon(command: &mut impl CommandExt, kept: BorrowedFd<'_>) {
    let kept = kept.as_raw_fd();
    let check = |answer: libc::c_long| if answer == -1 { Err(io::Error::last_os_error()) } else { Ok(()) };
    let prepare = move || {
        // SAFETY: takes no pointer.
        check(unsafe { libc::setsid() }.into())?;
        (1..=super::signal::SIGNALS).for_each(|signal| {
            // The numbers that are the C library's own, SIGKILL and SIGSTOP are refused, and are never ignored.
            let _ = super::signal::restore_default(signal);
        });
        // SAFETY: takes numbers only. Nothing is closed before the exec, so that whatever owns a descriptor here keeps it;
        // the pipe by which a failed exec is told among them.
        check(unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) })?;
        // SAFETY: takes numbers only; whoever borrows out `kept` has it open until the command has been started.
        check(unsafe { libc::fcntl(kept, libc::F_SETFD, 0) }.into())
    };
    // SAFETY: between fork and exec this makes system calls alone, which take no lock and allocate nothing.
    unsafe { command.pre_exec(prepare) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::in_child::in_child;
    use std::fs::File;
    use std::io::Write;

    #[test]
    fn a_program_gets_the_descriptor_that_it_was_started_with_and_what_is_none_leaves_no_child() {
        let said = in_child(|file| {
            let token = SingleThreaded::claim().unwrap();
            let shell = File::open("/bin/sh").unwrap();
            let echo = Program::new(shell.as_fd(), &[c"sh", c"-c", c"echo $A >&9"], &[c"A=hello"]);
            let child = start_program(&token, &echo, file.as_fd(), 9).unwrap().unwrap();
            wait(child.pidfd.as_fd(), libc::WEXITED).unwrap();
            let nothing = File::open("/proc/self/status").unwrap();
            let program = Program::new(nothing.as_fd(), &[c"x"], &[]);
            let error = start_program(&token, &program, file.as_fd(), 9).unwrap().err().unwrap();
            let children = rustix::process::wait(rustix::process::WaitOptions::NOHANG);
            writeln!(file, "{:?} {:?}", error.raw_os_error(), children.err()).unwrap();
        });
        let expected = format!("hello\nSome({}) Some({:?})\n", libc::EACCES, rustix::io::Errno::CHILD);
        assert_eq!(String::from_utf8(said).unwrap(), expected);
    }
}
