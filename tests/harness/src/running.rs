//! A command that runs.
//!
//! Must not: leave one behind. Whoever drops it kills it.

use crate::command::Input;
use crate::folder::Folder;
use crate::outcome::Outcome;
use crate::process::Process;
use crate::stream::Stream;
use crate::waiting::{DEADLINE, until_within};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, ChildStdin};
use std::thread;
use std::time::Duration;

/// A command that runs. Dropping it kills it.
pub struct Running {
    /// Its number. It stays its own until its end was waited for.
    pub pid: u32,
    /// The pipe to it, where it was asked for.
    pub stdin: Option<ChildStdin>,
    /// What it prints.
    pub stdout: Stream,
    /// What it reports.
    pub stderr: Stream,
    child: Child,
    verdict: Option<PathBuf>,
    ended: bool,
    _home: Option<Folder>,
}

impl Running {
    pub(crate) fn of(mut child: Child, input: Input, verdict: Option<PathBuf>, home: Option<Folder>) -> Self {
        let mut stdin = child.stdin.take();
        if let Input::Bytes(bytes) = input {
            let mut pipe = stdin.take().unwrap();
            // A reader that goes away early is none of this thread's business.
            thread::spawn(move || drop(pipe.write_all(&bytes)));
        }
        Self {
            pid: child.id(),
            stdin,
            stdout: Stream::collect(child.stdout.take()),
            stderr: Stream::collect(child.stderr.take()),
            verdict,
            child,
            ended: false,
            _home: home,
        }
    }

    /// Writes to its stdin.
    pub fn say(&mut self, text: &str) {
        self.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.own_pid(), signal).unwrap();
    }

    /// The process of this name below it, once it is there.
    #[track_caller]
    pub fn process(&self, name: &str) -> Process {
        let find = || Process::tree(self.pid).into_iter().find(|process| process.name == name);
        until_within(name, DEADLINE / 6, find)
    }

    /// It has ended by now.
    pub fn has_ended(&self) -> bool {
        has_ended(self.own_pid(), Duration::ZERO)
    }

    /// It ends within this time. Its end remains to be waited for.
    pub fn ends_within(&self, time: Duration) -> bool {
        has_ended(self.own_pid(), time)
    }

    fn own_pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits for its end, after the end of its stdin.
    #[track_caller]
    pub fn wait(mut self) -> Outcome {
        drop(self.stdin.take());
        self.wait_with_stdin_open()
    }

    /// Waits for its end while its stdin stays open: a guest that sees the end of it may be faster than a kill.
    ///
    /// # Panics
    ///
    /// Where it does not end within [`DEADLINE`].
    #[track_caller]
    pub fn wait_with_stdin_open(mut self) -> Outcome {
        if !has_ended(self.own_pid(), DEADLINE) {
            let heard = String::from_utf8_lossy(&self.stderr.so_far()).into_owned();
            panic!("it did not end; stderr so far: {heard}");
        }
        let status = self.child.wait().unwrap();
        self.ended = true;
        let verdict = self.verdict.as_ref().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        Outcome::new(status, self.stdout.whole(), self.stderr.whole(), verdict)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            // It may have ended meanwhile.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Whether the process ends within this time. It remains to be waited for.
fn has_ended(pid: Pid, within: Duration) -> bool {
    let handle = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    let within = Timespec::try_from(within).unwrap();
    poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&within)).unwrap() != 0
}
