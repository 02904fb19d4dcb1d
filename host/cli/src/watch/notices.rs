//! Which of some paths may lead to something else by now, as the kernel tells. Watched are the directories that each path leads
//! through, for the names in them: so a file that is replaced, a folder that is made anew, and a link that is led elsewhere are
//! all heard of.
//! Source: inotify(7).
//!
//! Must not: look into a file, or know what a path is of.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init, remove_watch};
use rustix::io::Errno;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long nothing may have happened for a change to be over: editors write a file and rename it, compilers write in pieces.
/// Nobody notices that much after a compilation.
const QUIET: Duration = Duration::from_millis(200);

/// The longest change: whoever writes without end is looked at all the same.
const LONGEST: Duration = Duration::from_secs(10);

/// Links that a path may lead through, as many as the kernel follows (path_resolution(7)).
const LINKS: usize = 40;

/// Room for events that are read at once, in bytes: more than ten of the longest (`sizeof(struct inotify_event) + NAME_MAX + 1`).
const EVENTS: usize = 4096;

/// What is heard of a name in a directory, and of the directory itself.
const HEARD: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

/// Why nothing tells of changes.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("failed to watch files")]
    Init(#[source] Errno),
    #[error("failed to watch {path:?}")]
    Watch {
        path: PathBuf,
        #[source]
        cause: Errno,
    },
    #[error("failed to hear what changes")]
    Hear(#[source] Errno),
}

impl Error {
    /// What to do, where the error alone does not say it.
    pub(super) const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Init(Errno::MFILE) => {
                Some("programs of yours watch much: raise fs.inotify.max_user_instances (sysctl)")
            }
            Self::Watch { cause: Errno::NOSPC, .. } => {
                Some("programs of yours watch much: raise fs.inotify.max_user_watches (sysctl)")
            }
            Self::Init(_) | Self::Watch { .. } | Self::Hear(_) => None,
        }
    }
}

/// The names of a directory that matter, each with the paths that lead through it.
type Names = HashMap<OsString, BTreeSet<usize>>;

/// Paths that are watched. Paths are called by their places in the list that [`Notices::look_at`] was given last.
pub(super) struct Notices {
    inotify: OwnedFd,
    /// By watch descriptor.
    watched: HashMap<i32, Names>,
    paths: usize,
}

impl Notices {
    pub(super) fn new() -> Result<Self, Error> {
        let inotify = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(Error::Init)?;
        Ok(Self { inotify, watched: HashMap::new(), paths: 0 })
    }

    /// From now on these paths are watched, and no others: absolute ones, whether or not there is something. Returns the folders
    /// that may not be read, in which changes are not heard of.
    pub(super) fn look_at(&mut self, paths: &[&Path]) -> Result<BTreeSet<PathBuf>, Error> {
        let mut walk = Walk::new(&self.inotify);
        for (index, path) in paths.iter().enumerate() {
            walk.along(index, path)?;
        }
        let Walk { watched, unread, .. } = walk;
        for descriptor in self.watched.keys().filter(|old| !watched.contains_key(old)) {
            // It has gone with its directory, perhaps.
            let _ = remove_watch(&self.inotify, *descriptor);
        }
        (self.watched, self.paths) = (watched, paths.len());
        Ok(unread)
    }

    /// Waits until something has happened to some of the paths, and then nothing for a while.
    pub(super) fn next(&self) -> Result<BTreeSet<usize>, Error> {
        let (mut touched, mut first, mut last) = (BTreeSet::new(), None, Instant::now());
        loop {
            let begun: Option<Instant> = first;
            let left = begun.map(|begun| (last + QUIET).min(begun + LONGEST).saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(touched);
            }
            self.wait(left)?;
            if self.hear(&mut touched)? {
                last = Instant::now();
                first = first.or(Some(last));
            }
        }
    }

