//! The fleet in a world of chance: attempts that crash, hang, retire, ignore that they are to stop; operators that ask for
//! anything at any time; in virtual time. After each event the rules of supervision are checked against a model that is
//! kept beside the fleet. When the operators have gone and the world behaves, all must come to rest as it should.
//!
//! How one world is looked at alone, and how many are tried, is said in `sandhog-simulation`.

use super::*;
use crate::restart::tests::usual_rules;
use sandhog_protocol::control::Phase;
use sandhog_protocol::verdict::{HealthCheck, MemoryWall, StopReason, Verdict, VerdictKind};
use sandhog_simulation::{Rng, explore};
use sandhog_spec::service::{Boosts, Intensity, Overlap, Ready, Restart, Retry, Rules};
use std::collections::VecDeque;

/// Events in all worlds together, at the least.
const EVENTS: u64 = 1_000_000;

/// What operators ask for before they leave.
const REQUESTS: u64 = 150;

/// Ticks in a second that an instance may need: of its checks, its pauses and its successor's.
const TICKS: u64 = 40;

const COMPLETED: Verdict = Verdict::Completed { code: 0 };

/// A job as the operators know it.
struct Service {
    group: String,
    after: Vec<String>,
    rules: Rules,
    ids: BTreeSet<InstanceId>,
}

/// An attempt that runs.
struct Live {
    id: InstanceId,
    rules: Arc<Rules>,
    ready: bool,
    /// It has been told to go, or has been killed.
    told: bool,
    /// Somebody holds it.
    paused: bool,
}

/// What was asked of an instance.
#[derive(Default)]
struct Asked {
    job: String,
    /// It is to be down, and stays so.
    stopped: bool,
    /// It has been asked to stop, and has not been down since.
    stopping: bool,
    /// The second time.
    killed: bool,
    /// It was asked to stop in order to start again.
    restarting: bool,
    restarts: u64,
    /// Failures that were followed by another try.
    retries: VecDeque<Duration>,
    last: Option<VerdictKind>,
    /// It was refused, and nobody has asked for it since.
    refused: bool,
}

struct World {
    fleet: Fleet,
    rng: Rng,
    now: Duration,
    /// What is going to happen.
    agenda: BTreeMap<(Duration, u64), Event>,
    number: u64,
    jobs: BTreeMap<String, Service>,
    live: BTreeMap<AttemptNumber, Live>,
    asked: BTreeMap<InstanceId, Asked>,
    strategies: [Strategy; 2],
    last_attempt: AttemptNumber,
    next_id: InstanceId,
    calm: bool,
    leaving: bool,
    over: u64,
    events: u64,
    /// Ticks in the second that runs.
    ticks: (u64, u64),
}

impl World {
    fn new(rng: Rng) -> Self {
        let strategy = || match rng.below(4) {
            0 => Strategy::OneForAll,
            1 => Strategy::RestForOne,
            _ => Strategy::OneForOne,
        };
        let strategies = [strategy(), strategy()];
        Self {
            fleet: Fleet::new(rng.random()),
            rng,
            now: Duration::ZERO,
            agenda: BTreeMap::new(),
            number: 0,
            jobs: BTreeMap::new(),
            live: BTreeMap::new(),
            asked: BTreeMap::new(),
            strategies,
            last_attempt: 0,
            next_id: 1,
            calm: false,
            leaving: false,
            over: 0,
            events: 0,
            ticks: (0, 0),
        }
    }

    #[track_caller]
    fn check(&self, holds: bool, what: &str) {
        assert!(holds, "{what}");
    }

    fn later(&mut self, pause: Duration, event: Event) {
        self.number += 1;
        self.agenda.insert((self.now + pause, self.number), event);
    }

    // What operators do.

