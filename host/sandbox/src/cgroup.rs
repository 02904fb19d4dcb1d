//! The wall that counts what many processes use together: memory with swap, and tasks. For the privileged
//! spawner, as root or in a cgroup that was handed over; else RLIMIT_NPROC and the data limit stand in for it.
//!
//! It must not decide how much a job gets, and it must not walk a path twice: [`discover`] opens one directory,
//! `sandhog`, in each hierarchy that is needed (one on a version 2 machine, one or two on a version 1 machine), and
//! everything else is relative to that fd, so that a later pivot does not matter. That directory stays when the
//! last cgroup in it is gone: another command may be about to use it.
//!
//! Root's cgroups are made at the visible root of a hierarchy, not below the caller's own cgroup: version 2 lets no cgroup
//! have both processes and limited children. Others have theirs below their own ([`mod@delegated`]).
//!
//! Which kernel document says what: see [`mounts`] and [`settings`].

mod controller;
mod delegated;
mod error;
mod files;
mod hierarchies;
mod inherited;
mod mounts;
mod name;
mod settings;
#[cfg(test)]
mod tests;

pub use controller::{Controller, Version};
pub use error::{Error, Missing};
use files::{open_directory, read_file, read_path, write_file, write_setting};
pub use hierarchies::Hierarchies;
use hierarchies::Hierarchy;
pub use inherited::{Kept, Nature, leave};
use rustix::{
    fs::{AtFlags, Mode, OFlags},
    io::Errno,
    process::{Pid, PidfdFlags, Signal},
};
use settings::Limits;
use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    sync::Arc,
};

/// The step of a zygote's start that this wall is, as in its failures.
pub const STEP: &str = "limit a cgroup";

/// Finds the hierarchies, makes the directory `sandhog` in each, and lets its children be limited. Once, before any
/// pivot; as root.
///
/// # Errors
/// [`Error::Missing`] says what the machine lacks; the others, which step failed.
pub fn discover() -> Result<Hierarchies, Error> {
    let mut mounts = mounts::parse(&read_path("/proc/self/mountinfo")?);
    for mount in mounts.iter_mut().filter(|mount| mount.version == Version::V2) {
        let offered = read_path(mount.point.join("cgroup.controllers"))?;
        mount.controllers = offered.split_ascii_whitespace().map(str::to_owned).collect();
    }
    let known = read_path("/proc/cgroups")?;
    let choices = mounts::choose(&Controller::ALL, &mounts, &known)
        .map_err(|(controller, reason)| Error::Missing { controller, reason })?;
    Hierarchies::open(&choices)
}

/// The hierarchies in which this process's own cgroup was handed over to it, ready as after [`discover`]. In version 2 it
/// then is in a child of that cgroup, with all that it starts. While it has one thread.
///
/// # Errors
/// As for [`discover`]; [`Error::Shared`] where somebody else is in it as well.
pub fn delegated() -> Result<Hierarchies, Error> {
    let mounts = mounts::parse(&read_path("/proc/self/mountinfo")?);
    let (own, known) = (read_path("/proc/self/cgroup")?, read_path("/proc/cgroups")?);
    delegated::take(mounts, &own, &known, rustix::process::getpid().as_raw_nonzero().get())
}

/// A cgroup of ours: one directory in each hierarchy. Dropping it removes it, if it is empty by then.
#[derive(Debug)]
pub struct Cgroup {
    name: String,
    directories: Vec<CgroupDirectory>,
}

/// A cgroup's directory in one hierarchy.
#[derive(Debug)]
struct CgroupDirectory {
    hierarchy: Arc<Hierarchy>,
    fd: OwnedFd,
}

/// What became of a wish for a cgroup.
#[derive(Debug)]
#[must_use]
pub enum Created {
    /// With its limits; nobody is in it yet.
    New(Cgroup),
    /// Somebody who was killed has left one of this name behind, and it does not go at once: here it is, to be ended.
    Occupied(Cgroup),
}