    /// Waits for an event, at most for this long.
    fn wait(&self, at_most: Option<Duration>) -> Result<(), Error> {
        let at_most = at_most.and_then(|time| Timespec::try_from(time).ok());
        match poll(&mut [PollFd::new(&self.inotify, PollFlags::IN)], at_most.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(Error::Hear(errno)),
        }
    }

    /// Takes all events that there are. Returns whether one of them was about a path.
    fn hear(&self, touched: &mut BTreeSet<usize>) -> Result<bool, Error> {
        let mut buffer = [MaybeUninit::uninit(); EVENTS];
        let mut events = Reader::new(&self.inotify, &mut buffer);
        let mut concerns = false;
        loop {
            let event = match events.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => return Ok(concerns),
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(Error::Hear(errno)),
            };
            let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
            let mut hit = |paths: &BTreeSet<usize>| {
                concerns |= !paths.is_empty();
                touched.extend(paths);
            };
            match (self.watched.get(&event.wd()), name) {
                // Events were lost.
                _ if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => hit(&(0..self.paths).collect()),
                (Some(names), Some(name)) => names.get(name).into_iter().for_each(&mut hit),
                // The directory itself is gone, or somewhere else.
                (Some(names), None) => names.values().for_each(&mut hit),
                (None, _) => {}
            }
        }
    }
}

/// The way of paths through directories and links.
struct Walk<'a> {
    inotify: &'a OwnedFd,
    /// The watch descriptors of directories so far; None: they can't be watched.
    known: HashMap<PathBuf, Option<i32>>,
    watched: HashMap<i32, Names>,
    /// Directories that may not be read.
    denied: HashSet<PathBuf>,
    /// Those of them in which a path has its link or its end.
    unread: BTreeSet<PathBuf>,
}

impl<'a> Walk<'a> {
    fn new(inotify: &'a OwnedFd) -> Self {
        let (known, watched, denied) = (HashMap::new(), HashMap::new(), HashSet::new());
        Self { inotify, known, watched, denied, unread: BTreeSet::new() }
    }

    /// Goes along a path as far as there is something. Each directory is watched before it is looked into, so that nothing
    /// happens in between.
    fn along(&mut self, index: usize, path: &Path) -> Result<(), Error> {
        let (mut here, mut rest, mut links) = (PathBuf::from("/"), parts(path), 0);
        while let Some(part) = rest.pop() {
            match part.as_bytes() {
                b"/" => here = PathBuf::from("/"),
                b"." => {}
                b".." => drop(here.pop()),
                _ => {
                    let descriptor = self.watch(&here)?;
                    if let Some(descriptor) = descriptor {
                        self.watched.entry(descriptor).or_default().entry(part.clone()).or_default().insert(index);
                    }
                    let there = here.join(&part);
                    let link = there.read_link();
                    if self.denied.contains(&here) && (rest.is_empty() || link.is_ok()) {
                        self.unread.insert(here.clone());
                    }
                    match link {
                        Ok(target) if links < LINKS => {
                            links += 1;
                            rest.extend(parts(&target));
                        }
                        Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => here = there,
                        // A circle, or nothing: its name is waited for.
                        Ok(_) | Err(_) => return Ok(()),
                    }
                }
            }
        }
        Ok(())
    }

    /// Watches a directory. None: it is not there or is none, or may not be read.
    fn watch(&mut self, directory: &Path) -> Result<Option<i32>, Error> {
        if let Some(known) = self.known.get(directory) {
            return Ok(*known);
        }
        let descriptor = match add_watch(self.inotify, directory, HEARD) {
            Ok(descriptor) => Some(descriptor),
            Err(Errno::ACCESS) => {
                self.denied.insert(directory.into());
                None
            }
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => None,
            Err(cause) => return Err(Error::Watch { path: directory.into(), cause }),
        };
        self.known.insert(directory.into(), descriptor);
        Ok(descriptor)
    }
}

/// The parts of a path, the first one last.
fn parts(path: &Path) -> Vec<OsString> {
    path.components().rev().map(|part| part.as_os_str().to_owned()).collect()
}

#[cfg(test)]
mod tests;
