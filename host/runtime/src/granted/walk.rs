//! The way to a path, name by name, with an eye on directories that a job may write: what lies below one may have been
//! put there by that job.
//!
//! Must not: decide what follows from that; see [`super::reopen`].

use super::writable::{FileId, Status, Writable};
use rustix::fs::{CWD, Mode, OFlags, openat, readlinkat};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

/// Links that one way may lead through, as in the kernel (path_resolution(7)).
const LINKS: u32 = 40;

/// Longest text of a link, in bytes (`PATH_MAX`, limits.h).
const LINK_BYTES: usize = 4096;

/// What the way is guarded against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guard<'a> {
    pub writable: &'a Writable,
    /// What was left in a directory before this counts for nothing: see [`super::Record::settled`].
    pub settled: u64,
    pub links: Links,
}

/// Whether a link below a directory that a job may write is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Links {
    /// Everywhere: somebody only looks.
    Follow,
    /// Not there.
    Refuse,
}

/// What a path leads to.
#[derive(Debug)]
pub(super) struct Opened {
    /// Opened with `O_PATH`.
    pub fd: OwnedFd,
    pub status: Status,
    /// The way leads through a directory that a job may write; which one.
    pub through: Option<PathBuf>,
    /// Every directory in which a name was looked up.
    pub passed: Vec<FileId>,
}

#[derive(Debug)]
pub(super) enum Error {
    /// A link at this path, below this directory, which a job may write.
    Link {
        at: PathBuf,
        through: PathBuf,
    },
    Open(Errno),
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        Self::Open(errno)
    }
}

/// Goes the way of an absolute path. Each name is looked up in the directory that is open by then, so nobody who renames
/// meanwhile leads it past a check.
///
/// # Errors
/// It leads nowhere, or through a link that is not to be followed.
pub(super) fn walk(path: &Path, guard: Guard<'_>) -> Result<Opened, Error> {
    let mut walker =
        Walker { guard, left: parts(path), at: "/".into(), through: None, passed: Vec::new(), links_left: LINKS };
    let root = open(CWD, "/".as_ref(), OFlags::DIRECTORY)?;
    let mut opened = (root.status()?, root);
    while let Some(name) = walker.left.pop() {
        opened = walker.step(opened, name)?;
    }
    let (status, fd) = opened;
    Ok(Opened { fd, status, through: walker.through, passed: walker.passed })
}

struct Walker<'a> {
    guard: Guard<'a>,
    /// Names that are still to be looked up, the next one last.
    left: Vec<OsString>,
    /// The path of the directory that is open, for sentences.
    at: PathBuf,
    through: Option<PathBuf>,
    passed: Vec<FileId>,
    links_left: u32,
}

impl Walker<'_> {
    fn step(&mut self, (status, directory): (Status, OwnedFd), name: OsString) -> Result<(Status, OwnedFd), Error> {
        self.passed.push(status.id);
        if self.through.is_none() {
            self.through = self.guard.writable.holding(&status, self.guard.settled).map(Path::to_owned);
        }
        if name == ".." {
            self.at.pop();
            let parent = open(&directory, "..".as_ref(), OFlags::DIRECTORY)?;
            return Ok((parent.status()?, parent));
        }
        let found = open(&directory, &name, OFlags::NOFOLLOW)?;
        let found_status = found.status()?;
        if !found_status.is_link {
            self.at.push(&name);
            return Ok((found_status, found));
        }
        if let (Links::Refuse, Some(through)) = (self.guard.links, &self.through) {
            return Err(Error::Link { at: self.at.join(&name), through: through.clone() });
        }
        self.links_left = self.links_left.checked_sub(1).ok_or(Errno::LOOP)?;
        let target =
            PathBuf::from(OsString::from_vec(readlinkat(&found, "", Vec::with_capacity(LINK_BYTES))?.into_bytes()));
        if is_magic(&found)? {
            // What it leads to has no name; the kernel knows it.
            self.at.push(&name);
            let followed = open(&directory, &name, OFlags::empty())?;
            return Ok((followed.status()?, followed));
        }
        self.left.extend(parts(&target));
        if target.is_absolute() {
            self.at = "/".into();
            let root = open(CWD, "/".as_ref(), OFlags::DIRECTORY)?;
            return Ok((root.status()?, root));
        }
        Ok((status, directory))
    }
}

trait Look {
    fn status(&self) -> Result<Status, Errno>;
}

impl Look for OwnedFd {
    fn status(&self) -> Result<Status, Errno> {
        Status::of(self.as_fd())
    }
}

fn open(directory: impl AsFd, name: &OsStr, more: OFlags) -> Result<OwnedFd, Errno> {
    openat(directory, name, OFlags::PATH | OFlags::CLOEXEC | more, Mode::empty())
}