    fn rules(&mut self) -> Rules {
        let rng = &mut self.rng;
        let ready = if rng.one_in(2) { Ready::Notify } else { Ready::Lived(rng.millis(3000)) };
        let retry = Retry { on: VerdictKind::Memory, factor: Some(2), max: Some(1 << 30) };
        Rules {
            restart: [Restart::OnFailure, Restart::OnFailure, Restart::Always, Restart::Never][rng.below(4) as usize],
            retry_on: if rng.one_in(3) { vec![retry] } else { Vec::new() },
            stop_on: if rng.one_in(5) { [VerdictKind::Denied].into() } else { BTreeSet::new() },
            intensity: Intensity { restarts: rng.below(6) as u32, within: Duration::from_secs(1 + rng.below(60)) },
            ready,
            start_timeout: Duration::from_millis(500 + rng.below(30_000)),
            heartbeat: rng.one_in(3).then(|| Duration::from_millis(200 + rng.below(3000))),
            check_interval: rng.one_in(3).then(|| Duration::from_millis(200 + rng.below(5000))),
            failure_threshold: 1 + rng.below(3) as u32,
            recycle_memory_bytes: rng.one_in(2).then_some(1000),
            overlap: rng.one_in(6).then(|| [Overlap::Skip, Overlap::Queue, Overlap::Replace][rng.below(3) as usize]),
            limits: Boosts { memory_bytes: Some(1 << 20), ..Boosts::default() },
            ..usual_rules()
        }
    }

    /// A new job, which comes after some that have smaller numbers, or a known one with other settings.
    fn define(&mut self) {
        let number = self.rng.below(8);
        let (name, group) = (format!("job{number}"), number % 2);
        let after = (0..number).filter(|other| other % 2 == group && self.rng.one_in(3));
        let after: Vec<_> =
            after.map(|other| format!("job{other}")).filter(|other| self.jobs.contains_key(other)).collect();
        let fresh = self.rules();
        let mut rules = fresh;
        let mut ids = BTreeSet::new();
        if let Some(known) = self.jobs.get(&name) {
            (rules.intensity, ids) = (known.rules.intensity, known.ids.clone());
            if !self.rng.one_in(8) {
                rules.overlap = known.rules.overlap;
            }
        }
        let count = self.rng.below(5) as usize;
        while ids.len() > count {
            let id = ids.pop_last().unwrap();
            self.ask_to_stop(id);
        }
        let mut instances = Vec::new();
        while ids.len() < count {
            ids.insert(self.next_id);
            let is_wanted = !self.rng.one_in(8);
            self.asked.insert(self.next_id, Asked { job: name.clone(), stopped: !is_wanted, ..Asked::default() });
            self.next_id += 1;
        }
        for id in &ids {
            // Somebody has spoken.
            self.asked.get_mut(id).unwrap().refused = false;
            let wanted = !self.asked[id].stopped;
            instances.push(KnownInstance { id: *id, wanted, failed: None, finished: false, restarts: 0 });
        }
        let group = format!("group{group}");
        let service = Service { group: group.clone(), after: after.clone(), rules: rules.clone(), ids };
        self.jobs.insert(name.clone(), service);
        let definition = Definition { job: name, group, after, rules: Arc::new(rules) };
        self.step(Event::Define { definition, instances });
    }

    /// Only what nothing else comes after may go.
    fn delete(&mut self, name: &str) {
        if self.jobs.values().any(|job| job.after.iter().any(|after| after == name)) {
            return;
        }
        let Some(job) = self.jobs.remove(name) else { return };
        job.ids.iter().for_each(|id| self.ask_to_stop(*id));
        self.step(Event::Delete { job: name.into() });
    }

    fn ask_to_stop(&mut self, id: InstanceId) {
        let runs = self.live.values().any(|live| live.id == id);
        let asked = self.asked.get_mut(&id).unwrap();
        (asked.killed, asked.stopped, asked.restarting) = (asked.stopping && runs, true, false);
        asked.stopping = runs;
    }

    fn ask_to_start(&mut self, id: InstanceId) {
        let told = self.live.values().all(|live| live.id != id || live.told);
        let asked = self.asked.get_mut(&id).unwrap();
        asked.stopped = false;
        asked.stopping &= told || asked.restarting || self.leaving;
        asked.retries.clear();
        asked.refused = false;
    }

