//! Connections and workers in a world of chance, in virtual time: clients that come in crowds and go; workers that are not ready,
//! hang, die, lie, decline without a reason, close their end and read on; sockets that are full. Beside the balance is a model of
//! what there is, and every action is checked against it. When the world behaves again, all must be served, and after `Drain`
//! nothing may be left here.
//!
//! How one world is looked at alone, and how many are tried, is said in `sandhog-simulation`.

use super::*;
use sandhog_simulation::{Rng, explore};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::catch_unwind;
use std::time::Duration;

/// Events in all worlds together, at the least.
const EVENTS: u64 = 1_000_000;

/// What happens before the world calms down.
const REQUESTS: u64 = 400;

/// A connection that has not ended.
#[derive(Clone, Copy, Debug)]
struct Known {
    place: Where,
    /// Since when it waits, where it does.
    since: Duration,
    handed_over: u32,
    /// It is new to its worker until then.
    new_until: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Where {
    Waiting,
    Unread(WorkerId),
    Read(WorkerId),
    /// Of whoever keeps the worker up; whether that has read it.
    Own(WorkerId, bool),
}

/// A process.
#[derive(Default)]
struct Process {
    accepts: bool,
    held: bool,
    /// It has been told to finish, has retired, or is not to be reached.
    is_leaving: bool,
    told: bool,
    retired: bool,
    is_broken: bool,
    rests: Option<Duration>,
    is_full: bool,
    /// When it was last given one, in turns.
    turn: u64,
    /// How many it was ever given.
    given: u64,
}

struct World {
    rng: Rng,
    now: Duration,
    config: Config,
    balance: State,
    connections: BTreeMap<ConnectionId, Known>,
    processes: BTreeMap<WorkerId, Process>,
    next_worker: u64,
    next_connection: ConnectionId,
    turn: u64,
    calm: bool,
    draining: bool,
    drained: bool,
    /// The event that is being taken in.
    event: Event,
    arrived: u64,
    fates: BTreeMap<Fate, u64>,
    breaches: BTreeSet<Breach>,
    events: u64,
    /// A planted fault: the balance forgets to say this.
    forgets: fn(&Action) -> bool,
}

impl World {
    fn new(rng: Rng) -> Self {
        let config = Config {
            connections: 1 + rng.below(5) as u32,
            at_once: 1 + rng.below(6) as u32,
            in_all: rng.one_in(3).then(|| 1 + rng.below(4)),
            waiting_max: rng.below(12) as usize,
            waiting_for: Duration::from_millis(1 + rng.below(3000)),
        };
        Self {
            rng,
            now: Duration::ZERO,
            config,
            balance: State::new(config),
            connections: BTreeMap::new(),
            processes: BTreeMap::new(),
            next_worker: 1,
            next_connection: 1,
            turn: 0,
            calm: false,
            draining: false,
            drained: false,
            event: Event::Tick,
            arrived: 0,
            fates: BTreeMap::new(),
            breaches: BTreeSet::new(),
            events: 0,
            forgets: |_| false,
        }
    }

    #[track_caller]
    fn check(&self, holds: bool, what: &str) {
        assert!(holds, "{what} at {:?}", self.event);
    }

    fn load(&self, worker: WorkerId) -> usize {
        let has = |known: &&Known| matches!(known.place, Where::Unread(id) | Where::Read(id) if id == worker);
        self.connections.values().filter(has).count()
    }

    fn may_take(&self, worker: WorkerId) -> bool {
        self.processes.get(&worker).is_some_and(|process| {
            let is_free = !process.is_full && process.rests.is_none();
            process.accepts && !process.held && is_free && self.has_a_future(process)
        }) && self.load(worker) < self.config.connections as usize
            && self.new_ones(worker) < self.config.at_once as usize
    }

    fn new_ones(&self, worker: WorkerId) -> usize {
        let has = |known: &&Known| matches!(known.place, Where::Unread(id) | Where::Read(id) if id == worker);
        self.connections.values().filter(has).filter(|known| known.new_until > self.now).count()
    }

    /// Whether it may be given one some time.
    fn has_a_future(&self, process: &Process) -> bool {
        !process.is_leaving && !process.is_broken && self.config.in_all.is_none_or(|in_all| process.given < in_all)
    }

    fn waiting(&self) -> usize {
        self.connections.values().filter(|known| known.place == Where::Waiting).count()
    }

