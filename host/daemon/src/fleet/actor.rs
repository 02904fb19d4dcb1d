//! The one task that owns the daemon's jobs: takes in what happens, lets the supervisor decide, and has it done.

use super::attempt_observer::AttemptObserver;
use super::clock::Clock;
use super::events::Events;
use super::fronts::{Fronts, Reserved, Server};
use super::handle::Handle;
use super::index::{Index, Member};
use super::logs::Logs;
use super::mailbox::Mailbox;
use super::message::{Inbox, Message};
use super::parked::Parked;
use super::ports::Ports;
use super::request::Reply;
use super::sample::Use;
use super::shared_objects::SharedObjects;
use super::store::{self, Store};
use super::waits::{Far, Goal, Waiter, far};
use sandhog_protocol::causes;
use sandhog_protocol::control::{EndedAttempt, EventKind, VerbResult};
use sandhog_runtime::coordinator::Coordinator;
use sandhog_runtime::granted::Settled;
use sandhog_runtime::observer::Life;
use sandhog_runtime::record::VerdictRecord;
use sandhog_runtime::stop::StopRequest;
use sandhog_runtime::suspension;
use sandhog_spec::service::Service;
use sandhog_spec::text::escape;
use sandhog_spec::time;
use sandhog_supervisor::state::{self, AttemptNumber, Definition, Fleet, InstanceId};
use sandhog_supervisor::verdict_text;
use sandhog_sys::clock::now_ms;
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc, watch};

/// Lines of logs that may wait for a slow reader; it misses the oldest ones then.
const LATE_LINES: usize = 1024;

/// Messages that are taken in before it is looked whether time has passed.
const AT_ONCE: usize = 256;

/// How often memory is looked at where it decides over an attempt.
const LOOK: Duration = Duration::from_secs(1);

/// How often the clock is looked at while a schedule waits: somebody may have set it.
const CLOCK_LOOK: Duration = Duration::from_secs(30);

/// So late for its own next look it is where it was held (by SIGSTOP, or with its whole machine) or had no processor: what
/// attempts have said meanwhile may not have come through yet.
const HALTED: Duration = Duration::from_secs(2);

/// How often it leaves a sign of life: the next daemon learns from it which runs by a schedule it has missed.
const SIGN_OF_LIFE: Duration = Duration::from_secs(60);

/// Starts and checks at the same time, for each processor: more would only wait for each other.
const AT_THE_SAME_TIME: usize = 2;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("failed to open the directory of logs {path:?}")]
    Logs {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// How a daemon came to its end.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// It was asked to end, and everything has stopped.
    ShutDown,
    /// The spawner has gone, and every worker with it.
    SpawnerLost,
}

/// An attempt that runs.
pub(super) struct Running {
    pub id: InstanceId,
    pub stop_request: watch::Sender<Option<StopRequest>>,
    pub attempt_observer: Arc<AttemptObserver>,
    pub connection: Connection,
    pub service: Arc<Service>,
    /// What it was granted; `None`: nothing, for it is refused.
    pub settled: Option<Arc<Settled>>,
    pub used: Use,
    pub paused: bool,
    /// Where somebody has paused it: whether it is to be paused, for whom it has to be asked for.
    pub wish: Option<watch::Sender<bool>>,
}

/// The daemon's end of an attempt's connection.
pub(super) enum Connection {
    /// It has been refused, or there was no descriptor for one.
    None,
    /// For messages.
    Mailbox(Mailbox),
    /// For clients of a job that serves HTTP.
    Server(Server),
}

/// The daemon.
pub struct Daemon {
    pub(super) coordinator: Arc<Coordinator>,
    pub(super) fleet: Fleet,
    pub(super) index: Index,
    pub(super) running: HashMap<AttemptNumber, Running>,
    /// Those of them whose memory decides over them: few, and every wake asks whether there are any.
    pub(super) weighed: BTreeSet<AttemptNumber>,
    pub(super) store: Store,
    pub(super) logs: Logs,
    /// Of requests that jobs have served. Apart from the others: whoever serves 20,000 a second must push nothing out.
    pub(super) access: Logs,
    pub(super) fronts: Fronts,
    pub(super) ports: Ports,
    pub(super) events: Events,
    pub(super) shared: SharedObjects,
    pub(super) clock: Clock,
    pub(super) waiters: Vec<Waiter>,
    pub(super) parked: Parked,
    pub(super) inbox: Inbox,
    mail: mpsc::UnboundedReceiver<Message>,
    pub(super) starts: Arc<Semaphore>,
    pub(super) checks: Arc<Semaphore>,
    /// Instances that have changed since those who wait were told.
    pub(super) touched: BTreeSet<InstanceId>,
    /// Those of them that were not ready in time.
    pub(super) late: BTreeSet<InstanceId>,
    /// Those of which a run did not take place since that was looked at.
    pub(super) skipped: BTreeSet<InstanceId>,
    pub(super) begun: Instant,
    pub(super) begun_ms: u64,
    /// The operator's words so far that settled what jobs may use: see [`sandhog_runtime::granted::Record::settled`].
    pub(super) words: u64,
    looked: Instant,
    /// When it has last left a sign of life.
    alive: Instant,
    pub(super) paths: Paths,
    pub(super) is_over: bool,
}

