//! Children of the spawner that nobody has reported. A zygote that was taken over can clone workers without a word, and as
//! the first process of its pid namespace the spawner is the parent of whatever has lost its own: it looks at all that it
//! has, and ends those that are in no table.
//!
//! When it looks. No clone of a zygote is missing from a look after the zygote's end, for only the spawner's own waits take
//! something off the kernel's list. So one look follows the end of each zygote, and one the end of each stranger, which may
//! have left children of its own. While the zygote lives, what it clones adds nothing to what it is itself.
//!
//! Who is a stranger. A zygote clones first and reports then, so that a child of a zygote that was asked for a worker may be
//! that worker. Each zygote has a user namespace of its own, which its clones can't leave: so many of its unknown children
//! as it was asked for are left alone; every other one is a stranger. One that has ended, so that nobody can tell whose it
//! was, is left alone while any zygote is asked for one. One that is left alone by mistake is found when a zygote ends.

use super::{Source, Spawner, Zygote};
use rustix::event::epoll;
use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, readlinkat, statat};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
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

/// Most bytes of a file in /proc about one process that are read.
const STATUS: usize = 4096;

/// A number for a stranger, given here.
pub(super) type StrangerId = u32;

/// Strangers, from when they are seen until they have been reaped.
pub(super) struct Strangers {
    /// The kernel's list of this process's children (proc(5), `/proc/PID/task/TID/children`), numbered as /proc numbers
    /// them. `None`: a kernel without it (CONFIG_PROC_CHILDREN).
    list: Option<OwnedFd>,
    held: HashMap<StrangerId, Stranger>,
    last: StrangerId,
    look_at: Option<Instant>,
    rested: Instant,
}

struct Stranger {
    pidfd: OwnedFd,
    /// In the namespace that /proc shows.
    number: i32,
}

/// A user namespace: device and inode of its file. `None`: it can't be looked at, and so it has ended: an ordinary user may
/// not look at a process that was not dumpable and has no memory any more.
type Place = Option<(u64, u64)>;

impl Strangers {
    /// For the calling process, which has one thread.
    pub(super) fn new(proc: &OwnedFd) -> Self {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        Self {
            list: openat(proc, "thread-self/children", flags, Mode::empty()).ok(),
            held: HashMap::new(),
            last: 0,
            look_at: None,
            rested: Instant::now(),
        }
    }

    pub(super) fn next_look(&self) -> Option<Instant> {
        self.look_at.map(|at| at.max(self.rested))
    }

    /// Somebody may be there who was not before.
    pub(super) fn look_soon(&mut self) {
        self.look_again_in(Duration::ZERO);
    }