    /// So many instances as there are, or others; all of them are to be up.
    fn scale(&mut self, name: &str) {
        let count = self.rng.below(5) as usize;
        let Some(job) = self.jobs.get_mut(name) else { return };
        let mut gone = Vec::new();
        while job.ids.len() > count {
            gone.extend(job.ids.pop_last());
        }
        while job.ids.len() < count {
            job.ids.insert(self.next_id);
            self.asked.insert(self.next_id, Asked { job: name.into(), ..Asked::default() });
            self.next_id += 1;
        }
        let (ids, group, after) = (job.ids.clone(), job.group.clone(), job.after.clone());
        let definition = Definition { job: name.into(), group, after, rules: Arc::new(job.rules.clone()) };
        gone.into_iter().for_each(|id| self.ask_to_stop(id));
        let known =
            |id: &InstanceId| KnownInstance { id: *id, wanted: true, failed: None, finished: false, restarts: 0 };
        self.step(Event::Define { definition, instances: ids.iter().map(known).collect() });
        ids.iter().for_each(|id| self.ask_to_start(*id));
        self.step(Event::Start { ids: ids.iter().copied().collect() });
        for id in ids {
            let seen = self.fleet.see(id).unwrap();
            let is_down = matches!(seen.phase, Phase::Idle | Phase::Stopped | Phase::Failed);
            self.check(seen.wanted && (!is_down || self.leaving), "all that a job is scaled to are to be up");
        }
    }

    /// Somebody holds an attempt that runs, or lets it go on.
    fn hold(&mut self) {
        let held: Vec<_> = self.live.keys().copied().collect();
        if held.is_empty() {
            return;
        }
        let attempt = held[self.rng.below(held.len() as u64) as usize];
        let live = self.live.get_mut(&attempt).unwrap();
        live.paused = !live.paused;
        let paused = live.paused;
        self.step(Event::Paused { attempt, paused });
    }

    fn some_ids(&mut self) -> Vec<InstanceId> {
        let all: Vec<_> = self.jobs.values().flat_map(|job| job.ids.iter().copied()).collect();
        let few = 1 + self.rng.below(4);
        all.into_iter().filter(|_| self.rng.one_in(few)).collect()
    }

    fn request(&mut self) {
        let names: Vec<_> = self.jobs.keys().cloned().collect();
        let name = names.get(self.rng.below(8) as usize).cloned().unwrap_or_default();
        let ids = self.some_ids();
        match self.rng.below(21) {
            16 => self.scale(&name),
            17 => self.hold(),
            18 => {
                let late = self.rng.millis(5000);
                self.step(Event::Suspended { late });
            }
            19 => {
                ids.iter().for_each(|id| self.ask_to_start(*id));
                self.step(Event::Run { ids });
            }
            0..=2 => self.define(),
            3 => self.delete(&name),
            4..=6 => {
                ids.iter().for_each(|id| self.ask_to_start(*id));
                self.step(Event::Start { ids });
            }
            7 | 8 => {
                ids.iter().for_each(|id| self.ask_to_stop(*id));
                self.step(Event::Stop { ids });
            }
            9 | 10 => {
                for id in &ids {
                    self.ask_to_stop(*id);
                    let asked = self.asked.get_mut(id).unwrap();
                    (asked.stopped, asked.restarting, asked.refused) = (false, true, false);
                    asked.retries.clear();
                }
                self.step(Event::Restart { ids });
            }
            11 | 12 => {
                ids.iter().for_each(|id| self.ask_to_start(*id));
                self.step(Event::Reload { ids });
            }
            13 | 14 => {
                let ids = self.jobs.get(&name).map(|job| job.ids.clone()).unwrap_or_default();
                for id in &ids {
                    let asked = self.asked.get_mut(id).unwrap();
                    asked.refused = false;
                    asked.retries.clear();
                }
                self.step(Event::Due { job: name });
            }
            _ => self.stray(),
        }
    }

    /// What concerns nobody, or comes too late.
    fn stray(&mut self) {
        let attempt = self.rng.below(self.last_attempt + 3);
        let ends = !self.live.contains_key(&attempt);
        match self.rng.below(7) {
            0 => self.step(Event::Ready { attempt }),
            1 => self.step(Event::Heartbeat { attempt }),
            2 => self.step(Event::Checked { attempt, healthy: false }),
            3 => self.step(Event::Memory { attempt, bytes: 2000 }),
            4 => self.step(Event::Retire { attempt, reason: "tired".into() }),
            5 if ends => self.step(Event::Ended { attempt, verdict: COMPLETED }),
            _ => self.step(Event::Tick),
        }
    }

