//! A worker's process from the outside: what it uses, as the kernel says (proc_pid_status(5), clock_getcpuclockid(3)).
//! Everybody may read both, whoever the worker runs as. The worker itself is not asked: one that hangs holds up nobody.
//!
//! Must not: signal, wait, or take a number for the process that had it.

use rustix::fs::{Mode, OFlags, open, openat};
use rustix::io::Errno;
use sandhog_protocol::usage::{LiveUsage, WorkerUsage};
use sandhog_sys::process;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Longest status that is read, in bytes. It has 1.5 KiB, and 11 bytes for each supplementary group of an ordinary user.
const STATUS: u64 = 64 << 10;

/// A process, for as long as it is the one that it was. Nothing is opened before somebody wants to know something of it: a start
/// pays for nothing that nobody asks.
pub struct WorkerProcess(Mutex<Seen>);

enum Seen {
    /// Nobody has looked yet; its pidfd.
    Not(OwnedFd),
    Once(Shown),
    /// It had been reaped when somebody looked for the first time.
    Never,
}

struct Shown {
    pid: u32,
    /// None where this machine hides it.
    files: Option<Files>,
}

struct Files {
    /// Its directory in /proc, which never becomes that of another process of the same number.
    directory: OwnedFd,
    /// Its number in this process's own namespace, by which clocks go. In a container /proc may be the machine's, with others.
    number: u32,
}

impl WorkerProcess {
    /// The one behind a pidfd.
    pub const fn new(pidfd: OwnedFd) -> Self {
        Self(Mutex::new(Seen::Not(pidfd)))
    }

    /// Its number, as this process sees it; `None`: it had ended when that was first asked.
    pub fn pid(&self) -> Option<u32> {
        self.shown(|shown| shown.pid)
    }

    /// What it has used so far.
    pub fn usage(&self) -> WorkerUsage {
        self.shown(Shown::usage).unwrap_or(WorkerUsage::Ended)
    }

    fn shown<T>(&self, tell: impl FnOnce(&Shown) -> T) -> Option<T> {
        // Nothing panics while it holds this, and it is whole after every statement.
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Seen::Not(pidfd) = &*seen {
            *seen = Shown::of(pidfd.as_fd()).map_or(Seen::Never, Seen::Once);
        }
        match &*seen {
            Seen::Once(shown) => Some(tell(shown)),
            Seen::Not(_) | Seen::Never => None,
        }
    }
}

impl Shown {
    fn of(pidfd: BorrowedFd<'_>) -> Option<Self> {
        let pid = pid_of(pidfd)?;
        let files = Files::of(pid);
        // It still has its number, so it had it when the directory was opened.
        (pid_of(pidfd) == Some(pid)).then_some(Self { pid, files })
    }

    fn usage(&self) -> WorkerUsage {
        let Some(Files { directory, number }) = &self.files else { return WorkerUsage::Unknown };
        // By its number, so before the other: while there is a status to read, nobody else has that number.
        let cpu = process::cpu_time(*number);
        let status = match read_status(directory) {
            Ok(status) => status,
            Err(error) if is_gone(&error) => return WorkerUsage::Ended,
            Err(_) => return WorkerUsage::Unknown,
        };
        match (cpu, parse(&status)) {
            (Ok(cpu), Some(usage)) => {
                WorkerUsage::Alive(LiveUsage { cpu_us: sandhog_spec::units::micros(cpu), ..usage })
            }
            // It has ended and not been reaped yet: its memory has gone.
            (_, None) => WorkerUsage::Ended,
            (Err(_), Some(_)) => WorkerUsage::Unknown,
        }
    }
}

impl Files {
    fn of(pid: u32) -> Option<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = open(format!("/proc/{pid}"), flags, Mode::empty()).ok()?;
        let number = number_here(&fs::read_to_string("/proc/self/status").ok()?, &read_status(&directory).ok()?)?;
        Some(Self { directory, number })
    }
}

/// The worker of an attempt, whether or not there is one yet.
#[derive(Default)]
pub struct AttemptWorker(Mutex<Option<Arc<WorkerProcess>>>);

impl AttemptWorker {
    /// What it is now; `None`: it is still to begin.
    pub(super) fn set(&self, process: Option<Arc<WorkerProcess>>) {
        *self.process() = process;
    }

    /// What it has used so far.
    pub fn usage(&self) -> WorkerUsage {
        let process = self.process().clone();
        process.map_or_else(|| WorkerUsage::Alive(LiveUsage::default()), |process| process.usage())
    }

    fn process(&self) -> MutexGuard<'_, Option<Arc<WorkerProcess>>> {
        // As above.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number of the process behind a pidfd, as this process sees it (pidfd_open(2), proc_pid_fdinfo(5)).
fn pid_of(pidfd: BorrowedFd<'_>) -> Option<u32> {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).ok()?;
    // -1: it has been reaped.
    info.lines().find_map(|line| line.strip_prefix("Pid:"))?.trim().parse().ok()
}

fn read_status(directory: &OwnedFd) -> io::Result<String> {
    let file = openat(directory, "status", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut status = Vec::new();
    File::from(file).take(STATUS).read_to_end(&mut status)?;
    // Its name may be any bytes, and is in there.
    Ok(String::from_utf8_lossy(&status).into_owned())
}

/// Of a directory in /proc whose process has been reaped.
fn is_gone(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOENT | Errno::SRCH))
}

