//! A pool, for those who have tasks.
//!
//! Must not: know workers.

use super::actor::Actor;
use super::happening::{Happening, Submitted};
use super::settings::{Measured, Settings, Statistics, WorkerKind, locked};
use super::shared::Shared;
use super::task::{Finished, Outcome, Task};
use crate::coordinator::Coordinator;
use crate::driver::GRACE;
use crate::error::Error;
use crate::granted::{Granted, Opener};
use crate::objects::Group;
use crate::observer::Observer;
use crate::record::VerdictRecord;
use sandhog_protocol::spawn::WeakWall;
use sandhog_protocol::verdict::{Usage, Verdict};
use sandhog_spec::job::{Job, User};
use sandhog_supervisor::pool::{State, TaskId};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

/// Workers of one job that are ready for tasks. All clones are one pool; it ends by [`Pool::close`] or with the coordinator.
#[derive(Clone)]
pub struct Pool {
    inner: Arc<Inner>,
}

struct Inner {
    happenings: mpsc::UnboundedSender<Happening>,
    /// Places for tasks that wait.
    places: Arc<Semaphore>,
    kind: WorkerKind,
    next: AtomicU64,
    measured: Arc<Mutex<Measured>>,
    is_over: watch::Receiver<bool>,
    shared: Arc<Shared>,
    /// The objects that are its own, and end with it.
    own_group: Option<Group>,
    weak_walls: Vec<WeakWall>,
}

/// What whoever keeps a job up has settled for a pool of it.
pub struct Around {
    /// All that its workers may use, opened.
    pub granted: Granted,
    /// Hears of its workers.
    pub observer: Arc<dyn Observer>,
    /// The objects of its group, which outlive the pool.
    pub group: Option<Group>,
}

/// A task that was submitted. Dropped, it takes its task back.
pub struct Ticket {
    id: TaskId,
    happenings: mpsc::UnboundedSender<Happening>,
    finished: Option<oneshot::Receiver<Finished>>,
}

impl Pool {
    /// Opens all that the job may use, starts its first zygote, and comes back when that has the module; workers follow.
    ///
    /// # Errors
    /// There is nothing to run. Inside: the verdict that a run of it would have had.
    pub async fn open(
        coordinator: &Arc<Coordinator>,
        job: &Job,
        settings: Settings,
    ) -> Result<Result<Self, Verdict>, Error> {
        if !coordinator.is_root()
            && let User::Ids { .. } = job.user
        {
            return Err(Error::User { given: "UID:GID" });
        }
        let granted = Opener::now(coordinator.own_directories()).open(job)?;
        let group = job.has_objects().then(|| Group::of_command(coordinator, job));
        let around = Around { granted, observer: coordinator.screen(), group: group.clone() };
        Ok(Self::begin(coordinator, job, around, settings, group).await)
    }

    /// The same with what was settled before: no path is opened.
    ///
    /// # Errors
    /// The verdict that a run of it would have had.
    pub async fn open_kept(
        coordinator: &Arc<Coordinator>,
        job: &Job,
        around: Around,
        settings: Settings,
    ) -> Result<Self, Verdict> {
        Self::begin(coordinator, job, around, settings, None).await
    }

