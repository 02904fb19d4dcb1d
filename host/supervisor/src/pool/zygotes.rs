//! The zygotes of a pool: those that start workers, those that come, and those that are to end.
//!
//! Must not: decide whether a worker is started, or know what came of it.

use super::config::{Config, Spawn, later};
use super::message::ZygoteId;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Zygotes that are to end and have not, beside those that wait for their one worker's start: while there are so many, none is
/// started. Two are usual at most.
const LEAVING_MAX: usize = 8;

/// Zygotes that are not ready, where each worker has its own. The spawner makes them one after the other: more at once would
/// come no sooner.
pub(super) const COMING_MAX: usize = 8;

#[derive(Debug)]
pub(super) struct Zygotes {
    config: Config,
    next: u32,
    /// The oldest first. Shared: one at most. Else each has started nobody.
    serving: VecDeque<Serving>,
    /// They are not ready; each with its wave. Shared: one at most.
    coming: BTreeMap<ZygoteId, u64>,
    leaving: BTreeMap<ZygoteId, Leaving>,
    /// A worker was started last.
    used_at: Duration,
    /// There has been a start since the last one was of no use: the next one is expected.
    is_used: bool,
    /// A successor has failed: the next one is not started before.
    renew_after: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Serving {
    id: ZygoteId,
    ready_at: Duration,
    /// Workers that it was to start.
    attempts: u64,
    /// And of which it is not known what came of them.
    under_way: u32,
}

#[derive(Clone, Copy, Debug)]
struct Leaving {
    under_way: u32,
    /// It has been told to end.
    is_told: bool,
}

/// Who has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// Nobody who is known, or one that was to end.
    Nobody,
    Serving,
    /// It was not ready, and belonged to this wave. Alone: no other one serves.
    Coming {
        wave: u64,
        alone: bool,
    },
}

impl Zygotes {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            next: 0,
            serving: VecDeque::new(),
            coming: BTreeMap::new(),
            leaving: BTreeMap::new(),
            used_at: Duration::ZERO,
            is_used: false,
            renew_after: Duration::ZERO,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.serving.is_empty() && self.coming.is_empty() && self.leaving.is_empty()
    }

    pub(super) fn is_serving(&self) -> bool {
        !self.serving.is_empty()
    }

    /// Those that are to be started for so many workers that none could start.
    pub(super) fn lacking(&self, workers: u32) -> usize {
        let wanted = match self.config.spawn {
            Spawn::Shared => 1.min(workers),
            Spawn::Exec => workers,
        };
        (wanted as usize).saturating_sub(self.coming.len())
    }

    /// Another one is to be started; None: enough are already, or too many have not ended.
    pub(super) fn begin(&mut self, wave: u64) -> Option<ZygoteId> {
        let coming_max = match self.config.spawn {
            Spawn::Shared => 1,
            Spawn::Exec => COMING_MAX,
        };
        if self.coming.len() >= coming_max || !self.has_room() {
            return None;
        }
        let id = ZygoteId(self.next);
        self.next = self.next.wrapping_add(1);
        self.coming.insert(id, wave);
        Some(id)
    }

    /// Whether few enough have not ended.
    fn has_room(&self) -> bool {
        let starting = match self.config.spawn {
            Spawn::Shared => 0,
            Spawn::Exec => self.config.max as usize,
        };
        self.leaving.len() < LEAVING_MAX + starting
    }

    /// It takes the place of the one that has served, or waits for its worker.
    pub(super) fn ready(&mut self, id: ZygoteId, now: Duration) {
        if self.coming.remove(&id).is_some() {
            match self.config.spawn {
                Spawn::Shared => self.dismiss_first(),
                Spawn::Exec => {}
            }
            self.used_at = self.used_at.max(now);
            self.serving.push_back(Serving { id, ready_at: now, attempts: 0, under_way: 0 });
        }
    }

    pub(super) fn ended(&mut self, id: ZygoteId, now: Duration) -> Gone {
        self.leaving.remove(&id);
        if let Some(wave) = self.coming.remove(&id) {
            self.renew_after = now.saturating_add(self.config.backoff.max);
            return Gone::Coming { wave, alone: !self.is_serving() };
        }
        let before = self.serving.len();
        self.serving.retain(|serving| serving.id != id);
        if self.serving.len() < before { Gone::Serving } else { Gone::Nobody }
    }

    /// The one that is to start a worker now.
    pub(super) fn start(&mut self, now: Duration) -> Option<ZygoteId> {
        let serving = self.serving.front_mut()?;
        serving.attempts = serving.attempts.saturating_add(1);
        serving.under_way += 1;
        let id = serving.id;
        (self.used_at, self.is_used) = (now, true);
        match self.config.spawn {
            Spawn::Shared => {}
            // Nobody else comes from it.
            Spawn::Exec => self.dismiss_first(),
        }
        Some(id)
    }

    /// It is known what came of a start; nothing if the zygote is no more.
    pub(super) fn started(&mut self, id: ZygoteId) {
        if let Some(serving) = self.serving.iter_mut().find(|serving| serving.id == id) {
            serving.under_way -= 1;
        }
        if let Some(leaving) = self.leaving.get_mut(&id) {
            leaving.under_way -= 1;
        }
    }

    /// A start of it has failed: the next one is to be another one's.
    pub(super) fn distrust(&mut self, id: ZygoteId) {
        if self.serving.front().is_some_and(|serving| serving.id == id) {
            self.dismiss_first();
        }
    }

    /// The one that has served for longest is to end.
    fn dismiss_first(&mut self) {
        if let Some(Serving { id, under_way, .. }) = self.serving.pop_front() {
            self.leaving.insert(id, Leaving { under_way, is_told: false });
        }
    }

    /// No more than one is ready for whoever comes next.
    pub(super) fn dismiss_surplus(&mut self) {
        while self.serving.len() > 1 {
            self.dismiss_first();
        }
    }

    /// None is needed.
    pub(super) fn dismiss_all(&mut self) {
        self.is_used = false;
        while !self.serving.is_empty() {
            self.dismiss_first();
        }
        for id in std::mem::take(&mut self.coming).into_keys() {
            self.leaving.insert(id, Leaving { under_way: 0, is_told: false });
        }
    }

    /// When the one that serves, or has served, is to have a successor; None: not before something else has happened.
    pub(super) fn renewal_at(&self) -> Option<Duration> {
        if !self.coming.is_empty() {
            return None;
        }
        let at = match (self.config.spawn, self.serving.front()) {
            (Spawn::Shared, Some(serving)) if self.leaving.is_empty() => {
                let is_used_up = serving.attempts >= self.config.zygote_attempts;
                if is_used_up { self.used_at } else { later(serving.ready_at, self.config.zygote_age)? }
            }
            (Spawn::Exec, None) if self.is_used && self.has_room() => self.used_at,
            (Spawn::Shared | Spawn::Exec, Some(_) | None) => return None,
        };
        Some(at.max(self.renew_after))
    }

    /// When the one that serves has been of no use for too long.
    pub(super) fn unused_at(&self) -> Option<Duration> {
        self.serving.front().filter(|serving| serving.under_way == 0 && self.coming.is_empty())?;
        later(self.used_at, self.config.zygote_idle?)
    }

    /// One that can be told to end: it is told now, and has no start under way.
    pub(super) fn next_to_end(&mut self) -> Option<ZygoteId> {
        let (id, leaving) = self.leaving.iter_mut().find(|(_, leaving)| leaving.under_way == 0 && !leaving.is_told)?;
        leaving.is_told = true;
        Some(*id)
    }
}
