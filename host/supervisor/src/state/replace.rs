//! Attempts that take the place of others: reload, recycling, retirement. Nothing is told to go before its successor is ready.
//!
//! Must not: start what is not up, or decide about restarts of what is down.

use super::instance::{Instance, Leaving, Slot, Successor};
use super::order::Job;
use super::reload::{Reload, Step};
use super::watch::Attempt;
use super::{Action, AttemptNumber, End, Fleet, InstanceId, Mode, Notice};
use crate::{restart, verdict_text};
use sandhog_protocol::verdict::{Verdict, VerdictKind};
use std::sync::Arc;
use std::time::Duration;

/// How a turn stands.
enum Turn {
    /// Another one is being replaced, or this one is.
    Busy,
    /// The successor has been asked for.
    Launched(AttemptNumber, AttemptNumber),
    Over,
}

impl Job {
    /// Whether it is being reloaded and it is this instance's turn.
    pub(super) fn is_at(&self, id: InstanceId) -> bool {
        self.step().is_some_and(|step| step.id == id)
    }

    fn step(&self) -> Option<&Step> {
        self.reload.as_ref()?.step.as_ref()
    }

    /// The attempts that change places in a turn, if this is the new one.
    fn launched(&self, new: AttemptNumber) -> Option<(AttemptNumber, AttemptNumber)> {
        self.step()?.attempts.filter(|(_, launched)| *launched == new)
    }
}

impl Fleet {
    pub(super) fn is_reloading(&self, id: InstanceId, instance: &Instance) -> bool {
        let job = self.jobs.get(&instance.job);
        job.is_some_and(|job| job.is_at(id) || job.reload.as_ref().is_some_and(|reload| reload.queue.contains(&id)))
    }

    /// Instances that are up change attempts, one of a job at a time; others are started.
    pub(super) fn reload_all(&mut self, ids: &[InstanceId]) {
        let mut others = Vec::new();
        for id in ids {
            let Some(instance) = self.instances.get(id) else { continue };
            let job = Arc::clone(&instance.job);
            let is_up = matches!(instance.slot, Slot::Up { .. });
            if !is_up || self.mode != Mode::Serving || self.is_scheduled(&job) {
                others.push(*id);
            } else if let Some(known) = self.jobs.get_mut(&job) {
                known.reload.get_or_insert_default().queue.insert(*id);
                self.reloads.insert(job);
            }
        }
        self.start_all(&others);
    }

    /// Takes the reload of a job as far as it goes now.
    pub(super) fn go_on_reloading(&mut self, name: &Arc<str>) {
        while let Some(reload) = self.jobs.get_mut(name).and_then(|job| job.reload.as_mut()) {
            let step = reload.step.or_else(|| Some(Step { id: reload.queue.pop_first()?, attempts: None }));
            reload.step = step;
            let turn = step.map(|step| self.turn(step));
            let Some(job) = self.jobs.get_mut(name) else { return };
            match (turn, &mut job.reload) {
                (None, reload) => *reload = None,
                (Some(Turn::Over), Some(reload)) => reload.step = None,
                (Some(Turn::Launched(old, new)), Some(Reload { step: Some(step), .. })) => {
                    step.attempts = Some((old, new));
                    return;
                }
                (Some(Turn::Busy | Turn::Launched(..) | Turn::Over), _) => return,
            }
        }
    }

    fn turn(&mut self, step: Step) -> Turn {
        let Some(instance) = self.instances.get_mut(&step.id).filter(|instance| !instance.doomed) else {
            return Turn::Over;
        };
        let is_free = instance.leaving.is_empty();
        match (&instance.slot, step.attempts) {
            (Slot::Up { successor: Successor::Coming { .. }, .. }, _) => Turn::Busy,
            (Slot::Up { attempt, .. }, None) if !instance.has_room_beside(attempt) => Turn::Busy,
            (Slot::Up { attempt, .. }, None) => {
                let old = attempt.number;
                self.summon(step.id, 0).map_or(Turn::Over, |new| Turn::Launched(old, new))
            }
            // The old one has ended before the new one was ready, or has still to end.
            (Slot::Up { attempt, .. }, Some((_, new))) if attempt.number == new && !(is_free && attempt.is_ready()) => {
                Turn::Busy
            }
            (
                Slot::Up { .. }
                | Slot::Down(_)
                | Slot::Waiting
                | Slot::Pausing { .. }
                | Slot::Held { .. }
                | Slot::Ending { .. },
                _,
            ) => Turn::Over,
        }
    }