    // What the world does.

    fn verdict(&mut self) -> Verdict {
        match self.rng.below(9) {
            0 | 1 => COMPLETED,
            2 => Verdict::Memory { limit: "1MiB".into(), wall: MemoryWall::Engine },
            3 => Verdict::Denied { syscall: None },
            4 => Verdict::Refused { reason: "the module is not there".into() },
            5 => Verdict::Stopped { graceful: true, reason: StopReason::Operator },
            _ => Verdict::Failed { code: 1 },
        }
    }

    /// What is to become of an attempt.
    fn fate(&mut self, attempt: AttemptNumber, rules: &Rules) {
        let begins = self.rng.millis(300);
        self.later(begins / 2, Event::Launched { attempt });
        self.later(begins, Event::Began { attempt });
        let lasts = begins + self.rng.millis(2000);
        if self.calm {
            self.later(begins, Event::Ready { attempt });
            self.later(begins, Event::Heartbeat { attempt });
            if rules.overlap.is_some() {
                self.later(lasts, Event::Ended { attempt, verdict: COMPLETED });
            }
            return;
        }
        if !self.rng.one_in(8) {
            self.later(lasts, Event::Ready { attempt });
            self.later(lasts, Event::Heartbeat { attempt });
        }
        let max = [100, 3000, 30_000, 300_000][self.rng.below(4) as usize];
        for _ in 0..self.rng.below(3) {
            let (pause, bytes) = (self.rng.millis(30_000), self.rng.below(2000));
            self.later(pause, Event::Memory { attempt, bytes });
        }
        if self.rng.one_in(5) {
            let pause = self.rng.millis(20_000);
            self.later(pause, Event::Retire { attempt, reason: "tired".into() });
        }
        if !self.rng.one_in(3) {
            let (pause, verdict) = (self.rng.millis(max), self.verdict());
            self.later(pause, Event::Ended { attempt, verdict });
        }
    }

    /// What the attempt does next is in the agenda; whether it has gone since shows when its time comes.
    fn happen(&mut self, event: Event) {
        match &event {
            Event::Ended { attempt, .. } if !self.live.contains_key(attempt) => {}
            Event::Heartbeat { attempt } => {
                let every = self.live.get(attempt).and_then(|live| live.rules.heartbeat);
                if let Some(every) = every.filter(|_| self.calm || !self.rng.one_in(15)) {
                    self.later(every / 2, event.clone());
                }
                self.step(event);
            }
            _ => self.step(event),
        }
    }

    fn run_until(&mut self, end: Duration) {
        loop {
            let wake = self.fleet.next_wake().map(|wake| wake.max(self.now));
            let next = self.agenda.first_key_value().map(|(key, _)| key.0);
            let Some(at) = wake.into_iter().chain(next).min().filter(|at| *at <= end) else { break };
            self.now = at;
            if next == Some(at) && (wake != Some(at) || self.rng.one_in(2)) {
                let (_, event) = self.agenda.pop_first().unwrap();
                self.happen(event);
            } else {
                self.tick();
            }
        }
        self.now = end;
    }

    /// A tick has something to do, and there are not too many.
    fn tick(&mut self) {
        let second = self.now.as_secs();
        self.ticks = if self.ticks.0 == second { (second, self.ticks.1 + 1) } else { (second, 1) };
        self.check(self.ticks.1 <= TICKS * (1 + self.asked.len() as u64), "the fleet spins");
        self.step(Event::Tick);
    }

    // The rules.

    fn step(&mut self, event: Event) {
        self.events += 1;
        match &event {
            Event::Ended { attempt, verdict } => {
                let seen = self.live.get(attempt).and_then(|live| self.fleet.see(live.id));
                if let Some(live) = self.live.remove(attempt) {
                    let runs = self.live.values().any(|other| other.id == live.id);
                    let refused = verdict.kind() == VerdictKind::Refused && !live.told && !runs;
                    let is_up = seen.is_some_and(|seen| matches!(seen.phase, Phase::Starting | Phase::Running));
                    let runs_again = self.fleet.see(live.id).is_some_and(|seen| seen.queued);
                    let asked = self.asked.get_mut(&live.id).unwrap();
                    asked.last = Some(verdict.kind());
                    asked.refused = refused && is_up && !runs_again;
                    asked.stopping &= runs;
                }
            }
            Event::Shutdown | Event::ShutdownNow => self.leaving = true,
            _ => {}
        }
        let now = matches!(event, Event::ShutdownNow);
        let shown = self.rng.tells().then(|| format!("{event:?}"));
        let actions = self.fleet.step(event, self.now);
        if let Some(event) = shown {
            self.rng.tell(|| format!("{:?} {event} => {actions:?}", self.now));
        }
        for action in actions {
            self.execute(action, now);
        }
        self.check(self.leaving && self.live.is_empty() || self.over == 0, "over before the end");
        self.check(!(self.leaving && self.live.is_empty()) || self.over == 1, "over is said once, when nothing runs");
        self.is_bounded();
    }

