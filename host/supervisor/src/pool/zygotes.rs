//! The zygotes of a pool: the one that starts workers, its successor, and those that are to end.
//!
//! Must not: decide whether a worker is started, or know what came of it.

use super::config::{Config, later};
use super::message::ZygoteId;
use std::collections::BTreeMap;
use std::time::Duration;

/// Zygotes that are to end and have not: while there are so many, none is started. Two are usual at most.
const LEAVING_MAX: usize = 8;

#[derive(Debug)]
pub(super) struct Zygotes {
    config: Config,
    next: u32,
    serving: Option<Serving>,
    /// It is not ready; with its wave.
    coming: Option<(ZygoteId, u64)>,
    leaving: BTreeMap<ZygoteId, Leaving>,
    /// A successor has failed: the next one is not started before.
    renew_after: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Serving {
    id: ZygoteId,
    ready_at: Duration,
    used_at: Duration,
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
        Self { config, next: 0, serving: None, coming: None, leaving: BTreeMap::new(), renew_after: Duration::ZERO }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.serving.is_none() && self.coming.is_none() && self.leaving.is_empty()
    }

    pub(super) fn is_serving(&self) -> bool {
        self.serving.is_some()
    }

    /// Another one is to be started; None: one is already, or too many have not ended.
    pub(super) fn begin(&mut self, wave: u64) -> Option<ZygoteId> {
        if self.coming.is_some() || self.leaving.len() >= LEAVING_MAX {
            return None;
        }
        let id = ZygoteId(self.next);
        self.next = self.next.wrapping_add(1);
        self.coming = Some((id, wave));
        Some(id)
    }

    /// It takes the place of the one that has served.
    pub(super) fn ready(&mut self, id: ZygoteId, now: Duration) {
        if self.coming.is_some_and(|(coming, _)| coming == id) {
            self.coming = None;
            self.dismiss();
            self.serving = Some(Serving { id, ready_at: now, used_at: now, attempts: 0, under_way: 0 });
        }
    }

    pub(super) fn ended(&mut self, id: ZygoteId, now: Duration) -> Gone {
        self.leaving.remove(&id);
        if let Some((_, wave)) = self.coming.take_if(|(coming, _)| *coming == id) {
            self.renew_after = now.saturating_add(self.config.backoff.max);
            return Gone::Coming { wave, alone: self.serving.is_none() };
        }
        if self.serving.take_if(|serving| serving.id == id).is_some() { Gone::Serving } else { Gone::Nobody }
    }

    /// The one that is to start a worker now.
    pub(super) fn start(&mut self, now: Duration) -> Option<ZygoteId> {
        let serving = self.serving.as_mut()?;
        serving.used_at = now;
        serving.attempts = serving.attempts.saturating_add(1);
        serving.under_way += 1;
        Some(serving.id)
    }

    /// It is known what came of a start; nothing if the zygote is no more.
    pub(super) fn started(&mut self, id: ZygoteId) {
        if let Some(serving) = self.serving.as_mut().filter(|serving| serving.id == id) {
            serving.under_way -= 1;
        }
        if let Some(leaving) = self.leaving.get_mut(&id) {
            leaving.under_way -= 1;
        }
    }

    /// A start of it has failed: the next one is to be another one's.
    pub(super) fn distrust(&mut self, id: ZygoteId) {
        if self.serving.is_some_and(|serving| serving.id == id) {
            self.dismiss();
        }
    }

    /// The one that serves is to end.
    fn dismiss(&mut self) {
        if let Some(Serving { id, under_way, .. }) = self.serving.take() {
            self.leaving.insert(id, Leaving { under_way, is_told: false });
        }
    }

    /// None is needed.
    pub(super) fn dismiss_all(&mut self) {
        self.dismiss();
        if let Some((id, _)) = self.coming.take() {
            self.leaving.insert(id, Leaving { under_way: 0, is_told: false });
        }
    }

    /// When the one that serves is to have a successor; None: not before something else has happened.
    pub(super) fn renewal_at(&self) -> Option<Duration> {
        let serving = self.serving.filter(|_| self.coming.is_none() && self.leaving.is_empty())?;
        let is_used_up = serving.attempts >= self.config.zygote_attempts;
        let at = if is_used_up { serving.used_at } else { later(serving.ready_at, self.config.zygote_age)? };
        Some(at.max(self.renew_after))
    }

    /// When the one that serves has been of no use for too long.
    pub(super) fn unused_at(&self) -> Option<Duration> {
        let serving = self.serving.filter(|serving| serving.under_way == 0 && self.coming.is_none())?;
        later(serving.used_at, self.config.zygote_idle?)
    }

    /// One that can be told to end: it is told now, and has no start under way.
    pub(super) fn next_to_end(&mut self) -> Option<ZygoteId> {
        let (id, leaving) = self.leaving.iter_mut().find(|(_, leaving)| leaving.under_way == 0 && !leaving.is_told)?;
        leaving.is_told = true;
        Some(*id)
    }
}