/// Where a daemon keeps its things.
#[derive(Clone, Debug)]
pub struct Paths {
    pub state: PathBuf,
    pub socket: PathBuf,
}

/// Reads the state of the last daemon, and brings up what was up. `reserved`: sockets for jobs that are to listen there.
///
/// # Errors
/// The state, or the directory of logs, can't be used.
pub fn start(coordinator: &Arc<Coordinator>, paths: Paths, reserved: Reserved) -> Result<(Handle, Daemon), Error> {
    let (store, stored) = Store::open(&paths.state.join("state.db"))?;
    let open = |path: PathBuf| Logs::open(&path, LATE_LINES).map_err(|source| Error::Logs { path, source });
    let logs = open(paths.state.join("logs"))?;
    let access = open(paths.state.join("access"))?;
    let (inbox, mail) = mpsc::unbounded_channel();
    let max = AT_THE_SAME_TIME * std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (begun, begun_ms) = (Instant::now(), now_ms());
    let mut daemon = Daemon {
        coordinator: Arc::clone(coordinator),
        fleet: Fleet::new(begun_ms ^ u64::from(std::process::id()) << 32),
        index: Index::default(),
        running: HashMap::new(),
        weighed: BTreeSet::new(),
        store,
        logs: logs.clone(),
        ports: Ports::default(),
        fronts: Fronts::new(access.clone(), inbox.clone(), reserved),
        access: access.clone(),
        events: Events::new(),
        shared: SharedObjects::default(),
        clock: Clock::default(),
        waiters: Vec::new(),
        parked: Parked::default(),
        inbox: inbox.clone(),
        mail,
        starts: Arc::new(Semaphore::new(max)),
        checks: Arc::new(Semaphore::new(max)),
        touched: BTreeSet::new(),
        late: BTreeSet::new(),
        skipped: BTreeSet::new(),
        begun,
        begun_ms,
        words: 0,
        looked: begun,
        alive: begun,
        paths,
        is_over: false,
    };
    daemon.tell_of_itself(
        EventKind::DaemonStarted,
        concat!("the daemon has started, version ", env!("CARGO_PKG_VERSION")),
    );
    daemon.restore(stored);
    Ok((Handle { inbox, logs, access, coordinator: Arc::clone(coordinator) }, daemon))
}

impl Daemon {
    /// Until it has been asked to end and everything has stopped.
    pub async fn run(mut self) -> End {
        let coordinator = Arc::clone(&self.coordinator);
        let lost = coordinator.spawner_is_lost();
        tokio::pin!(lost);
        let mut messages = Vec::with_capacity(AT_ONCE);
        while !self.is_over {
            let wake = tokio::time::Instant::from_std(self.next_wake());
            tokio::select! {
                biased;
                // What follows from it is no fault of the jobs.
                () = &mut lost => return self.end(End::SpawnerLost).await,
                _ = self.mail.recv_many(&mut messages, AT_ONCE) => {}
                () = tokio::time::sleep_until(wake) => {}
            }
            for message in messages.drain(..) {
                self.take_in(message);
            }
            self.tick();
            self.keep_objects();
            self.keep_ports();
            self.keep_fronts();
            self.tell_waiters();
        }
        self.store.put_alive(now_ms());
        self.end(End::ShutDown).await
    }

    /// The only wait for the disk: first everybody is sent away who would wait for this task.
    async fn end(self, end: End) -> End {
        drop((self.mail, self.waiters, self.parked));
        let _ = self.store.close().await;
        self.logs.close().await;
        self.access.close().await;
        end
    }

    /// Since it begun, but for the time in which it stood still with all its workers.
    pub(super) fn now(&self) -> Duration {
        self.begun.elapsed().saturating_sub(suspension::total())
    }