    fn execute(&mut self, action: Action, now: bool) {
        match action {
            Action::Spawn { id, attempt, .. } => self.spawned(id, attempt),
            Action::Stop { attempt, reason } => self.told_to_stop(attempt, &reason),
            Action::Kill { attempt, reason } => self.killed(attempt, reason, now),
            Action::Check { attempt } => {
                let healthy = self.calm || !self.rng.one_in(4);
                let pause = self.rng.millis(1000);
                self.later(pause, Event::Checked { attempt, healthy });
            }
            Action::Tell { notice: Notice::Ready { attempt }, .. } => {
                self.live.get_mut(&attempt).expect("one that runs is ready").ready = true;
            }
            Action::Tell { .. } => {}
            Action::Save { id } => self.saved(id),
            Action::Removed { id } => {
                let asked = self.asked.remove(&id).expect("it is removed once");
                self.check(self.live.values().all(|live| live.id != id), "what is removed does not run");
                self.check(self.jobs.get(&asked.job).is_none_or(|job| !job.ids.contains(&id)), "it was to stay");
            }
            Action::Over => self.over += 1,
        }
    }

    fn spawned(&mut self, id: InstanceId, attempt: AttemptNumber) {
        self.check(attempt > self.last_attempt, "an attempt's number is used once");
        self.last_attempt = attempt;
        self.check(!self.leaving, "nothing is started at the end");
        let (others, untold) = self.runs(id);
        self.check(others <= 1, "no third attempt");
        self.check(!self.asked[&id].stopped, "what is started is wanted");
        self.check(!self.asked[&id].refused, "what was refused is not tried again");
        self.check(self.fleet.see(id).is_some_and(|seen| seen.wanted || seen.finished), "what is started is wanted");
        let job = &self.jobs[&self.asked[&id].job];
        if untold == 0 {
            let ready = job.after.iter().all(|after| self.jobs[after].ids.iter().all(|id| self.satisfies(*id)));
            self.check(ready, "it comes after what is not ready");
        }
        let rules = Arc::new(job.rules.clone());
        self.live.insert(attempt, Live { id, rules: Arc::clone(&rules), ready: false, told: false, paused: false });
        self.fate(attempt, &rules);
    }

    /// How many attempts of it run, and how many of them have not been told to go.
    fn runs(&self, id: InstanceId) -> (usize, usize) {
        let of_it = || self.live.values().filter(|live| live.id == id);
        (of_it().count(), of_it().filter(|live| !live.told).count())
    }

    fn satisfies(&self, id: InstanceId) -> bool {
        let ready = self.live.values().any(|live| live.id == id && live.ready && !live.told);
        ready || self.fleet.see(id).is_some_and(|seen| seen.finished)
    }