    /// The attempt that a reload has started has ended before it was ready. The reload of the job is over.
    pub(super) fn reload_failed(&mut self, id: InstanceId, new: AttemptNumber, verdict: &Verdict) {
        let Some(name) = self.instances.get(&id).map(|instance| Arc::clone(&instance.job)) else { return };
        let Some(job) = self.jobs.get_mut(&name).filter(|job| job.launched(new).is_some()) else { return };
        job.reload = None;
        let reason = format!("the new attempt {} before it was ready", verdict_text::clause(verdict));
        self.tell(id, Notice::ReloadFailed { reason });
    }

    /// Asks for a successor of an instance that is up and has none.
    fn summon(&mut self, id: InstanceId, tries: u32) -> Option<AttemptNumber> {
        let now = self.now;
        let instance = self.instances.get_mut(&id)?;
        if let Slot::Up { attempt, .. } = &instance.slot
            && attempt.has_proved_itself(now)
        {
            instance.forget();
        }
        let new = self.new_attempt(id)?;
        let number = new.number;
        if let Slot::Up { successor, .. } = &mut self.instances.get_mut(&id)?.slot {
            *successor = Successor::Coming { attempt: new, tries };
        }
        self.settle(id);
        Some(number)
    }

    /// Asks for a successor whose time has come, if its place is free.
    pub(super) fn launch(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get(&id) else { return };
        if let Slot::Up { attempt, successor: Successor::Pausing { until, tries } } = &instance.slot
            && *until <= self.now
            && instance.has_room_beside(attempt)
        {
            self.summon(id, *tries);
        }
    }

