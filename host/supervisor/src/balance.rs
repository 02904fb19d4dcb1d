//! Which worker gets which connection of a job that serves. A pure function of events.
//!
//! ```text
//!              Give                Reads                Closed
//!  waiting ───────────▶ unread ───────────▶ read ─────────────▶ served
//!   │   ▲                 │  │                └─────────────────▶ lost        Gone
//!   │   └─────────────────┘  └──────────────────────────────────▶ withdrawn   Closed
//!   │    Declined, Unsent, Gone
//!   └───────────────────────────────────────────────────────────▶ refused     full, late, handed over, closing
//!
//!           Accepts, Admitted     Finish, Retires, HungUp
//!  joined ────────────────────▶ open ─────────────────────────▶ finishing ──Gone──▶
//!                     full, resting ◀──▶                         broken
//! ```
//!
//! [`State`] is the balance: `step(now, event)` says what is to be done, `next_wake` when time itself is an event
//! ([`Event::Tick`]).
//!
//! - A connection goes to the worker that has the fewest, and of those with as many to the one that was last given one longest
//!   ago. No worker has more than `connections` at the same time.
//! - One that no worker takes waits: those that a worker had before come first. No more than `waiting_max` wait that no worker
//!   had, and none for longer than `waiting_for`.
//! - One that a worker has and has not read is another one's as soon as the worker declines it or is gone. A worker that has only
//!   closed its end, or broke the rules, may still read: nobody else is given its connections before it has been reaped.
//!
//! Where the design is silent:
//!
//! - Whoever keeps a worker up may ask it something by a connection of its own ([`Event::Asked`]), so as to see that it answers. No
//!   other worker ever has that connection, and it is no part of any number or bound. A worker that is held has such connections
//!   alone until it is admitted.
//! - A client that was left in the kernel's queue has waited there already, and is refused as soon as if it had waited here. Where
//!   a worker takes it at once, nobody asks how long it has waited.
//! - A worker that declines one without being asked to finish is given none for [`REST`]: two such workers would hand a
//!   connection to and fro without end. For the same reason a connection is handed over [`HANDED_OVER`] times at the most.
//! - A worker that has been given as many as it may in all (`in_all`) is given no more, whatever becomes of them. It ends by
//!   itself; one that was taken over by its client gets no other one.
//! - A worker that retires is given none from that word on, and is told to finish at once.
//! - After [`Event::Drain`] those that wait are given while there is a worker that takes some or will; without one they are
//!   refused.
//! - An event about a worker that is not there changes nothing; time passes.

#[cfg(test)]
mod bounds;
mod line;
mod message;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod worker;

use line::Line;
pub use message::{Action, Breach, Event, Fate, Why, WorkerId};
use sandhog_protocol::http::ConnectionId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use worker::{Left, Over, Patience, Phase, Worker};

/// For so long a worker is given none that has declined one: long enough that one that does nothing else costs nothing, short
/// enough that nobody notices.
pub const REST: Duration = Duration::from_millis(100);

/// So many workers may have had a connection without reading it. In a reload each worker that ends hands its own over once.
pub const HANDED_OVER: u32 = 16;

/// The bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Connections that one worker has at the same time; at least 1.
    pub connections: u32,
    /// Connections that one worker is ever given, of those that join from now on. None: no bound.
    pub in_all: Option<u64>,
    /// Connections that may wait and that no worker had before.
    pub waiting_max: usize,
    /// How long one may wait.
    pub waiting_for: Duration,
}

/// Connections that there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Workers that take connections, be they full at the moment or not.
    pub workers: usize,
    pub waiting: usize,
    pub unread: usize,
    pub read: usize,
}

/// All workers and connections of a job that serves.
pub struct State {
    config: Config,
    now: Duration,
    mode: Mode,
    line: Line,
    workers: BTreeMap<WorkerId, Worker>,
    /// Those that may be given one now: the next one first.
    open: BTreeSet<Place>,
    resting: BTreeSet<(Duration, WorkerId)>,
    /// Of all workers together.
    counts: Counts,
    turns: u64,
    actions: Vec<Action>,
}