    fn some_worker(&mut self) -> WorkerId {
        let all: Vec<_> = self.processes.keys().copied().collect();
        if all.is_empty() { WorkerId(0) } else { all[self.rng.below(all.len() as u64) as usize] }
    }

    fn some_connection(&mut self, place: Option<Where>) -> ConnectionId {
        let fits = |known: &Known| place.is_none_or(|place| known.place == place);
        let all: Vec<_> = self.connections.iter().filter(|(_, known)| fits(known)).map(|(id, _)| *id).collect();
        match all.len() as u64 {
            0 => self.rng.below(self.next_connection + 2),
            count => all[self.rng.below(count) as usize],
        }
    }

    // What happens.

    fn request(&mut self) {
        let worker = self.some_worker();
        match self.rng.below(24) {
            23 => {
                self.step_of(worker, Where::Read(worker), |worker, connection| Event::Answered { worker, connection })
            }
            20 => self.ask(worker),
            21 => self.answer(),
            22 => self.step(Event::Admitted { worker }),
            0..=4 => self.arrive_some(),
            5 => self.join(),
            6 | 7 => self.step(Event::Accepts { worker }),
            8..=10 => self.read(worker),
            11 => {
                self.step_of(worker, Where::Unread(worker), |worker, connection| Event::Declined { worker, connection })
            }
            12 => {
                self.step_of(worker, Where::Unread(worker), |worker, connection| Event::Closed { worker, connection })
            }
            13 => self.step_of(worker, Where::Read(worker), |worker, connection| Event::Closed { worker, connection }),
            14 => self.step(Event::Gone { worker }),
            15 => self.step(Event::Finish { worker }),
            16 => self.step(Event::Room { worker }),
            17 => self.rare(worker),
            18 => self.lie(worker),
            _ => self.step(Event::Tick),
        }
    }

    fn arrive_some(&mut self) {
        let most = [1, 2, 20][self.rng.below(3) as usize];
        for () in self.rng.up_to(1 + self.rng.below(most)) {
            let connection = self.next_connection;
            self.next_connection += 1;
            let most = if self.rng.one_in(2) { Duration::ZERO } else { self.config.waiting_for * 5 / 4 };
            let waited = self.rng.millis(u64::try_from(most.as_millis()).unwrap()).min(self.now);
            self.step(Event::Arrived { connection, waited });
        }
    }

    fn join(&mut self) {
        let worker = WorkerId(self.next_worker);
        self.next_worker += 1;
        let held = self.rng.one_in(3);
        self.step(Event::Joined { worker, held });
    }

    fn ask(&mut self, worker: WorkerId) {
        let connection = self.next_connection;
        self.next_connection += 1;
        self.step(Event::Asked { worker, connection });
    }

    /// About a question, where there is one.
    fn answer(&mut self) {
        let own = |known: &Known| if let Where::Own(worker, _) = known.place { Some(worker) } else { None };
        let all: Vec<_> = self.connections.iter().filter_map(|(id, known)| Some((*id, own(known)?))).collect();
        if all.is_empty() {
            return;
        }
        let (connection, worker) = all[self.rng.below(all.len() as u64) as usize];
        let said = match self.rng.below(4) {
            0 => Event::Declined { worker, connection },
            1 => Event::Closed { worker, connection },
            _ => Event::Reads { worker, connection },
        };
        self.step(said);
    }

    fn read(&mut self, worker: WorkerId) {
        self.step_of(worker, Where::Unread(worker), |worker, connection| Event::Reads { worker, connection });
    }

    /// About one of its own, where it has one.
    fn step_of(&mut self, worker: WorkerId, place: Where, event: impl FnOnce(WorkerId, ConnectionId) -> Event) {
        if self.connections.values().any(|known| known.place == place) {
            let connection = self.some_connection(Some(place));
            self.step(event(worker, connection));
        }
    }

    fn rare(&mut self, worker: WorkerId) {
        match self.rng.below(5) {
            0 => self.step(Event::Retires { worker }),
            4 => self.hand_about(),
            1 => self.step(Event::HungUp { worker }),
            2 => self.step(Event::Broke { worker, breach: Breach::Packet }),
            _ => self.step(Event::Joined { worker, held: false }),
        }
    }

    /// Whoever has it declines it, again and again.
    fn hand_about(&mut self) {
        let connection = self.some_connection(None);
        for _ in 0..2 * HANDED_OVER {
            match self.connections.get(&connection).map(|known| known.place) {
                Some(Where::Unread(worker)) => self.step(Event::Declined { worker, connection }),
                Some(Where::Waiting) => {}
                Some(Where::Read(_) | Where::Own(..)) | None => return,
            }
            self.run_until(self.now + REST);
        }
    }