/// Makes the cgroup `name` with its limits.
///
/// - `name`: letters, digits, `-` and `_`, at most 64. The caller alone has the right to it: what bears it already was
///   left behind by somebody who was killed, and goes first.
/// - `memory_bytes`: memory and swap together. Linux rounds down to whole pages.
/// - `tasks`: processes and threads.
///
/// # Errors
/// The step that failed; nothing is left behind.
pub fn create(hierarchies: &Hierarchies, name: &str, memory_bytes: u64, tasks: u32) -> Result<Created, Error> {
    if !name::is_name(name) {
        return Err(Error::Name { name: name.to_owned() });
    }
    let cgroup = match make(hierarchies, name) {
        Err(Error::Make { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
            let mut left = left_behind(hierarchies, name);
            if left.end().is_err() {
                return Ok(Created::Occupied(left));
            }
            make(hierarchies, name)?
        }
        made => made?,
    };
    cgroup.limit(Limits { memory_bytes, tasks })?;
    Ok(Created::New(cgroup))
}

fn make(hierarchies: &Hierarchies, name: &str) -> Result<Cgroup, Error> {
    let mut cgroup = Cgroup { name: name.to_owned(), directories: Vec::new() };
    for hierarchy in &hierarchies.hierarchies {
        let directory =
            CgroupDirectory::make(hierarchy, name).map_err(|source| Error::Make { name: name.to_owned(), source })?;
        cgroup.directories.push(directory);
    }
    Ok(cgroup)
}

/// What there is of a cgroup that somebody else made. In some hierarchies it may never have been made, or be removed already.
fn left_behind(hierarchies: &Hierarchies, name: &str) -> Cgroup {
    let opened = hierarchies.hierarchies.iter().map(|hierarchy| CgroupDirectory::open(hierarchy, name));
    Cgroup { name: name.to_owned(), directories: opened.filter_map(Result::ok).collect() }
}

/// Whether this machine has nothing but version 2, as far as one look tells: then it is worth while to have the cgroup before
/// the process, which can be born in it.
#[must_use]
pub fn is_unified() -> bool {
    /// `CGROUP2_SUPER_MAGIC`: include/uapi/linux/magic.h.
    const VERSION_2: u64 = 0x6367_7270;
    rustix::fs::statfs("/sys/fs/cgroup").is_ok_and(|status| status.f_type.cast_unsigned() == VERSION_2)
}

/// Moves the caller, which has one thread, by the files of [`Cgroup::entrances`]. Whoever opened them needs the right to, not
/// the caller. Its later children are started there. Memory that it already has stays counted where it was.
///
/// # Errors
/// As write(2). It may be in a part of the hierarchies then.
pub fn enter_by(entrances: &[OwnedFd]) -> io::Result<()> {
    entrances.iter().try_for_each(|file| match rustix::io::retry_on_intr(|| rustix::io::write(file, b"0"))? {
        1 => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    })
}

impl Cgroup {
    /// The files by which a process enters those parts of the cgroup that it was not born into, once it has started: see
    /// [`enter_by`]. `born`: it was born where [`Self::start_directory`] is.
    ///
    /// `tasks` for itself, not `cgroup.procs` for somebody else: a thread that moves itself can't end or exec meanwhile, so the
    /// kernel takes no global lock, whose taking lets the writer wait for an RCU grace period after any quiet
    /// (`cgroup_procs_write_start` in kernel/cgroup/cgroup.c; measured: 40 microseconds against 15 ms).
    ///
    /// # Errors
    /// [`Error::Enter`].
    pub fn entrances(&self, born: bool) -> Result<Vec<OwnedFd>, Error> {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let directories = self.directories.iter().filter_map(|directory| match directory.hierarchy.version {
            Version::V1 => Some((directory, "tasks")),
            Version::V2 if born => None,
            Version::V2 => Some((directory, "cgroup.procs")),
        });
        let opened = directories.map(|(directory, file)| rustix::fs::openat(&directory.fd, file, flags, Mode::empty()));
        let opened: Result<_, Errno> = opened.collect();
        opened.map_err(|errno| Error::Enter { name: self.name.clone(), source: errno.into() })
    }

    /// The directory into whose cgroup a child can be forked: the version 2 one, if there is one. No write can move a
    /// process there without the wait that `tasks` avoids.
    pub fn start_directory(&self) -> Option<BorrowedFd<'_>> {
        self.directories
            .iter()
            .find(|directory| directory.hierarchy.version == Version::V2)
            .map(|directory| directory.fd.as_fd())
    }

    /// How many processes the kernel has killed in here because the memory limit was reached. 0 also before Linux 4.13, which
    /// does not count.
    ///
    /// # Errors
    /// [`Error::Count`].
    pub fn kills(&self) -> Result<u64, Error> {
        let mut kills = 0;
        for directory in self.directories.iter().filter(|directory| directory.limits(Controller::Memory)) {
            let file = settings::kills_file(directory.hierarchy.version);
            let content = read_file(directory.fd.as_fd(), file).map_err(|source| Error::Count {
                name: self.name.clone(),
                file,
                source,
            })?;
            kills += settings::kills(&content).unwrap_or(0);
        }
        Ok(kills)
    }

    /// Removes the cgroup if nobody is in it, which the kernel alone can say for certain; else kills everything in it, for
    /// the next call to find it empty.
    ///
    /// Version 2 kills in one step, whatever the pid namespace (`cgroup.kill`, Linux 5.14). Version 1 has none: each
    /// process is killed by its pidfd, after a second look that it is still in here; the limit on tasks bounds how many
    /// there can be. Version 1 does not even list a process that is in no pid namespace below the caller's: then nobody is
    /// killed, and the cgroup stays for as long as that process lives.
    ///
    /// # Errors
    /// It is not gone yet. [`Error::Remove`]: somebody was in it, and has been killed. [`Error::Kill`],
    /// [`Error::Foreign`]: or could not be.
    pub fn end(&mut self) -> Result<(), Error> {
        let Err(removed) = self.remove() else { return Ok(()) };
        self.directories.iter().try_for_each(|directory| self.kill_round(directory))?;
        Err(removed)
    }

    /// Kills what is in one directory now.
    fn kill_round(&self, directory: &CgroupDirectory) -> Result<(), Error> {
        let failed = |source| Error::Kill { name: self.name.clone(), source };
        if directory.kill_at_once().map_err(failed)? {
            return Ok(());
        }
        let pids: Option<Vec<Pid>> = directory.processes().map_err(failed)?.into_iter().map(Pid::from_raw).collect();
        directory.kill_each(&pids.ok_or_else(|| Error::Foreign { name: self.name.clone() })?).map_err(failed)
    }

    fn limit(&self, limits: Limits) -> Result<(), Error> {
        for directory in &self.directories {
            let Hierarchy { version, controllers, .. } = &*directory.hierarchy;
            for setting in settings::settings(*version, controllers, limits) {
                let file = setting.file;
                write_setting(directory.fd.as_fd(), &setting).map_err(|source| Error::Limit {
                    name: self.name.clone(),
                    file,
                    source,
                })?;
            }
        }
        Ok(())
    }

    /// Removes it from those hierarchies in which nobody is in it. It is fine where it was not there.
    fn remove(&mut self) -> Result<(), Error> {
        let Self { name, directories } = self;
        let mut result = Ok(());
        directories.retain(|directory| {
            match rustix::fs::unlinkat(&directory.hierarchy.home, &*name, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => false,
                Err(errno) => {
                    result = Err(Error::Remove { name: name.clone(), source: errno.into() });
                    true
                }
            }
        });
        result
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Nobody is left to be told; the sweep at the next start removes what stays.
        let _ = self.remove();
    }
}

