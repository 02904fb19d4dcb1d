//! Gives slots to workers, and takes them back.
//!
//! Must not: know what a worker is for.

use super::slots::{Slot, kills};
use super::{Refusal, Spawner, Zygote};
use crate::floor::Breach;
use sandhog_protocol::plan::{Slots, Wall};
use sandhog_protocol::spawn::{WorkerId, ZygoteId};
use sandhog_sandbox::cgroup::{self, Cgroup, Created};
use std::os::fd::OwnedFd;

impl Spawner {
    /// Gives a worker this slot: the files by which it enters the slot's cgroup.
    ///
    /// # Errors
    /// Somebody is there, which no coordinator of ours asks for; or there is no cgroup to be had.
    pub(super) fn occupy(&mut self, id: ZygoteId, number: u32, worker: WorkerId) -> Result<Vec<OwnedFd>, Refusal> {
        let Some(zygote) = self.zygotes.get_mut(&id) else { return Ok(Vec::new()) };
        if zygote.slots.get(&number).is_some_and(|slot| slot.worker.is_some()) {
            return Err(Refusal::new(None, "find a slot", Breach::Slot(number)));
        }
        if !zygote.slots.contains_key(&number) {
            let cgroup = self.make_slot_cgroup(id, number)?;
            if let Some(zygote) = self.zygotes.get_mut(&id) {
                zygote.slots.insert(number, Slot::new(cgroup));
            }
        }
        let Some(slot) = self.zygotes.get_mut(&id).and_then(|zygote| zygote.slots.get_mut(&number)) else {
            return Ok(Vec::new());
        };
        slot.worker = Some(worker);
        match slot.cgroup.as_ref().map_or_else(|| Ok(Vec::new()), |cgroup| cgroup.entrances(false)) {
            Ok(entrances) => Ok(entrances),
            Err(error) => {
                slot.worker = None;
                Err(refused(error))
            }
        }
    }

    fn make_slot_cgroup(&mut self, id: ZygoteId, number: u32) -> Result<Option<Cgroup>, Refusal> {
        let Some(zygote) = self.zygotes.get(&id) else { return Ok(None) };
        let Some(Slots { memory_bytes, tasks, .. }) = zygote.plan.slots else { return Ok(None) };
        if !zygote.plan.walls.contains(&Wall::Cgroup) {
            return Ok(None);
        }
        let Some(lease) = zygote.lease.clone().or_else(|| zygote.name.clone()) else {
            return Err(Refusal::new(Some(Wall::Cgroup), cgroup::STEP, "none was handed over"));
        };
        let name = lease.slot_name(number);
        let hierarchies = self.hierarchies().map_err(refused)?;
        match cgroup::create(hierarchies, &name, memory_bytes, tasks).map_err(refused)? {
            Created::New(cgroup) => Ok(Some(cgroup)),
            Created::Occupied(cgroup) => {
                self.leftovers.end_found(cgroup, lease);
                let reason = "processes that can't be ended from here are in the cgroup of a command that was killed";
                Err(Refusal::new(Some(Wall::Cgroup), cgroup::STEP, reason))
            }
        }
    }
}

fn refused(error: cgroup::Error) -> Refusal {
    Refusal::new(Some(Wall::Cgroup), cgroup::STEP, error)
}

impl Zygote {
    /// Nobody is in this slot any more, or whoever was asked for does not come.
    pub(super) fn vacate(&mut self, slot: Option<u32>) {
        if let Some(slot) = slot.and_then(|slot| self.slots.get_mut(&slot)) {
            slot.worker = None;
        }
    }

    /// Whether the kernel has killed somebody for memory where this worker was, since the one before it.
    pub(super) fn out_of_memory(&mut self, slot: Option<u32>) -> bool {
        match slot {
            Some(slot) => self.slots.get_mut(&slot).is_some_and(Slot::out_of_memory),
            None => kills(self.cgroup.as_ref()) > 0,
        }
    }
}
