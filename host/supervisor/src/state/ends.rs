//! How what runs comes to an end, and what follows.
//!
//! Must not: know who asked for it.

use super::instance::{Instance, LastRun, Leaving, Rest, Slot, Successor, Then};
use super::watch::Attempt;
use super::{Action, AttemptNumber, End, Fleet, InstanceId, Mode, Notice};
use crate::restart::{self, Next};
use crate::verdict_text;
use sandhog_protocol::verdict::{Verdict, VerdictKind};
use sandhog_spec::service::{Backoff, Retry, Rules, Strategy};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Who of an instance has ended.
enum Ended {
    /// One that had been told to go; whether it was the last one.
    Leaving(bool),
    /// The one that counts, and has a successor on its way.
    Old(Attempt),
    Successor,
    /// The one that counts, in an instance that is to be up.
    Only(Attempt),
    /// The one that counts, before its turn to be stopped came.
    Held(Then),
    Unknown,
}

impl Fleet {
    pub(super) fn ended(&mut self, number: AttemptNumber, verdict: Verdict) {
        let Some(id) = self.attempts.remove(&number) else { return };
        self.tell(id, Notice::Ended { attempt: number, verdict: verdict.clone() });
        let Some(instance) = self.instances.get_mut(&id) else { return };
        match instance.who_ended(number) {
            Ended::Leaving(false) | Ended::Unknown => {}
            Ended::Leaving(true) => self.has_left(id),
            Ended::Old(successor) => self.inherit(id, successor),
            Ended::Successor => self.successor_failed(id, number, &verdict),
            Ended::Held(then) => self.end(id, then),
            Ended::Only(attempt) => {
                if attempt.ready_since().is_none() {
                    self.reload_failed(id, number, &verdict);
                }
                self.fell(id, &attempt, &verdict);
            }
        }
        self.settle(id);
    }

    /// The last one that was told to go has gone.
    fn has_left(&mut self, id: InstanceId) {
        let then = self.instances.get(&id).and_then(|instance| match &instance.slot {
            Slot::Ending { then } => Some(then.clone()),
            Slot::Up { .. } | Slot::Held { .. } | Slot::Down(_) | Slot::Waiting | Slot::Pausing { .. } => None,
        });
        match then {
            Some(then) => self.end(id, then),
            None => self.launch(id),
        }
    }

