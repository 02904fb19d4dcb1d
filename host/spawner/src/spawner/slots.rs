//! The place of one worker of a zygote that serves many: a cgroup, an identity and a map of ids, which those who are there after
//! each other share.
//!
//! Must not: decide who comes into a slot, or when; that is the coordinator's business.

use sandhog_protocol::spawn::WorkerId;
use sandhog_sandbox::cgroup::Cgroup;
use std::os::fd::OwnedFd;
use std::rc::Rc;

/// One place.
#[derive(Default)]
pub(super) struct Slot {
    pub(super) cgroup: Option<Cgroup>,
    /// What its directories are mapped by, once there were some.
    pub(super) id_map: Option<Rc<OwnedFd>>,
    /// Whoever is in it, or was asked for.
    pub(super) worker: Option<WorkerId>,
    /// How often the kernel had killed in its cgroup when the last worker had ended.
    kills: u64,
}

impl Slot {
    pub(super) fn new(cgroup: Option<Cgroup>) -> Self {
        Self { cgroup, ..Self::default() }
    }

    /// Whether the kernel has killed somebody here for memory since this was asked last.
    pub(super) fn out_of_memory(&mut self) -> bool {
        let now = kills(self.cgroup.as_ref());
        std::mem::replace(&mut self.kills, now) < now
    }
}

/// 0 where nothing counts.
pub(super) fn kills(cgroup: Option<&Cgroup>) -> u64 {
    cgroup.and_then(|cgroup| cgroup.kills().ok()).unwrap_or(0)
}
