//! Which walls stand lower than designed here, and why.

use super::Spawner;
use crate::Privilege;
use sandhog_protocol::plan::Wall;
use sandhog_protocol::spawn::WeakWall;
use sandhog_sandbox::{cgroup, landlock};

impl Spawner {
    /// The walls that this machine, or this person's rights, give less than in full.
    pub(super) fn weak_walls(&self) -> Vec<WeakWall> {
        let landlock =
            landlock::abi().and_then(landlock::weakness).map(|reason| WeakWall { wall: Wall::Landlock, reason });
        let others: Vec<WeakWall> = match &self.setting.privilege {
            Privilege::Root { weak, .. } => {
                weak.iter().map(|reason| WeakWall { wall: Wall::Identity, reason: reason.clone() }).collect()
            }
            Privilege::Rootless { cgroups } => {
                let reason = "not started as root: workers keep your user id and groups".into();
                let cgroup = cgroups.as_ref().err().map(|reason| WeakWall {
                    wall: Wall::Cgroup,
                    reason: format!("not started as root, and {reason}: RLIMIT_NPROC and RLIMIT_DATA stand in"),
                });
                std::iter::once(WeakWall { wall: Wall::Identity, reason }).chain(cgroup).collect()
            }
        };
        others.into_iter().chain(landlock).collect()
    }

    /// Known only once the hierarchies have been found.
    pub(super) fn weak_cgroup(&self) -> Vec<WeakWall> {
        let reason = self.hierarchies.as_ref().and_then(cgroup::Hierarchies::weakness);
        reason.map(|reason| WeakWall { wall: Wall::Cgroup, reason }).into_iter().collect()
    }
}
