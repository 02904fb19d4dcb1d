//! Pools of processes for jobs that have one for each connection. Instances that were settled together share a pool, and each has
//! a seat in it; it ends with the last of them.
//!
//! Must not: know which worker has which connection.

use crate::fleet::attempt_observer::StartedWorker;
use crate::fleet::logs::{Logs, Origin};
use sandhog_protocol::control::LogStream;
use sandhog_protocol::limits;
use sandhog_protocol::verdict::Verdict;
use sandhog_runtime::coordinator::Coordinator;
use sandhog_runtime::granted::Settled;
use sandhog_runtime::objects::Group;
use sandhog_runtime::observer::{Observer, Told};
use sandhog_runtime::pool::{Around, Pool, Settings};
use sandhog_runtime::view::LogLine;
use sandhog_runtime::worker_process::WorkerProcess;
use sandhog_serve::fresh;
use sandhog_spec::job::Job;
use sandhog_spec::service::LogRules;
use sandhog_sys::clock::now_ms;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::OnceCell;

/// Those of one job.
#[derive(Default)]
pub(super) struct Pools(Vec<Weak<Shared>>);

/// A pool, from before it is open.
struct Shared {
    settled: Arc<Settled>,
    seats: u32,
    taken: AtomicU32,
    /// It starts nothing any more.
    is_over: AtomicBool,
    pool: OnceCell<Pool>,
    processes: Processes,
}

/// The right to a worker of a pool at a time.
pub(in crate::fleet) struct Seat(Option<Arc<Shared>>);

/// Processes of a pool, for those who want to know what they use.
#[derive(Clone, Default)]
struct Processes(Arc<Mutex<HashMap<String, Started>>>);

struct Started {
    worker: u32,
    process: Weak<WorkerProcess>,
    at_ms: u64,
}

/// What a pool of the daemon's hears.
struct Hears {
    processes: Processes,
    logs: Logs,
    origin: Origin,
    rules: LogRules,
}

impl Pools {
    /// A seat for an instance of so many, in a pool of what was settled like this.
    pub(super) fn seat(&mut self, settled: &Arc<Settled>, instances: u32) -> Seat {
        self.0.retain(|pool| pool.strong_count() > 0);
        let free = self.0.iter().filter_map(Weak::upgrade).find(|pool| pool.has_room(settled));
        let pool = free.unwrap_or_else(|| {
            // One more: a successor. As many again are ready, and a zygote has no more slots than that.
            let seats = instances.saturating_add(1).clamp(1, limits::SLOTS / 2);
            let pool = Arc::new(Shared {
                settled: Arc::clone(settled),
                seats,
                taken: AtomicU32::new(0),
                is_over: AtomicBool::new(false),
                pool: OnceCell::new(),
                processes: Processes::default(),
            });
            self.0.push(Arc::downgrade(&pool));
            pool
        });
        pool.taken.fetch_add(1, Ordering::Relaxed);
        Seat(Some(pool))
    }
}

impl Shared {
    fn has_room(&self, settled: &Arc<Settled>) -> bool {
        let is_free = self.taken.load(Ordering::Relaxed) < self.seats && !self.is_over.load(Ordering::Relaxed);
        is_free && Arc::ptr_eq(&self.settled, settled)
    }
}

/// For whom a pool is opened.
pub(super) struct Opening<'a> {
    pub(super) coordinator: &'a Arc<Coordinator>,
    pub(super) job: &'a Job,
    pub(super) group: Option<Group>,
    pub(super) logs: Logs,
    pub(super) origin: Origin,
    pub(super) rules: LogRules,
}

impl Seat {
    fn shared(&self) -> Option<&Shared> {
        self.0.as_deref()
    }

    /// The pool, which the first one opens.
    ///
    /// # Errors
    /// The verdict that a run of the job would have had. The next one tries again.
    pub(super) async fn pool(&self, opening: Opening<'_>) -> Result<Pool, Verdict> {
        // It is there until it is dropped.
        let Some(shared) = self.shared() else { return Err(sandhog_supervisor::outcome::never_began(None)) };
        let Opening { coordinator, job, group, logs, origin, rules } = opening;
        let places = shared.seats;
        let open = || async move {
            let observer = Arc::new(Hears { processes: shared.processes.clone(), logs, origin, rules });
            let around = Around { granted: shared.settled.job.clone(), observer, group };
            let settings = Settings { ready: (places - 1).max(1), ..fresh::settings(places) };
            Pool::open_kept(coordinator, job, around, settings).await
        };
        shared.pool.get_or_try_init(open).await.cloned()
    }

    /// The pool starts nothing any more: whoever comes next has another one.
    pub(super) fn is_over(&self) {
        if let Some(shared) = self.shared() {
            shared.is_over.store(true, Ordering::Relaxed);
        }
    }

    /// The process of one of its attempts.
    pub(super) fn process(&self, attempt: &str) -> Option<StartedWorker> {
        self.shared()?.processes.take(attempt)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(shared) = self.0.take() else { return };
        shared.taken.fetch_sub(1, Ordering::Relaxed);
        if let Some(pool) = Arc::into_inner(shared).and_then(|shared| shared.pool.into_inner()) {
            tokio::spawn(async move { pool.drain().await });
        }
    }
}

impl Processes {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Started>> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, attempt: &str) -> Option<StartedWorker> {
        let Started { worker, process, at_ms } = self.all().remove(attempt)?;
        Some(StartedWorker { worker, process: process.upgrade()?, at_ms })
    }
}

impl Observer for Hears {
    /// A line does not say which attempt it is of.
    fn log(&self, line: LogLine) -> Told<'_> {
        Box::pin(async move {
            if self.rules.level.is_some_and(|least| line.level >= least) {
                self.logs.line(&self.origin, LogStream::Log, self.rules, &line.say(line.level.name())).await;
            }
        })
    }

    fn worker_started(&self, attempt: &str, worker: u32, process: &Arc<WorkerProcess>) {
        let mut all = self.processes.all();
        // Those that ended without a client.
        all.retain(|_, started| started.process.strong_count() > 0);
        all.insert(attempt.to_owned(), Started { worker, process: Arc::downgrade(process), at_ms: now_ms() });
    }
}
