//! The children of one attempt. Each is an attempt like any other, within the rights of its parent and the limits of its
//! tree.

use super::attempt_id;
use super::coordinator::Coordinator;
use super::error::Error;
use super::note::{Note, Sender};
use super::objects::Group;
use super::objects::asked::{Handed, Who};
use super::objects::requests::Requests;
use super::observer::{Life, Observer};
use super::quota::Quota;
use super::record::VerdictRecord;
use super::rights::{self, Child};
use super::run::{Member, Ties};
use super::stop::{StopRequest, StopRequests};
use super::streams::{Inherited, Streams, open_below};
use super::view::{LogLine, Progress};
use super::worker_process::AttemptWorker;
use sandhog_protocol::causes;
use sandhog_protocol::exit_code;
use sandhog_protocol::limits;
use sandhog_protocol::plan::Identity;
use sandhog_protocol::request::{ChildId, ChildJob, ChildObject, Level, Refused, Reply, Request};
use sandhog_protocol::usage::WorkerUsage;
use sandhog_protocol::verdict::{StopReason, Verdict};
use sandhog_spec::job::Job;
use sandhog_spec::objects::ObjectGrant;
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Requests of one guest that wait to be served; the guest waits behind them. Few: each may take the memory of a whole
/// frame (see `limits::VALUES`).
pub(super) const REQUESTS: usize = 2;

/// A job with all that it starts.
pub(super) struct AttemptTree {
    coordinator: Arc<Coordinator>,
    /// Who hears of its members.
    pub(super) observer: Arc<dyn Observer>,
    /// How long a member may take to stop once it was asked.
    pub(super) grace: Duration,
    quota: Mutex<Quota>,
    /// The objects that its members share, where they may use some.
    pub(super) group: Option<Group>,
    /// Children whose parents have ended.
    detached: Mutex<Vec<Running>>,
}

/// A child that runs.
struct Running {
    stop_request: watch::Sender<Option<StopRequest>>,
    task: JoinHandle<()>,
    detached: bool,
    worker: Arc<AttemptWorker>,
}

/// The way of one member to its verdict; boxed, since members start members.
type Run = Pin<Box<dyn Future<Output = Result<VerdictRecord, Error>> + Send>>;

impl AttemptTree {
    pub(super) fn new(
        coordinator: &Arc<Coordinator>,
        job: &Job,
        observer: Arc<dyn Observer>,
        grace: Duration,
        group: Option<Group>,
    ) -> Arc<Self> {
        Arc::new(Self {
            coordinator: Arc::clone(coordinator),
            observer,
            grace,
            quota: Mutex::new(Quota::new(job.child_quota, Instant::now())),
            group,
            detached: Mutex::default(),
        })
    }

    pub(super) fn run(self: &Arc<Self>, member: &Arc<Member>, ties: Ties, stop_requests: StopRequests) -> Run {
        let (tree, member) = (Arc::clone(self), Arc::clone(member));
        Box::pin(async move { tree.coordinator.try_member(&tree, &member, ties, stop_requests).await })
    }