    /// Nothing of the instance counts any more. When nothing runs, what is to follow does.
    pub(super) fn end(&mut self, id: InstanceId, then: Then) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        if !instance.leaving.is_empty() {
            return self.enter(id, Slot::Ending { then });
        }
        if instance.doomed {
            return self.remove(id);
        }
        match then {
            Then::Up => self.raise(id),
            Then::Run => self.begin(id),
            Then::Stop => {
                self.tell(id, Notice::Stopped);
                self.enter(id, Slot::Down(Rest::Stopped));
            }
            Then::Rest(rest) => self.enter(id, Slot::Down(rest)),
        }
    }

    fn remove(&mut self, id: InstanceId) {
        // What others know of it is taken back first.
        self.enter(id, Slot::Down(Rest::Idle));
        let Some(instance) = self.instances.remove(&id) else { return };
        if let Some(job) = self.jobs.get_mut(&instance.job) {
            job.members = job.members.saturating_sub(1);
        }
        self.jobs.forget(&instance.job);
        self.actions.push(Action::Removed { id });
    }

    /// It is to be up again.
    pub(super) fn raise(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get(&id) else { return };
        if self.is_scheduled(&instance.job) {
            self.enter(id, Slot::Down(Rest::Scheduled(LastRun::None)));
        } else {
            self.begin(id);
        }
    }

    /// An attempt as soon as what it comes after is ready; none while the daemon ends.
    pub(super) fn begin(&mut self, id: InstanceId) {
        let slot = if self.mode == Mode::Serving { Slot::Waiting } else { Slot::Down(Rest::Idle) };
        self.enter(id, slot);
    }

    /// An attempt has ended that nobody had told to go.
    fn fell(&mut self, id: InstanceId, attempt: &Attempt, verdict: &Verdict) {
        let now = self.now;
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let Some(rules) = self.jobs.get(&instance.job).and_then(|job| job.rules().cloned()) else { return };
        if attempt.has_proved_itself(now) {
            instance.forget();
        }
        let is_run = rules.overlap.is_some();
        match restart::after(verdict, &rules) {
            // A run that has done its work is over, whatever the policy.
            Next::Again(None) if is_run && verdict.kind() == VerdictKind::Completed => {
                self.run_over(id, LastRun::Well);
            }
            Next::Again(retry) => self.try_again(id, attempt, verdict, retry, &rules),
            Next::Finish if is_run => self.run_over(id, LastRun::Well),
            Next::Rest | Next::GiveUp if is_run => {
                self.run_over(id, LastRun::Badly(format!("the last run {}", verdict_text::clause(verdict))));
            }
            Next::Finish => self.at_rest(id, Rest::Finished, Notice::Finished),
            Next::Rest => self.at_rest(id, Rest::Stopped, Notice::Stopped),
            Next::GiveUp => self.give_up(id, restart::not_again(verdict)),
        }
    }

    /// It stays down, and is not wanted any more.
    fn at_rest(&mut self, id: InstanceId, rest: Rest, notice: Notice) {
        if let Some(instance) = self.instances.get_mut(&id) {
            instance.wanted = false;
            self.tell(id, notice);
            self.end(id, Then::Rest(rest));
        }
    }

    fn give_up(&mut self, id: InstanceId, reason: String) {
        self.tell(id, Notice::Failed { reason: reason.clone() });
        self.end(id, Then::Rest(Rest::Failed(reason)));
    }

    /// A run is over; the one that has waited for it takes place.
    fn run_over(&mut self, id: InstanceId, last: LastRun) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let is_next_queued = std::mem::take(&mut instance.queued);
        self.end(id, if is_next_queued { Then::Run } else { Then::Rest(Rest::Scheduled(last)) });
    }

    /// Another attempt after a pause, if there have not been too many.
    fn try_again(&mut self, id: InstanceId, fallen: &Attempt, verdict: &Verdict, retry: Option<Retry>, rules: &Rules) {
        let (now, random) = (self.now, self.random());
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let completed = verdict.kind() == VerdictKind::Completed;
        if !completed && !instance.history.allow(rules.intensity, now) {
            let reason = restart::too_often(rules.intensity, verdict);
            instance.forget();
            if rules.overlap.is_none() {
                return self.give_up(id, reason);
            }
            self.tell(id, Notice::Failed { reason: reason.clone() });
            return self.run_over(id, LastRun::Badly(reason));
        }
        instance.restarts += 1;
        let pause = restart::pause(rules.backoff, instance.tries, random);
        if !(completed && fallen.ready_since().is_some()) {
            instance.tries = instance.tries.saturating_add(1);
        }
        if let Some(retry) = retry {
            instance.boosts = restart::boosted(instance.boosts, rules.limits, retry);
        }
        let raised = instance.boosts;
        self.enter(id, Slot::Pausing { until: now.saturating_add(pause) });
        self.tell(id, Notice::Backoff { pause, raised });
        if rules.overlap.is_none() {
            self.take_others_along(id);
        }
    }

    /// Those whom the group's strategy stops and starts again with this one.
    fn take_others_along(&mut self, id: InstanceId) {
        let Some(name) = self.instances.get(&id).map(|instance| &instance.job) else { return };
        let group = self.jobs.get(name).and_then(|job| job.definition.as_ref()).map(|definition| &definition.group);
        let Some(group) = group.and_then(|group| self.groups.get(group)) else { return };
        let jobs: BTreeSet<Arc<str>> = match group.strategy {
            Strategy::OneForOne => return,
            Strategy::OneForAll => group.jobs.clone(),
            Strategy::RestForOne => self.jobs.all_after(name),
        };
        let jobs = jobs.iter().filter(|job| !self.is_scheduled(job)).filter_map(|job| self.jobs.get(job));
        let others: Vec<_> = jobs.flat_map(|job| job.instances.iter().copied()).filter(|other| *other != id).collect();
        for other in others {
            if self.instances.get(&other).is_some_and(|other| matches!(other.slot, Slot::Up { .. })) {
                self.put_down(other, End::Replaced, Then::Up);
            }
        }
    }

    /// Whatever runs of the instance is to end: in its turn, those that come after it first. Then this follows.
    pub(super) fn put_down(&mut self, id: InstanceId, reason: End, then: Then) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        instance.queued = false;
        match std::mem::replace(&mut instance.slot, Slot::Down(Rest::Idle)) {
            Slot::Up { attempt, successor } => {
                instance.slot = Slot::Held { attempt, reason: reason.clone(), then };
                if let Successor::Coming { attempt: successor, .. } = successor {
                    self.dismiss(id, &successor, reason);
                }
                self.settle(id);
            }
            Slot::Held { attempt, .. } => self.enter(id, Slot::Held { attempt, reason, then }),
            Slot::Ending { .. } | Slot::Down(_) | Slot::Waiting | Slot::Pausing { .. } => self.end(id, then),
        }
    }

    /// Its turn to be told to go has come.
    pub(super) fn release(&mut self, id: InstanceId) {
        if let Some((attempt, reason, then)) = self.instances.get_mut(&id).and_then(Instance::take_held) {
            self.dismiss(id, &attempt, reason);
            self.enter(id, Slot::Ending { then });
        }
    }

    /// Ends all that runs of an instance that is being stopped, whoever's turn it is.
    pub(super) fn kill(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        if let Some((attempt, _, then)) = instance.take_held() {
            let is_killed = attempt.is_condemned();
            instance.leaving.push(Leaving { number: attempt.number, is_killed });
            instance.slot = Slot::Ending { then };
        }
        for leaving in instance.leaving.iter_mut().filter(|leaving| !leaving.is_killed) {
            leaving.is_killed = true;
            self.actions.push(Action::Kill { attempt: leaving.number, reason: End::Operator });
        }
        self.settle(id);
    }

    pub(super) fn is_scheduled(&self, job: &str) -> bool {
        self.jobs.get(job).and_then(|job| job.rules()).is_some_and(|rules| rules.overlap.is_some())
    }

    /// The pauses of an instance's job, and the instance.
    pub(super) fn with_backoff(&mut self, id: InstanceId) -> Option<(Backoff, &mut Instance)> {
        let instance = self.instances.get_mut(&id)?;
        Some((self.jobs.get(&instance.job)?.rules()?.backoff, instance))
    }
}

