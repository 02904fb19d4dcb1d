//! The coordinator at work: hands the spawner's answers to the attempts that they concern, and runs jobs.

use super::cache::Cache;
use super::modules::{self, Module};
use super::privilege::Person;
use super::record::VerdictRecord;
use super::streams::{self, Streams};
use super::{places, plan};
use crate::config::job::{Job, User};
use crate::ipc::{Closed, Received};
use crate::spawn::client::{Client, Launched};
use crate::supervisor::attempt::Event;
use crate::supervisor::driver::{self, Attempted, Note, Order};
use crate::supervisor::outcome::{self, Cause, Facts};
use sandhog_protocol::plan::{Kind, Wall, Walls, Work};
use sandhog_protocol::spawn::{FromSpawner, WeakWall};
use sandhog_protocol::verdict::{StopReason, Usage, Verdict};
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::{mpsc, watch};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Module(#[from] modules::Error),
    #[error("failed to open the directory {path:?} of --dir: {cause}")]
    Directory { path: PathBuf, cause: io::Error },
    #[error("failed to open {path:?} of --stdin: {cause}")]
    Stdin { path: PathBuf, cause: io::Error },
    #[error("--user {given}: only root may give a worker another identity; leave --user away")]
    User { given: &'static str },
    #[error("failed to start a run")]
    Start(#[from] io::Error),
}

/// Tells a person that something takes long.
pub(crate) trait Progress: Send + Sync {
    /// A module is being compiled; over when the value is dropped.
    fn compiling(&self, job: &str) -> Box<dyn Send>;
}

/// Over when it is dropped or told so.
pub(crate) struct Compiling(Option<Box<dyn Send>>);

impl Compiling {
    pub(crate) fn finished(mut self) {
        self.0.take();
    }
}

/// A compiled module that is on its way.
pub(crate) type Compiled = Pin<Box<dyn Future<Output = Result<(OwnedFd, Kind), Cause>> + Send>>;

/// Notes of one attempt, by the number that it has at the spawner.
type Routes = HashMap<u32, mpsc::Sender<Note>>;

pub(crate) struct Coordinator {
    client: Client,
    routes: Mutex<(u32, Routes)>,
    weak: watch::Sender<Option<Vec<WeakWall>>>,
    stop: watch::Sender<Option<StopReason>>,
    spawner_lost: AtomicBool,
    cache_path: Result<PathBuf, String>,
    cache: OnceLock<Arc<Cache>>,
    progress: Box<dyn Progress>,
    root: bool,
}

impl Coordinator {
    /// Takes the spawner over. Must be called inside the runtime that everything runs on.
    pub(crate) fn new(
        launched: Launched,
        person: &Person,
        root: bool,
        progress: Box<dyn Progress>,
    ) -> io::Result<Arc<Self>> {
        let coordinator = Arc::new(Self {
            client: launched.connect()?,
            routes: Mutex::default(),
            weak: watch::Sender::new(None),
            stop: watch::Sender::new(None),
            spawner_lost: AtomicBool::new(false),
            cache_path: places::cache(person, |name| std::env::var_os(name)).map_err(|error| error.to_string()),
            cache: OnceLock::new(),
            progress,
            root,
        });
        tokio::spawn(hear_spawner(Arc::clone(&coordinator)));
        Ok(coordinator)
    }

    /// The cache of compiled modules, opened at its first use.
    pub(super) fn cache(&self) -> Result<Arc<Cache>, String> {
        if let Some(cache) = self.cache.get() {
            return Ok(Arc::clone(cache));
        }
        let path = self.cache_path.as_ref().map_err(Clone::clone)?;
        let cache = Cache::open(path).map_err(|error| error.to_string())?;
        Ok(Arc::clone(self.cache.get_or_init(|| Arc::new(cache))))
    }

    pub(super) fn progress(&self, job: &str) -> Compiling {
        Compiling(Some(self.progress.compiling(job)))
    }

    /// Ends everything that runs, for this reason; the first one counts.
    pub(crate) fn stop(&self, reason: StopReason) {
        self.stop.send_if_modified(|stop| stop.is_none() && stop.replace(reason).is_none());
    }

    /// Lets the spawner clear away; afterwards nothing of any run is left.
    pub(crate) async fn close(&self) {
        self.client.close().await;
    }

    /// The walls that are to stand here: without root there are no ids and no cgroups to give.
    pub(crate) fn walls(&self) -> Walls {
        let absent = |wall: &Wall| !self.root && matches!(wall, Wall::Identity | Wall::Cgroup);
        Wall::ALL.into_iter().filter(|wall| !absent(wall)).collect()
    }

    /// The walls that stand lower than designed, as far as that has shown itself.
    pub(crate) async fn weak_walls(&self) -> Vec<WeakWall> {
        let mut weak = self.weak.subscribe();
        weak.wait_for(Option::is_some).await.ok().and_then(|weak| weak.clone()).unwrap_or_default()
    }

    fn add_weak(&self, found: Vec<WeakWall>) {
        self.weak.send_if_modified(|weak| {
            let weak = weak.get_or_insert_default();
            let new = found.into_iter().filter(|found| !weak.contains(found)).collect::<Vec<_>>();
            weak.extend(new.iter().cloned());
            !new.is_empty()
        });
    }

    /// Runs a job to its verdict.
    ///
    /// # Errors
    /// Where there is nothing to run: no module, no such directory. What happens to a run is a verdict, not an error.
    pub(crate) async fn run(self: &Arc<Self>, job: &Job, attempt: String) -> Result<VerdictRecord, Error> {
        if !self.root
            && let User::Ids { .. } = job.user
        {
            return Err(Error::User { given: "UID:GID" });
        }
        let module = Arc::new(Module::open(&job.module)?);
        let mut walls = self.walls();
        let mut missing_walls = Vec::new();
        let mut remade = false;
        let (facts, usage) = loop {
            let (facts, usage) = self.attempt_job(job, &module, &walls).await?;
            match &facts.cause {
                Some(Cause::Stale(_)) if !remade => {
                    modules::forget(self, &module, job.limits.fuel.is_some());
                    remade = true;
                }
                Some(Cause::Spawn(failure)) => {
                    match failure.wall.filter(|wall| job.allow_missing.contains(wall) && walls.remove(wall)) {
                        Some(wall) => missing_walls.push(wall),
                        None => break (facts, usage),
                    }
                }
                _ => break (facts, usage),
            }
        };
        let verdict = outcome::decide(&facts, &plan::named(&job.limits));
        let mut record = VerdictRecord::new(verdict, attempt, job.name.clone());
        record.module = module.name();
        // A run that was refused had no walls around it.
        if !matches!(record.verdict, Verdict::Refused { .. }) {
            record.weak_walls = self.weak_walls().await;
            walls.retain(|wall| !record.weak_walls.iter().any(|weak| weak.wall == *wall));
            record.walls = walls.into_iter().collect();
            record.missing_walls = missing_walls;
        }
        record.usage = usage;
        Ok(record)
    }

    /// One try of a job, with its zygote starting beside the search for its compiled module.
    async fn attempt_job(
        self: &Arc<Self>,
        job: &Job,
        module: &Arc<Module>,
        walls: &Walls,
    ) -> Result<(Facts, Usage), Error> {
        let Streams { stdio, pumps, meters } = streams::open(job)?;
        let order = Order {
            zygote: plan::guest_zygote(&job.limits, walls),
            worker: plan::guest_worker(job),
            work: Work::Guest(plan::guest(job)),
            stdio: Some(stdio),
            directories: streams::open_directories(job)?,
            pumps,
            hard_deadline: plan::hard_deadline(&job.limits),
        };
        let compiled = {
            let (coordinator, module, job, walls) = (Arc::clone(self), Arc::clone(module), job.clone(), walls.clone());
            async move { modules::compiled(&coordinator, &module, &job, &walls).await }
        };
        let Attempted { facts, mut usage } = self.attempt(order, Some(Box::pin(compiled))).await?;
        [usage.stdin_bytes, usage.stdout_bytes, usage.stderr_bytes] = meters.map(|meter| meter.passed());
        Ok((facts, usage))
    }

    /// One attempt of anything: guest, compiler or probe.
    pub(crate) async fn attempt(self: &Arc<Self>, order: Order, module: Option<Compiled>) -> io::Result<Attempted> {
        let (sender, notes) = mpsc::channel(driver::NOTES);
        let id = self.register(sender.clone());
        let mut tasks = tokio::task::JoinSet::new();
        if let Some(module) = module {
            let sender = sender.clone();
            tasks.spawn(async move {
                let _ = sender.send(Note::Module(module.await)).await;
            });
        }
        tasks.spawn(pass_stop_on(self.stop.subscribe(), sender.clone()));
        if self.spawner_lost.load(Ordering::SeqCst) {
            let _ = sender.send(Note::Event(Event::SpawnerLost)).await;
        }
        let attempted = driver::drive(&self.client, id, order, sender, notes).await;
        self.routes().1.remove(&id);
        attempted
    }

    fn register(&self, sender: mpsc::Sender<Note>) -> u32 {
        let mut routes = self.routes();
        routes.0 += 1;
        let id = routes.0;
        routes.1.insert(id, sender);
        id
    }

    fn routes(&self) -> MutexGuard<'_, (u32, Routes)> {
        // Nothing panics while it holds the lock, and a table of senders is whole after every statement.
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn route(&self, id: u32) -> Option<mpsc::Sender<Note>> {
        self.routes().1.get(&id).cloned()
    }
}

async fn pass_stop_on(mut stop: watch::Receiver<Option<StopReason>>, sender: mpsc::Sender<Note>) {
    if let Ok(reason) = stop.wait_for(Option::is_some).await.map(|reason| *reason)
        && let Some(reason) = reason
    {
        let _ = sender.send(driver::stop(reason)).await;
    }
}

/// Hands every answer of the spawner to the attempt that it concerns, until the spawner has gone.
async fn hear_spawner(coordinator: Arc<Coordinator>) {
    while let Ok(Ok(Received { message, fds: _pidfd })) =
        coordinator.client.recv().await.map(|answer| answer.map_err(|Closed| ()))
    {
        let (id, event) = match message {
            FromSpawner::Ready { weak } => {
                coordinator.weak.send_replace(Some(weak));
                continue;
            }
            FromSpawner::ZygoteStarted { zygote, weak } => {
                coordinator.add_weak(weak);
                (zygote, Event::ZygoteStarted)
            }
            FromSpawner::ZygoteEnded { zygote, why } => (zygote, Event::ZygoteEnded(why)),
            FromSpawner::WorkerStarted { worker } => (worker, Event::WorkerStarted),
            FromSpawner::WorkerRefused { worker, why } => (worker, Event::WorkerRefused(why)),
            FromSpawner::WorkerEnded { worker, exit } => (worker, Event::WorkerEnded(exit)),
        };
        if let Some(sender) = coordinator.route(id) {
            let _ = sender.send(Note::Event(event)).await;
        }
    }
    coordinator.weak.send_if_modified(|weak| weak.is_none() && weak.replace(Vec::new()).is_none());
    // Before the table is read: whoever registers later sees it.
    coordinator.spawner_lost.store(true, Ordering::SeqCst);
    let senders: Vec<_> = coordinator.routes().1.values().cloned().collect();
    for sender in senders {
        let _ = sender.send(Note::Event(Event::SpawnerLost)).await;
    }
}
