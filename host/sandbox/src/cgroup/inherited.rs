//! The cgroups that whoever started this process has put it in, and the way out of them.
//!
//! They are left where that is allowed: the end of a unit of systemd's (a login session, the terminal's scope, a service) is no
//! end of a daemon, and a limit was meant for whoever called for it. The way leads to where the first process is: limits of the
//! whole machine, or of a container, hold on. Sources: cgroups(7), systemd.scope(5), systemd.kill(5).

use super::delegated;
use super::files::{open_directory, read_path, write_file};
use super::mounts::{self, Mount};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// What a cgroup is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// A login session: logging out may end what is in it.
    Session,
    /// Another unit: what is in it ends with it.
    Unit,
    /// Somebody else's.
    Other,
}

/// A cgroup that this process is still in.
#[derive(Debug)]
pub struct Kept {
    /// As /proc/self/cgroup has it, where a whole hierarchy is mounted.
    pub path: PathBuf,
    pub nature: Nature,
    /// Why it could not be left.
    pub cause: io::Error,
}

/// Goes where the first process is. What could not be left, each path once.
///
/// # Errors
/// /proc can't be read.
pub fn leave() -> io::Result<Vec<Kept>> {
    let read = |path: &str| read_path(path).map_err(io::Error::other);
    let (mountinfo, own, first) = (read("/proc/self/mountinfo")?, read("/proc/self/cgroup")?, read("/proc/1/cgroup")?);
    let mut kept: Vec<Kept> = Vec::new();
    for (path, to) in ways(&mountinfo, &own, &first) {
        if let Err(cause) = enter(&to)
            && kept.iter().all(|other| other.path != path)
        {
            kept.push(Kept { nature: nature(&path), path, cause });
        }
    }
    Ok(kept)
}

/// Of each hierarchy in which this process is not where the first one is: where it is, and the directory to go to. A service
/// manager's own unit is no place for others, so that its place is the root.
fn ways(mountinfo: &str, own: &str, first: &str) -> Vec<(PathBuf, PathBuf)> {
    let firsts = paths(mountinfo, first);
    let ways = paths(mountinfo, own).into_iter().filter_map(|(root, path)| {
        let first = firsts.iter().find(|(other, _)| *other == root).map(|(_, first)| first);
        let to = match first {
            Some(first) if *first == path => return None,
            Some(first) if nature(first) == Nature::Other => root.join(first.strip_prefix("/").unwrap_or(first)),
            Some(_) | None => root,
        };
        Some((path, to))
    });
    ways.collect()
}

/// The visible root of each hierarchy that this process is not at, and where it is below.
fn paths(mountinfo: &str, proc_cgroup: &str) -> Vec<(PathBuf, PathBuf)> {
    let below = |mount: &Mount| {
        let own = delegated::own(vec![mount.clone()], proc_cgroup).pop()?;
        let path = own.point.strip_prefix(&mount.point).ok()?;
        (path != Path::new("")).then(|| (mount.point.clone(), Path::new("/").join(path)))
    };
    mounts::parse(mountinfo).iter().filter_map(below).collect()
}

/// The innermost part that is a unit decides.
fn nature(path: &Path) -> Nature {
    let names = path.iter().rev().filter_map(|name| name.to_str());
    let unit = names.into_iter().find(|name| name.ends_with(".scope") || name.ends_with(".service"));
    match unit {
        Some(name) if name.starts_with("session-") && name.ends_with(".scope") => Nature::Session,
        Some(_) => Nature::Unit,
        None => Nature::Other,
    }
}

fn enter(directory: &Path) -> io::Result<()> {
    let directory = open_directory(rustix::fs::CWD, directory)?;
    write_file(directory.as_fd(), "cgroup.procs", "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
        36 31 0:33 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

    #[test]
    fn what_is_at_a_root_is_in_nobodys_cgroup() {
        assert_eq!(paths(MOUNTS, "4:memory:/\n0::/\n"), []);
        let part = "30 23 0:26 /machine /cg rw - cgroup2 cgroup2 rw\n";
        assert_eq!(paths(part, "0::/machine\n"), []);
        assert_eq!(paths(part, "0::/machine/a.scope\n"), [("/cg".into(), "/a.scope".into())]);
    }

    #[test]
    fn each_hierarchy_has_its_own() {
        let found = paths(MOUNTS, "4:memory:/ci/job\n0::/user.slice/user-0.slice/session-3.scope\n");
        let session = "/user.slice/user-0.slice/session-3.scope";
        assert_eq!(
            found,
            [("/sys/fs/cgroup/memory".into(), "/ci/job".into()), ("/sys/fs/cgroup/unified".into(), session.into())]
        );
    }

    #[test]
    fn the_way_leads_to_where_the_first_process_is() {
        let own = "4:memory:/ci/job\n0::/user.slice/user-0.slice/session-3.scope\n";
        let session = PathBuf::from("/user.slice/user-0.slice/session-3.scope");
        let at = |memory: &str, unified: &str| ways(MOUNTS, own, &format!("4:memory:{memory}\n0::{unified}\n"));
        let (memory, unified) = (PathBuf::from("/sys/fs/cgroup/memory"), PathBuf::from("/sys/fs/cgroup/unified"));
        let both = [("/ci/job".into(), memory.clone()), (session.clone(), unified.clone())];
        assert_eq!(at("/", "/init.scope"), both);
        // The limits of a container are nobody's who called.
        assert_eq!(at("/ci/job", "/"), [(session.clone(), unified)]);
        assert_eq!(at("/ci", session.to_str().unwrap()), [("/ci/job".into(), memory.join("ci"))]);
    }

    #[test]
    fn the_innermost_unit_says_what_a_cgroup_is() {
        let cases = [
            ("/user.slice/user-0.slice/session-3.scope", Nature::Session),
            ("/user.slice/user-1.slice/session-c2.scope/below", Nature::Session),
            ("/user.slice/user-1.slice/user@1.service/app.slice/terminal.scope", Nature::Unit),
            ("/user.slice/user-1.slice/session-2.scope/job.service", Nature::Unit),
            ("/system.slice/cron.service", Nature::Unit),
            ("/system.slice", Nature::Other),
            ("/ci/session-3", Nature::Other),
        ];
        for (path, is) in cases {
            assert_eq!(nature(Path::new(path)), is, "{path}");
        }
    }
}
