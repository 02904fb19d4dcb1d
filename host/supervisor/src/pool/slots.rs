//! The slots of a pool, what is in each, and who of them is next: the longest idle, the least busy, the one whose time has come.
//!
//! Must not: decide anything, or know where tasks come from.

use super::config::{Config, later};
use super::message::{SlotId, TaskId, ZygoteId};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// What is in a slot.
#[derive(Debug)]
pub(super) enum Slot {
    Free,
    Starting(Start),
    /// It was to start, and is to end before it has.
    Aborted(Start),
    Live(Worker),
}

/// A start that is under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub zygote: ZygoteId,
    /// See [`super::failures::Failures`].
    pub wave: u64,
}

#[derive(Debug)]
pub(super) struct Worker {
    pub wave: u64,
    pub ready_at: Duration,
    /// Tasks that it was given, ever.
    pub given: u64,
    /// Bytes that went through it.
    pub bytes: u64,
    /// Those that it has: it has begun the first.
    pub tasks: VecDeque<Given>,
    pub phase: Phase,
    /// Of when it became idle, or was given a task.
    order: u64,
}

/// A task that a worker has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given {
    pub task: TaskId,
    /// It is finished for everybody else: when its turn comes, the worker is to end.
    pub taken_back: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Idle,
    /// `until` is the time limit of the task that it does. The last one: it is to end after those that it has.
    Busy {
        until: Option<Duration>,
        is_last: bool,
    },
    /// It is to end by itself, or is killed then.
    Retired {
        until: Option<Duration>,
    },
    /// It may still have tasks, until it has been reaped.
    Killed,
}

/// What is derived from a slot and kept elsewhere, as it was last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    line: Line,
    due: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Free,
    Starting,
    Idle(u64),
    /// It has so many tasks and may be given another one.
    Spare(usize, u64),
    Busy,
    /// It has no task, and is to end.
    Leaving,
}

#[derive(Debug)]
struct Entry {
    slot: Slot,
    known: Known,
}

/// All slots, each with what it is derived from: every change goes through [`Slots::change`].
#[derive(Debug)]
pub(super) struct Slots {
    config: Config,
    /// Those that have been used.
    entries: Vec<Entry>,
    vacant: BTreeSet<SlotId>,
    starting: BTreeSet<SlotId>,
    /// The longest idle first.
    idle: BTreeSet<(u64, SlotId)>,
    /// The least busy first.
    spare: BTreeSet<(usize, u64, SlotId)>,
    due: BTreeSet<(Duration, SlotId)>,
    /// Workers that have a task.
    busy: u32,
    next_order: u64,
}

