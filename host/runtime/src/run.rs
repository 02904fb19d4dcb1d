//! Runs guests: the job that was asked for, and whatever that starts. See [`super::children`] for what it starts.

use super::attempt_id;
use super::children::{self, AttemptTree};
use super::coordinator::{Compiled, Coordinator, OnStarted};
use super::driver::{Attempted, Begin, Ends, GRACE, Order, Zygote};
use super::error::Error;
use super::granted::{Granted, Opener};
use super::module::Module;
use super::modules;
use super::note;
use super::objects::Group;
use super::observer::{Keeper, Nobody, Observer};
use super::own_limits;
use super::plan;
use super::record::VerdictRecord;
use super::stop::{StopRequest, StopRequests};
use super::streams::{Opened, Streams};
use super::worker_process::{AttemptWorker, WorkerProcess};
use super::zygote::life::Origin;
use super::zygote::shared::{Family, Place};
use sandhog_protocol::causes;
use sandhog_protocol::message::Message;
use sandhog_protocol::objects::ObjectId;
use sandhog_protocol::plan::{GuestPlan, Identity, Program, Wall, Walls, Work, WorkerPlan, ZygotePlan};
use sandhog_protocol::verdict::{Usage, Verdict};
use sandhog_spec::job::{Job, User, Uses};
use sandhog_supervisor::outcome::{self, Cause, Facts};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// One attempt's guest with all that it may use, opened.
pub(super) struct Member {
    pub job: Arc<Job>,
    pub module: Arc<Module>,
    /// In the order of the job's grants, as the next.
    pub listeners: Vec<Arc<OwnedFd>>,
    pub directories: Vec<Arc<OwnedFd>>,
    /// What it may start.
    pub modules: BTreeMap<String, Arc<Module>>,
    pub identity: Identity,
    pub data: Option<Message>,
    /// Objects that its parent had for it, by its own names for them.
    pub objects: BTreeMap<String, ObjectId>,
    /// What runs in the guest's place, where the guest does not.
    pub instead: Option<Instead>,
    /// Where whoever wants to know what its worker uses finds it.
    pub worker: Arc<AttemptWorker>,
    /// The zygotes that it shares with others, where it has none of its own.
    pub family: Option<Family>,
}

/// Native code of `sandhog doctor` in a guest's place, with all that the guest would be granted.
#[derive(Clone, Debug)]
pub struct Instead {
    /// Its name.
    pub probe: String,
    pub walls: Walls,
    /// What its zygote does instead of cloning a worker.
    pub lie: Option<String>,
}

/// One attempt of a job that the daemon keeps up.
pub struct Kept {
    pub job: Job,
    pub granted: Granted,
    /// Where it listens, in the order of its grants.
    pub listeners: Vec<Arc<OwnedFd>>,
    pub identity: Identity,
    /// The zygotes that it shares with the other instances of its job.
    pub family: Option<Family>,
    /// The worker's end of its connection.
    pub connection: Option<OwnedFd>,
    pub observer: Arc<dyn Observer>,
    /// Keeps what it writes.
    pub keeper: Arc<dyn Keeper>,
    /// How long it may take to stop once it was asked.
    pub grace: Duration,
    /// The objects of its group, where it may use some.
    pub group: Option<Group>,
}

/// What a command has for the job that it runs.
#[derive(Default)]
pub struct Beside {
    /// The job's end of its connection to whoever started it.
    pub connection: Option<OwnedFd>,
    /// The file for its core dump.
    pub coredump: Option<OwnedFd>,
    /// Where it listens, in the order of its grants.
    pub listeners: Vec<Arc<OwnedFd>>,
}

/// What of a member is used up by its start.
pub(super) struct Ties {
    pub streams: Streams,
    /// The worker's end of its connection.
    pub connection: Option<OwnedFd>,
    /// The file for its core dump.
    pub coredump: Option<OwnedFd>,
}

