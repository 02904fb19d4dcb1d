//! Cgroups for whoever is not root: this process's own, where somebody has handed it over (systemd by `Delegate=`, an operator
//! by chown), has cgroups of ours below it. Which directory that is, is read as text.
//!
//! Sources: cgroups(7), Documentation/admin-guide/cgroup-v2.rst ("Delegation", "No Internal Process Constraint"), systemd's
//! "Control Group APIs and Delegation".

use super::controller::{Controller, Version};
use super::error::{Error, Missing};
use super::files::{open_directory, read_file, write_file};
use super::hierarchies::Hierarchies;
use super::mounts::{self, Choice, Mount};
use rustix::fs::{Access, AtFlags, Mode, accessat, fstat};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

/// Version 2: where this process goes, since no cgroup has both processes and limited children.
const ASIDE: &str = "sandhog-itself";

/// The directories of the cgroups that this process is in, in place of the hierarchies' roots.
pub(super) fn own(mounts: Vec<Mount>, proc_cgroup: &str) -> Vec<Mount> {
    let own = |mount: Mount| Some(Mount { point: directory(&mount, proc_cgroup)?, ..mount });
    mounts.into_iter().filter_map(own).collect()
}

/// Where /proc/self/cgroup says that this process is in a mounted hierarchy: `4:memory:/path`, version 2 `0::/path`.
fn directory(mount: &Mount, proc_cgroup: &str) -> Option<PathBuf> {
    let path = proc_cgroup.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let is_its = match mount.version {
            Version::V1 => controllers.split(',').any(|name| mount.controllers.iter().any(|other| other == name)),
            Version::V2 => number == "0" && controllers.is_empty(),
        };
        is_its.then(|| Path::new(path))
    })?;
    // Of a mount of a part of the hierarchy only that part can be reached; `..` shows what lies outside of a cgroup namespace.
    let below = path.strip_prefix(&mount.root).ok()?;
    let is_below = below.components().all(|part| matches!(part, Component::Normal(_)));
    is_below.then(|| mount.point.join(below))
}

/// Makes this process's own cgroups ready for children with limits. It has one thread.
///
/// # Errors
/// None was handed over, or somebody else is in it.
pub(super) fn take(mounts: Vec<Mount>, proc_cgroup: &str, proc_cgroups: &str, me: i32) -> Result<Hierarchies, Error> {
    let mut own = own(mounts, proc_cgroup);
    own.retain(|mount| is_handed_over(mount).unwrap_or(false));
    for mount in own.iter_mut().filter(|mount| mount.version == Version::V2) {
        let offered =
            open_directory(rustix::fs::CWD, &mount.point).and_then(|own| read_file(own.as_fd(), "cgroup.controllers"));
        mount.controllers = offered.unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect();
    }
    let choices = mounts::choose(&Controller::ALL, &own, proc_cgroups).map_err(|(controller, reason)| {
        let reason = match reason {
            Missing::NotMounted | Missing::NotOffered(_) => Missing::NotHandedOver,
            Missing::NotBuilt | Missing::TurnedOff | Missing::NotHandedOver => reason,
        };
        Error::Missing { controller, reason }
    })?;
    for choice in choices.iter().filter(|choice| choice.version == Version::V2) {
        step_aside(choice, me)?;
    }
    Hierarchies::open(&choices)
}

/// The directory is this user's own, and so are the files that it takes to have children in it.
fn is_handed_over(mount: &Mount) -> io::Result<bool> {
    let directory = open_directory(rustix::fs::CWD, &mount.point)?;
    let files: &[&str] = match mount.version {
        Version::V1 => &["tasks"],
        Version::V2 => &["cgroup.procs", "cgroup.subtree_control"],
    };
    let writable = |file: &&str| accessat(&directory, *file, Access::WRITE_OK, AtFlags::empty()).is_ok();
    Ok(fstat(&directory)?.st_uid == rustix::process::geteuid().as_raw() && files.iter().all(writable))
}

/// Moves this process out of the way, if it is alone: other people's processes stay where they are.
fn step_aside(choice: &Choice, me: i32) -> Result<(), Error> {
    let failed = |source: io::Error| Error::Home { path: choice.point.join(ASIDE), source };
    let own = open_directory(rustix::fs::CWD, &choice.point).map_err(failed)?;
    let processes = read_file(own.as_fd(), "cgroup.procs").map_err(failed)?;
    if processes.split_ascii_whitespace().ne([me.to_string().as_str()]) {
        return Err(Error::Shared { path: choice.point.clone() });
    }
    let aside = make(&own).map_err(failed)?;
    write_file(aside.as_fd(), "cgroup.procs", "0").map_err(failed)
}