    fn told_to_stop(&mut self, attempt: AttemptNumber, reason: &End) {
        let live = self.live.get_mut(&attempt).expect("one that runs is told to go");
        let (id, rules) = (live.id, Arc::clone(&live.rules));
        let first = !std::mem::replace(&mut live.told, true);
        self.check(first, "it is told once");
        let asked = &self.asked[&id];
        match reason {
            End::Operator => {
                self.check(asked.stopping || self.leaving, "nobody has asked for it");
                // A successor that is not ready is of use to nobody: it goes at once.
                let is_successor = !self.live[&attempt].ready && self.runs(id).0 > 1;
                self.check(is_successor || !self.one_after_stops(&asked.job), "those that come after it go first");
            }
            End::Replaced => {
                let is_run = rules.overlap.is_some() || self.jobs[&asked.job].rules.overlap.is_some();
                let group = usize::from(self.jobs[&asked.job].group.ends_with('1'));
                let ready = self.live.values().any(|live| live.id == id && !live.told && live.ready);
                let alone = self.strategies[group] == Strategy::OneForOne && !is_run;
                self.check(ready || !alone, "its successor is not ready");
            }
            End::Unhealthy(_) => self.check(false, "what is unhealthy is killed"),
        }
        // Some do not listen: they are ended when their grace is over.
        let graceful = !self.rng.one_in(4);
        let pause = if graceful { self.rng.millis(5000) } else { Duration::from_secs(5) };
        let verdict = Verdict::Stopped { graceful, reason: StopReason::Operator };
        self.later(pause, Event::Ended { attempt, verdict });
    }

    /// Whether something that was asked to stop, and comes after the job, runs.
    fn one_after_stops(&self, name: &str) -> bool {
        let after = self.jobs.iter().filter(|(_, job)| job.after.iter().any(|after| after == name));
        after.into_iter().any(|(dependant, _)| {
            let stops = |asked: &Asked| asked.job == *dependant && asked.stopping;
            let one = self.live.values().any(|live| stops(&self.asked[&live.id]));
            one || self.one_after_stops(dependant)
        })
    }

    fn killed(&mut self, attempt: AttemptNumber, reason: End, now: bool) {
        let live = self.live.get_mut(&attempt).expect("one that runs is killed");
        live.told = true;
        let (id, by) = (live.id, StopReason::Operator);
        let verdict = match reason {
            End::Operator => {
                self.check(now || self.asked[&id].killed, "only the second signal kills");
                Verdict::Stopped { graceful: false, reason: by }
            }
            End::Unhealthy(check) => {
                let Live { ready, paused, .. } = self.live[&attempt];
                self.check((check == HealthCheck::Ready) != ready, "ready is not healthy");
                self.check(!paused, "nothing is expected of what is paused");
                Verdict::Unhealthy { check }
            }
            End::Replaced => Verdict::Stopped { graceful: false, reason: by },
        };
        let pause = self.rng.millis(50);
        self.later(pause, Event::Ended { attempt, verdict });
    }

    fn saved(&mut self, id: InstanceId) {
        let (seen, now) = (self.fleet.see(id), self.now);
        let (Some(seen), Some(asked)) = (seen, self.asked.get_mut(&id)) else { return };
        if !seen.wanted {
            asked.stopped = true;
        }
        let is_retry = seen.restarts > asked.restarts && asked.last != Some(VerdictKind::Completed);
        asked.restarts = seen.restarts;
        let Some(job) = self.jobs.get(&asked.job).filter(|_| is_retry) else { return };
        asked.retries.retain(|at| *at + job.rules.intensity.within > now);
        asked.retries.push_back(now);
        let holds = asked.retries.len() <= job.rules.intensity.restarts as usize;
        self.check(holds, "too many restarts");
    }

    /// What the fleet keeps does not grow but with what there is.
    fn is_bounded(&self) {
        let (fleet, instances) = (&self.fleet, self.fleet.instances.len());
        self.check(instances == self.asked.len(), "the same instances");
        self.check(fleet.attempts.len() == self.live.len(), "the same attempts");
        self.check(fleet.wakes.len() <= instances, "one time for each instance");
        let is_there = |name: &String| fleet.jobs.get(name).is_some_and(|job| job.definition.is_some());
        self.check(self.jobs.keys().all(is_there), "a job is there, with instances or without");
        self.check(fleet.groups.len() <= 2 && fleet.jobs.len() <= 8, "no job or group that is not there");
        self.check(fleet.reloads.is_empty() && fleet.actions.is_empty(), "nothing is left over");
    }

    // The end.