/// The number of a process in the namespace of another one above it, by what /proc says of both: their numbers in each namespace
/// from that of /proc down to their own.
fn number_here(own: &str, other: &str) -> Option<u32> {
    let numbers = |status: &str| -> Vec<u32> {
        let line = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
        line.split_whitespace().filter_map(|number| number.parse().ok()).collect()
    };
    let level = numbers(own).len().checked_sub(1)?;
    numbers(other).get(level).copied()
}

/// All but the CPU time. None where it has no memory any more. A name can't begin a line: the kernel escapes line feeds in it.
fn parse(status: &str) -> Option<LiveUsage> {
    let value = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    Some(LiveUsage {
        cpu_us: 0,
        rss_bytes: value("VmRSS")?.saturating_mul(1024),
        peak_rss_bytes: value("VmHWM")?.saturating_mul(1024),
        threads: value("Threads")?.try_into().unwrap_or(u32::MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    use std::process::{Child, Command, Stdio};

    fn started() -> (Child, OwnedFd) {
        let child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).unwrap();
        (child, pidfd)
    }

    fn alive(usage: WorkerUsage) -> LiveUsage {
        let WorkerUsage::Alive(usage) = usage else { panic!("{usage:?}") };
        usage
    }

    #[test]
    fn this_process_is_seen_with_what_it_computes_and_has() {
        let me = WorkerProcess::new(pidfd_open(rustix::process::getpid(), PidfdFlags::empty()).unwrap());
        assert_eq!(me.pid(), Some(std::process::id()));
        let before = alive(me.usage());
        assert!(before.rss_bytes > 1 << 20 && before.rss_bytes <= before.peak_rss_bytes, "{before:?}");
        assert!(before.threads > 0, "{before:?}");
        let memory = vec![1_u8; 64 << 20];
        let after = alive(me.usage());
        // Other tests of this process come and go.
        assert!(after.cpu_us > before.cpu_us && after.peak_rss_bytes >= memory.len() as u64, "{before:?} {after:?}");
    }

    #[test]
    fn one_that_has_ended_is_told_of_before_and_after_it_is_reaped() {
        let (mut child, pidfd) = started();
        let process = WorkerProcess::new(pidfd.try_clone().unwrap());
        alive(process.usage());
        child.kill().unwrap();
        // Nobody reaps it before the next line but one.
        let mut ended = [rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut ended, None).unwrap();
        assert_eq!(process.usage(), WorkerUsage::Ended);
        child.wait().unwrap();
        assert_eq!((process.usage(), process.pid()), (WorkerUsage::Ended, Some(child.id())));
        let late = WorkerProcess::new(pidfd);
        assert_eq!((late.usage(), late.pid()), (WorkerUsage::Ended, None));
    }

    #[test]
    fn an_attempt_has_used_nothing_before_it_begins() {
        let worker = AttemptWorker::default();
        assert_eq!(worker.usage(), WorkerUsage::Alive(LiveUsage::default()));
        let (mut child, pidfd) = started();
        worker.set(Some(Arc::new(WorkerProcess::new(pidfd))));
        assert_ne!(alive(worker.usage()), LiveUsage::default());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(worker.usage(), WorkerUsage::Ended);
        worker.set(None);
        assert_eq!(worker.usage(), WorkerUsage::Alive(LiveUsage::default()));
    }

    #[test]
    fn one_that_is_not_shown_is_unknown() {
        let shown = Shown { pid: std::process::id(), files: None };
        assert_eq!(shown.usage(), WorkerUsage::Unknown);
    }

    #[test]
    fn a_number_is_that_of_the_own_namespace_whosever_proc_it_is() {
        assert_eq!(number_here("NSpid:\t7\n", "NSpid:\t9\t2\t1\n"), Some(9));
        assert_eq!(number_here("Pid:\t70\nNSpid:\t70\t7\n", "Pid:\t90\nNSpid:\t90\t9\t2\t1\n"), Some(9));
        assert_eq!(number_here("", "NSpid:\t9\n"), None);
        assert_eq!(number_here("NSpid:\t70\t7\n", "NSpid:\t9\n"), None);
    }

    #[test]
    fn a_name_is_no_line_and_a_dead_process_has_no_memory() {
        let status =
            "Name:\tVmRSS:\\nVmRSS: 7\nState:\tS (sleeping)\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t3\n";
        let usage = LiveUsage { cpu_us: 0, rss_bytes: 1 << 20, peak_rss_bytes: 2 << 20, threads: 3 };
        assert_eq!(parse(status), Some(usage));
        assert_eq!(parse("Name:\tx\nState:\tZ (zombie)\nThreads:\t1\n"), None);
    }
}