impl Slots {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            entries: Vec::new(),
            vacant: BTreeSet::new(),
            starting: BTreeSet::new(),
            idle: BTreeSet::new(),
            spare: BTreeSet::new(),
            due: BTreeSet::new(),
            busy: 0,
            next_order: 0,
        }
    }

    pub(super) fn live(&self) -> u32 {
        count(self.entries.len() - self.vacant.len())
    }

    pub(super) fn starting(&self) -> u32 {
        count(self.starting.len())
    }

    pub(super) fn idle(&self) -> u32 {
        count(self.idle.len())
    }

    pub(super) fn busy(&self) -> u32 {
        self.busy
    }

    pub(super) fn longest_idle(&self) -> Option<SlotId> {
        self.idle.first().map(|(_, slot)| *slot)
    }

    /// Of those that may have another task.
    pub(super) fn least_busy(&self) -> Option<SlotId> {
        self.spare.first().map(|(_, _, slot)| *slot)
    }

    pub(super) fn last_starting(&self) -> Option<SlotId> {
        self.starting.last().copied()
    }

    /// When the time of one has come, and which.
    pub(super) fn first_due(&self) -> Option<(Duration, SlotId)> {
        self.due.first().copied()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = SlotId> + use<> {
        (0..count(self.entries.len())).map(SlotId)
    }

    pub(super) fn get(&self, slot: SlotId) -> &Slot {
        self.entries.get(index(slot)).map_or(&Slot::Free, |entry| &entry.slot)
    }

    /// A start in the lowest slot that is free.
    pub(super) fn start(&mut self, start: Start) -> Option<SlotId> {
        let next = count(self.entries.len());
        let slot = match self.vacant.first() {
            Some(vacant) => *vacant,
            None if next < self.config.max => {
                let known = Known { line: Line::Free, due: None };
                self.entries.push(Entry { slot: Slot::Free, known });
                self.vacant.insert(SlotId(next));
                SlotId(next)
            }
            None => return None,
        };
        self.change(slot, |slot| *slot = Slot::Starting(start));
        Some(slot)
    }

    /// Takes out what is in a slot, whose process is no more.
    pub(super) fn clear(&mut self, slot: SlotId) -> Slot {
        self.change(slot, |slot| std::mem::replace(slot, Slot::Free)).unwrap_or(Slot::Free)
    }

    /// Changes the worker of a slot, if it has one.
    pub(super) fn worker<T>(&mut self, slot: SlotId, act: impl FnOnce(&mut Worker) -> T) -> Option<T> {
        self.change(slot, |slot| match slot {
            Slot::Live(worker) => Some(act(worker)),
            Slot::Free | Slot::Starting(_) | Slot::Aborted(_) => None,
        })?
    }

    /// The worker is idle from now on.
    pub(super) fn rest(&mut self, slot: SlotId) {
        let order = self.order();
        self.worker(slot, |worker| (worker.phase, worker.order) = (Phase::Idle, order));
    }

    /// The worker has another task. `until` is that task's time limit if it begins now.
    pub(super) fn give(&mut self, slot: SlotId, task: TaskId, until: Option<Duration>) {
        let order = self.order();
        self.worker(slot, |worker| {
            if worker.phase == Phase::Idle {
                worker.phase = Phase::Busy { until, is_last: false };
            }
            worker.tasks.push_back(Given { task, taken_back: false });
            worker.given += 1;
            worker.order = order;
        });
    }

    fn order(&mut self) -> u64 {
        self.next_order += 1;
        self.next_order
    }

    /// Changes what is in a slot, and brings what is derived from it in line.
    pub(super) fn change<T>(&mut self, slot: SlotId, act: impl FnOnce(&mut Slot) -> T) -> Option<T> {
        let entry = self.entries.get_mut(index(slot))?;
        let result = act(&mut entry.slot);
        let now = entry.slot.derive(&self.config);
        let before = std::mem::replace(&mut entry.known, now);
        if before.line != now.line {
            self.leave(slot, before.line);
            self.join(slot, now.line);
        }
        if before.due != now.due {
            before.due.map(|at| self.due.remove(&(at, slot)));
            now.due.map(|at| self.due.insert((at, slot)));
        }
        Some(result)
    }

    fn leave(&mut self, slot: SlotId, line: Line) {
        match line {
            Line::Free => drop(self.vacant.remove(&slot)),
            Line::Starting => drop(self.starting.remove(&slot)),
            Line::Idle(order) => drop(self.idle.remove(&(order, slot))),
            Line::Spare(tasks, order) => {
                self.busy -= 1;
                self.spare.remove(&(tasks, order, slot));
            }
            Line::Busy => self.busy -= 1,
            Line::Leaving => {}
        }
    }

    fn join(&mut self, slot: SlotId, line: Line) {
        match line {
            Line::Free => drop(self.vacant.insert(slot)),
            Line::Starting => drop(self.starting.insert(slot)),
            Line::Idle(order) => drop(self.idle.insert((order, slot))),
            Line::Spare(tasks, order) => {
                self.busy += 1;
                self.spare.insert((tasks, order, slot));
            }
            Line::Busy => self.busy += 1,
            Line::Leaving => {}
        }
    }
}

impl Slot {
    fn derive(&self, config: &Config) -> Known {
        match self {
            Self::Free => Known { line: Line::Free, due: None },
            Self::Starting(_) => Known { line: Line::Starting, due: None },
            Self::Aborted(_) => Known { line: Line::Leaving, due: None },
            Self::Live(worker) => Known { line: worker.line(config), due: worker.due(config) },
        }
    }
}

impl Worker {
    /// One that has just become ready.
    pub(super) fn new(wave: u64, ready_at: Duration, phase: Phase) -> Self {
        Self { wave, ready_at, given: 0, bytes: 0, tasks: VecDeque::new(), phase, order: 0 }
    }

    fn line(&self, config: &Config) -> Line {
        let has_room = self.tasks.len() < config.in_flight as usize && !self.is_used_up(config);
        match self.phase {
            Phase::Idle => Line::Idle(self.order),
            Phase::Busy { is_last: false, .. } if has_room => Line::Spare(self.tasks.len(), self.order),
            Phase::Busy { .. } => Line::Busy,
            Phase::Retired { .. } | Phase::Killed if self.tasks.is_empty() => Line::Leaving,
            Phase::Retired { .. } | Phase::Killed => Line::Busy,
        }
    }

    fn due(&self, config: &Config) -> Option<Duration> {
        match self.phase {
            Phase::Idle => self.old_at(config),
            Phase::Busy { until, is_last } => until.into_iter().chain(self.old_at(config).filter(|_| !is_last)).min(),
            Phase::Retired { until } => until,
            Phase::Killed => None,
        }
    }

    /// When it has its age.
    pub(super) fn old_at(&self, config: &Config) -> Option<Duration> {
        later(self.ready_at, config.worker_age?)
    }

    /// Whether it has had the tasks or the bytes that a worker may have.
    fn is_used_up(&self, config: &Config) -> bool {
        config.tasks_per_worker.is_some_and(|tasks| self.given >= tasks)
            || config.worker_bytes.is_some_and(|bytes| self.bytes >= bytes)
    }

    /// Whether it is to end when it has no task.
    pub(super) fn is_worn_out(&self, config: &Config, now: Duration) -> bool {
        self.is_used_up(config) || self.old_at(config).is_some_and(|at| at <= now)
    }
}

fn index(slot: SlotId) -> usize {
    slot.0 as usize
}

/// There are no more slots than 32 bits can count.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