    /// Until no child is left that outlives its parent. A stop of the command is theirs, too.
    pub(super) async fn wait_for_detached(&self, mut stopped: StopRequests) {
        loop {
            let Some(mut running) = locked(&self.detached).pop() else { return };
            tokio::select! {
                _ = &mut running.task => {}
                Ok(stop_request) = async { stopped.wait_for(Option::is_some).await.map(|request| *request) } => {
                    running.stop_request.send_replace(stop_request);
                    let _ = (&mut running.task).await;
                }
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds one of these, and what they hold is whole after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves what one attempt's guest asks for until the attempt has ended, then ends its children and waits for them. `tell`
/// is the way to its worker; a request to stop ends its waits for objects.
pub(super) async fn serve(
    tree: &Arc<AttemptTree>,
    member: &Arc<Member>,
    inherited: Inherited,
    mut requests: mpsc::Receiver<Request>,
    tell: Sender,
    mut stop_requests: StopRequests,
) {
    let (ended, mut ends) = mpsc::unbounded_channel();
    let mut parent = Parent {
        tree,
        member,
        inherited,
        children: HashMap::new(),
        last: 0,
        has_progress: false,
        ended,
        tell: tell.clone(),
    };
    loop {
        let (reply, fds) = tokio::select! {
            request = requests.recv() => match request {
                Some(request) => match parent.serve(request).await {
                    Ok(Some(answer)) => answer,
                    Ok(None) => continue,
                    Err(breach) => {
                        let _ = tell.send(Note::breach(breach)).await;
                        continue;
                    }
                },
                None => break,
            },
            Some((child, record)) = ends.recv() => (parent.ended(child, record), Vec::new()),
            is_stopping = is_stopping(&mut stop_requests, tree.group.is_some()) => {
                if let (true, Some(group)) = (is_stopping, &tree.group) {
                    group.stop(&member.identity.attempt);
                }
                continue;
            }
        };
        let _ = tell.send(Note::Tell(reply, fds)).await;
    }
    if parent.has_progress {
        tree.observer.progress(&member.identity.attempt, None).await;
    }
    parent.leave().await;
}

/// When the next request comes: whether the attempt is asked to stop. Never, where nothing is to be done about it.
async fn is_stopping(stop_requests: &mut StopRequests, matters: bool) -> bool {
    if !matters || stop_requests.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
    match *stop_requests.borrow_and_update() {
        Some(StopRequest::Stop(_)) => true,
        // Whoever is ended at once is not told: a wait that came back could take its lock along.
        Some(StopRequest::Kill(_) | StopRequest::Unhealthy(_) | StopRequest::SigKill | StopRequest::Breach(_))
        | None => false,
    }
}

/// One attempt as a parent.
struct Parent<'a> {
    tree: &'a Arc<AttemptTree>,
    member: &'a Arc<Member>,
    inherited: Inherited,
    /// Those that have not ended.
    children: HashMap<ChildId, Running>,
    /// The number that was given last.
    last: ChildId,
    /// It has told how far it is, which may be on the screen.
    has_progress: bool,
    ended: mpsc::UnboundedSender<(ChildId, VerdictRecord)>,
    /// The way to its worker.
    tell: Sender,
}

/// What a worker is told, with descriptors.
type ReplyAndFds = (Reply, Vec<OwnedFd>);

impl Parent<'_> {
    /// # Errors
    /// What no honest worker asks.
    async fn serve(&mut self, request: Request) -> Result<Option<ReplyAndFds>, String> {
        match request {
            Request::Spawn(asked) => {
                let refused = |refused| (Reply::NotSpawned(refused), Vec::new());
                return Ok(Some(self.spawn(*asked).await.unwrap_or_else(refused)));
            }
            Request::Stop { child } => self.request_stop(child, StopRequest::Stop(StopReason::Parent))?,
            Request::Kill { child } => self.request_stop(child, StopRequest::Kill(StopReason::Parent))?,
            Request::Usage { child } => return Ok(Some((Reply::Used(self.usage(child)?), Vec::new()))),
            Request::Progress { done, total, note } => {
                self.has_progress = true;
                let note = shortened(note, limits::PROGRESS_NOTE);
                let progress = Progress { job: self.member.job.name.clone(), done, total, note };
                self.tree.observer.progress(&self.member.identity.attempt, Some(progress)).await;
            }
            Request::Log { level, text, fields } => self.log(level, text, fields).await,
            Request::Attach { object } => return Ok(self.while_it_runs(self.objects().attach(&object)).await),
            Request::Create { kind } => return Ok(self.while_it_runs(self.objects().create(kind)).await),
            Request::Detach { object } => self.objects().detach(object).await?,
            Request::HangUp { object, end } => self.objects().hang_up(object, end).await?,
            Request::Waits { object } => self.objects().waits(object).await?,
            Request::Dead { member } => return Ok(Some(self.objects().dead(member).await)),
            Request::Ready => self.life(Life::Ready).await,
            Request::Heartbeat => self.life(Life::Heartbeat).await,
            Request::Retire { reason } => self.life(Life::Retire(shortened(reason, limits::RETIRE_REASON))).await,
            // Its attempt knows.
            Request::Listens | Request::Reads => {}
        }
        Ok(None)
    }

    /// A keeper may take its time, and nobody waits for an answer that nobody hears.
    async fn while_it_runs<T>(&self, answer: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            answer = answer => Some(answer),
            () = self.tell.closed() => None,
        }
    }

    fn objects(&self) -> Requests<'_> {
        let Member { job, identity, objects, .. } = &**self.member;
        let Identity { attempt, instance, .. } = identity;
        let who = Who { attempt: attempt.clone(), job: job.name.clone(), instance: *instance };
        Requests { group: self.tree.group.as_ref(), who: Arc::new(who), job, handed: objects }
    }