    /// An attempt has become ready. If it is a successor, it is the one that counts from now on.
    pub(super) fn became_ready(&mut self, id: InstanceId, number: AttemptNumber) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let Slot::Up { attempt, successor: successor @ Successor::Coming { .. } } = &mut instance.slot else {
            return self.took_over(id, number);
        };
        if attempt.number == number {
            return;
        }
        let Successor::Coming { attempt: new, .. } = std::mem::replace(successor, Successor::None) else { return };
        let old = std::mem::replace(attempt, new);
        self.dismiss(id, &old, End::Replaced);
        self.tell(id, Notice::Reloaded { old: old.number, new: number });
        self.retires_in_turn(id);
        self.settle(id);
    }

    /// It is the only one. Where it was a successor whose predecessor has ended, the change is complete.
    fn took_over(&mut self, id: InstanceId, new: AttemptNumber) {
        let job = self.instances.get(&id).and_then(|instance| self.jobs.get(&instance.job));
        if let Some((old, new)) = job.and_then(|job| job.launched(new)) {
            self.tell(id, Notice::Reloaded { old, new });
        }
    }

    /// An attempt that counts no more is told to go. One that has been killed for its health need not be.
    pub(super) fn dismiss(&mut self, id: InstanceId, attempt: &Attempt, reason: End) {
        let number = attempt.number;
        let is_killed = attempt.is_condemned();
        if let Some(instance) = self.instances.get_mut(&id) {
            instance.leaving.push(Leaving { number, is_killed });
        }
        if !is_killed {
            self.tell(id, Notice::Stopping { attempt: number });
            self.actions.push(Action::Stop { attempt: number, reason });
        }
    }

    /// The attempt that counts has ended while its successor was on its way: that takes its place as it is.
    pub(super) fn inherit(&mut self, id: InstanceId, successor: Attempt) {
        self.enter(id, Slot::Up { attempt: successor, successor: Successor::None });
        self.retires_in_turn(id);
        self.settle(id);
    }

    /// A successor has said itself that it must end: now that it counts, it needs one too.
    pub(super) fn retires_in_turn(&mut self, id: InstanceId) {
        let is_overdue = |slot: &Slot| matches!(slot, Slot::Up { attempt, .. } if attempt.is_overdue);
        if self.instances.get(&id).is_some_and(|instance| is_overdue(&instance.slot)) {
            self.replace(id);
        }
    }

    /// A successor has ended before it was ready. The old attempt stays; where it has to be replaced, another try follows.
    pub(super) fn successor_failed(&mut self, id: InstanceId, successor: AttemptNumber, verdict: &Verdict) {
        self.reload_failed(id, successor, verdict);
        let (now, random) = (self.now, self.random());
        let Some((backoff, instance)) = self.with_backoff(id) else { return };
        let Slot::Up { attempt, successor } = &mut instance.slot else { return };
        let Successor::Coming { tries, .. } = *successor else { return };
        *successor = Successor::None;
        // Another one would be refused as well: see `restart::after`. The old one stays.
        if attempt.is_overdue && verdict.kind() == VerdictKind::Refused {
            self.tell(id, Notice::ReloadFailed { reason: restart::not_again(verdict) });
        } else if attempt.is_overdue {
            let pause = restart::pause(backoff, tries, random);
            *successor = Successor::Pausing { until: now.saturating_add(pause), tries: tries.saturating_add(1) };
            let raised = instance.boosts;
            self.tell(id, Notice::Backoff { pause, raised });
        }
        self.settle(id);
    }

    pub(super) fn memory(&mut self, number: AttemptNumber, bytes: u64) {
        let Some(id) = self.attempts.get(&number).copied() else { return };
        let limit =
            self.instances.get(&id).and_then(|instance| self.jobs.get(&instance.job)?.rules()?.recycle_memory_bytes);
        if limit.is_some_and(|limit| bytes >= limit) && self.is_due_for_replacement(id, number) {
            self.tell(id, Notice::Recycled { attempt: number, bytes });
            self.replace(id);
        }
    }

    /// Marks the attempt that counts as one that is to be replaced; false where it is marked already, or is another one.
    fn is_due_for_replacement(&mut self, id: InstanceId, number: AttemptNumber) -> bool {
        let Some(instance) = self.instances.get_mut(&id) else { return false };
        let scheduled = self.jobs.get(&instance.job).and_then(Job::rules).is_some_and(|rules| rules.overlap.is_some());
        match &mut instance.slot {
            Slot::Up { attempt, .. }
                if attempt.number == number && !scheduled && !attempt.is_condemned() && !attempt.is_paused() =>
            {
                !std::mem::replace(&mut attempt.is_overdue, true)
            }
            Slot::Up { .. }
            | Slot::Down(_)
            | Slot::Waiting
            | Slot::Pausing { .. }
            | Slot::Held { .. }
            | Slot::Ending { .. } => false,
        }
    }

    pub(super) fn retire(&mut self, number: AttemptNumber, reason: String) {
        let Some(id) = self.attempts.get(&number).copied() else { return };
        let Some(instance) = self.instances.get_mut(&id) else { return };
        if let Slot::Up { successor: Successor::Coming { attempt: successor, .. }, .. } = &mut instance.slot
            && successor.number == number
        {
            let is_new = !std::mem::replace(&mut successor.is_overdue, true);
            return if is_new {
                self.tell(id, Notice::Retiring { attempt: number, reason })
            };
        }
        if self.is_due_for_replacement(id, number) {
            self.tell(id, Notice::Retiring { attempt: number, reason });
            self.replace(id);
        }
    }

    /// The attempt that counts is to have a successor: at once, or, where it needs one before it was ready for a while, after
    /// a pause that grows. One that is on its way already will do.
    fn replace(&mut self, id: InstanceId) {
        let (now, random) = (self.now, self.random());
        let Some((backoff, instance)) = self.with_backoff(id) else { return };
        let tries = instance.tries;
        let Slot::Up { attempt, successor: successor @ Successor::None } = &mut instance.slot else { return };
        let is_proved = attempt.has_proved_itself(now);
        let pause = if is_proved { Duration::ZERO } else { restart::pause(backoff, tries, random) };
        *successor = Successor::Pausing { until: now.saturating_add(pause), tries: 0 };
        instance.tries = if is_proved { 0 } else { tries.saturating_add(1) };
        self.launch(id);
        self.settle(id);
    }
}
