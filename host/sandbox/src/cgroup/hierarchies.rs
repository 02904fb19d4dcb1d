//! The hierarchies that are needed: in each of them the directory of all our cgroups, opened once and ready for children
//! with limits.
//!
//! Must not: choose where they are (`mounts` and `delegated` do), or touch a single cgroup.

use super::controller::{Controller, Version};
use super::error::Error;
use super::files::{children, make_home, open_directory, read_file, write_file};
use super::mounts::Choice;
use super::name::HOME;
use super::settings;
use rustix::fs::{AtFlags, Mode, OFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

/// One hierarchy that is needed.
#[derive(Debug)]
pub(super) struct Hierarchy {
    pub(super) version: Version,
    pub(super) controllers: Vec<Controller>,
    /// Where `home` is, for messages.
    path: PathBuf,
    /// The directory of all our cgroups.
    pub(super) home: OwnedFd,
}

/// The hierarchies that limit memory and tasks on this machine.
#[derive(Clone, Debug)]
pub struct Hierarchies {
    pub(super) hierarchies: Vec<Arc<Hierarchy>>,
    pub(super) swap_is_limited: bool,
}

impl Hierarchies {
    /// A file of the first one's, open for writing: whoever has cgroups here has this file, and may lock bytes of it
    /// (fcntl(2)), which a cgroup's own file system leaves to the kernel.
    ///
    /// # Errors
    /// As open(2).
    pub fn locks(&self) -> io::Result<OwnedFd> {
        let home = self.hierarchies.first().ok_or(io::ErrorKind::NotFound)?.home.as_fd();
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        Ok(rustix::fs::openat(home, "cgroup.procs", flags, Mode::empty())?)
    }

    /// Its descriptors.
    pub fn as_fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.hierarchies.iter().map(|hierarchy| hierarchy.home.as_fd())
    }

    pub(super) fn open(choices: &[Choice]) -> Result<Self, Error> {
        let hierarchies: Result<Vec<_>, _> =
            choices.iter().map(|choice| Hierarchy::open(choice).map(Arc::new)).collect();
        let hierarchies = hierarchies?;
        let swap_is_limited = hierarchies.iter().any(|hierarchy| hierarchy.limits_swap());
        Ok(Self { hierarchies, swap_is_limited })
    }

    /// What this machine's cgroups leave open, a sentence for people. None: nothing.
    pub fn weakness(&self) -> Option<String> {
        // No such file: a kernel without swap.
        let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
        settings::swap_weakness(self.swap_is_limited, &swaps)
    }

    /// The names of all our cgroups, whoever made them.
    pub(super) fn names(&self) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        for hierarchy in &self.hierarchies {
            let listed = children(hierarchy.home.as_fd());
            names.extend(listed.map_err(|source| Error::List { path: hierarchy.path.clone(), source })?);
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

impl Hierarchy {
    pub(super) fn open(choice: &Choice) -> Result<Self, Error> {
        let Choice { version, point, controllers } = choice;
        let mount = open_directory(rustix::fs::CWD, point);
        let mount = mount.map_err(|source| Error::Open { path: point.clone(), source })?;
        let path = point.join(HOME);
        enable(*version, controllers, mount.as_fd(), point)?;
        let home = make_home(mount.as_fd()).map_err(|source| Error::Home { path: path.clone(), source })?;
        enable(*version, controllers, home.as_fd(), &path)?;
        Ok(Self { version: *version, controllers: controllers.clone(), path, home })
    }

    fn limits_swap(&self) -> bool {
        let file = settings::swap_file(self.version);
        self.controllers.contains(&Controller::Memory)
            && rustix::fs::accessat(&self.home, file, rustix::fs::Access::EXISTS, AtFlags::empty()).is_ok()
    }
}

/// Version 2: lets children have these controllers. Version 1 knows no such step.
fn enable(version: Version, controllers: &[Controller], directory: BorrowedFd<'_>, path: &Path) -> Result<(), Error> {
    const FILE: &str = "cgroup.subtree_control";
    match version {
        Version::V1 => Ok(()),
        Version::V2 => {
            let enabled = read_file(directory, FILE).map_err(|source| Error::Read { path: path.join(FILE), source })?;
            settings::enable(controllers, &enabled)
                .map_or(Ok(()), |words| write_file(directory, FILE, &words))
                .map_err(|source| Error::Enable { path: path.to_owned(), source })
        }
    }
}