    async fn begin(
        coordinator: &Arc<Coordinator>,
        job: &Job,
        around: Around,
        settings: Settings,
        own_group: Option<Group>,
    ) -> Result<Self, Verdict> {
        let Around { granted, observer, group } = around;
        let (happenings, news) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            coordinator: Arc::clone(coordinator),
            job: Arc::new(job.clone()),
            granted,
            observer,
            settings,
            group,
            kind: OnceLock::new(),
            happenings: happenings.clone(),
            walls: Mutex::new(coordinator.walls()),
        });
        let (opened, open) = oneshot::channel();
        let (over, is_over) = watch::channel(false);
        let measured = Arc::<Mutex<Measured>>::default();
        let policy = State::new(settings.config(GRACE));
        tokio::spawn(Actor::new(Arc::clone(&shared), policy, news, opened, Arc::clone(&measured), over).run());
        let mut unopened = Unopened(Some(happenings.clone()));
        let kind = open.await.unwrap_or_else(|_| Err(sandhog_supervisor::outcome::never_began(None)))?;
        unopened.0 = None;
        let places = Arc::new(Semaphore::new(settings.waiting_max.clamp(1, Semaphore::MAX_PERMITS)));
        let next = AtomicU64::new(0);
        let weak_walls = coordinator.weak_walls().await;
        let inner = Inner { happenings, places, kind, next, measured, is_over, shared, own_group, weak_walls };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// What its workers are.
    #[must_use]
    pub fn kind(&self) -> WorkerKind {
        self.inner.kind
    }

    /// Hands in a task; waits for room among those that wait.
    pub async fn submit(&self, task: Task) -> Ticket {
        let inner = &self.inner;
        let id = TaskId(inner.next.fetch_add(1, Ordering::Relaxed));
        let (answer, finished) = oneshot::channel();
        // It is never closed.
        if let Ok(place) = Arc::clone(&inner.places).acquire_owned().await {
            let submitted = Submitted { id, task, answer, at: Instant::now(), place };
            // Where nobody listens, the ticket says so.
            let _ = inner.happenings.send(Happening::Submitted(Box::new(submitted)));
        }
        Ticket { id, happenings: inner.happenings.clone(), finished: Some(finished) }
    }

    #[must_use]
    pub fn statistics(&self) -> Statistics {
        locked(&self.inner.measured).statistics()
    }

    /// All that is to be told of an attempt of one of its workers.
    #[must_use]
    pub fn record(&self, verdict: Verdict, attempt: String, usage: Usage) -> VerdictRecord {
        let Inner { shared, weak_walls, .. } = &*self.inner;
        let mut walls = shared.walls().clone();
        let missing_walls = shared.coordinator.walls().into_iter().filter(|wall| !walls.contains(wall)).collect();
        walls.retain(|wall| !weak_walls.iter().any(|weak| weak.wall == *wall));
        VerdictRecord {
            module: shared.granted.module.name(),
            walls: walls.into_iter().collect(),
            weak_walls: weak_walls.clone(),
            missing_walls,
            usage,
            ..VerdictRecord::new(verdict, attempt, shared.job.name.clone())
        }
    }

    /// No further tasks; those that wait are still done. Comes back when nothing is left.
    pub async fn drain(&self) {
        self.end(true).await;
    }

    /// No further tasks; those that wait are not done, and what runs is ended. Comes back when nothing is left.
    pub async fn close(&self) {
        self.end(false).await;
    }

    async fn end(&self, drain: bool) {
        let _ = self.inner.happenings.send(Happening::Close { drain });
        let mut is_over = self.inner.is_over.clone();
        // Its end without a word is an end as well.
        let _ = is_over.wait_for(|is_over| *is_over).await;
        if let Some(group) = &self.inner.own_group {
            group.close().await;
        }
    }
}

/// A pool that nobody has a way to yet: where it does not come to that, be it that whoever opens it goes away, it ends.
struct Unopened(Option<mpsc::UnboundedSender<Happening>>);

impl Drop for Unopened {
    fn drop(&mut self) {
        let _ = self.0.take().map(|happenings| happenings.send(Happening::Close { drain: false }));
    }
}

impl Ticket {
    /// Takes the task back: one that waits never begins, the worker that has it is ended.
    pub fn cancel(&self) {
        let _ = self.happenings.send(Happening::Cancelled(self.id));
    }

    /// Waits for its end.
    pub async fn finished(mut self) -> Finished {
        self.end().await
    }

    /// As [`Ticket::finished`], for whoever may still cancel it meanwhile. It ends once: after that there is no task any more.
    /// Dropping the future and asking again loses nothing.
    pub async fn end(&mut self) -> Finished {
        let Some(finished) = &mut self.finished else { return nobody() };
        let answer = finished.await;
        self.finished = None;
        answer.unwrap_or_else(|_| nobody())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.finished.is_some() {
            self.cancel();
        }
    }
}

/// The pool has gone.
fn nobody() -> Finished {
    Finished::without_attempt(Outcome::Closed("the pool has ended".to_owned()))
}