    /// The child of this number; `None`: it has ended.
    fn child(&self, child: ChildId) -> Result<Option<&Running>, String> {
        if child == 0 || child > self.last {
            return Err(format!("the number {child} of a child that it never had"));
        }
        Ok(self.children.get(&child))
    }

    fn usage(&self, child: ChildId) -> Result<WorkerUsage, String> {
        Ok(self.child(child)?.map_or(WorkerUsage::Ended, |running| running.worker.usage()))
    }

    fn request_stop(&self, child: ChildId, stop_request: StopRequest) -> Result<(), String> {
        // One that has ended needs no end.
        if let Some(running) = self.child(child)? {
            running.stop_request.send_if_modified(|now| {
                let stronger = matches!(now, None | Some(StopRequest::Stop(_))) && *now != Some(stop_request);
                stronger.then(|| *now = Some(stop_request)).is_some()
            });
        }
        Ok(())
    }

    async fn log(&self, level: Level, text: String, mut fields: Vec<(String, String)>) {
        fields.truncate(limits::LOG_FIELDS);
        let mut left = limits::LOG_TEXT;
        let mut cut = |text: String| {
            let text = shortened(text, left);
            left -= text.len();
            text
        };
        let line = LogLine {
            job: self.member.job.name.clone(),
            level,
            text: cut(text),
            fields: fields.into_iter().map(|(name, value)| (cut(name), cut(value))).collect(),
        };
        self.tree.observer.log(line).await;
    }

    async fn life(&self, life: Life) {
        self.tree.observer.life(&self.member.job.name, &self.member.identity.attempt, life).await;
    }

    async fn spawn(&mut self, mut asked: ChildJob) -> Result<ReplyAndFds, Refused> {
        let Child { job, directories } = rights::narrow(&self.member.job, &asked)?;
        let mut opened = Vec::new();
        for (index, way) in &directories {
            let parents = self.member.directories.get(*index);
            let parents = parents.ok_or_else(|| Refused::Invalid("no such directory".into()))?;
            opened.push(open_below(parents, way)?);
        }
        let depth = self.member.identity.depth + 1;
        locked(&self.tree.quota).take(depth, Instant::now())?;
        let objects = std::mem::take(&mut asked.objects);
        self.start_with(job, opened, asked, objects).await.inspect_err(|_| locked(&self.tree.quota).ended())
    }

    /// Hands a child its objects, and starts it.
    async fn start_with(
        &mut self,
        job: Job,
        directories: Vec<Arc<OwnedFd>>,
        asked: ChildJob,
        objects: Vec<ChildObject>,
    ) -> Result<ReplyAndFds, Refused> {
        let attempt = attempt_id::new_attempt_id().map_err(full)?;
        let handed = self.objects().hand(&attempt, objects, asked.max_objects).await?;
        let started = self.start(attempt.clone(), with_objects(job, &handed), directories, asked, &handed);
        if let (Err(_), Some(group)) = (&started, &self.tree.group) {
            group.not_started(&self.member.identity.attempt, &attempt);
        }
        started
    }

