//! The one task that keeps the workers up: takes in what happens, lets the supervisor decide, and has it done.

mod watching;

use super::attempt::{self, Witness};
use super::message::{Inbox, Message};
use super::opened::Opened;
use super::runner::Runner;
use super::settings::Keep;
use super::told::CrewTold;
use crate::dispatcher::{Dispatcher, Membership, Standing};
use crate::status::Status;
use sandhog_protocol::causes;
use sandhog_protocol::control::Phase;
use sandhog_protocol::plan::Identity;
use sandhog_protocol::verdict::{LostCause, Verdict, VerdictKind};
use sandhog_runtime::attempt_id;
use sandhog_runtime::objects::Group;
use sandhog_runtime::observer::Life;
use sandhog_runtime::record::VerdictRecord;
use sandhog_runtime::run::Kept;
use sandhog_runtime::stop::StopRequest;
use sandhog_runtime::suspension;
use sandhog_runtime::zygote::shared::Family;
use sandhog_spec::job::Job;
use sandhog_spec::service::{Boosts, DEFAULT_GROUP, Rules};
use sandhog_supervisor::scale::{self, Load};
use sandhog_supervisor::state::{Action, AttemptNumber, Definition, Event, Fleet, InstanceId, KnownInstance, Notice};
use sandhog_sys::clock;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc, watch};

/// Starts at the same time, for each processor: more would only wait for each other.
const AT_THE_SAME_TIME: usize = 2;

/// How often it is looked whether there are as many workers as it takes, where their number may change.
const LOOK: Duration = Duration::from_secs(1);

/// So late for its own next look this process was held, or had no processor: what attempts have said meanwhile may not have come
/// through yet.
const HALTED: Duration = Duration::from_secs(2);

/// What the task works with.
pub(super) struct Around {
    pub runner: Arc<dyn Runner>,
    pub dispatcher: Dispatcher,
    pub told: Arc<dyn CrewTold>,
    pub inbox: Inbox,
}

pub(super) struct Actor {
    around: Around,
    job: Arc<Job>,
    rules: Arc<Rules>,
    fleet: Fleet,
    scale: scale::State,
    is_fixed: bool,
    opened: Opened,
    /// What was in force before a reload, until one of its successors is ready.
    before: Option<Opened>,
    group: Option<Group>,
    /// By the number that people see.
    instances: BTreeMap<u32, InstanceId>,
    /// Also of those that are on their way out.
    numbers: HashMap<InstanceId, u32>,
    next_id: InstanceId,
    running: HashMap<AttemptNumber, Running>,
    /// How the last attempt of each ended.
    last: HashMap<InstanceId, Box<VerdictRecord>>,
    starts: Arc<Semaphore>,
    status: watch::Sender<Status>,
    begun: Instant,
    looked: Instant,
    is_over: bool,
}

/// An attempt that has not ended.
struct Running {
    id: InstanceId,
    name: String,
    stop_request: watch::Sender<Option<StopRequest>>,
    /// Ends with this: its connections go to others when it has been reaped.
    membership: Option<Membership>,
    witness: Arc<Witness>,
}

impl Actor {
    pub(super) fn new(around: Around, keep: Keep, status: watch::Sender<Status>) -> Self {
        let Keep { job, rules, scale, opened, group } = keep;
        let max = AT_THE_SAME_TIME * std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        // Neither a command that looks after it nor a schedule is a server's.
        let check_interval = rules.check_interval.filter(|_| rules.health_request.is_some());
        let rules = Rules { check_interval, overlap: None, ..rules };
        let begun = Instant::now();
        Self {
            around,
            job,
            rules: Arc::new(rules),
            fleet: Fleet::new(clock::now_ms() ^ u64::from(std::process::id()) << 32),
            scale: scale::State::new(scale),
            is_fixed: scale.min >= scale.max,
            opened,
            before: None,
            group,
            instances: BTreeMap::new(),
            numbers: HashMap::new(),
            next_id: 1,
            running: HashMap::new(),
            last: HashMap::new(),
            starts: Arc::new(Semaphore::new(max)),
            status,
            begun,
            looked: begun,
            is_over: false,
        }
    }

