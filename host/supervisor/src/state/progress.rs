//! The life of attempts between their start and their end: ready, healthy, or not.
//!
//! Must not: know why an attempt was started, or what follows its end.

use super::instance::{Slot, Successor};
use super::watch::{Attempt, Due};
use super::{Action, AttemptNumber, End, Fleet, InstanceId, Notice};
use sandhog_protocol::verdict::HealthCheck;

impl Fleet {
    /// Starts an attempt of an instance that waits for nothing any more.
    pub(super) fn spawn(&mut self, id: InstanceId) {
        let is_waiting = |slot: &Slot| matches!(slot, Slot::Waiting);
        if !self.instances.get(&id).is_some_and(|instance| is_waiting(&instance.slot)) {
            return;
        }
        if let Some(attempt) = self.new_attempt(id) {
            self.enter(id, Slot::Up { attempt, successor: Successor::None });
        }
    }

    /// The next attempt of an instance, asked for.
    pub(super) fn new_attempt(&mut self, id: InstanceId) -> Option<Attempt> {
        let instance = self.instances.get(&id)?;
        let (boosts, rules) = (instance.boosts, self.jobs.get(&instance.job)?.rules()?.clone());
        let number = self.next_attempt;
        self.next_attempt += 1;
        self.attempts.insert(number, id);
        // Whoever hears of it can look at it.
        self.actions.push(Action::Spawn { id, attempt: number, boosts });
        self.tell(id, Notice::Starting { attempt: number });
        Some(Attempt::new(number, rules, boosts))
    }

    /// Does something to an attempt that nobody has told to go, and gives its instance.
    fn with<T>(
        &mut self,
        number: AttemptNumber,
        act: impl FnOnce(&mut Attempt, std::time::Duration) -> T,
    ) -> Option<(InstanceId, T)> {
        let (now, id) = (self.now, *self.attempts.get(&number)?);
        let result = act(self.instances.get_mut(&id)?.counting(number)?, now);
        self.settle(id);
        Some((id, result))
    }

    pub(super) fn launched(&mut self, number: AttemptNumber) {
        self.with(number, Attempt::launch);
    }

    pub(super) fn began(&mut self, number: AttemptNumber) {
        self.with(number, Attempt::begin);
    }

    pub(super) fn set_paused(&mut self, number: AttemptNumber, paused: bool) {
        self.with(number, if paused { Attempt::pause } else { Attempt::resume });
    }

    /// Nobody could look at anything for so long.
    pub(super) fn excuse_all(&mut self, late: std::time::Duration) {
        let now = self.now;
        let ids: Vec<InstanceId> = self.instances.keys().copied().collect();
        for id in ids {
            if let Some(instance) = self.instances.get_mut(&id) {
                instance.counting_all().for_each(|attempt| attempt.excuse(late, now));
                self.settle(id);
            }
        }
    }

    pub(super) fn heartbeat(&mut self, number: AttemptNumber) {
        self.with(number, Attempt::beat);
    }

    pub(super) fn checked(&mut self, number: AttemptNumber, healthy: bool) {
        let unhealthy = self.with(number, |attempt, now| attempt.checked(healthy, now).then(|| attempt.check()));
        if let Some((id, Some(check))) = unhealthy {
            self.condemn(id, number, check);
        }
    }

    pub(super) fn said_ready(&mut self, number: AttemptNumber) {
        if let Some((id, true)) = self.with(number, Attempt::become_ready) {
            self.tell(id, Notice::Ready { attempt: number });
            self.became_ready(id, number);
        }
    }

    /// It has failed a check: it is killed, and the verdict of its end says so.
    fn condemn(&mut self, id: InstanceId, number: AttemptNumber, check: HealthCheck) {
        self.with(number, |attempt, _| attempt.condemn());
        self.tell(id, Notice::Unhealthy { attempt: number, check });
        self.actions.push(Action::Kill { attempt: number, reason: End::Unhealthy(check) });
    }

    /// Looks at every instance whose time has come, once.
    pub(super) fn tick(&mut self) {
        let later = self.wakes.split_off(&(self.now, InstanceId::MAX));
        for (_, id) in std::mem::replace(&mut self.wakes, later) {
            if let Some(instance) = self.instances.get_mut(&id) {
                instance.known.wake = None;
                self.look_at(id);
                self.settle(id);
            }
        }
    }

    fn look_at(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get(&id) else { return };
        match &instance.slot {
            Slot::Pausing { until } if *until <= self.now => self.begin(id),
            Slot::Up { attempt, successor } => {
                let (attempt, successor) = (
                    attempt.number,
                    if let Successor::Coming { attempt, .. } = successor { Some(attempt.number) } else { None },
                );
                self.watch(id, attempt);
                successor.into_iter().for_each(|successor| self.watch(id, successor));
                self.launch(id);
            }
            Slot::Held { attempt, .. } => self.watch(id, attempt.number),
            Slot::Pausing { .. } | Slot::Down(_) | Slot::Waiting | Slot::Ending { .. } => {}
        }
    }

    fn watch(&mut self, id: InstanceId, number: AttemptNumber) {
        match self.with(number, Attempt::due) {
            None | Some((_, Due::Nothing)) => {}
            Some((_, Due::Ready)) => self.said_ready(number),
            Some((_, Due::Check)) => self.actions.push(Action::Check { attempt: number }),
            Some((_, Due::Unhealthy(check))) => self.condemn(id, number, check),
        }
    }
}