    /// Starts a child that the quota allows.
    fn start(
        &mut self,
        attempt: String,
        job: Job,
        directories: Vec<Arc<OwnedFd>>,
        asked: ChildJob,
        handed: &[Handed],
    ) -> Result<ReplyAndFds, Refused> {
        self.tree.coordinator.check_capacity().map_err(full)?;
        let module = self.member.modules.get(&asked.module).map(Arc::clone);
        let module = module.ok_or_else(|| Refused::NotFound(asked.module.clone()))?;
        let identity = Identity {
            attempt: attempt.clone(),
            job: job.name.clone(),
            instance: 0,
            number: 1,
            parent: Some(self.member.identity.attempt.clone()),
            depth: self.member.identity.depth + 1,
        };
        let (streams, piped) = Streams::of_child(&self.inherited, &job, asked.stdio).map_err(full)?;
        let ends = asked.connected.then(sandhog_channel::pair).transpose().map_err(full)?;
        let (ours, connection) = ends.unzip();
        let fds = ours.into_iter().chain(piped).collect();
        let modules = asked.modules.iter().filter_map(|name| self.member.modules.get_key_value(name));
        let modules = modules.map(|(name, module)| (name.clone(), Arc::clone(module))).collect();
        let job = Arc::new(job);
        let (data, worker) = (asked.data, Arc::default());
        let objects = handed.iter().map(|handed| (handed.name.clone(), handed.object)).collect();
        let (instead, family) = (None, None);
        let listeners = Vec::new();
        let member =
            Member { job, module, listeners, directories, modules, identity, data, objects, instead, worker, family };
        let child = self.begin(Arc::new(member), Ties { streams, connection, coredump: None }, asked.detached);
        Ok((Reply::Spawned { child, attempt }, fds))
    }

    fn begin(&mut self, member: Arc<Member>, ties: Ties, detached: bool) -> ChildId {
        self.last += 1;
        let child = self.last;
        let (stop_request, stop_requests) = watch::channel(None);
        let run = self.tree.run(&member, ties, stop_requests);
        let worker = Arc::clone(&member.worker);
        let (tree, ended) = (Arc::clone(self.tree), self.ended.clone());
        let task = tokio::spawn(async move {
            let record = run.await.unwrap_or_else(|error| {
                let identity = member.identity.clone();
                VerdictRecord::new(
                    Verdict::Refused { reason: causes::one_line(&error) },
                    identity.attempt,
                    identity.job,
                )
            });
            locked(&tree.quota).ended();
            // Nobody hears it whose parent has ended.
            let _ = ended.send((child, record));
        });
        self.children.insert(child, Running { stop_request, task, detached, worker });
        child
    }

    fn ended(&mut self, child: ChildId, record: VerdictRecord) -> Reply {
        self.children.remove(&child);
        let code = exit_code::of(&record.verdict).into();
        Reply::ChildEnded { child, verdict: record.verdict, code, usage: record.usage }
    }

    /// The attempt has ended: its children do so as well, but for the detached ones.
    async fn leave(self) {
        let (detached, attached): (Vec<_>, Vec<_>) = self.children.into_values().partition(|child| child.detached);
        locked(&self.tree.detached).extend(detached);
        for child in &attached {
            child.stop_request.send_replace(Some(StopRequest::Kill(StopReason::Parent)));
        }
        for child in attached {
            let _ = child.task.await;
        }
    }
}

fn full(error: io::Error) -> Refused {
    Refused::Quota(format!("the coordinator can open no more: {error}"))
}

/// The job of a child that is handed objects.
fn with_objects(mut job: Job, handed: &[Handed]) -> Job {
    let grant = |Handed { name, kind, rights, .. }: &Handed| ObjectGrant {
        name: name.clone(),
        kind: *kind,
        rights: rights.clone(),
    };
    job.grants.objects = handed.iter().map(grant).collect();
    job
}

/// At most this many bytes of it, cut between characters.
fn shortened(mut text: String, max: usize) -> String {
    text.truncate(text.floor_char_boundary(max));
    text
}