fn make(own: &OwnedFd) -> io::Result<OwnedFd> {
    match rustix::fs::mkdirat(own, ASIDE, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => open_directory(own.as_fd(), Path::new(ASIDE)),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::mounts::parse;
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    const KNOWN: &str = "#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t4\t13\t1\npids\t8\t1\t1\n";

    const SPLIT: &str = "\
        36 31 0:33 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
        39 31 0:36 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

    fn points(mountinfo: &str, own_cgroups: &str) -> Vec<String> {
        own(parse(mountinfo), own_cgroups).into_iter().map(|mount| mount.point.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_process_s_own_directories_are_those_of_its_lines() {
        let lines = "8:pids:/a\n4:memory:/b/c\n3:cpuset:/x\n1:name=systemd:/y\n0::/user.slice/sandhog.service\n";
        assert_eq!(
            points(SPLIT, lines),
            ["/sys/fs/cgroup/memory/b/c", "/sys/fs/cgroup/pids/a", "/sys/fs/cgroup/unified/user.slice/sandhog.service"]
        );
        let both = "36 31 0:33 / /cg rw - cgroup none rw,pids,memory\n";
        assert_eq!(points(both, "4:memory,pids:/a:b\n"), ["/cg/a:b"]);
    }

    #[test]
    fn of_a_mount_of_a_part_only_that_part_is_reached() {
        let part = "30 23 0:26 /machine /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(points(part, "0::/machine/a\n"), ["/sys/fs/cgroup/a"]);
        assert_eq!(points(part, "0::/machine\n"), ["/sys/fs/cgroup/"]);
        for elsewhere in
            ["0::/machines/a\n", "0::/other\n", "0::/machine/../a\n", "0::/../a\n", "0::\n", "0:/machine\n", ""]
        {
            assert!(points(part, elsewhere).is_empty(), "{elsewhere:?}");
        }
    }

    /// A version 2 hierarchy with one cgroup `unit`, which this user owns.
    struct Fake(tempfile::TempDir);

    impl Fake {
        fn new(controllers: &str, processes: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path();
            for directory in [root.join("unit"), root.join("unit").join(ASIDE), root.join("unit/sandhog")] {
                fs::create_dir_all(&directory).unwrap();
                for file in ["cgroup.procs", "cgroup.subtree_control"] {
                    fs::write(directory.join(file), "").unwrap();
                }
            }
            fs::write(root.join("unit/cgroup.controllers"), controllers).unwrap();
            fs::write(root.join("unit/cgroup.procs"), processes).unwrap();
            Self(folder)
        }

        fn take(&self, own: &str) -> Result<Hierarchies, Error> {
            let line = format!("30 23 0:26 / {} rw - cgroup2 cgroup2 rw\n", self.0.path().display());
            take(parse(&line), own, KNOWN, 77)
        }

        fn read(&self, file: &str) -> String {
            fs::read_to_string(self.0.path().join("unit").join(file)).unwrap()
        }
    }

    #[test]
    fn a_process_that_is_alone_in_its_own_cgroup_steps_aside_and_has_children_limited() {
        let fake = Fake::new("cpu memory pids\n", "77\n");
        let hierarchies = fake.take("0::/unit\n").unwrap();
        assert_eq!(fake.read("sandhog-itself/cgroup.procs"), "0");
        assert_eq!(fake.read("cgroup.subtree_control"), "+memory +pids");
        assert_eq!(fake.read("sandhog/cgroup.subtree_control"), "+memory +pids");
        assert!(hierarchies.locks().is_ok());
    }

    #[test]
    fn a_cgroup_with_other_processes_is_left_as_it_is() {
        for processes in ["77\n78\n", "78\n", "0\n77\n", ""] {
            let fake = Fake::new("memory pids", processes);
            assert!(matches!(fake.take("0::/unit\n"), Err(Error::Shared { .. })), "{processes:?}");
            assert_eq!(
                (fake.read("sandhog-itself/cgroup.procs"), fake.read("cgroup.subtree_control")),
                Default::default()
            );
        }
    }

    #[test]
    fn a_cgroup_that_is_not_handed_over_is_not_used() {
        let refused = |answer: Result<Hierarchies, Error>| {
            matches!(answer, Err(Error::Missing { reason: Missing::NotHandedOver, .. }))
        };
        assert!(refused(Fake::new("cpu pids", "77").take("0::/unit\n")));
        assert!(refused(Fake::new("", "77").take("0::/unit\n")));
        assert!(refused(Fake::new("memory pids", "77").take("0::/other\n")));
        let fake = Fake::new("memory pids", "77");
        fs::remove_file(fake.0.path().join("unit/cgroup.subtree_control")).unwrap();
        assert!(refused(fake.take("0::/unit\n")));
        // Root may write everywhere, and is asked for its own directory only.
        if !rustix::process::geteuid().is_root() {
            let fake = Fake::new("memory pids", "77");
            fs::set_permissions(fake.0.path().join("unit/cgroup.procs"), fs::Permissions::from_mode(0o444)).unwrap();
            assert!(refused(fake.take("0::/unit\n")));
        } else {
            let fake = Fake::new("memory pids", "77");
            std::os::unix::fs::chown(fake.0.path().join("unit"), Some(54_321), None).unwrap();
            assert!(refused(fake.take("0::/unit\n")));
        }
    }
}