    /// Until it was asked to end and nothing runs any more, or the spawner has gone.
    pub(super) async fn run(mut self, mut mail: mpsc::UnboundedReceiver<Message>) {
        let runner = Arc::clone(&self.around.runner);
        let lost = runner.is_lost();
        tokio::pin!(lost);
        self.define(self.scale.wanted());
        while !self.is_over {
            let wake = tokio::time::Instant::from_std(self.next_wake());
            tokio::select! {
                biased;
                () = &mut lost => return drop(self.status.send_replace(Status::SpawnerLost)),
                message = mail.recv() => message.map_or((), |message| self.take_in(message)),
                () = tokio::time::sleep_until(wake) => {}
            }
            self.tick();
        }
        if let Some(group) = &self.group {
            group.close().await;
        }
        self.status.send_replace(Status::Over);
    }

    /// Since the beginning, but for the time in which it stood still with all its workers.
    fn now(&self) -> Duration {
        self.begun.elapsed().saturating_sub(suspension::total())
    }

    fn next_wake(&self) -> Instant {
        let look = self.looked + LOOK;
        let fleet = self.fleet.next_wake().map(|at| self.begun + at + suspension::total());
        fleet.map_or(look, |at| at.min(look))
    }

    fn take_in(&mut self, message: Message) {
        match message {
            Message::Launched(attempt) => self.step(Event::Launched { attempt }),
            Message::Began(attempt) => self.step(Event::Began { attempt }),
            Message::Life(attempt, Life::Ready) => self.said_ready(attempt),
            Message::Healthy(attempt) => self.step(Event::Ready { attempt }),
            Message::Checked(attempt, healthy) => self.step(Event::Checked { attempt, healthy }),
            Message::Life(attempt, Life::Heartbeat) => self.step(Event::Heartbeat { attempt }),
            Message::Life(attempt, Life::Retire(reason)) => self.step(Event::Retire { attempt, reason }),
            Message::Stands(attempt, standing) => self.stands(attempt, standing),
            Message::Ended(attempt, record) => self.ended(attempt, record),
            Message::Reload(opened) => self.reload(*opened),
            Message::Scale(workers) => {
                let workers = self.scale.set(workers);
                self.define(workers);
            }
            Message::ShutDown => self.step(Event::Shutdown),
            Message::ShutDownNow => self.step(Event::ShutdownNow),
        }
    }

    /// Lets the supervisor decide, and does what it says.
    fn step(&mut self, event: Event) {
        let actions = self.fleet.step(event, self.now());
        for action in actions {
            self.execute(action);
        }
    }

    /// What time alone brings about.
    fn tick(&mut self) {
        if self.looked.elapsed() >= LOOK {
            self.looked = Instant::now();
            self.look_at_load();
            self.look_at_memory();
        }
        if let Some(at) = self.fleet.next_wake().filter(|at| *at <= self.now()) {
            let late = self.now().saturating_sub(at);
            if late >= HALTED {
                self.step(Event::Suspended { late });
            }
            self.step(Event::Tick);
        }
    }

    fn look_at_load(&mut self) {
        if self.is_fixed || *self.status.borrow() != Status::Serving {
            return;
        }
        let numbers = self.around.dispatcher.numbers();
        let load = Load { in_flight: numbers.in_flight.saturating_add(numbers.waiting), workers: numbers.workers };
        if let Some(workers) = self.scale.step(self.now(), load) {
            self.define(workers);
        }
    }

    /// There are to be so many workers. Those with the highest numbers go first.
    fn define(&mut self, workers: u32) {
        self.instances.retain(|number, _| *number <= workers);
        let mut new = Vec::new();
        for number in 1..=workers {
            if !self.instances.contains_key(&number) {
                self.instances.insert(number, self.next_id);
                self.numbers.insert(self.next_id, number);
                new.push(self.next_id);
                self.next_id += 1;
            }
        }
        let known =
            |id: &InstanceId| KnownInstance { id: *id, wanted: false, failed: None, finished: false, restarts: 0 };
        let definition = Definition {
            job: self.job.name.clone(),
            group: DEFAULT_GROUP.into(),
            after: Vec::new(),
            rules: Arc::clone(&self.rules),
        };
        let instances = self.instances.values().map(known).collect();
        self.step(Event::Define { definition, instances });
        self.step(Event::Start { ids: new });
    }