impl Instance {
    /// Takes out the attempt of this number. What becomes of the slot is up to the caller, but for a successor, which stays
    /// to be looked at.
    fn who_ended(&mut self, number: AttemptNumber) -> Ended {
        if let Some(index) = self.leaving.iter().position(|leaving| leaving.number == number) {
            self.leaving.remove(index);
            return Ended::Leaving(self.leaving.is_empty());
        }
        match std::mem::replace(&mut self.slot, Slot::Down(Rest::Idle)) {
            Slot::Up { attempt, successor: Successor::Coming { attempt: successor, .. } }
                if attempt.number == number =>
            {
                Ended::Old(successor)
            }
            Slot::Up { attempt, .. } if attempt.number == number => Ended::Only(attempt),
            Slot::Held { attempt, then, .. } if attempt.number == number => Ended::Held(then),
            slot @ Slot::Up { successor: Successor::Coming { .. }, .. } => {
                self.slot = slot;
                Ended::Successor
            }
            slot @ (Slot::Up { .. }
            | Slot::Held { .. }
            | Slot::Down(_)
            | Slot::Waiting
            | Slot::Pausing { .. }
            | Slot::Ending { .. }) => {
                self.slot = slot;
                Ended::Unknown
            }
        }
    }

    /// The attempt that is held, why it is to end, and what follows; the caller gives the instance another slot.
    pub(super) fn take_held(&mut self) -> Option<(Attempt, End, Then)> {
        match std::mem::replace(&mut self.slot, Slot::Down(Rest::Idle)) {
            Slot::Held { attempt, reason, then } => Some((attempt, reason, then)),
            slot @ (Slot::Up { .. } | Slot::Down(_) | Slot::Waiting | Slot::Pausing { .. } | Slot::Ending { .. }) => {
                self.slot = slot;
                None
            }
        }
    }
}
