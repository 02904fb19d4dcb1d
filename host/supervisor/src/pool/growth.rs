//! How many workers and zygotes there are to be.
//!
//! Must not: know what a task is.

use super::message::Action;
use super::slots::Start;
use super::state::{Mode, State};
use std::time::Duration;

impl State {
    /// Ends what is too much and starts what is missing.
    pub(super) fn balance(&mut self) {
        self.shrink();
        self.grow();
        self.renew();
        while let Some(zygote) = self.zygotes.next_to_end() {
            self.actions.push(Action::EndZygote { zygote });
        }
    }

    /// When that has to be looked at though nothing has happened.
    pub(super) fn balance_at(&self) -> Option<Duration> {
        let surplus = self.surplus.front().map(|since| since.saturating_add(self.config.idle));
        let zygotes = [self.zygotes.renewal_at(), self.unused_at()].into_iter().flatten().min();
        let starts = self.failures.not_before().max(self.head_start().unwrap_or_default());
        let starts = Some(starts).filter(|at| *at > self.now && self.missing() > 0);
        [surplus, zygotes, starts].into_iter().flatten().min()
    }

    fn shrink(&mut self) {
        match self.mode {
            Mode::Open => self.retire_surplus(),
            Mode::Draining => self.keep_only(self.tasks.waiting()),
            Mode::Broken | Mode::Closed | Mode::Over => self.keep_only(0),
        }
    }

    /// A pool has too many idle workers if it has had too many for long. Whoever has been idle for longest is given the next
    /// task, so no worker is idle for long where there is little to do: what counts is their number.
    fn retire_surplus(&mut self) {
        let beyond = self.slots.idle().saturating_sub(self.config.min) as usize;
        self.surplus.resize(beyond, self.now);
        while self.surplus.front().is_some_and(|since| since.saturating_add(self.config.idle) <= self.now) {
            self.surplus.pop_front();
            self.retire_longest_idle();
        }
    }

    /// So many are of use, those that start among them.
    fn keep_only(&mut self, count: usize) {
        self.surplus.clear();
        while self.slots.idle() as usize > count {
            self.retire_longest_idle();
        }
        while (self.slots.idle() + self.slots.starting()) as usize > count
            && let Some(slot) = self.slots.last_starting()
        {
            self.kill(slot);
        }
    }

    fn retire_longest_idle(&mut self) {
        if let Some(slot) = self.slots.longest_idle() {
            self.retire(slot);
        }
    }

    /// Ends a zygote that is of no use, or starts its successor. After the starts, which may use it up.
    fn renew(&mut self) {
        match self.mode {
            Mode::Open => {}
            Mode::Draining if self.tasks.waiting() > 0 => {}
            Mode::Broken | Mode::Draining | Mode::Closed | Mode::Over => self.zygotes.dismiss_all(),
        }
        self.zygotes.dismiss_surplus();
        let has_come = |at: Option<Duration>| at.is_some_and(|at| at <= self.now);
        if has_come(self.unused_at()) {
            self.zygotes.dismiss_all();
        } else if has_come(self.zygotes.renewal_at()) {
            self.begin_zygote();
        }
    }

    /// When the zygote has been of no use for too long. It is of use while there is somebody to be started.
    fn unused_at(&self) -> Option<Duration> {
        self.zygotes.unused_at().filter(|_| self.missing() == 0)
    }

    fn begin_zygote(&mut self) {
        if let Some(zygote) = self.zygotes.begin(self.failures.wave()) {
            self.totals.zygotes += 1;
            self.actions.push(Action::StartZygote { zygote });
        }
    }

    /// Workers that are to be started: `min` that are ready, and one for each task that waits and could run. After a failure
    /// one at a time.
    pub(super) fn missing(&self) -> u32 {
        let could_run = self.config.busy_max.saturating_sub(self.slots.busy());
        let demand = could_run.min(u32::try_from(self.tasks.waiting()).unwrap_or(u32::MAX));
        let wanted = match self.mode {
            Mode::Open => self.config.min.saturating_add(demand),
            Mode::Draining => demand,
            Mode::Broken | Mode::Closed | Mode::Over => 0,
        };
        let missing = wanted.saturating_sub(self.slots.idle() + self.slots.starting());
        let missing = missing.min(self.config.max - self.slots.live());
        if self.failures.in_a_row() == 0 { missing } else { missing.min(1_u32.saturating_sub(self.slots.starting())) }
    }

    /// Until when nobody is started beside a task that has just begun: it would run beside its own successor's start, and short
    /// ones end before. None: tasks wait, or nothing has just begun.
    fn head_start(&self) -> Option<Duration> {
        let ends = self.began?.saturating_add(self.config.head_start);
        (self.tasks.waiting() == 0 && self.slots.busy() > 0 && ends > self.now).then_some(ends)
    }

    fn grow(&mut self) {
        let missing = self.missing();
        if missing == 0 || self.now < self.failures.not_before() || self.head_start().is_some() {
            return;
        }
        for _ in 0..missing {
            self.start_worker();
        }
        // For whom there was no zygote.
        for _ in 0..self.zygotes.lacking(self.missing()) {
            self.begin_zygote();
        }
    }

    fn start_worker(&mut self) {
        let Some(zygote) = self.zygotes.start(self.now) else { return };
        let Some(slot) = self.slots.start(Start { zygote, wave: self.failures.wave() }) else { return };
        self.totals.started += 1;
        self.actions.push(Action::StartWorker { slot, zygote });
    }
}