    fn reload(&mut self, opened: Opened) {
        let before = std::mem::replace(&mut self.opened, opened);
        // Of two reloads in a row the first may not have proved itself: what counts is what served.
        self.before.get_or_insert(before);
        let ids = self.instances.values().copied().collect();
        self.step(Event::Reload { ids });
    }

    fn stands(&mut self, attempt: AttemptNumber, standing: Standing) {
        match standing {
            Standing::Joined | Standing::Accepts => {}
            Standing::Retires => {
                let reason = "it takes no more connections".into();
                self.step(Event::Retire { attempt, reason });
            }
            Standing::Broke(what) => self.request_stop(attempt, StopRequest::Breach(what)),
        }
    }

    fn ended(&mut self, attempt: AttemptNumber, record: Box<VerdictRecord>) {
        // Its place with the dispatcher goes with it.
        let Some(Running { id, .. }) = self.running.remove(&attempt) else { return };
        self.around.told.ended(self.number(id), &record);
        let verdict = record.verdict.clone();
        self.last.insert(id, record);
        self.step(Event::Ended { attempt, verdict });
    }

    fn execute(&mut self, action: Action) {
        match action {
            Action::Spawn { id, attempt, boosts } => self.spawn(id, attempt, boosts),
            Action::Stop { attempt, reason } => {
                if let Some(membership) = self.running.get(&attempt).and_then(|running| running.membership.as_ref()) {
                    membership.finish();
                }
                self.request_stop(attempt, StopRequest::gently(&reason));
            }
            Action::Kill { attempt, reason } => self.request_stop(attempt, StopRequest::at_once(&reason)),
            Action::Tell { id, notice } => self.tell(id, &notice),
            Action::Removed { id } => {
                self.numbers.remove(&id);
                self.last.remove(&id);
            }
            Action::Over => self.is_over = true,
            Action::Check { attempt } => self.check(attempt),
            // Nothing outlives this process.
            Action::Save { .. } => {}
        }
    }

    /// Starts an attempt: nothing here waits, and whatever goes wrong is a verdict of it.
    fn spawn(&mut self, id: InstanceId, attempt: AttemptNumber, boosts: Boosts) {
        let (number, restarts) = (self.number(id), self.fleet.see(id).map_or(0, |seen| seen.restarts));
        let name = attempt_id::new_attempt_id();
        let witness = |name: &str| {
            let (told, inbox) = (Arc::clone(&self.around.told), self.around.inbox.clone());
            Witness::new(attempt, number, name.into(), told, inbox)
        };
        let (stop_request, stop_requests) = watch::channel(None);
        let (kept, witness, membership) = match name.and_then(|name| Ok((self.join(&name)?, name))) {
            Ok(((membership, theirs), name)) => {
                let witness = witness(&name);
                let identity = Identity {
                    attempt: name,
                    job: self.job.name.clone(),
                    instance: number,
                    number: u32::try_from(restarts).unwrap_or(u32::MAX).saturating_add(1),
                    ..Identity::default()
                };
                (Ok(self.kept(identity, theirs, boosts, &witness)), witness, Some(membership))
            }
            Err(error) => {
                let reason = format!("there is nothing to start another attempt with: {}", causes::one_line(&error));
                let verdict = Verdict::Lost { reason, cause: LostCause::Machine };
                (Err(VerdictRecord::new(verdict, String::new(), self.job.name.clone())), witness(""), None)
            }
        };
        let name = kept.as_ref().map_or_else(|_| String::new(), |kept| kept.identity.attempt.clone());
        let standing = membership.as_ref().map(Membership::standing);
        let (runner, starts) = (Arc::clone(&self.around.runner), Arc::clone(&self.starts));
        tokio::spawn(attempt::run(runner, starts, kept, Arc::clone(&witness), standing, stop_requests));
        self.running.insert(attempt, Running { id, name, stop_request, membership, witness });
    }