impl Coordinator {
    /// Runs a job to its verdict, and whatever it starts. `instead`: what takes the place of its guest, not of its children's;
    /// `worker`: where its worker is to be found.
    ///
    /// # Errors
    /// Where there is nothing to run: no module, no such directory. What happens to a run is a verdict, not an error.
    pub async fn run(
        self: &Arc<Self>,
        job: &Job,
        attempt: String,
        beside: Beside,
        instead: Option<Instead>,
        worker: Arc<AttemptWorker>,
    ) -> Result<VerdictRecord, Error> {
        if !self.is_root()
            && let User::Ids { .. } = job.user
        {
            return Err(Error::User { given: "UID:GID" });
        }
        let identity = Identity { attempt, job: job.name.clone(), number: 1, ..Identity::default() };
        let granted = Opener::now(self.own_directories()).open(job)?;
        let Beside { connection, coredump, listeners } = beside;
        let ties = Ties { streams: Streams::of_command(job, &granted.input), connection, coredump };
        let member = Member { instead, worker, listeners, ..Member::new(job.clone(), granted, identity) };
        let group = job.has_objects().then(|| Group::of_command(self, job));
        let record = self.run_tree(member, ties, self.screen(), GRACE, group.clone(), self.stopped()).await;
        if let Some(group) = group {
            group.close().await;
        }
        record
    }

    /// One attempt of a job that the daemon keeps up, to its verdict, with whatever it starts. No path is opened.
    ///
    /// # Errors
    /// Of the coordinator's own.
    pub async fn run_kept(self: &Arc<Self>, kept: Kept, stop_requests: StopRequests) -> Result<VerdictRecord, Error> {
        let Kept { job, granted, listeners, identity, family, connection, observer, keeper, grace, group } = kept;
        let streams = Streams::kept(&job, &granted.input, &keeper);
        let member = Member { family, listeners, ..Member::new(job, granted, identity) };
        let ties = Ties { streams, connection, coredump: None };
        self.run_tree(member, ties, observer, grace, group, stop_requests).await
    }

    /// The command of a health check: nobody hears what it says.
    pub async fn run_check(
        self: &Arc<Self>,
        job: &Job,
        granted: Granted,
        stop_requests: StopRequests,
    ) -> Result<VerdictRecord, Error> {
        let identity = Identity {
            attempt: attempt_id::new_attempt_id()?,
            job: job.name.clone(),
            number: 1,
            ..Identity::default()
        };
        let ties = Ties { streams: Streams::null(job)?, connection: None, coredump: None };
        let member = Member::new(job.clone(), granted, identity);
        self.run_tree(member, ties, Arc::new(Nobody), GRACE, None, stop_requests).await
    }

    async fn run_tree(
        self: &Arc<Self>,
        member: Member,
        ties: Ties,
        observer: Arc<dyn Observer>,
        grace: Duration,
        group: Option<Group>,
        stop_requests: StopRequests,
    ) -> Result<VerdictRecord, Error> {
        let tree = AttemptTree::new(self, &member.job, observer, grace, group);
        let record = tree.run(&Arc::new(member), ties, stop_requests.clone()).await;
        tree.wait_for_detached(stop_requests).await;
        record
    }

    /// One member to its verdict, which its group is told.
    pub(super) async fn try_member(
        self: &Arc<Self>,
        tree: &Arc<AttemptTree>,
        member: &Arc<Member>,
        ties: Ties,
        stop_requests: StopRequests,
    ) -> Result<VerdictRecord, Error> {
        let tried = self.try_walls(tree, member, ties, stop_requests).await;
        if let Some(group) = &tree.group {
            let refused = |error: &Error| Verdict::Refused { reason: causes::one_line(error) };
            let verdict = tried.as_ref().map_or_else(refused, |record| record.verdict.clone());
            group.ended(&member.identity.attempt, &verdict);
        }
        tried
    }

