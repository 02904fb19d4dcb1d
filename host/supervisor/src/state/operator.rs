//! The operator's requests: the jobs, and the instances of them that have to be up.
//!
//! Must not: know how attempts end.

use super::instance::{Instance, LastRun, Rest, Slot, Successor, Then};
use super::{Definition, End, Fleet, InstanceId, KnownInstance, Mode, Notice};
use crate::restart::History;
use sandhog_spec::service::{Overlap, Rules, Strategy};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Fleet {
    pub(super) fn group(&mut self, name: String, strategy: Strategy) {
        self.groups.entry(name).or_default().strategy = strategy;
    }

    pub(super) fn define(&mut self, definition: Definition, instances: Vec<KnownInstance>) {
        let (group, rules) = (definition.group.clone(), Arc::clone(&definition.rules));
        let (name, before) = self.jobs.define(definition);
        if let Some(before) = before.as_ref().filter(|before| before.group != group) {
            self.leave_group(&before.group, &name);
        }
        self.groups.entry(group).or_default().jobs.insert(Arc::clone(&name));
        let keep: BTreeSet<_> = instances.iter().map(|known| known.id).collect();
        let known: Vec<_> = self.ids_of(&name);
        for id in known {
            match (&before, keep.contains(&id)) {
                (_, false) => self.doom(id),
                (Some(before), true) => self.adapt(id, &before.rules, &rules),
                (None, true) => {}
            }
        }
        for known in instances {
            self.set_up(&name, known, rules.overlap.is_some());
        }
    }

    fn leave_group(&mut self, group: &str, job: &Arc<str>) {
        let Some(known) = self.groups.get_mut(group) else { return };
        known.jobs.remove(job);
        // A strategy that somebody has chosen is kept for jobs that come later.
        if known.jobs.is_empty() && known.strategy == Strategy::default() {
            self.groups.remove(group);
        }
    }

    /// An instance that the fleet does not know yet, or one that was on its way out and is to stay.
    fn set_up(&mut self, job: &Arc<str>, known: KnownInstance, scheduled: bool) {
        let id = known.id;
        if let Some(instance) = self.instances.get_mut(&id) {
            if instance.doomed && instance.job == *job {
                (instance.doomed, instance.wanted) = (false, known.wanted);
                self.employ(job, id);
                self.put_down(id, End::Operator, if known.wanted { Then::Up } else { Then::Stop });
            }
            return;
        }
        let mut instance = Instance::new(Arc::clone(job), self.now);
        (instance.wanted, instance.restarts) = (known.wanted, known.restarts);
        let last = if known.finished { LastRun::Well } else { LastRun::None };
        instance.slot = Slot::Down(match known.failed {
            Some(reason) => Rest::Failed(reason),
            None if scheduled && known.wanted => Rest::Scheduled(last),
            None if known.finished => Rest::Finished,
            None if known.wanted => Rest::Idle,
            // Else it would be wanted: all are when they are new.
            None => Rest::Stopped,
        });
        let starts = known.wanted && instance.slot_is_idle();
        // What it was is known already.
        instance.known = instance.derive(self.now);
        (instance.known.is_lacking, instance.known.since) = (false, self.now);
        self.instances.insert(id, instance);
        if let Some(job) = self.jobs.get_mut(job) {
            job.members += 1;
        }
        self.employ(job, id);
        if starts {
            self.begin(id);
        }
    }

    fn employ(&mut self, job: &str, id: InstanceId) {
        if let Some(job) = self.jobs.get_mut(job) {
            job.instances.insert(id);
        }
        self.settle(id);
    }

    /// Its job has other rules. An attempt that runs keeps its own.
    fn adapt(&mut self, id: InstanceId, before: &Rules, now: &Rules) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        if before != now {
            instance.forget();
        }
        match (before.overlap.is_some(), now.overlap.is_some(), &instance.slot) {
            (true, false, Slot::Down(Rest::Scheduled(_))) => self.begin(id),
            (false, true, Slot::Waiting | Slot::Pausing { .. }) => self.raise(id),
            (
                true | false,
                true | false,
                Slot::Down(_)
                | Slot::Waiting
                | Slot::Pausing { .. }
                | Slot::Up { .. }
                | Slot::Held { .. }
                | Slot::Ending { .. },
            ) => {}
        }
    }

    pub(super) fn delete(&mut self, job: &str) {
        let ids = self.ids_of(job);
        let Some(definition) = self.jobs.undefine(job) else { return };
        let name: Arc<str> = job.into();
        self.leave_group(&definition.group, &name);
        ids.into_iter().for_each(|id| self.doom(id));
        self.jobs.forget(&name);
    }

    /// It is stopped and then removed.
    fn doom(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        instance.doomed = true;
        if let Some(job) = self.jobs.get_mut(&instance.job) {
            job.instances.remove(&id);
        }
        self.put_down(id, End::Operator, Then::Rest(Rest::Idle));
    }

    pub(super) fn start_all(&mut self, ids: &[InstanceId]) {
        ids.iter().for_each(|id| self.start(*id));
    }

    fn start(&mut self, id: InstanceId) {
        let serves = self.mode == Mode::Serving;
        let Some(instance) = self.instances.get_mut(&id).filter(|instance| !instance.doomed) else { return };
        instance.wanted = true;
        if !serves {
            return self.settle(id);
        }
        match &mut instance.slot {
            Slot::Down(Rest::Scheduled(_)) | Slot::Waiting | Slot::Up { .. } => self.settle(id),
            Slot::Down(Rest::Idle | Rest::Finished | Rest::Stopped | Rest::Failed(_)) => {
                instance.give_new_chance();
                self.raise(id);
            }
            Slot::Pausing { .. } => {
                instance.give_new_chance();
                self.begin(id);
            }
            Slot::Held { then: Then::Rest(_) | Then::Stop, .. } => self.take_back(id),
            Slot::Held { then: Then::Up | Then::Run, .. } => self.settle(id),
            Slot::Ending { then } => {
                *then = Then::Up;
                self.settle(id);
            }
        }
    }

    /// It was to be stopped and has not been told yet.
    fn take_back(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        if let Some((attempt, ..)) = instance.take_held() {
            self.enter(id, Slot::Up { attempt, successor: Successor::None });
            self.retires_in_turn(id);
        }
    }

    /// All of them at first, so that each finds out who else is being stopped.
    pub(super) fn stop_all(&mut self, ids: &[InstanceId]) {
        ids.iter().for_each(|id| self.stop(*id));
    }

    fn stop(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        instance.wanted = false;
        match &instance.slot {
            Slot::Down(Rest::Idle | Rest::Finished | Rest::Stopped) => self.settle(id),
            Slot::Down(Rest::Failed(_) | Rest::Scheduled(_))
            | Slot::Waiting
            | Slot::Pausing { .. }
            | Slot::Up { .. } => {
                self.put_down(id, End::Operator, Then::Stop);
            }
            Slot::Held { then, .. } | Slot::Ending { then } => {
                if instance.doomed || *then == Then::Stop {
                    self.kill(id);
                } else {
                    self.put_down(id, End::Operator, Then::Stop);
                }
            }
        }
    }

    /// Those that are up go down first: what comes after them finds nothing ready that is about to go.
    pub(super) fn restart_all(&mut self, ids: &[InstanceId]) {
        if self.mode != Mode::Serving {
            return self.start_all(ids);
        }
        let mut others = Vec::new();
        for id in ids {
            let Some(instance) = self.instances.get_mut(id).filter(|instance| !instance.doomed) else { continue };
            if instance.is_down() {
                others.push(*id);
            } else {
                instance.wanted = true;
                instance.give_new_chance();
                self.put_down(*id, End::Operator, Then::Up);
            }
        }
        self.start_all(&others);
    }

    /// A run of each, out of turn, where it is due by a schedule; others are to be up.
    pub(super) fn run_all(&mut self, ids: &[InstanceId]) {
        for id in ids {
            let Some(instance) = self.instances.get(id).filter(|instance| !instance.doomed) else { continue };
            let overlap = self.jobs.get(&instance.job).and_then(|job| job.rules()?.overlap);
            let takes_place = instance.wanted && !matches!(instance.slot, Slot::Down(Rest::Failed(_)));
            match overlap.filter(|_| takes_place && self.mode == Mode::Serving) {
                Some(overlap) => self.run(*id, overlap),
                None => self.start(*id),
            }
        }
    }

    /// A run is due of each instance whose runs are to take place.
    pub(super) fn due(&mut self, job: &str) {
        let overlap = self.jobs.get(job).and_then(|job| job.rules()?.overlap);
        let Some(overlap) = overlap.filter(|_| self.mode == Mode::Serving) else { return };
        for id in self.ids_of(job) {
            self.run(id, overlap);
        }
    }

    fn run(&mut self, id: InstanceId, overlap: Overlap) {
        let Some(instance) = self.instances.get_mut(&id).filter(|instance| instance.wanted) else { return };
        match (&mut instance.slot, overlap) {
            (Slot::Down(Rest::Scheduled(_)), _) => {
                instance.give_new_chance();
                self.begin(id);
            }
            // Another run comes anyway.
            (Slot::Held { then: then @ Then::Up, .. } | Slot::Ending { then: then @ Then::Up }, _) => *then = Then::Run,
            (Slot::Up { .. } | Slot::Pausing { .. }, Overlap::Queue) if !instance.queued => instance.queued = true,
            (Slot::Up { .. }, Overlap::Replace) => self.put_down(id, End::Replaced, Then::Run),
            (Slot::Pausing { .. }, Overlap::Replace) => {
                instance.give_new_chance();
                self.begin(id);
            }
            (
                Slot::Up { .. } | Slot::Pausing { .. } | Slot::Waiting | Slot::Held { .. } | Slot::Ending { .. },
                Overlap::Skip | Overlap::Queue | Overlap::Replace,
            ) => self.tell(id, Notice::Skipped),
            // Stopped, or given up.
            (Slot::Down(Rest::Idle | Rest::Finished | Rest::Stopped | Rest::Failed(_)), _) => {}
        }
    }

    /// Everything is stopped, and nothing is started any more.
    pub(super) fn shut_down(&mut self, now: bool) {
        if self.mode == Mode::Serving {
            self.mode = Mode::Leaving;
        }
        let ids: Vec<_> = self.instances.keys().copied().collect();
        for id in ids {
            if self.instances.get(&id).is_some_and(|instance| !matches!(instance.slot, Slot::Down(_))) {
                self.put_down(id, End::Operator, Then::Rest(Rest::Idle));
            }
            if now {
                self.kill(id);
            }
        }
    }
}

impl Instance {
    fn slot_is_idle(&self) -> bool {
        matches!(self.slot, Slot::Down(Rest::Idle))
    }

    /// Restarts of the past do not count any more.
    fn give_new_chance(&mut self) {
        self.history = History::default();
        self.forget();
    }
}