    /// About what is not its own, or in another state.
    fn lie(&mut self, worker: WorkerId) {
        let connection = self.some_connection(None);
        let lie = match self.rng.below(3) {
            0 => Event::Reads { worker, connection },
            1 => Event::Declined { worker, connection },
            _ => Event::Closed { worker, connection },
        };
        self.step(lie);
    }

    /// Time passes, with all that it brings.
    fn run_until(&mut self, end: Duration) {
        while let Some(wake) = self.balance.next_wake().filter(|wake| *wake <= end) {
            self.check(wake >= self.now, "a wake that has passed");
            self.now = wake;
            self.step(Event::Tick);
        }
        self.now = end;
    }

    // What an event means for the model.

    fn step(&mut self, event: Event) {
        self.events += 1;
        self.event = event;
        let breach = self.take_in(event);
        let mut actions = self.balance.step(self.now, event);
        actions.retain(|action| !(self.forgets)(action));
        self.rng.tell(|| format!("{:?} {event:?} => {actions:?}", self.now));
        let told = actions.iter().any(|action| matches!(action, Action::Breach { .. }));
        self.check(told == breach.is_some(), "whoever breaks the rules is told of, and nobody else");
        let mut unsent = VecDeque::new();
        for action in actions {
            self.execute(action, event, breach, &mut unsent);
        }
        self.is_right();
        for event in unsent {
            self.step(event);
        }
    }

    /// The breach that it is.
    fn take_in(&mut self, event: Event) -> Option<Breach> {
        for process in self.processes.values_mut() {
            process.rests = process.rests.filter(|until| *until > self.now);
        }
        match event {
            Event::Joined { worker, held } => {
                self.processes.entry(worker).or_insert_with(|| Process { held, ..Process::default() });
            }
            Event::Admitted { worker } => {
                self.processes.entry(worker).and_modify(|process| process.held = false);
            }
            Event::Arrived { connection, waited } => {
                self.arrived += 1;
                let at_once = self.processes.keys().any(|worker| self.may_take(*worker));
                let since = if at_once { self.now } else { self.now.saturating_sub(waited) };
                self.connections.insert(connection, Known::new(Where::Waiting, since));
            }
            Event::Answered { worker, connection } => self.answered(worker, connection),
            Event::Asked { worker, connection } => {
                self.arrived += 1;
                let place = Where::Own(worker, false);
                self.connections.insert(connection, Known::new(place, self.now));
            }
            Event::Accepts { worker } => {
                return self.hears(worker, |process| {
                    if std::mem::replace(&mut process.accepts, true) { Err(Breach::Twice) } else { Ok(()) }
                });
            }
            Event::Reads { worker, connection } => return self.word(worker, connection, event),
            Event::Declined { worker, connection } => return self.word(worker, connection, event),
            Event::Closed { worker, connection } => return self.word(worker, connection, event),
            Event::Retires { worker } => {
                return self.hears(worker, |process| {
                    process.is_leaving = true;
                    if std::mem::replace(&mut process.retired, true) { Err(Breach::Twice) } else { Ok(()) }
                });
            }
            Event::Broke { worker, breach } => return self.hears(worker, |_| Err(breach)),
            Event::Finish { worker } | Event::HungUp { worker } => {
                self.processes.entry(worker).and_modify(|process| process.is_leaving = true);
            }
            Event::Unsent { worker, connection } => {
                let process = self.processes.get_mut(&worker).unwrap();
                let known = self.connections.get_mut(&connection).unwrap();
                let is_own = matches!(known.place, Where::Own(..));
                process.is_full |= !is_own || !process.held && process.rests.is_none();
                if !is_own {
                    process.given -= 1;
                    known.place = Where::Waiting;
                }
            }
            Event::Room { worker } => {
                self.processes.entry(worker).and_modify(|process| process.is_full = false);
            }
            Event::Gone { worker } => {
                self.processes.remove(&worker);
                for known in self.connections.values_mut().filter(|known| known.place == Where::Unread(worker)) {
                    known.hand_over(self.now);
                }
            }
            Event::Tick => {}
            Event::Drain => self.draining = true,
        }
        None
    }

    fn answered(&mut self, worker: WorkerId, connection: ConnectionId) {
        self.connections.entry(connection).and_modify(|known| {
            if matches!(known.place, Where::Unread(id) | Where::Read(id) if id == worker) {
                known.new_until = Duration::ZERO;
            }
        });
    }