    /// Its place with the dispatcher, and the worker's end of the connection.
    fn join(&self, name: &str) -> io::Result<(Membership, OwnedFd)> {
        let (ours, theirs) = sandhog_channel::pair()?;
        let dispatcher = &self.around.dispatcher;
        let membership = match self.rules.health_request {
            Some(_) => dispatcher.join_held(name.into(), ours),
            None => dispatcher.join(name.into(), ours),
        };
        Ok((membership?, theirs))
    }

    fn kept(&self, identity: Identity, theirs: OwnedFd, boosts: Boosts, witness: &Arc<Witness>) -> Kept {
        // One more than there are: a successor.
        let slots = u32::try_from(self.instances.len()).unwrap_or(u32::MAX).saturating_add(1);
        let zygotes = || Arc::clone(&self.opened.zygotes);
        Kept {
            job: boosts.applied_to(Job::clone(&self.job)),
            granted: self.opened.granted.clone(),
            listeners: Vec::new(),
            identity,
            family: self.rules.shared_zygote.then(|| Family { zygotes: zygotes(), slots }),
            connection: Some(theirs),
            observer: witness.clone(),
            keeper: witness.clone(),
            grace: self.rules.grace,
            group: self.group.clone(),
        }
    }

    fn request_stop(&self, attempt: AttemptNumber, stop_request: StopRequest) {
        if let Some(running) = self.running.get(&attempt) {
            running.stop_request.send_if_modified(|now| {
                let is_stronger = matches!(now, None | Some(StopRequest::Stop(_))) && *now != Some(stop_request);
                is_stronger.then(|| *now = Some(stop_request)).is_some()
            });
        }
    }

    fn number(&self, id: InstanceId) -> u32 {
        self.numbers.get(&id).copied().unwrap_or_default()
    }

    fn tell(&mut self, id: InstanceId, notice: &Notice) {
        match notice {
            Notice::Ready { .. } => drop(self.status.send_replace(Status::Serving)),
            Notice::Failed { reason } => self.gave_up(id, reason),
            Notice::Reloaded { .. } => self.before = None,
            Notice::ReloadFailed { .. } => {
                if let Some(before) = self.before.take() {
                    self.opened = before;
                }
            }
            Notice::Starting { .. }
            | Notice::Ended { .. }
            | Notice::Backoff { .. }
            | Notice::Stopping { .. }
            | Notice::Stopped
            | Notice::Finished
            | Notice::Recycled { .. }
            | Notice::Retiring { .. }
            | Notice::Unhealthy { .. }
            | Notice::Skipped => {}
        }
        let attempt = attempt_of(notice).and_then(|attempt| self.running.get(&attempt));
        let name = attempt.map(|running| running.name.as_str());
        // What has ended is not among those that run any more.
        let ended = matches!(notice, Notice::Ended { .. }).then(|| self.last.get(&id)).flatten();
        let name = name.or_else(|| ended.map(|record| record.attempt.as_str()));
        self.around.told.notice(self.number(id), name, notice);
    }

    /// One that is refused is so for all before the first one has been ready: the others would be given the same module.
    fn gave_up(&mut self, id: InstanceId, reason: &str) {
        let last = self.last.get(&id).cloned();
        let is_refused = last.as_ref().is_some_and(|record| record.verdict.kind() == VerdictKind::Refused);
        let is_first = *self.status.borrow() == Status::Starting;
        let is_down = |id: &InstanceId| self.fleet.see(*id).is_none_or(|seen| seen.phase == Phase::Failed);
        if is_refused && is_first || self.instances.values().all(is_down) {
            self.status.send_replace(Status::Failed { reason: reason.into(), last });
        }
    }
}

/// The attempt that a notice is about.
fn attempt_of(notice: &Notice) -> Option<AttemptNumber> {
    match notice {
        Notice::Starting { attempt }
        | Notice::Ready { attempt }
        | Notice::Ended { attempt, .. }
        | Notice::Stopping { attempt }
        | Notice::Recycled { attempt, .. }
        | Notice::Retiring { attempt, .. }
        | Notice::Unhealthy { attempt, .. } => Some(*attempt),
        Notice::Reloaded { new, .. } => Some(*new),
        Notice::Backoff { .. }
        | Notice::Failed { .. }
        | Notice::Stopped
        | Notice::Finished
        | Notice::ReloadFailed { .. }
        | Notice::Skipped => None,
    }
}
