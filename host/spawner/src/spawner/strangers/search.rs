//! A look at all children, and the end of those that nobody knows.
//!
//! Must not: take anything off the kernel's list but what it has ended itself.

use super::{Stranger, StrangerId, own_number, read};
use crate::spawner::{Source, Spawner, Zygote};
use rustix::event::epoll;
use rustix::fs::{AtFlags, statat};
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use sandhog_sys::process;
use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// A look goes through all children. Between two looks the spawner does other things for so many times as long as the last
/// one took.
const REST: u32 = 9;

/// When to look again where a stranger could not be held: this process may be at its limit of open files.
const AGAIN: Duration = Duration::from_millis(100);

/// Strangers that are held at once, each by a descriptor. A zygote of an ordinary user, whose tasks no cgroup counts, may have
/// made thousands.
const HELD: usize = 256;

/// By what a zygote and all that it has cloned are known: they can leave neither.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Home {
    /// Device and inode of the file of their user namespace.
    UserNamespace(u64, u64),
    /// Their cgroups, as /proc names them, where this process may not look at their namespaces: their program was started in
    /// the spawner's own, and root in a container need not have CAP_SYS_PTRACE there (ptrace(2), "Ptrace access mode checking").
    Cgroups(String),
}

impl Spawner {
    /// Looks at all children, and ends those that nobody knows, some at a time.
    pub(in crate::spawner) fn look_for_strangers(&mut self) {
        let from = Instant::now();
        self.strangers.look_at = None;
        let room = HELD - self.strangers.held.len().min(HELD);
        let ended = self.strangers.children(&self.files.proc).and_then(|mut unknown| {
            unknown.retain(|number| !self.children.contains(number));
            self.strangers_among(unknown, room).into_iter().try_for_each(|number| self.end_stranger(number))
        });
        if ended.is_err() {
            self.strangers.look_again_in(AGAIN);
        }
        self.strangers.rested = Instant::now() + from.elapsed() * REST;
    }

    /// Those of these children that are no worker which is about to be reported. A zygote that has more of them than it was
    /// asked for has been taken over, and is ended. At most so many as there is `room` for: the end of one is followed by
    /// another look.
    fn strangers_among(&mut self, unknown: Vec<i32>, room: usize) -> Vec<i32> {
        if unknown.is_empty() {
            return unknown;
        }
        let zygotes: Vec<(Option<Home>, usize)> =
            self.living().map(|zygote| (self.home(zygote.number), zygote.pending.len())).collect();
        let mut asked_for = HashMap::<Home, usize>::new();
        for (home, pending) in &zygotes {
            if let Some(home) = home {
                *asked_for.entry(home.clone()).or_default() += pending;
            }
        }
        let is_awaited = zygotes.iter().any(|(_, pending)| *pending > 0);
        let mut takers = HashSet::new();
        let strangers = unknown.into_iter().filter(|number| {
            let Some(home) = self.home(*number) else {
                // Whoever reaps a worker before it is reported never learns how it ended. It does no harm meanwhile.
                return !is_awaited;
            };
            let left = asked_for.entry(home.clone()).or_default();
            let is_stranger = *left == 0;
            *left = left.saturating_sub(1);
            takers.extend(is_stranger.then_some(home));
            is_stranger
        });
        let strangers = strangers.take(room).collect();
        for home in takers {
            // Without the wall of namespaces several may be in one place, and nobody can tell whose it is.
            let mut there = self.living().filter(|zygote| self.home(zygote.number).as_ref() == Some(&home));
            if let (Some(zygote), None) = (there.next(), there.next()) {
                let _ = pidfd_send_signal(&zygote.pidfd, Signal::KILL);
            }
        }
        strangers
    }

    fn living(&self) -> impl Iterator<Item = &Zygote> {
        self.zygotes.values().filter(|zygote| !zygote.ended)
    }

    /// None: it is ending or has ended, and nobody can tell any more. An ordinary user may not look at a process that was not
    /// dumpable and has no memory any more, which it gives up some time before it can be reaped.
    fn home(&self, number: i32) -> Option<Home> {
        match statat(&self.files.proc, format!("{number}/ns/user"), AtFlags::empty()) {
            Ok(status) => Some(Home::UserNamespace(status.st_dev, status.st_ino)),
            Err(_) if is_ending(&self.files.proc, number) => None,
            Err(_) => read(&self.files.proc, &format!("{number}/cgroup")).ok().map(Home::Cgroups),
        }
    }

    /// Kills it, and reaps it when it has ended. It can't be anybody else meanwhile: a child keeps its number until it is
    /// reaped.
    fn end_stranger(&mut self, number: i32) -> io::Result<()> {
        let pidfd = pidfd_open(own_number(&self.files.proc, number)?, PidfdFlags::empty())?;
        if !process::is_child(pidfd.as_fd()) {
            return Err(io::ErrorKind::NotFound.into());
        }
        pidfd_send_signal(&pidfd, Signal::KILL)?;
        self.strangers.last = self.strangers.last.wrapping_add(1);
        let id = self.strangers.last;
        self.watch(pidfd.as_fd(), Source::StrangerEnd(id))?;
        self.children.insert(number);
        self.strangers.held.insert(id, Stranger { pidfd, number });
        Ok(())
    }

    pub(in crate::spawner) fn reap_stranger(&mut self, id: StrangerId) {
        let Some(stranger) = self.strangers.held.get(&id) else { return };
        if let Ok(None) = process::reap(stranger.pidfd.as_fd()) {
            return;
        }
        let _ = epoll::delete(&self.epoll, &stranger.pidfd);
        self.children.remove(&stranger.number);
        self.strangers.held.remove(&id);
        self.strangers.look_soon();
        self.leftovers.look_soon();
    }
}

/// Whether it is on its way to its end, waits to be reaped, or has been.
fn is_ending(proc: &OwnedFd, number: i32) -> bool {
    read(proc, &format!("{number}/stat")).ok().as_deref().and_then(flags).is_none_or(|flags| flags & EXITING != 0)
}

/// PF_EXITING of `linux/sched.h`: set before anything of the process goes, and never taken back.
const EXITING: u32 = 0x4;

/// The kernel's flags of a process, from its line in proc_pid_stat(5): the seventh field after its name, which stands in
/// parentheses and may hold anything.
fn flags(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(6)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{EXITING, flags, is_ending};
    use rustix::fs::{Mode, OFlags, openat};
    use sandhog_sys::child;

    #[test]
    fn a_process_that_gives_up_its_memory_is_ending_before_it_can_be_reaped() {
        let stat =
            |state, flags| format!("71 (a) R b) {state} 1 71 71 0 -1 {flags} 120 0 0 0 1 2 0 0 20 0 1 0 9 0 0\n");
        assert_eq!(flags(&stat('R', 4_194_564)).map(|flags| flags & EXITING), Some(EXITING));
        assert_eq!(flags(&stat('R', 4_194_560)).map(|flags| flags & EXITING), Some(0));
        assert_eq!(flags("71 (a"), None);
    }

    #[test]
    fn the_living_are_not_ending_and_the_dead_are() {
        let ended = child::run(|| {
            let proc = openat(rustix::fs::CWD, "/proc", OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
            let own = std::process::id().cast_signed();
            assert!(!is_ending(&proc, own));
            let child = child::start(|| 0);
            // It stays in the list until somebody waits for it.
            while !is_ending(&proc, child) {
                std::thread::yield_now();
            }
            child::wait(child);
            assert!(is_ending(&proc, child));
            0
        });
        assert_eq!(ended, child::Ended::Exited(0));
    }
}