    fn hears(&mut self, worker: WorkerId, act: impl FnOnce(&mut Process) -> Result<(), Breach>) -> Option<Breach> {
        let process = self.processes.get_mut(&worker).filter(|process| !process.is_broken)?;
        let breach = act(process).err()?;
        process.is_broken = true;
        self.breaches.insert(breach);
        Some(breach)
    }

    fn word(&mut self, worker: WorkerId, connection: ConnectionId, event: Event) -> Option<Breach> {
        let place = self.connections.get(&connection).map(|known| known.place);
        let is_own = matches!(place, Some(Where::Own(id, _)) if id == worker);
        let is_unread = matches!(place, Some(Where::Unread(id) | Where::Own(id, false)) if id == worker);
        let is_read = matches!(place, Some(Where::Read(id) | Where::Own(id, true)) if id == worker);
        let is_closed = matches!(event, Event::Closed { .. });
        let now = self.now;
        let breach = self.hears(worker, |process| match (is_unread, is_read) {
            (true, _) => {
                let rests = matches!(event, Event::Declined { .. }) && !process.is_leaving && !process.is_full;
                if rests && process.accepts && !is_own {
                    process.rests = Some(now + REST);
                }
                Ok(())
            }
            (_, true) if is_closed => Ok(()),
            (_, true) => Err(Breach::ReadBefore),
            (false, false) => Err(Breach::NotIts),
        });
        let counts = self.processes.get(&worker).is_some_and(|process| !process.is_broken);
        if let Some(known) = self.connections.get_mut(&connection).filter(|_| counts && is_unread) {
            match event {
                Event::Reads { .. } if is_own => known.place = Where::Own(worker, true),
                Event::Reads { .. } => known.place = Where::Read(worker),
                Event::Declined { .. } if !is_own => known.hand_over(now),
                _ => {}
            }
        }
        breach
    }

    // What an action may be.

    fn execute(&mut self, action: Action, event: Event, breach: Option<Breach>, unsent: &mut VecDeque<Event>) {
        match action {
            Action::Give { worker, connection } => self.give(worker, connection, unsent),
            Action::LetGo { connection } => {
                let is_read = matches!(event, Event::Reads { connection: read, .. } if read == connection);
                let place = self.connections[&connection].place;
                self.check(
                    is_read && matches!(place, Where::Read(_) | Where::Own(_, true)),
                    "a socket is let go when a worker reads it",
                );
            }
            Action::End { connection, fate } => self.end(connection, fate, event),
            Action::Finish { worker } => {
                let process = self.processes.get_mut(&worker).expect("one that is there is told to finish");
                let is_new = !std::mem::replace(&mut process.told, true) && process.is_leaving;
                self.check(is_new, "it is told once");
            }
            Action::Breach { worker, breach: told } => {
                self.check(breach == Some(told) && self.processes[&worker].is_broken, "a breach is called what it is");
            }
            Action::Drained => {
                let is_left = |known: &&Known| matches!(known.place, Where::Waiting | Where::Unread(_));
                let left = self.connections.values().filter(is_left).count();
                let is_new = !std::mem::replace(&mut self.drained, true);
                self.check(self.draining && is_new, "a drain ends once");
                self.check(left == 0, "a drain ends when nothing is left here");
            }
        }
    }

    fn give(&mut self, worker: WorkerId, connection: ConnectionId, unsent: &mut VecDeque<Event>) {
        let asked = Event::Asked { worker, connection };
        if self.event == asked {
            let process = &self.processes[&worker];
            let is_told = process.accepts && !process.is_full && self.has_a_future(process);
            self.check(is_told, "a question is for a worker that takes connections");
            if !self.calm && self.rng.one_in(4) {
                unsent.push_back(Event::Unsent { worker, connection });
            }
            return;
        }
        self.check(self.may_take(worker), "a worker that accepts and has room is given a connection");
        let (load, turn) = (self.load(worker), self.processes[&worker].turn);
        let others = self.processes.iter().filter(|(id, _)| self.may_take(**id));
        let is_next = others.map(|(id, process)| (self.load(*id), process.turn)).min() == Some((load, turn));
        self.check(is_next, "the least loaded is next, and of those the one whose turn is longest ago");
        let known = *self.connections.get(&connection).expect("a connection that has not ended is given");
        self.check(known.place == Where::Waiting, "a connection has one worker");
        self.check(known.since + self.config.waiting_for > self.now, "none is given that has waited for too long");
        let waits = |other: &Known| other.place == Where::Waiting && (other.handed_over > 0) == (known.handed_over > 0);
        let longer = self.connections.values().filter(|other| waits(other)).any(|other| other.since < known.since);
        let returned = self.connections.values().any(|other| other.place == Where::Waiting && other.handed_over > 0);
        self.check(
            !longer && (known.handed_over > 0 || !returned),
            "those that came back are first, and the oldest of them",
        );
        self.turn += 1;
        let process = self.processes.get_mut(&worker).unwrap();
        (process.turn, process.given) = (self.turn, process.given + 1);
        let known = self.connections.get_mut(&connection).unwrap();
        (known.place, known.new_until) = (Where::Unread(worker), self.now + NEW);
        if !self.calm && self.rng.one_in(12) {
            unsent.push_back(Event::Unsent { worker, connection });
        }
    }

