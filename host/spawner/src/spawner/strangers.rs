//! Children of the spawner that nobody has reported. A zygote that was taken over can clone workers without a word, and as
//! the first process of its pid namespace the spawner is the parent of whatever has lost its own: it looks at all that it
//! has, and ends those that are in no table.
//!
//! When it looks. No clone of a zygote is missing from a look after the zygote's end, for only the spawner's own waits take
//! something off the kernel's list. So one look follows the end of each zygote, and one the end of each stranger, which may
//! have left children of its own. While the zygote lives, what it clones adds nothing to what it is itself.
//!
//! Strangers are recognised as follows. A zygote clones first and reports then. So a child of a zygote that was asked for
//! a worker may be that worker. Each zygote has a user namespace of its own, which its clones can't leave: so many of its
//! unknown children as it was asked for are left alone; every other one is a stranger. One that has ended, so that nobody
//! can tell whose it was, is left alone while any zygote is asked for one. One that is left alone by mistake is found
//! when a zygote ends.

mod search;

use rustix::fs::{Dir, Mode, OFlags, openat, readlinkat};
use rustix::io::Errno;
use rustix::process::Pid;
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

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
    use rustix::process::Signal;
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