    fn look_again_in(&mut self, time: Duration) {
        let at = Instant::now() + time;
        self.look_at = Some(self.look_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// All children of this process, dead ones that nobody has reaped included.
    fn children(&self, proc: &OwnedFd) -> io::Result<Vec<i32>> {
        match &self.list {
            Some(list) => listed(list),
            None => found(proc),
        }
    }
}

impl Spawner {
    /// Looks at all children, and ends those that nobody knows, some at a time.
    pub(super) fn look_for_strangers(&mut self) {
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
        let zygotes: Vec<(Place, usize)> =
            self.living().map(|zygote| (self.place(zygote.number), zygote.pending.len())).collect();
        let mut asked_for = HashMap::<Place, usize>::new();
        zygotes.iter().for_each(|(place, pending)| *asked_for.entry(*place).or_default() += pending);
        let is_awaited = zygotes.iter().any(|(_, pending)| *pending > 0);
        let mut takers = HashSet::new();
        let strangers = unknown.into_iter().filter(|number| {
            let place = self.place(*number);
            if place.is_none() {
                // Whoever reaps a worker before it is reported never learns how it ended. It does no harm meanwhile.
                return !is_awaited;
            }
            let left = asked_for.entry(place).or_default();
            let is_stranger = *left == 0;
            *left = left.saturating_sub(1);
            takers.extend(is_stranger.then_some(place));
            is_stranger
        });
        let strangers = strangers.take(room).collect();
        for place in takers {
            // Without the wall of namespaces several may be in one place, and nobody can tell whose it is.
            let mut there = self.living().filter(|zygote| self.place(zygote.number) == place);
            if let (Some(zygote), None) = (there.next(), there.next()) {
                let _ = pidfd_send_signal(&zygote.pidfd, Signal::KILL);
            }
        }
        strangers
    }

    fn living(&self) -> impl Iterator<Item = &Zygote> {
        self.zygotes.values().filter(|zygote| !zygote.ended)
    }

    fn place(&self, number: i32) -> Place {
        let status = statat(&self.files.proc, format!("{number}/ns/user"), AtFlags::empty()).ok()?;
        Some((status.st_dev, status.st_ino))
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

    pub(super) fn reap_stranger(&mut self, id: StrangerId) {
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

/// The numbers in the kernel's list.
fn listed(list: &OwnedFd) -> io::Result<Vec<i32>> {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match rustix::io::pread(list, &mut buffer, text.len() as u64) {
            Ok(0) => break,
            Ok(length) => text.extend_from_slice(&buffer[..length]),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(numbers(&text))
}

fn numbers(text: &[u8]) -> Vec<i32> {
    let words = text.split(u8::is_ascii_whitespace).filter_map(|word| std::str::from_utf8(word).ok());
    words.filter_map(|word| word.parse().ok()).collect()
}

/// The same by looking at every process of the machine: all whose parent this process is.
fn found(proc: &OwnedFd) -> io::Result<Vec<i32>> {
    let own: i32 =
        String::from_utf8_lossy(readlinkat(proc, "self", Vec::new())?.to_bytes()).parse().map_err(io::Error::other)?;
    let directory = openat(proc, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut children = Vec::new();
    for entry in Dir::new(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        // Other names, and processes that have gone meanwhile, are no children.
        if let Ok(number) = name.parse()
            && parent_of(proc, number).is_ok_and(|parent| parent == Some(own))
        {
            children.push(number);
        }
    }
    Ok(children)
}

/// From its line in proc(5), `stat`: the name is in parentheses and may hold anything; then its state and its parent.
fn parent_of(proc: &OwnedFd, number: i32) -> io::Result<Option<i32>> {
    let text = read(proc, &format!("{number}/stat"))?;
    let fields = text.rsplit_once(')').map(|(_, fields)| fields);
    Ok(fields.and_then(|fields| fields.split_whitespace().nth(1)?.parse().ok()))
}

/// A child's number in the spawner's own namespace, which is one below the one that /proc shows (proc(5), `NSpid`).
fn own_number(proc: &OwnedFd, number: i32) -> io::Result<Pid> {
    let text = read(proc, &format!("{number}/status"))?;
    let numbers = text.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
    let own = numbers.split_whitespace().nth(1).and_then(|number| Pid::from_raw(number.parse().ok()?));
    own.ok_or_else(|| io::Error::other("a child's number could not be read"))
}

fn read(proc: &OwnedFd, file: &str) -> io::Result<String> {
    let file = openat(proc, file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut text = vec![0; STATUS];
    let length = rustix::io::retry_on_intr(|| rustix::io::read(&file, &mut text))?;
    text.truncate(length);
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandhog_sys::child;

    /// In a process of its own: the tests' process has many threads, and children of other tests.
    #[test]
    fn both_ways_to_list_children_find_the_living_and_the_dead() {
        let ended = child::run(|| {
            let proc = openat(rustix::fs::CWD, "/proc", OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
            let list = openat(&proc, "thread-self/children", OFlags::RDONLY, Mode::empty()).unwrap();
            assert!(listed(&list).unwrap().is_empty());
            let mut children: Vec<i32> = (0..700)
                .map(|number| {
                    child::start(move || {
                        if number % 2 == 0 {
                            std::thread::sleep(Duration::from_secs(60));
                        }
                        0
                    })
                })
                .collect();
            children.sort_unstable();
            let sorted = |mut numbers: Vec<i32>| {
                numbers.sort_unstable();
                numbers
            };
            assert_eq!(sorted(listed(&list).unwrap()), children);
            assert_eq!(sorted(found(&proc).unwrap()), children);
            for child in &children {
                rustix::process::kill_process(Pid::from_raw(*child).unwrap(), Signal::KILL).unwrap();
                child::wait(*child);
            }
            assert!(listed(&list).unwrap().is_empty());
            0
        });
        assert_eq!(ended, child::Ended::Exited(0));
    }
}
