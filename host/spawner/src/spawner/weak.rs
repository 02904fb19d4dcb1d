//! Which walls stand lower than designed here, and why.

use super::Spawner;
use crate::Privilege;
use sandhog_protocol::plan::Wall;
use sandhog_protocol::spawn::WeakWall;
use sandhog_sandbox::{cgroup, landlock};

impl Spawner {
    /// The walls that this machine, or this person's rights, give less than in full.
    pub(super) fn weak_walls(&self) -> Vec<WeakWall> {
        let landlock = landlock::abi().and_then(landlock::weakness).map(|why| WeakWall { wall: Wall::Landlock, why });
        let others: Vec<WeakWall> = match &self.setting.privilege {
            Privilege::Root { weak, .. } => {
                weak.iter().map(|why| WeakWall { wall: Wall::Identity, why: why.clone() }).collect()
            }
            Privilege::Rootless { cgroups } => {
                let why = "not started as root: workers keep your user id and groups".into();
                let cgroup = cgroups.as_ref().err().map(|why| WeakWall {
                    wall: Wall::Cgroup,
                    why: format!("not started as root, and {why}: RLIMIT_NPROC and RLIMIT_DATA stand in"),
                });
                std::iter::once(WeakWall { wall: Wall::Identity, why }).chain(cgroup).collect()
            }
        };
        others.into_iter().chain(landlock).collect()
    }

    /// Known only once the hierarchies have been found.
    pub(super) fn weak_cgroup(&self) -> Vec<WeakWall> {
        let why = self.hierarchies.as_ref().and_then(cgroup::Hierarchies::weakness);
        why.map(|why| WeakWall { wall: Wall::Cgroup, why }).into_iter().collect()
    }
}
