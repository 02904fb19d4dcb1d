//! Zygotes that the instances of one job share: each is started for the first worker that needs it, has a slot for each of its
//! workers, and ends with the last of them.
//!
//! Must not: start a worker, or know what becomes of it.

use super::life::{Life, Origin};
use crate::pool::{ZYGOTE_AGE, ZYGOTE_ATTEMPTS};
use sandhog_protocol::plan::ZygotePlan;
use sandhog_protocol::spawn::ZygoteId;
use sandhog_supervisor::outcome::Cause;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;
use tokio::sync::{oneshot, watch};

/// Those of one job, as it was granted.
#[derive(Default)]
pub struct SharedZygotes {
    /// None is kept by this: a zygote lives for its workers. While one is started, the others wait for it.
    all: tokio::sync::Mutex<Vec<Weak<Zygote>>>,
}

/// Where an instance's worker comes from.
pub struct Family {
    pub zygotes: Arc<SharedZygotes>,
    /// Workers of one zygote at the same time.
    pub slots: u32,
}

/// A zygote that is there.
struct Zygote {
    number: ZygoteId,
    plan: ZygotePlan,
    since: Instant,
    slots: Mutex<Slots>,
    is_over: watch::Receiver<bool>,
    /// It ends with this.
    _end: oneshot::Sender<()>,
}

struct Slots {
    taken: Vec<bool>,
    /// Workers so far.
    attempts: u64,
    /// A start of it has failed.
    is_distrusted: bool,
}

/// The place of one worker in a zygote, which lives as long as one of these.
pub(crate) struct Place {
    zygote: Arc<Zygote>,
    slot: u32,
}

impl SharedZygotes {
    /// A place in a zygote with this plan; its slots are those of one that is to be started.
    ///
    /// # Errors
    /// Why that can't start a worker.
    pub(crate) async fn place(&self, origin: Origin) -> Result<Place, Cause> {
        let mut all = self.all.lock().await;
        all.retain(|zygote| zygote.strong_count() > 0);
        if let Some(place) = all.iter().filter_map(Weak::upgrade).find_map(|zygote| zygote.take(&origin.plan)) {
            return Ok(place);
        }
        let zygote = begin(origin).await?;
        all.push(Arc::downgrade(&zygote));
        // Its end may have come already.
        zygote.place().ok_or(Cause::ZygoteLost)
    }
}

impl Place {
    pub(crate) fn zygote(&self) -> ZygoteId {
        self.zygote.number
    }

    pub(crate) fn slot(&self) -> u32 {
        self.slot
    }

    /// Whether it was for this that a worker was not started that its zygote does not start one: no other one comes from there
    /// either.
    pub(crate) fn has_failed(&self, cause: Option<&Cause>) -> bool {
        let has_failed = match cause {
            Some(Cause::ZygoteLost) => true,
            Some(Cause::Spawn(failure)) => failure.wall.is_none(),
            Some(_) | None => false,
        };
        if has_failed {
            self.zygote.slots().is_distrusted = true;
        }
        has_failed
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(taken) = self.zygote.slots().taken.get_mut(self.slot as usize) {
            *taken = false;
        }
    }
}

impl Zygote {
    fn slots(&self) -> MutexGuard<'_, Slots> {
        // Nothing panics while it holds the lock.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a worker whose zygote is to have this plan, if this one serves and has room.
    fn take(self: Arc<Self>, plan: &ZygotePlan) -> Option<Place> {
        let serves = is_alike(&self.plan, plan) && self.since.elapsed() < ZYGOTE_AGE && !*self.is_over.borrow();
        if serves { self.place() } else { None }
    }

    fn place(self: Arc<Self>) -> Option<Place> {
        let slot = self.slots().take()?;
        Some(Place { zygote: self, slot })
    }
}

impl Slots {
    /// The lowest one that is free.
    fn take(&mut self) -> Option<u32> {
        if self.is_distrusted || self.attempts >= ZYGOTE_ATTEMPTS {
            return None;
        }
        let slot = self.taken.iter().position(|taken| !taken)?;
        self.taken[slot] = true;
        self.attempts += 1;
        u32::try_from(slot).ok()
    }
}

/// Whether they differ in nothing but the number of slots.
fn is_alike(one: &ZygotePlan, other: &ZygotePlan) -> bool {
    let each = |plan: &ZygotePlan| plan.slots.map(|slots| (slots.memory_bytes, slots.tasks));
    one.walls == other.walls
        && one.program == other.program
        && one.coredump == other.coredump
        && each(one) == each(other)
}

/// Starts one. Where the future is dropped, it ends.
async fn begin(origin: Origin) -> Result<Arc<Zygote>, Cause> {
    let plan = origin.plan.clone();
    let count = plan.slots.map_or(0, |slots| slots.count) as usize;
    let (end, ends) = oneshot::channel();
    let (tell, told) = oneshot::channel();
    let (over, is_over) = watch::channel(false);
    tokio::spawn(live(origin, tell, ends, over));
    let number = told.await.unwrap_or(Err(Cause::ZygoteLost))?;
    let slots = Mutex::new(Slots { taken: vec![false; count], attempts: 0, is_distrusted: false });
    Ok(Arc::new(Zygote { number, plan, since: Instant::now(), slots, is_over, _end: end }))
}

/// From its start to its end, whatever becomes of those who wait for it.
async fn live(
    origin: Origin,
    tell: oneshot::Sender<Result<ZygoteId, Cause>>,
    mut ends: oneshot::Receiver<()>,
    over: watch::Sender<bool>,
) {
    let mut life = Life::new(origin);
    let started = tokio::select! {
        started = life.start() => started,
        // Nobody wants it any more.
        _ = &mut ends => Err(Cause::ZygoteLost),
    };
    let is_started = started.is_ok();
    if !is_started {
        life.end().await;
    }
    let number = life.number();
    if tell.send(started.map(|_| number)).is_ok() && is_started {
        tokio::select! {
            _ = life.ended() => {}
            _ = ends => {}
        }
    }
    over.send_replace(true);
    life.end().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(count: usize) -> Slots {
        Slots { taken: vec![false; count], attempts: 0, is_distrusted: false }
    }

    #[test]
    fn the_lowest_free_slot_is_taken_until_there_is_none() {
        let mut three = slots(3);
        assert_eq!([three.take(), three.take(), three.take(), three.take()], [Some(0), Some(1), Some(2), None]);
        three.taken[1] = false;
        assert_eq!([three.take(), three.take()], [Some(1), None]);
    }

    #[test]
    fn nobody_comes_from_one_that_has_failed_or_has_started_as_many_as_it_may() {
        let mut failed = Slots { is_distrusted: true, ..slots(3) };
        let mut used_up = Slots { attempts: ZYGOTE_ATTEMPTS, ..slots(3) };
        assert_eq!([failed.take(), used_up.take()], [None, None]);
    }
}