/// Links of /proc lead to what a process has open, whatever their text says (proc(5)). No job can make one.
fn is_magic(link: &OwnedFd) -> Result<bool, Errno> {
    Ok(rustix::fs::fstatfs(link)?.f_type == rustix::fs::PROC_SUPER_MAGIC)
}

/// The names of a path, the first one last.
fn parts(path: &Path) -> Vec<OsString> {
    let names = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    let mut names: Vec<OsString> = names.collect();
    names.reverse();
    names
}

#[cfg(test)]
mod tests {
    use super::super::writable::Until;
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// `writable/` is what a job may write, `other/` is not.
    fn scene() -> (tempfile::TempDir, PathBuf, Writable) {
        let directory = tempfile::tempdir().unwrap();
        let scene = directory.path();
        fs::create_dir_all(scene.join("writable/sub/deep")).unwrap();
        fs::create_dir_all(scene.join("other")).unwrap();
        fs::write(scene.join("other/file"), "").unwrap();
        let scene = scene.canonicalize().unwrap();
        let mut writable = Writable::default();
        writable.add(&scene.join("writable"), looked(&scene.join("writable")).id, Until::Now);
        (directory, scene, writable)
    }

    fn guard(writable: &Writable, links: Links) -> Guard<'_> {
        Guard { writable, settled: 0, links }
    }

    fn looked(path: &Path) -> Status {
        Status::of(fs::File::open(path).unwrap().as_fd()).unwrap()
    }

    #[test]
    fn what_lies_below_a_writable_directory_is_reached_through_it_and_the_directory_itself_is_not() {
        let (_directory, scene, writable) = scene();
        let through = |path: &str| walk(&scene.join(path), guard(&writable, Links::Refuse)).unwrap().through.is_some();
        assert!(through("writable/sub") && through("writable/sub/deep") && through("writable/../other/file"));
        assert!(!through("writable") && !through("other/file") && !through("other/../writable"));
    }

    #[test]
    fn a_link_is_followed_outside_of_writable_directories_only() {
        let (_directory, scene, writable) = scene();
        symlink("other", scene.join("current")).unwrap();
        symlink("writable/sub", scene.join("into")).unwrap();
        symlink("../../other", scene.join("writable/sub/out")).unwrap();
        symlink(scene.join("other/file"), scene.join("writable/file")).unwrap();
        let to = |path: &str, links| walk(&scene.join(path), guard(&writable, links));
        let file = looked(&scene.join("other/file"));
        let found = to("current/file", Links::Refuse).unwrap();
        assert_eq!((found.status, found.through), (file, None));
        let refused = |path: &str| match to(path, Links::Refuse) {
            Err(Error::Link { at, through }) => Some((at, through)),
            Err(Error::Open(_)) | Ok(_) => None,
        };
        let below = scene.join("writable");
        assert_eq!(refused("writable/file"), Some((below.join("file"), below.clone())));
        assert_eq!(refused("writable/sub/out/file"), Some((below.join("sub/out"), below.clone())));
        assert_eq!(refused("into/out/file"), Some((below.join("sub/out"), below.clone())));
        // Back out of it: whoever may write there has a say in what `..` of a moved directory is.
        assert_eq!(refused("writable/../into/deep").map(|(at, _)| at), Some(scene.join("into")));
        assert_eq!(to("writable/file", Links::Follow).unwrap().status, file);
    }

    #[test]
    fn what_jobs_could_write_before_the_operator_spoke_counts_for_nothing() {
        let (_directory, scene, _) = scene();
        let mut writable = Writable::default();
        writable.add(&scene.join("writable"), looked(&scene.join("writable")).id, Until::Then(3));
        let through = |settled| {
            let guard = Guard { writable: &writable, settled, links: Links::Refuse };
            walk(&scene.join("writable/sub"), guard).unwrap().through.is_some()
        };
        assert_eq!([2, 3, 4].map(through), [true, false, false]);
    }

    #[test]
    fn links_that_go_round_end() {
        let (_directory, scene, writable) = scene();
        symlink("b", scene.join("a")).unwrap();
        symlink("a", scene.join("b")).unwrap();
        assert!(matches!(walk(&scene.join("a"), guard(&writable, Links::Refuse)), Err(Error::Open(Errno::LOOP))));
    }

    #[test]
    fn what_a_process_has_open_is_found_by_its_link_in_proc() {
        let opened = walk("/proc/self/fd/0".as_ref(), guard(&Writable::default(), Links::Refuse)).unwrap();
        assert_eq!(opened.status, Status::of(std::io::stdin().as_fd()).unwrap());
    }
}