    /// The tries of one member: until it starts, or can't. Walls that may be missing are let go one after the other.
    async fn try_walls(
        self: &Arc<Self>,
        tree: &Arc<AttemptTree>,
        member: &Arc<Member>,
        mut ties: Ties,
        stop_requests: StopRequests,
    ) -> Result<VerdictRecord, Error> {
        let job = &member.job;
        let mut walls = member.instead.as_ref().map_or_else(|| self.walls(), |instead| instead.walls.clone());
        let mut missing_walls = Vec::new();
        let (mut remade, mut was_lost) = (false, false);
        let (facts, usage) = loop {
            let Tried { facts, usage, is_zygote_lost } =
                self.try_once(tree, member, &mut ties, &walls, stop_requests.clone()).await?;
            match &facts.cause {
                // Another one takes its place; that may come to nothing as well.
                Some(_) if is_zygote_lost && !was_lost => was_lost = true,
                Some(Cause::Stale(_)) if !remade => {
                    modules::forget(self, &member.module, job.limits.metering());
                    remade = true;
                }
                Some(cause) => match self.let_go(cause, job, &mut walls) {
                    Some(wall) => missing_walls.push(wall),
                    None => break (facts, usage),
                },
                None => break (facts, usage),
            }
        };
        let verdict = outcome::decide(&facts, &plan::named(&job.limits, own_limits::cpu()));
        let record = self.record(member, verdict, usage, walls, missing_walls).await;
        Ok(VerdictRecord { dumped: facts.into_coredump(), ..record })
    }

    /// The wall for want of which it came to nothing, if it can be tried again without that one.
    pub(super) fn let_go(&self, cause: &Cause, job: &Job, walls: &mut Walls) -> Option<Wall> {
        let Cause::Spawn(failure) = cause else { return None };
        let may_miss = |wall: &Wall| job.allow_missing.contains(wall) && self.may_miss().contains(wall);
        failure.wall.filter(|wall| may_miss(wall) && walls.remove(wall))
    }

    async fn record(
        &self,
        member: &Member,
        verdict: Verdict,
        usage: Usage,
        mut walls: Walls,
        missing_walls: Vec<Wall>,
    ) -> VerdictRecord {
        let mut record = VerdictRecord::new(verdict, member.identity.attempt.clone(), member.job.name.clone());
        record.module = member.module.name();
        record.usage = usage;
        // A run that was refused had no walls around it.
        if !matches!(record.verdict, Verdict::Refused { .. }) {
            record.weak_walls = self.weak_walls().await;
            walls.retain(|wall| !record.weak_walls.iter().any(|weak| weak.wall == *wall));
            record.walls = walls.into_iter().collect();
            record.missing_walls = missing_walls;
        }
        record
    }

    /// One try, with its zygote starting beside the search for its compiled module, and its requests served.
    async fn try_once(
        self: &Arc<Self>,
        tree: &Arc<AttemptTree>,
        member: &Arc<Member>,
        ties: &mut Ties,
        walls: &Walls,
        stop_requests: StopRequests,
    ) -> Result<Tried, Error> {
        let job = &member.job;
        let place = match self.place(member, walls, stop_requests.clone()).await {
            Ok(place) => place,
            Err(cause) => return Ok(Tried::never(cause)),
        };
        let Opened { stdio, feed, pumps, whole_calls } =
            ties.streams.open(tree.observer.beside().as_ref(), member.instead.is_none())?;
        let inherited = ties.streams.inherited(&stdio)?;
        let (asks, requests) = mpsc::channel(children::REQUESTS);
        let (program, work) = member.program_and_work(ties.streams.terminals(), whole_calls);
        let is_guest = member.instead.is_none();
        let uses = if is_guest { job.uses() } else { Uses::default() };
        let lie = member.instead.as_ref().and_then(|instead| instead.lie.clone());
        let (observer, name) = (Arc::clone(&tree.observer), member.identity.attempt.clone());
        let listeners = if is_guest { member.listeners.clone() } else { Vec::new() };
        let order = Order {
            zygote: match &place {
                Some(place) => Zygote::Shared(place.zygote()),
                None => Zygote::Own(ZygotePlan { program, ..plan::guest_zygote(&job.limits, uses, walls) }),
            },
            worker: WorkerPlan {
                lie,
                slot: place.as_ref().map(Place::slot),
                listeners: u32::try_from(listeners.len()).unwrap_or(u32::MAX),
                ..plan::guest_worker(job, ties.connection.is_some())
            },
            begin: Begin::AtOnce(work),
            ends: Some(Ends { stdio, connection: ties.connection.take(), coredump: ties.coredump.take() }),
            listeners,
            directories: member.directories.clone(),
            feed,
            pumps,
            hard_deadline: plan::hard_deadline(&job.limits),
            requests: Some(asks),
            kept: None,
            grace: tree.grace,
            began: Some(Box::new(move || observer.began(&name))),
        };
        let loads = place.is_none() && member.instead.is_none();
        let compiled = loads.then(|| -> Compiled {
            let (coordinator, member, walls) = (Arc::clone(self), Arc::clone(member), walls.clone());
            Box::pin(async move { modules::compiled(&coordinator, &member.module, &member.job, &walls).await })
        });
        let (sender, notes) = mpsc::channel(note::NOTES);
        let served = children::serve(tree, member, inherited, requests, sender.clone(), stop_requests.clone());
        let on_started = on_started(tree, member);
        let attempted = self.attempt(order, compiled, stop_requests, (sender, notes), Some(on_started));
        let (attempted, ()) = tokio::join!(attempted, served);
        let Attempted { facts, mut usage, unused } = attempted?;
        let is_zygote_lost = unused.is_some() && place.is_some_and(|place| place.has_failed(facts.cause.as_ref()));
        if let Some(unused) = unused {
            ties.streams.take_back(unused.stdio);
            ties.connection = unused.connection;
            ties.coredump = unused.coredump;
        }
        let passed = ties.streams.settle();
        (usage.stdin_bytes, usage.output_bytes) = (passed.input, passed.output);
        if let Some(each) = passed.each {
            [usage.stdout_bytes, usage.stderr_bytes] = each.map(Some);
        }
        Ok(Tried { facts, usage, is_zygote_lost })
    }