    fn end(&mut self, connection: ConnectionId, fate: Fate, event: Event) {
        // Its process may have been reaped just now.
        let known = self.connections.remove(&connection).expect("a connection ends once");
        *self.fates.entry(fate).or_default() += 1;
        let is_late = known.since + self.config.waiting_for <= self.now;
        let is_waiting = known.place == Where::Waiting;
        let can_take = |process: &Process| self.has_a_future(process);
        let right = match fate {
            Fate::Served => {
                matches!(event, Event::Closed { connection: over, .. } if over == connection && matches!(known.place, Where::Read(_)))
            }
            Fate::Withdrawn => {
                matches!(event, Event::Closed { connection: over, .. } if over == connection && matches!(known.place, Where::Unread(_)))
            }
            Fate::Lost => matches!(event, Event::Gone { worker } if known.place == Where::Read(worker)),
            Fate::Refused(Why::Full) => matches!(event, Event::Arrived { connection: new, .. } if new == connection),
            Fate::Own => {
                let Where::Own(worker, is_read) = known.place else { panic!("{known:?}") };
                match event {
                    Event::Asked { .. } => {
                        let takes =
                            |process: &Process| process.accepts && !process.is_full && self.has_a_future(process);
                        !self.processes.get(&worker).is_some_and(takes)
                    }
                    Event::Closed { connection: over, .. } | Event::Unsent { connection: over, .. } => {
                        over == connection
                    }
                    Event::Declined { connection: over, .. } => over == connection && !is_read,
                    Event::Gone { worker: gone } => gone == worker,
                    _ => false,
                }
            }
            Fate::Refused(Why::Late) => is_waiting && is_late,
            Fate::Refused(Why::HandedOver) => is_waiting && known.handed_over > HANDED_OVER,
            Fate::Refused(Why::Closing) => {
                let is_new = matches!(event, Event::Arrived { connection: new, .. } if new == connection);
                self.draining && is_waiting && (is_new || !self.processes.values().any(can_take))
            }
        };
        self.check(right, &format!("connection {connection} ({known:?}) is {fate:?}"));
        if fate == Fate::Refused(Why::Full) {
            let fresh =
                self.connections.values().filter(|known| known.place == Where::Waiting && known.handed_over == 0);
            self.check(fresh.count() >= self.config.waiting_max, "one is refused where as many wait as may");
        }
    }

    /// After each step.
    fn is_right(&mut self) {
        let count = |fits: fn(&Where) -> bool| self.connections.values().filter(|known| fits(&known.place)).count();
        let counts = self.balance.counts();
        let takes = |process: &&Process| process.accepts && !process.held && self.has_a_future(process);
        let expected = Counts {
            workers: self.processes.values().filter(takes).count(),
            waiting: self.waiting(),
            unread: count(|place| matches!(place, Where::Unread(_))),
            read: count(|place| matches!(place, Where::Read(_))),
        };
        assert_eq!(counts, expected);
        let ended: u64 = self.fates.values().sum();
        self.check(ended + self.connections.len() as u64 == self.arrived, "each connection has one fate");
        let fresh = self.connections.values().filter(|known| known.place == Where::Waiting && known.handed_over == 0);
        self.check(fresh.count() <= self.config.waiting_max.max(1), "what waits is bounded");
        let idle = self.processes.keys().any(|worker| self.may_take(*worker));
        self.check(counts.waiting == 0 || !idle, "nobody waits while a worker has room");
        let is_orphan = |known: &Known| match known.place {
            Where::Waiting => false,
            Where::Unread(worker) | Where::Read(worker) | Where::Own(worker, _) => {
                !self.processes.contains_key(&worker)
            }
        };
        self.check(!self.connections.values().any(is_orphan), "a dead worker has no connections");
        let right = self.connections.iter().all(|(id, known)| match known.place {
            Where::Waiting => true,
            Where::Unread(worker) | Where::Read(worker) | Where::Own(worker, _) => self.balance.has(worker, *id),
        });
        self.check(right, "who has which connection");
    }

