//! Where the controllers are: mountinfo and /proc/cgroups, read as text. Pure.
//!
//! Sources: proc_pid_mountinfo(5), cgroups(7), Documentation/admin-guide/cgroup-v1/cgroups.rst and cgroup-v2.rst.

use super::controller::{Controller, Version};
use super::error::Missing;
use sandhog_sys::mountinfo;
use std::path::PathBuf;

/// A mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) version: Version,
    /// Which directory of the hierarchy is mounted.
    pub(super) root: PathBuf,
    pub(super) point: PathBuf,
    /// What it offers. Version 2 does not say so in mountinfo: see its `cgroup.controllers`.
    pub(super) controllers: Vec<String>,
}

/// A hierarchy, and what it is needed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) version: Version,
    pub(super) point: PathBuf,
    pub(super) controllers: Vec<Controller>,
}

/// The mounted hierarchies that `mountinfo` lists. A line that is none is passed over.
pub(super) fn parse(mountinfo: &str) -> Vec<Mount> {
    mountinfo.lines().filter_map(parse_line).collect()
}

/// `36 31 0:33 / /sys/fs/cgroup/memory rw … - cgroup cgroup rw,memory`
fn parse_line(line: &str) -> Option<Mount> {
    let (mount, super_block) = line.split_once(" - ")?;
    let mut paths = mount.split(' ').skip(3).map(|field| mountinfo::path(field.as_bytes()));
    let (root, point) = (paths.next()?, paths.next()?);
    let mut fields = super_block.split(' ');
    let version = match fields.next()? {
        "cgroup" => Version::V1,
        "cgroup2" => Version::V2,
        _ => return None,
    };
    let options = fields.nth(1)?.split(',').map(str::to_owned);
    let controllers = match version {
        Version::V1 => options.collect(),
        Version::V2 => Vec::new(),
    };
    Some(Mount { version, root, point, controllers })
}

/// The hierarchies that offer `wanted`, each once.
///
/// # Errors
/// The first controller that none offers, and why.
pub(super) fn choose(
    wanted: &[Controller],
    mounts: &[Mount],
    proc_cgroups: &str,
) -> Result<Vec<Choice>, (Controller, Missing)> {
    let mut choices: Vec<Choice> = Vec::new();
    for controller in wanted {
        let offers = |mount: &&Mount| mount.controllers.iter().any(|name| name == controller.name());
        let mount =
            mounts.iter().find(offers).ok_or_else(|| (*controller, reason(*controller, mounts, proc_cgroups)))?;
        match choices.iter_mut().find(|choice| choice.point == mount.point) {
            Some(choice) => choice.controllers.push(*controller),
            None => choices.push(Choice {
                version: mount.version,
                point: mount.point.clone(),
                controllers: vec![*controller],
            }),
        }
    }
    Ok(choices)
}

/// Why no mounted hierarchy offers `controller`.
fn reason(controller: Controller, mounts: &[Mount], proc_cgroups: &str) -> Missing {
    match enabled(controller, proc_cgroups) {
        None => Missing::NotBuilt,
        Some(false) => Missing::TurnedOff,
        Some(true) => match mounts.iter().find(|mount| mount.version == Version::V2) {
            Some(mount) => Missing::NotOffered(mount.point.clone()),
            None => Missing::NotMounted,
        },
    }
}

/// The column `enabled` of /proc/cgroups. None: the kernel does not know the controller.
fn enabled(controller: Controller, proc_cgroups: &str) -> Option<bool> {
    proc_cgroups.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        (fields.next()? == controller.name()).then(|| fields.nth(2) == Some("1"))
    })
}

#[cfg(test)]
mod tests {
    use super::{Choice, Controller, Missing, Mount, Version, choose, parse};

    const WANTED: [Controller; 2] = [Controller::Memory, Controller::Tasks];
    const KNOWN: &str = "#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t4\t13\t1\npids\t8\t1\t1\n";

    const HYBRID: &str = "\
        31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
        36 31 0:33 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
        39 31 0:36 / /sys/fs/cgroup/pids rw,nosuid shared:7 master:1 - cgroup cgroup rw,pids\n\
        40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n";

    fn unified(controllers: &str) -> Vec<Mount> {
        let mut mounts = parse("30 23 0:26 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
        mounts[0].controllers = controllers.split(' ').map(str::to_owned).collect();
        mounts
    }

    #[test]
    fn a_hybrid_machine_gives_its_version_1_hierarchies() {
        let mounts = parse(HYBRID);
        assert_eq!(mounts.len(), 4);
        let choice = |point: &str, controller| Choice {
            version: Version::V1,
            point: point.into(),
            controllers: vec![controller],
        };
        let expected =
            vec![choice("/sys/fs/cgroup/memory", Controller::Memory), choice("/sys/fs/cgroup/pids", Controller::Tasks)];
        assert_eq!(choose(&WANTED, &mounts, KNOWN), Ok(expected));
    }

    #[test]
    fn a_unified_machine_gives_one_hierarchy_for_both() {
        let expected = Choice { version: Version::V2, point: "/sys/fs/cgroup".into(), controllers: WANTED.to_vec() };
        assert_eq!(choose(&WANTED, &unified("cpuset cpu io memory pids"), KNOWN), Ok(vec![expected]));
    }

    #[test]
    fn a_controller_may_be_split_between_the_versions() {
        let mounts = [parse(HYBRID)[..1].to_vec(), unified("pids")].concat();
        let choices = choose(&WANTED, &mounts, KNOWN).unwrap();
        assert_eq!(choices.iter().map(|choice| choice.version).collect::<Vec<_>>(), [Version::V1, Version::V2]);
    }

    #[test]
    fn controllers_that_share_a_version_1_hierarchy_get_one_directory() {
        let mounts = parse("36 31 0:33 / /cg rw - cgroup none rw,pids,memory\n");
        let choices = choose(&WANTED, &mounts, KNOWN).unwrap();
        assert_eq!(choices.len(), 1);
        assert_eq!(choices[0].controllers, WANTED);
    }

    #[test]
    fn a_controller_that_is_missing_is_missing_for_a_reason() {
        let missing = |mounts: &[Mount], known| choose(&WANTED, mounts, known).unwrap_err();
        assert_eq!(missing(&[], KNOWN), (Controller::Memory, Missing::NotMounted));
        assert_eq!(
            missing(&unified("cpu memory"), KNOWN),
            (Controller::Tasks, Missing::NotOffered("/sys/fs/cgroup".into()))
        );
        assert_eq!(missing(&[], ""), (Controller::Memory, Missing::NotBuilt));
        assert_eq!(missing(&[], "memory 0 1 0\n"), (Controller::Memory, Missing::TurnedOff));
    }

    #[test]
    fn a_mount_point_with_odd_characters_is_read() {
        let mounts = parse(r"36 31 0:33 / /odd\040place\134x rw - cgroup none rw,memory");
        assert_eq!(mounts[0].point, std::path::Path::new(r"/odd place\x"));
    }

    #[test]
    fn lines_that_are_torn_are_passed_over() {
        for torn in ["", " - ", "36 31 - cgroup", "36 31 0:33 / /cg rw - cgroup", "36 31 0:33 / /cg rw - ext4 x rw"] {
            assert_eq!(parse(torn), []);
        }
    }
}
