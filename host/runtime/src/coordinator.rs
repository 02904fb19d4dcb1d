//! The coordinator at work: hands the spawner's answers to the attempts that they concern, and runs jobs.

use super::caches::Caches;
use super::capacity::Capacity;
use super::driver::{self, Attempted, Order};
use super::note::Note;
use super::observer::Observer;
use super::own_directories::OwnDirectories;
use super::privilege::{self, Parted};
use super::screen::{Screen, show};
use super::stamps::{self, Process};
use super::stop::{StopRequest, StopRequests};
use super::suspension;
use super::view::View;
use crate::spawner::Client;
use sandhog_ipc::{self as ipc, Closed, Received};
use sandhog_protocol::plan::{Kind, Walls};
use sandhog_protocol::spawn::{FromSpawner, ToSpawner, WeakWall};
use sandhog_protocol::verdict::StopReason;
use sandhog_spawner::floor::Floor;
use sandhog_supervisor::attempt::Event;
use sandhog_supervisor::outcome::Cause;
use sandhog_sys::stamps as noting;
use std::collections::HashMap;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// How long a traced command waits for what its zygote noted: what is still to be heard is on its way.
const STAMPS: Duration = Duration::from_secs(1);

/// Over when it is dropped or told so.
pub struct Compiling(Option<Box<dyn Send>>);

impl Compiling {
    pub fn finished(mut self) {
        self.0.take();
    }
}

/// A compiled module that is on its way.
pub type Compiled = Pin<Box<dyn Future<Output = Result<(OwnedFd, Kind), Cause>> + Send>>;

/// Attempts and zygotes, by the number that each has at the spawner.
type Routes = HashMap<u32, Route>;

/// Where the spawner's answers about a number go.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) notes: mpsc::Sender<Note>,
    /// Hears of the worker.
    pub(super) on_started: Option<OnStarted>,
}

/// Is given a worker's number and pidfd.
pub(super) type OnStarted = Arc<dyn Fn(u32, OwnedFd) + Send + Sync>;

pub struct Coordinator {
    client: Client,
    routes: Mutex<(u32, Routes)>,
    weak: watch::Sender<Option<Vec<WeakWall>>>,
    stop: watch::Sender<Option<StopRequest>>,
    spawner_lost: watch::Sender<bool>,
    own: OwnDirectories,
    /// The spawner clears away behind a daemon.
    guarded: watch::Sender<bool>,
    /// It has said where the time of the start went, where that is asked for.
    stamped: watch::Sender<bool>,
    caches: Caches,
    view: Arc<dyn View>,
    /// Whether it has heard [`Self::note_once`].
    noted: AtomicBool,
    capacity: Capacity,
    root: bool,
    /// What the spawner holds every plan to.
    floor: Floor,
}

impl Coordinator {
    /// Takes the spawner over. Must be called inside the runtime that everything runs on.
    pub fn new(parted: Parted, view: Arc<dyn View>) -> io::Result<Arc<Self>> {
        let Parted { launched, person, root, floor } = parted;
        let coordinator = Arc::new(Self {
            client: launched.connect()?,
            routes: Mutex::default(),
            weak: watch::Sender::new(None),
            stop: watch::Sender::new(None),
            spawner_lost: watch::Sender::new(false),
            own: OwnDirectories::find(&person, |name| std::env::var_os(name)),
            guarded: watch::Sender::new(false),
            stamped: watch::Sender::new(false),
            caches: Caches::of(&person, |name| std::env::var_os(name)),
            view,
            noted: AtomicBool::new(false),
            capacity: Capacity::new(),
            root,
            floor,
        });
        tokio::spawn(forward_spawner_events(Arc::clone(&coordinator)));
        Ok(coordinator)
    }

    /// Where compiled modules are kept.
    pub(super) const fn caches(&self) -> &Caches {
        &self.caches
    }

    /// Sandhog's own directories, which no grant may reach into.
    pub fn own_directories(&self) -> &OwnDirectories {
        &self.own
    }

    pub(super) fn compiling(&self, job: &str) -> Compiling {
        Compiling(Some(self.view.compiling(job)))
    }

    /// A word to whoever started the command, the first one only.
    pub(super) async fn note_once(&self, text: String) {
        if !self.noted.swap(true, Ordering::Relaxed) {
            show(&self.view, &self.stopped(), move |view| view.note(&text)).await;
        }
    }