    /// The operators leave, and nothing bad happens any more.
    fn calm_down(&mut self) {
        self.calm = true;
        let (live, agenda) = (&self.live, std::mem::take(&mut self.agenda));
        let is_told = |attempt: &AttemptNumber| live.get(attempt).is_some_and(|live| live.told);
        let harmless = |event: &Event| match event {
            Event::Ended { attempt, .. } => is_told(attempt),
            Event::Memory { .. } | Event::Retire { .. } => false,
            _ => true,
        };
        self.agenda = agenda.into_iter().filter(|(_, event)| harmless(event)).collect();
        let paused: Vec<_> = self.live.iter().filter(|(_, live)| live.paused).map(|(number, _)| *number).collect();
        for attempt in paused {
            self.live.get_mut(&attempt).unwrap().paused = false;
            self.step(Event::Paused { attempt, paused: false });
        }
        let runs: Vec<_> = self.live.iter().map(|(number, live)| (*number, live.rules.overlap.is_some())).collect();
        for (attempt, is_run) in runs {
            self.later(Duration::ZERO, Event::Heartbeat { attempt });
            let is_run = is_run
                || self
                    .jobs
                    .get(&self.asked[&self.live[&attempt].id].job)
                    .is_some_and(|job| job.rules.overlap.is_some());
            if is_run {
                self.later(Duration::from_secs(1), Event::Ended { attempt, verdict: COMPLETED });
            }
        }
        self.run_until(self.now + Duration::from_secs(600));
    }

    /// Everything is as it should be.
    fn is_settled(&self) {
        for (name, job) in &self.jobs {
            for id in &job.ids {
                let (seen, (runs, _)) = (self.fleet.see(*id).unwrap(), self.runs(*id));
                let expected = match seen.phase {
                    Phase::Running => seen.wanted && runs == 1,
                    Phase::Waiting => seen.wanted && runs == 0 && job.after.iter().any(|after| self.is_down(after)),
                    Phase::Scheduled => seen.wanted && runs == 0 && job.rules.overlap.is_some(),
                    Phase::Failed => seen.failed.is_some() && runs == 0,
                    Phase::Idle | Phase::Stopped => !seen.wanted && runs == 0,
                    Phase::Starting | Phase::Stopping | Phase::Backoff | Phase::Unknown(_) => false,
                };
                self.check(expected && !seen.reloading, &format!("{name} {id} does not settle: {seen:?}, {runs}"));
            }
        }
        self.check(
            self.asked.len() == self.jobs.values().map(|job| job.ids.len()).sum::<usize>(),
            "what was deleted stays",
        );
    }

    fn is_down(&self, job: &str) -> bool {
        self.jobs[job].ids.iter().any(|id| !self.satisfies(*id))
    }

    fn live_and_end(&mut self) {
        for (index, strategy) in self.strategies.into_iter().enumerate() {
            self.step(Event::Group { name: format!("group{index}"), strategy });
        }
        for () in self.rng.up_to(REQUESTS) {
            self.request();
            let max = [0, 100, 3000, 20_000][self.rng.below(4) as usize];
            let pause = self.rng.millis(max);
            self.run_until(self.now + pause);
        }
        if self.rng.one_in(4) {
            return self.end_at_once();
        }
        self.calm_down();
        self.is_settled();
        if self.rng.one_in(2) {
            (0..8).rev().for_each(|number| self.delete(&format!("job{number}")));
            self.run_until(self.now + Duration::from_secs(60));
            self.check(self.asked.is_empty() && self.fleet.jobs.len() == 0, "what was deleted stays");
        }
        self.end();
    }

    fn end(&mut self) {
        self.asked.values_mut().for_each(|asked| asked.stopping = true);
        self.step(Event::Shutdown);
        self.run_until(self.now + Duration::from_secs(60 * 8));
        self.check(self.live.is_empty() && self.over == 1, "the end does not come");
        self.request();
        self.check(self.over == 1, "the end comes once");
    }

    /// In the midst of all that goes on; a second signal may follow.
    fn end_at_once(&mut self) {
        self.step(Event::Shutdown);
        (0..3).for_each(|_| self.request());
        if self.rng.one_in(2) {
            let pause = self.rng.millis(2000);
            self.run_until(self.now + pause);
            self.step(Event::ShutdownNow);
        }
        self.run_until(self.now + Duration::from_secs(60 * 8));
        self.check(self.live.is_empty() && self.over == 1, "the end does not come");
    }
}

#[test]
fn a_million_events_break_no_rule() {
    explore(EVENTS, |rng| {
        let mut world = World::new(rng);
        world.live_and_end();
        world.events
    });
}