    fn next_wake(&self) -> Instant {
        let now = Instant::now();
        let fleet = self.fleet.next_wake().map(|at| self.begun + at + suspension::total());
        let look = (!self.weighed.is_empty()).then(|| self.looked + LOOK);
        let schedule = self.clock.next().map(|at| {
            let left = at.duration_since(time::at(now_ms())).try_into().unwrap_or_default();
            now + CLOCK_LOOK.min(left)
        });
        let alive = self.alive + SIGN_OF_LIFE;
        [fleet, look, schedule].into_iter().flatten().fold(alive, Instant::min)
    }

    fn take_in(&mut self, message: Message) {
        match message {
            Message::Request(request) => self.request(request),
            Message::Launched { attempt } => self.step(state::Event::Launched { attempt }),
            Message::Began { attempt } => self.step(state::Event::Began { attempt }),
            Message::Life { attempt, life: Life::Ready } => self.said_ready(attempt),
            Message::Healthy { attempt } => self.step(state::Event::Ready { attempt }),
            Message::Life { attempt, life: Life::Heartbeat } => self.step(state::Event::Heartbeat { attempt }),
            Message::Life { attempt, life: Life::Retire(reason) } => {
                self.step(state::Event::Retire { attempt, reason });
            }
            Message::Checked { attempt, healthy } => self.step(state::Event::Checked { attempt, healthy }),
            Message::Ended { attempt, record } => self.ended(attempt, *record),
            Message::Heard { attempt, bytes, text } => self.heard(attempt, bytes, text),
            Message::Reserved(outcome) => self.reserved(outcome),
            Message::HungUp { attempt, reason } => self.hung_up(attempt, reason),
            Message::RequestFailed { attempt, failed } => self.tell_of_failed_request(attempt, &failed),
            Message::ProcessFailed { attempt, failed } => self.tell_of_failed_process(attempt, &failed),
            Message::RequestsLeftOut { job } => self.tell_of_left_out(&job),
            Message::ServingProblem { job, text } => self.tell_about_job(&job, EventKind::Problem, &text),
            Message::Breach { attempt, what } => self.request_stop(attempt, StopRequest::Breach(what)),
            Message::Deadlock(deadlock) => self.tell_of_deadlock(&deadlock),
            Message::ShutDownNow => {
                self.fronts.end();
                self.ports.end();
                self.step(state::Event::ShutdownNow);
            }
        }
    }

    /// Lets the supervisor decide, and does what it says.
    pub(super) fn step(&mut self, event: state::Event) {
        let actions = self.fleet.step(event, self.now());
        for action in actions {
            self.execute(action);
        }
    }

    /// What time alone brings about.
    fn tick(&mut self) {
        if self.alive.elapsed() >= SIGN_OF_LIFE {
            self.alive = Instant::now();
            self.store.put_alive(now_ms());
        }
        if let Some(problem) = self.store.problem() {
            self.tell_of_itself(EventKind::Problem, &causes::one_line(&problem));
        }
        for problem in [self.logs.problem(), self.access.problem()].into_iter().flatten() {
            self.tell_of_itself(EventKind::Problem, &problem.to_string());
        }
        for job in self.clock.due(time::at(now_ms())) {
            self.is_due(&job);
        }
        if !self.weighed.is_empty() && self.looked.elapsed() >= LOOK {
            self.looked = Instant::now();
            self.look_at_memory();
        }
        if let Some(at) = self.fleet.next_wake().filter(|at| *at <= self.now()) {
            let late = self.now().saturating_sub(at);
            if late >= HALTED {
                self.step(state::Event::Suspended { late });
            }
            self.step(state::Event::Tick);
        }
    }

    pub(super) fn is_due(&mut self, job: &str) {
        self.store.put_last_due(job, now_ms());
        self.step(state::Event::Due { job: job.into() });
    }

    fn look_at_memory(&mut self) {
        let now = Instant::now();
        let mut seen = Vec::new();
        for attempt in &self.weighed {
            if let Some(running) = self.running.get_mut(attempt) {
                running.look(now);
                seen.extend(running.used.now().map(|usage| (*attempt, usage.rss_bytes)));
            }
        }
        for (attempt, bytes) in seen {
            self.step(state::Event::Memory { attempt, bytes });
        }
    }

    fn ended(&mut self, attempt: AttemptNumber, record: VerdictRecord) {
        let Some(running) = self.running.remove(&attempt) else { return };
        self.weighed.remove(&attempt);
        let ended = EndedAttempt {
            attempt: record.attempt,
            at_ms: now_ms(),
            text: verdict_text::brief(&record.verdict),
            code: sandhog_protocol::exit_code::of(&record.verdict),
            verdict: record.verdict.clone(),
            usage: record.usage,
        };
        if let Some(member) = self.index.members.get_mut(&running.id) {
            member.ended(ended.clone());
            self.store.add_ended(running.id, &ended);
        }
        let id = running.id;
        self.step(state::Event::Ended { attempt, verdict: record.verdict });
        self.save(id);
    }