    // The end.

    fn live_and_end(&mut self) {
        for () in self.rng.up_to(REQUESTS) {
            self.request();
            let most = [0, 0, 5, 200][self.rng.below(4) as usize];
            let pause = self.rng.millis(most);
            self.run_until(self.now + pause);
        }
        if self.rng.one_in(2) {
            self.calm_down();
        }
        self.step(Event::Drain);
        (0..20).for_each(|_| self.request());
        for worker in self.processes.keys().copied().collect::<Vec<_>>() {
            self.step(Event::Gone { worker });
        }
        self.run_until(self.now + Duration::from_secs(3600));
        self.check(self.connections.is_empty() && self.drained, "nothing is left");
        self.check(self.balance.next_wake().is_none(), "nothing comes after the end");
    }

    /// Nothing bad happens any more: with enough workers each connection is read.
    fn calm_down(&mut self) {
        self.calm = true;
        for worker in self.processes.keys().copied().collect::<Vec<_>>() {
            self.step(Event::Gone { worker });
        }
        self.run_until(self.now + 2 * self.config.waiting_for);
        let refused = self.fates.clone();
        for _ in 0..100 {
            // Those that have had as many as they may are replaced.
            while self.processes.values().filter(|process| self.has_a_future(process)).count() < 4 {
                self.join();
                let worker = WorkerId(self.next_worker - 1);
                self.step(Event::Accepts { worker });
                self.step(Event::Admitted { worker });
            }
            let connection = self.next_connection;
            self.next_connection += 1;
            self.step(Event::Arrived { connection, waited: Duration::ZERO });
            let place = self.connections[&connection].place;
            let Where::Unread(worker) = place else { panic!("{place:?}") };
            self.step(Event::Reads { worker, connection });
            self.step(Event::Answered { worker, connection });
            if self.connections.len() >= 4 {
                let (connection, known) = self.connections.first_key_value().map(|(id, known)| (*id, *known)).unwrap();
                let Where::Read(worker) = known.place else { panic!("{known:?}") };
                self.step(Event::Closed { worker, connection });
            }
        }
        let count = |fates: &BTreeMap<Fate, u64>| {
            fates.iter().filter(|(fate, _)| **fate != Fate::Served).map(|(_, times)| times).sum::<u64>()
        };
        self.check(count(&refused) == count(&self.fates), "in a calm world all are served");
    }
}

impl Known {
    fn new(place: Where, since: Duration) -> Self {
        Self { place, since, handed_over: 0, new_until: Duration::ZERO }
    }

    fn hand_over(&mut self, now: Duration) {
        (self.place, self.since) = (Where::Waiting, now);
        self.handed_over += 1;
    }
}

#[test]
fn a_million_events_lose_no_connection() {
    let (mut fates, mut breaches) = (BTreeMap::new(), BTreeSet::new());
    let explored = explore(EVENTS, |rng| {
        let mut world = World::new(rng);
        world.live_and_end();
        for (fate, times) in &world.fates {
            *fates.entry(*fate).or_insert(0) += times;
        }
        breaches.extend(world.breaches.iter().copied());
        world.events
    });
    println!("{fates:?}");
    let all = explored.is_none() || fates.len() == 8 && breaches.len() == 4;
    assert!(all, "a world in which something never happens proves nothing: {fates:?} {breaches:?}");
}

/// It takes a worker that reads one and dies: four events.
#[test]
fn a_planted_fault_of_the_balance_is_told_by_a_small_world() {
    let failed = catch_unwind(|| {
        explore(EVENTS, |rng| {
            let mut world = World::new(rng);
            world.forgets = |action| matches!(action, Action::End { fate: Fate::Lost, .. });
            world.live_and_end();
            world.events
        })
    });
    match failed {
        // Somebody looks at one world alone.
        Ok(explored) => assert_eq!(explored, None),
        Err(failed) => {
            let text = failed.downcast::<String>().unwrap();
            let small: Vec<_> = text.lines().filter(|line| line.contains(" => ")).collect();
            assert!(small.len() <= 8 && text.contains("SANDHOG_CHOICES="), "{text}");
        }
    }
}