    /// A place in a zygote that the member shares with others, where it does.
    ///
    /// # Errors
    /// Why there is none, or why none is wanted any more.
    async fn place(
        self: &Arc<Self>,
        member: &Member,
        walls: &Walls,
        mut stop_requests: StopRequests,
    ) -> Result<Option<Place>, Cause> {
        let Some(Family { zygotes, slots }) = &member.family else { return Ok(None) };
        let origin = Origin {
            coordinator: Arc::clone(self),
            job: Arc::clone(&member.job),
            module: Arc::clone(&member.module),
            directories: member.directories.clone(),
            plan: plan::shared_zygote(&member.job.limits, member.job.uses(), *slots, walls),
        };
        tokio::select! {
            place = zygotes.place(origin) => place.map(Some),
            Ok(request) = async { stop_requests.wait_for(Option::is_some).await.map(|request| *request) } => {
                Err(request.map_or(Cause::ZygoteLost, StopRequest::cause))
            }
        }
    }
}

/// What one try has come to.
struct Tried {
    facts: Facts,
    usage: Usage,
    /// It never began, for the zygote that it was to come from has gone.
    is_zygote_lost: bool,
}

impl Tried {
    /// There was nothing to start it from.
    fn never(cause: Cause) -> Self {
        let facts = Facts { cause: Some(cause), ..Facts::default() };
        Self { facts, usage: Usage::default(), is_zygote_lost: false }
    }
}

/// Hears of the member's worker, whoever else wants to know of it.
pub(super) fn on_started(tree: &AttemptTree, member: &Member) -> OnStarted {
    // Of an earlier try there may have been one.
    member.worker.set(None);
    let (observer, name) = (Arc::clone(&tree.observer), member.identity.attempt.clone());
    let watched = Arc::clone(&member.worker);
    Arc::new(move |worker, pidfd| {
        let process = Arc::new(WorkerProcess::new(pidfd));
        observer.worker_started(&name, worker, &process);
        watched.set(Some(process));
    })
}

impl Member {
    fn program_and_work(&self, terminals: [bool; 3], whole_calls: [bool; 2]) -> (Program, Work) {
        let Self { job, identity, data, .. } = self;
        match &self.instead {
            Some(instead) => (Program::Probe, Work::Probe(instead.probe.clone())),
            None => {
                let plan = GuestPlan { terminals, whole_calls, ..plan::guest(job, identity.clone(), data.clone()) };
                (Program::Guest { metering: job.limits.metering() }, Work::Guest(Box::new(plan)))
            }
        }
    }

    /// With all that it may use opened: no path of it matters any more.
    fn new(job: Job, granted: Granted, identity: Identity) -> Self {
        let Granted { module, directories, modules, input: _ } = granted;
        Self {
            job: Arc::new(job),
            module,
            listeners: Vec::new(),
            directories,
            modules,
            identity,
            data: None,
            objects: BTreeMap::new(),
            instead: None,
            worker: Arc::default(),
            family: None,
        }
    }
}