/// Load, turn, and whose they are.
type Place = (usize, u64, WorkerId);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Serving,
    Draining,
    Drained,
}

impl State {
    /// Without workers and connections.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config: Config { connections: config.connections.max(1), ..config },
            now: Duration::ZERO,
            mode: Mode::Serving,
            line: Line::default(),
            workers: BTreeMap::new(),
            open: BTreeSet::new(),
            resting: BTreeSet::new(),
            counts: Counts::default(),
            turns: 0,
            actions: Vec::new(),
        }
    }

    /// Other bounds, from the next event on. Nothing that a worker has is taken from it.
    pub fn configure(&mut self, config: Config) {
        self.config = Config { connections: config.connections.max(1), ..config };
        let places = self.workers.iter().filter_map(|(id, worker)| Known::of(*id, worker, &self.config).place);
        self.open = places.collect();
    }

    /// Takes one event in and says what is to be done, in this order. `now`: since a beginning.
    #[must_use]
    pub fn step(&mut self, now: Duration, event: Event) -> Vec<Action> {
        self.now = self.now.max(now);
        self.expire();
        match event {
            Event::Joined { worker, held } => self.joined(worker, held),
            Event::Admitted { worker } => drop(self.change(worker, Worker::admit)),
            Event::Arrived { connection, waited } => self.arrived(connection, waited),
            Event::Asked { worker, connection } => self.asked(worker, connection),
            Event::Accepts { worker } => drop(self.hear(worker, Worker::accepts)),
            Event::Reads { worker, connection } => self.reads(worker, connection),
            Event::Declined { worker, connection } => self.declined(worker, connection),
            Event::Closed { worker, connection } => self.closed(worker, connection),
            Event::Retires { worker } => {
                self.hear(worker, Worker::retires);
                self.finish(worker);
            }
            Event::Broke { worker, breach } => drop(self.hear(worker, |_| Err::<(), _>(breach))),
            Event::Finish { worker } => self.finish(worker),
            Event::Unsent { worker, connection } => self.unsent(worker, connection),
            Event::Room { worker } => self.room(worker),
            Event::HungUp { worker } => self.hung_up(worker),
            Event::Gone { worker } => self.gone(worker),
            Event::Tick => {}
            Event::Drain => self.drain(),
        }
        self.settle();
        std::mem::take(&mut self.actions)
    }

    /// When [`Event::Tick`] is to come; None: not before something else has happened.
    #[must_use]
    pub fn next_wake(&self) -> Option<Duration> {
        let late = self.line.oldest().map(|since| since.saturating_add(self.config.waiting_for));
        let rested = self.resting.first().map(|(until, _)| *until);
        [late, rested].into_iter().flatten().min()
    }

    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts { waiting: self.line.len(), ..self.counts }
    }

    /// Whether a worker has this connection, read or not.
    #[must_use]
    pub fn has(&self, worker: WorkerId, connection: ConnectionId) -> bool {
        self.workers.get(&worker).is_some_and(|worker| worker.has(connection))
    }

    fn joined(&mut self, worker: WorkerId, held: bool) {
        let in_all = self.config.in_all;
        self.workers.entry(worker).or_insert_with(|| Worker::new(in_all, held));
    }

    fn arrived(&mut self, connection: ConnectionId, waited: Duration) {
        let refused = match self.mode {
            // Where a worker takes it at once it does not wait.
            Mode::Serving if !self.open.is_empty() => None,
            Mode::Serving if self.line.fresh() >= self.config.waiting_max => Some(Why::Full),
            Mode::Serving if waited >= self.config.waiting_for => Some(Why::Late),
            Mode::Serving => None,
            Mode::Draining | Mode::Drained => Some(Why::Closing),
        };
        let waited = if self.open.is_empty() { waited } else { Duration::ZERO };
        match refused {
            Some(why) => self.refuse(connection, why),
            None => {
                let since = self.now.saturating_sub(waited);
                self.line.put_back(connection, Patience { since, handed_over: 0 });
            }
        }
    }

    fn asked(&mut self, id: WorkerId, connection: ConnectionId) {
        match self.change(id, |worker| worker.ask(connection)) {
            Some(true) => self.actions.push(Action::Give { worker: id, connection }),
            Some(false) | None => self.end_own(connection),
        }
    }

    fn end_own(&mut self, connection: ConnectionId) {
        self.actions.push(Action::End { connection, fate: Fate::Own });
    }

    fn reads(&mut self, id: WorkerId, connection: ConnectionId) {
        if self.hear(id, |worker| worker.reads(connection)).is_some() {
            self.actions.push(Action::LetGo { connection });
        }
    }

    fn declined(&mut self, id: WorkerId, connection: ConnectionId) {
        let until = self.now.saturating_add(REST);
        let declined = self.hear(id, |worker| {
            let over = worker.declines(connection)?;
            if matches!(over, Over::Unread(_)) && matches!(worker.phase, Phase::Open | Phase::Resting { .. }) {
                worker.phase = Phase::Resting { until };
            }
            Ok(over)
        });
        match declined {
            Some(Over::Unread(patience)) => self.hand_over(connection, patience),
            Some(Over::Own) => self.end_own(connection),
            Some(Over::Read) | None => {}
        }
    }

    fn closed(&mut self, id: WorkerId, connection: ConnectionId) {
        let fate = self.hear(id, |worker| worker.closed(connection)).map(|over| match over {
            Over::Read => Fate::Served,
            Over::Unread(_) => Fate::Withdrawn,
            Over::Own => Fate::Own,
        });
        self.actions.extend(fate.map(|fate| Action::End { connection, fate }));
    }

    fn finish(&mut self, id: WorkerId) {
        let is_new = self.change(id, |worker| {
            let is_new = worker.has_a_future() || worker.phase == Phase::Spent;
            if is_new {
                worker.phase = Phase::Finishing;
            }
            is_new
        });
        if is_new == Some(true) {
            self.actions.push(Action::Finish { worker: id });
        }
    }

    fn hung_up(&mut self, id: WorkerId) {
        self.change(id, |worker| {
            if worker.has_a_future() {
                worker.phase = Phase::Finishing;
            }
        });
    }

    fn unsent(&mut self, id: WorkerId, connection: ConnectionId) {
        let unsent = self.change(id, |worker| {
            if worker.forget(connection) {
                worker.fill_up();
                return Some(Over::Own);
            }
            worker.take_back();
            worker.take_unread(connection).ok().map(Over::Unread)
        });
        match unsent.flatten() {
            Some(Over::Unread(patience)) => self.line.put_back(connection, patience),
            Some(Over::Own) => self.end_own(connection),
            Some(Over::Read) | None => {}
        }
    }

    fn room(&mut self, id: WorkerId) {
        self.change(id, |worker| {
            if worker.phase == Phase::Full {
                worker.phase = Phase::Open;
            }
        });
    }

    fn gone(&mut self, id: WorkerId) {
        // What is derived from it goes first.
        self.hung_up(id);
        let Some(worker) = self.workers.remove(&id) else { return };
        self.counts.unread -= worker.unread();
        self.counts.read -= worker.load() - worker.unread();
        let Left { read, unread, own } = worker.leave();
        own.into_iter().for_each(|connection| self.end_own(connection));
        let lost = |connection| Action::End { connection, fate: Fate::Lost };
        self.actions.extend(read.into_iter().map(lost));
        for (connection, patience) in unread {
            self.hand_over(connection, patience);
        }
    }

    fn drain(&mut self) {
        if self.mode == Mode::Serving {
            self.mode = Mode::Draining;
        }
    }

    /// A worker had it and did not read it.
    fn hand_over(&mut self, connection: ConnectionId, patience: Patience) {
        let handed_over = patience.handed_over + 1;
        if handed_over > HANDED_OVER {
            self.refuse(connection, Why::HandedOver);
        } else {
            self.line.push(connection, Patience { since: self.now, handed_over });
        }
    }

    fn refuse(&mut self, connection: ConnectionId, why: Why) {
        self.actions.push(Action::End { connection, fate: Fate::Refused(why) });
    }

    /// Those that have waited for too long.
    fn expire(&mut self) {
        let Some(since) = self.now.checked_sub(self.config.waiting_for) else { return };
        while let Some(connection) = self.line.take_older(since) {
            self.refuse(connection, Why::Late);
        }
    }

    /// What the event, or the time, has made possible.
    fn settle(&mut self) {
        while let Some((_, id)) = self.resting.first().copied().filter(|(until, _)| *until <= self.now) {
            self.change(id, |worker| worker.phase = Phase::Open);
        }
        while let Some((_, _, id)) = self.open.first().copied() {
            let Some((connection, patience)) = self.line.take() else { break };
            self.turns += 1;
            let turn = self.turns;
            self.change(id, |worker| {
                worker.turn = turn;
                worker.give(connection, patience);
            });
            self.actions.push(Action::Give { worker: id, connection });
        }
        if self.mode == Mode::Draining {
            self.go_on_draining();
        }
    }

    fn go_on_draining(&mut self) {
        if !self.workers.values().any(Worker::has_a_future) {
            while let Some((connection, _)) = self.line.take() {
                self.refuse(connection, Why::Closing);
            }
        }
        if self.line.len() == 0 && self.counts.unread == 0 {
            self.mode = Mode::Drained;
            self.actions.push(Action::Drained);
        }
    }

    /// Takes in what a worker says, unless it broke the rules before. None: that does not count.
    fn hear<T>(&mut self, id: WorkerId, act: impl FnOnce(&mut Worker) -> Result<T, Breach>) -> Option<T> {
        let heard = self.change(id, |worker| {
            if worker.phase == Phase::Broken {
                return None;
            }
            let heard = act(worker);
            if heard.is_err() {
                worker.phase = Phase::Broken;
            }
            Some(heard)
        });
        match heard.flatten()? {
            Ok(value) => Some(value),
            Err(breach) => {
                self.actions.push(Action::Breach { worker: id, breach });
                None
            }
        }
    }

    /// Changes a worker, and brings what is derived from it in line.
    fn change<T>(&mut self, id: WorkerId, act: impl FnOnce(&mut Worker) -> T) -> Option<T> {
        let worker = self.workers.get_mut(&id)?;
        let before = Known::of(id, worker, &self.config);
        let result = act(worker);
        let now = Known::of(id, worker, &self.config);
        if before.place != now.place {
            before.place.map(|place| self.open.remove(&place));
            now.place.map(|place| self.open.insert(place));
        }
        if before.rests != now.rests {
            before.rests.map(|until| self.resting.remove(&(until, id)));
            now.rests.map(|until| self.resting.insert((until, id)));
        }
        self.counts.workers = self.counts.workers + usize::from(now.takes) - usize::from(before.takes);
        self.counts.unread = self.counts.unread + now.unread - before.unread;
        self.counts.read = self.counts.read + now.read - before.read;
        Some(result)
    }
}

/// What is derived from a worker.
struct Known {
    /// Where it may be given a connection.
    place: Option<Place>,
    rests: Option<Duration>,
    takes: bool,
    unread: usize,
    read: usize,
}

impl Known {
    fn of(id: WorkerId, worker: &Worker, config: &Config) -> Self {
        let (load, unread) = (worker.load(), worker.unread());
        let has_room = load < config.connections as usize;
        let place = (load, worker.turn, id);
        let known = Self { place: None, rests: None, takes: true, unread, read: load - unread };
        match worker.phase {
            Phase::Open => Self { place: has_room.then_some(place), ..known },
            Phase::Resting { until } => Self { rests: Some(until), ..known },
            Phase::Full => known,
            Phase::Joined | Phase::Spent | Phase::Finishing | Phase::Broken => Self { takes: false, ..known },
        }
    }
}