impl CgroupDirectory {
    fn make(hierarchy: &Arc<Hierarchy>, name: &str) -> io::Result<Self> {
        rustix::fs::mkdirat(&hierarchy.home, name, Mode::from_raw_mode(0o755))?;
        Self::open(hierarchy, name).inspect_err(|_| {
            let _ = rustix::fs::unlinkat(&hierarchy.home, name, AtFlags::REMOVEDIR);
        })
    }

    fn open(hierarchy: &Arc<Hierarchy>, name: &str) -> io::Result<Self> {
        let directory = open_directory(hierarchy.home.as_fd(), Path::new(name))?;
        Ok(Self { hierarchy: Arc::clone(hierarchy), fd: directory })
    }

    fn limits(&self, controller: Controller) -> bool {
        self.hierarchy.controllers.contains(&controller)
    }

    /// Process ids as the kernel shows them to the caller. One that its pid namespace can't see is 0 in version 2, and
    /// absent in version 1.
    fn processes(&self) -> io::Result<Vec<i32>> {
        let list = read_file(self.fd.as_fd(), "cgroup.procs")?;
        let pids = list.split_ascii_whitespace().map(|pid| pid.parse().map_err(io::Error::other));
        pids.collect()
    }

    /// False: this kernel has no such thing.
    fn kill_at_once(&self) -> io::Result<bool> {
        match self.hierarchy.version {
            Version::V1 => Ok(false),
            Version::V2 => match write_file(self.fd.as_fd(), "cgroup.kill", "1") {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                other => other.map(|()| true),
            },
        }
    }

    /// A pid may have been given to somebody else since it was read. So it is held first, by a pidfd, and
    /// then has to be listed still.
    fn kill_each(&self, pids: &[Pid]) -> io::Result<()> {
        let mut held = Vec::new();
        for pid in pids {
            match rustix::process::pidfd_open(*pid, PidfdFlags::empty()) {
                Ok(pidfd) => held.push((*pid, pidfd)),
                Err(Errno::SRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let listed = self.processes()?;
        for (pid, pidfd) in held {
            if listed.contains(&pid.as_raw_nonzero().get()) {
                match rustix::process::pidfd_send_signal(pidfd, Signal::KILL) {
                    Ok(()) | Err(Errno::SRCH) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}

/// The cgroups whose names `is_stale` says yes to, to be ended: what others left behind when they were killed. It must say no
/// to a name whose owner is alive.
///
/// # Errors
/// [`Error::List`].
pub fn stale(hierarchies: &Hierarchies, mut is_stale: impl FnMut(&str) -> bool) -> Result<Vec<Cgroup>, Error> {
    let names = hierarchies.names()?.into_iter().filter(|name| is_stale(name));
    Ok(names.map(|name| left_behind(hierarchies, &name)).collect())
}