    /// How to have a word shown to whoever started the command, without waiting for them.
    pub(super) fn noter(&self) -> impl Fn(String) + Send + Sync + 'static {
        let (view, stopped) = (Arc::clone(&self.view), self.stopped());
        move |text| {
            let (view, stopped) = (Arc::clone(&view), stopped.clone());
            tokio::spawn(async move { show(&view, &stopped, move |view| view.note(&text)).await });
        }
    }

    /// Ends everything that runs, for this reason; the first one counts.
    pub fn stop(&self, reason: StopReason) {
        self.stop.send_if_modified(|stop| stop.is_none() && stop.replace(StopRequest::Stop(reason)).is_none());
    }

    /// Lets all workers stand still while `stop` stops this process, and go on after it.
    pub async fn suspend(&self, stop: impl FnOnce()) {
        // Where the spawner has gone, no worker is left.
        let _ = self.client.send(&ToSpawner::PauseAll, &[]).await;
        let since = Instant::now();
        stop();
        suspension::add(since.elapsed());
        let _ = self.client.send(&ToSpawner::ResumeAll, &[]).await;
    }

    /// Lets one worker stand still, or go on; its limit of time does not count what is between.
    pub async fn pause(&self, worker: u32, paused: bool) {
        let request = if paused { ToSpawner::Pause { worker } } else { ToSpawner::Resume { worker } };
        // Where it fails the spawner has gone, and everything with it.
        let _ = self.ask_spawner(&request, &[]).await;
        if let Some(route) = self.route(worker) {
            let _ = route.notes.send(Note::Paused(paused)).await;
        }
    }

    /// Hears of a stop of everything.
    pub fn stopped(&self) -> StopRequests {
        self.stop.subscribe()
    }

    /// Whether workers can be given other ids than whoever started this.
    pub fn is_root(&self) -> bool {
        self.root
    }

    /// Whoever started the command hears of what runs.
    pub(super) fn screen(&self) -> Arc<dyn Observer> {
        Arc::new(Screen::new(Arc::clone(&self.view), self.stopped()))
    }

    /// Carries out something at the spawner that has no answer.
    pub async fn ask_spawner(&self, request: &ToSpawner, fds: &[BorrowedFd<'_>]) -> Result<(), ipc::Error> {
        self.client.send(request, fds).await
    }

    /// Hands over what a daemon leaves to be cleared away, and waits until the spawner has it: only then may there be
    /// anything to clear away. A request that only lies in the socket is lost where this process is killed before the
    /// spawner has read it: of a socket whose other end has gone with news unread the kernel gives an error first.
    ///
    /// # Errors
    /// The spawner has gone.
    pub async fn guard(&self, fds: &[BorrowedFd<'_>]) -> Result<(), ipc::Error> {
        self.client.send(&ToSpawner::Guard, fds).await?;
        let mut guarded = self.guarded.subscribe();
        tokio::select! {
            _ = guarded.wait_for(|guarded| *guarded) => Ok(()),
            () = self.spawner_is_lost() => Err(io::Error::from(io::ErrorKind::BrokenPipe).into()),
        }
    }

    /// Over when the spawner has gone, and every worker with it.
    pub async fn spawner_is_lost(&self) {
        let mut lost = self.spawner_lost.subscribe();
        // The sender lives as long as this does.
        let _ = lost.wait_for(|lost| *lost).await;
    }

    /// # Errors
    /// No attempt more can be started at the moment.
    pub(super) fn check_capacity(&self) -> io::Result<()> {
        self.capacity.take().map(drop)
    }

    /// Lets the spawner clear away; afterwards nothing of any run is left. What a spawner leaves that was killed is removed
    /// from here as far as this process may; behind sudo the next command of root's removes it.
    pub async fn close(&self) {
        let has_started = self.routes().0 > 0;
        if noting::is_on() && has_started {
            self.hear_stamps().await;
        }
        let is_cleared = self.client.close().await;
        if !is_cleared && self.root {
            privilege::sweep();
        }
    }

    /// A zygote may say what it noted after its worker has ended.
    async fn hear_stamps(&self) {
        let mut stamped = self.stamped.subscribe();
        let heard = async {
            tokio::select! {
                _ = stamped.wait_for(|stamped| *stamped) => {}
                () = self.spawner_is_lost() => {}
            }
        };
        // One that failed has nothing to say.
        let _ = tokio::time::timeout(STAMPS, heard).await;
    }

    /// The walls that are to stand here.
    pub fn walls(&self) -> Walls {
        self.floor.walls.clone()
    }

    /// The walls that the operator lets go where they can't be built.
    pub fn may_miss(&self) -> &Walls {
        &self.floor.may_miss
    }

    /// The walls that stand lower than designed, as far as that has shown itself.
    pub async fn weak_walls(&self) -> Vec<WeakWall> {
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

    /// One attempt of anything: guest, compiler or probe.
    pub async fn attempt(
        self: &Arc<Self>,
        order: Order,
        module: Option<Compiled>,
        stop_requests: StopRequests,
        (sender, notes): (mpsc::Sender<Note>, mpsc::Receiver<Note>),
        on_started: Option<OnStarted>,
    ) -> io::Result<Attempted> {
        let _permit = self.capacity.take()?;
        let id = self.register(Route { notes: sender.clone(), on_started });
        if let Some(module) = module {
            let sender = sender.clone();
            tokio::spawn(async move {
                // It ends with the attempt. A compiler does not: see `modules::compiled`.
                tokio::select! {
                    module = module => drop(sender.send(Note::Module(module)).await),
                    () = sender.closed() => {}
                }
            });
        }
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(forward_stop_requests(stop_requests, sender.clone()));
        let attempted = driver::drive(&self.client, id, order, sender, notes).await;
        self.forget(id);
        attempted
    }

    /// A new number, by which the spawner knows a zygote or a worker. Whoever comes after the spawner has gone hears that at once.
    pub(super) fn register(&self, route: Route) -> u32 {
        let notes = route.notes.clone();
        let id = {
            let mut routes = self.routes();
            routes.0 += 1;
            let id = routes.0;
            routes.1.insert(id, route);
            id
        };
        if *self.spawner_lost.borrow() {
            // Nobody else has told it anything yet: there is room.
            let _ = notes.try_send(Note::Event(Event::SpawnerLost));
        }
        id
    }

    /// Nothing more is wanted to be heard of this number.
    pub(super) fn forget(&self, id: u32) {
        self.routes().1.remove(&id);
    }

    /// The way to the spawner.
    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    fn routes(&self) -> MutexGuard<'_, (u32, Routes)> {
        // Nothing panics while it holds the lock, and a table of senders is whole after every statement.
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn route(&self, id: u32) -> Option<Route> {
        self.routes().1.get(&id).cloned()
    }
}

/// Every request to stop, the next one after the last.
async fn forward_stop_requests(mut stop_requests: StopRequests, sender: mpsc::Sender<Note>) {
    loop {
        let stop_request = *stop_requests.borrow_and_update();
        let note = stop_request.map(|stop_request| match stop_request {
            StopRequest::Stop(reason) => Note::stop(reason),
            StopRequest::Kill(_) | StopRequest::Unhealthy(_) | StopRequest::SigKill | StopRequest::Breach(_) => {
                Note::Event(Event::Kill(stop_request.cause()))
            }
        });
        if let Some(note) = note {
            let _ = sender.send(note).await;
        }
        if stop_requests.changed().await.is_err() {
            return;
        }
    }
}

/// Hands every answer of the spawner to the attempt that it concerns, until the spawner has gone.
async fn forward_spawner_events(coordinator: Arc<Coordinator>) {
    while let Ok(Ok(Received { message, fds })) =
        coordinator.client.recv().await.map(|answer| answer.map_err(|Closed| ()))
    {
        let (id, event) = match message {
            FromSpawner::Ready { weak } => {
                coordinator.weak.send_replace(Some(weak));
                continue;
            }
            FromSpawner::Guarded => {
                coordinator.guarded.send_replace(true);
                continue;
            }
            FromSpawner::Stamps { spawner, zygote } => {
                stamps::hear(Process::Spawner, spawner);
                stamps::hear(Process::Zygote, zygote);
                coordinator.stamped.send_replace(true);
                continue;
            }
            FromSpawner::ZygoteStarted { zygote, weak } => {
                coordinator.add_weak(weak);
                (zygote, Event::ZygoteStarted)
            }
            FromSpawner::ZygoteEnded { zygote, reason } => (zygote, Event::ZygoteEnded(reason)),
            FromSpawner::WorkerStarted { worker } => (worker, Event::WorkerStarted),
            FromSpawner::WorkerRefused { worker, reason } => (worker, Event::WorkerRefused(reason)),
            FromSpawner::WorkerEnded { worker, exit } => (worker, Event::WorkerEnded(exit)),
        };
        if let Some(route) = coordinator.route(id) {
            for (pidfd, on_started) in fds.into_iter().zip(&route.on_started) {
                on_started(id, pidfd);
            }
            let _ = route.notes.send(Note::Event(event)).await;
        }
    }
    coordinator.weak.send_if_modified(|weak| weak.is_none() && weak.replace(Vec::new()).is_none());
    // Before the table is read: whoever registers later sees it.
    coordinator.spawner_lost.send_replace(true);
    let routes: Vec<_> = coordinator.routes().1.values().cloned().collect();
    for route in routes {
        let _ = route.notes.send(Note::Event(Event::SpawnerLost)).await;
    }
}