    /// Tells those who wait how far the instances are that have changed.
    fn tell_waiters(&mut self) {
        let touched = std::mem::take(&mut self.touched);
        let mut waiters = std::mem::take(&mut self.waiters);
        for waiter in &mut waiters {
            self.hear_of(waiter, &touched);
        }
        self.late.clear();
        self.skipped.clear();
        for mut waiter in waiters {
            if waiter.is_over() {
                self.answer(waiter);
            } else if !waiter.is_left_alone() {
                self.waiters.push(waiter);
            }
        }
    }

    /// How far an instance is. One that was not ready in time is tried again, perhaps for ever: nobody waits for that.
    fn far(&self, id: InstanceId, goal: Goal) -> Far {
        if matches!(goal, Goal::Up | Goal::Anew(_)) && self.late.contains(&id) {
            return Far::Never("it was not ready in time".into());
        }
        far(goal, self.fleet.see(id).as_ref())
    }

    fn hear_of(&self, waiter: &mut Waiter, touched: &BTreeSet<InstanceId>) {
        let concerned: Vec<_> = match touched.len() < waiter.left.len() {
            true => {
                touched.iter().filter_map(|id| waiter.left.get_key_value(id)).map(|(id, goal)| (*id, *goal)).collect()
            }
            false => waiter.left.iter().filter(|(id, _)| touched.contains(id)).map(|(id, goal)| (*id, *goal)).collect(),
        };
        for (id, goal) in concerned {
            let name = || self.index.members.get(&id).map_or_else(|| id.to_string(), Member::name);
            waiter.hear(id, self.far(id, goal), name);
        }
    }

    /// Waits until they are there; those that are already are not waited for.
    pub(super) fn wait_for(&mut self, mut waiter: Waiter) {
        let all: BTreeSet<_> = waiter.all.iter().copied().collect();
        self.hear_of(&mut waiter, &all);
        if waiter.is_over() { self.answer(waiter) } else { self.waiters.push(waiter) }
    }

    pub(super) fn answer(&mut self, waiter: Waiter) {
        let Waiter { mut done, all, reply, .. } = waiter;
        for id in &all {
            let problem = self.index.members.get_mut(id).and_then(|member| {
                let reason = member.reload_problem.take()?;
                Some(format!("{}: {reason}", member.name()))
            });
            done.problems.extend(problem);
        }
        done.instances = all.into_iter().filter_map(|id| self.view(id)).collect();
        self.reply_when_kept(reply, done);
    }

    /// Nothing is promised that a kill could take back. As many answers wait for the disk as sessions do: one goes with
    /// whoever asked for it.
    pub(super) fn reply_when_kept(&self, mut reply: Reply<VerbResult>, mut done: VerbResult) {
        let kept = self.store.kept();
        tokio::spawn(async move {
            let kept = tokio::select! {
                kept = kept => kept,
                () = reply.closed() => return,
            };
            done.problems.extend(kept.err().map(|error| causes::one_line(&error)));
            // Sentences may hold a guest's words: each stays one line.
            done.problems.iter_mut().for_each(|problem| *problem = escape(problem).into_owned());
            // Whoever asked may have gone.
            let _ = reply.send(Ok(done));
        });
    }
}

pub(super) fn definition(service: &Service) -> Definition {
    Definition {
        job: service.job.name.clone(),
        group: service.group.clone(),
        after: service.after.clone(),
        rules: Arc::new(service.rules.clone()),
    }
}

impl Connection {
    pub(super) fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            Self::Mailbox(mailbox) => Some(mailbox),
            Self::None | Self::Server(_) => None,
        }
    }

    pub(super) fn server(&self) -> Option<&Server> {
        match self {
            Self::Server(server) => Some(server),
            Self::None | Self::Mailbox(_) => None,
        }
    }
}

impl Running {
    /// The name of the attempt, which others see.
    pub(super) fn name(&self) -> String {
        self.attempt_observer.origin.attempt.clone()
    }

    /// Looks at its worker, unless that was just done.
    pub(super) fn look(&mut self, now: Instant) {
        if let Some(started) = self.attempt_observer.worker().filter(|_| self.used.is_old(now)) {
            self.used.take(started.process.usage(), now);
        }
    }
}
