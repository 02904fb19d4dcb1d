//! Instances of WASI 0.3: each answers as many requests at the same time as it gets. One for each request; or one for all, and
//! another beside it for as long as that one computes.
//!
//! What ends an instance ends all requests that it is at: they share its memory. One whose time is over is let go of alone; its
//! instance takes no more requests, and goes when the others are answered.

use super::super::ComponentGuest;
use super::call::{Answered, Call, Fate, Lease, Running};
use super::ended;
use super::epochs::yielded;
use super::makings::{Makings, Stored};
use crate::report::Stage;
use hyper::Request;
use sandhog_protocol::worker::End;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;
use wasmtime::component::{Accessor, AccessorTask};
use wasmtime_wasi_http::p3::Request as GuestRequest;
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p3::bindings::{Service, ServicePre};
use wasmtime_wasi_http::{WasiBody, WasiHttpView};

/// How long an instance that gets no more requests may work after its last answer.
const AFTERWARDS: Duration = Duration::from_secs(30);

/// An instance that has not taken a request by then computes: some ticks.
const SOON: Duration = Duration::from_millis(5);

/// See the module.
pub(super) struct Concurrent {
    entry: ServicePre<ComponentGuest>,
    makings: Makings,
    reuse: bool,
    /// Those that take requests; where none is used twice, at most one, made ahead.
    open: Mutex<Vec<Arc<Alive>>>,
}

/// An instance, as those see it who have requests for it.
struct Alive {
    /// None: it takes no more requests.
    jobs: Mutex<Option<mpsc::UnboundedSender<Job>>>,
    fate: Fate,
    /// It has computed for longer than a tick and not come back, or waits in a host function and lets nothing else of it go on.
    computes: Arc<AtomicBool>,
    /// It has come back from all that it was asked, and takes the next request.
    rests: AtomicBool,
    /// Requests that somebody waits for.
    wanted: AtomicU32,
    /// It still does something for a request whose time is over.
    overdue: AtomicBool,
    /// One of these has changed.
    changed: Notify,
}

struct Job {
    /// None: it has been given to another instance.
    asked: Arc<Mutex<Option<Request<WasiBody>>>>,
    taken: oneshot::Sender<()>,
    answers: oneshot::Sender<Answered>,
    done: oneshot::Sender<()>,
}

impl Concurrent {
    pub(super) fn new(entry: ServicePre<ComponentGuest>, makings: Makings, reuse: bool) -> Self {
        Self { entry, makings, reuse, open: Mutex::default() }
    }

    pub(super) fn makings(&self) -> &Makings {
        &self.makings
    }

    fn open(&self) -> MutexGuard<'_, Vec<Arc<Alive>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn prepare(self: &Arc<Self>) -> Result<(), End> {
        if self.open().is_empty() {
            let alive = self.make().await?;
            self.open().push(alive);
        }
        Ok(())
    }

    async fn make(self: &Arc<Self>) -> Result<Arc<Alive>, End> {
        let store = self.makings.store().map_err(|error| ended::broken(&error))?;
        let mut stored = Stored(store);
        let (jobs, coming) = mpsc::unbounded_channel();
        let alive = Arc::new(Alive {
            jobs: Mutex::new(Some(jobs)),
            fate: Fate::default(),
            computes: Arc::default(),
            rests: AtomicBool::new(true),
            wanted: AtomicU32::new(0),
            overdue: AtomicBool::new(false),
            changed: Notify::new(),
        });
        let computes = Arc::clone(&alive.computes);
        stored.0.data_mut().busy = Some(Arc::clone(&computes));
        stored.0.epoch_deadline_callback(move |_| {
            computes.store(true, Ordering::Relaxed);
            Ok(yielded())
        });
        let made = self.makings.epochs().tick_while(self.entry.instantiate_async(&mut stored.0)).await;
        let service = made.map_err(|error| ended::end(&error, Stage::Instantiating, &stored.0.data().limiter))?;
        tokio::spawn(Arc::clone(self).live(stored, Arc::new(service), coming, Arc::clone(&alive)));
        Ok(alive)
    }

    /// The part in an instance of a request that somebody waits for.
    fn lease(self: &Arc<Self>, alive: &Arc<Alive>, is_done: oneshot::Receiver<()>) -> Lease {
        alive.wanted.fetch_add(1, Ordering::Relaxed);
        let (pool, alive) = (Arc::clone(self), Arc::clone(alive));
        Lease::new(is_done, move |settled| {
            if !settled {
                alive.overdue.store(true, Ordering::Relaxed);
                pool.close(&alive);
            }
            alive.wanted.fetch_sub(1, Ordering::Relaxed);
            alive.changed.notify_one();
        })
    }

    pub(super) async fn call(self: &Arc<Self>, mut request: Request<WasiBody>) -> Result<Call, End> {
        loop {
            let alive = self.free().await?;
            let (answers, answer) = oneshot::channel();
            let (done, is_done) = oneshot::channel();
            let (taken, is_taken) = oneshot::channel();
            let lease = self.lease(&alive, is_done);
            let asked = Arc::new(Mutex::new(Some(request)));
            // One that has ended meanwhile drops it, and its fate tells why.
            if let Some(jobs) = alive.jobs().as_ref() {
                let _ = jobs.send(Job { asked: Arc::clone(&asked), answers, done, taken });
            }
            if !self.reuse {
                alive.retire();
                tokio::spawn(Arc::clone(self).make_ahead());
            } else if timeout(SOON, is_taken).await.is_err()
                && let Some(asked) = take(&asked)
            {
                // It has begun to compute since.
                lease.settle();
                request = asked;
                continue;
            }
            let fate = Arc::clone(&alive.fate);
            return Ok(Call { answer, running: Running::Shared(lease), fate });
        }
    }

    /// An instance for a request.
    async fn free(self: &Arc<Self>) -> Result<Arc<Alive>, End> {
        let free = self.take_free();
        if let Some(alive) = free {
            return Ok(alive);
        }
        let alive = self.make().await?;
        if self.reuse {
            self.open().push(Arc::clone(&alive));
        }
        Ok(alive)
    }

    /// An instance that would answer at once.
    fn take_free(&self) -> Option<Arc<Alive>> {
        let mut open = self.open();
        if !self.reuse {
            return open.pop();
        }
        open.iter().find(|alive| !alive.computes.load(Ordering::Relaxed)).cloned()
    }

    async fn make_ahead(self: Arc<Self>) {
        // Those that wait come first.
        tokio::task::yield_now().await;
        let _ = self.prepare().await;
    }

    /// The life of one instance.
    async fn live(
        self: Arc<Self>,
        mut stored: Stored,
        service: Arc<Service>,
        jobs: mpsc::UnboundedReceiver<Job>,
        alive: Arc<Alive>,
    ) {
        let outcome = {
            let works = stored.0.run_concurrent(async |accessor| answer_all(accessor, &service, jobs, &alive).await);
            let (mut works, mut over) = (pin!(self.makings.epochs().tick_while(works)), pin!(alive.over()));
            poll_fn(|context| {
                loop {
                    // First: one that computes comes back only to go on with it.
                    if over.as_mut().poll(context).is_ready() {
                        return Poll::Ready(Ok(()));
                    }
                    alive.computes.store(false, Ordering::Relaxed);
                    if let Poll::Ready(outcome) = works.as_mut().poll(context) {
                        return Poll::Ready(outcome.and_then(|outcome| outcome));
                    }
                    // A guest that is at a tick waits for its next turn; any other has nothing to do but for the next request.
                    if alive.computes.load(Ordering::Relaxed) || alive.rests.swap(true, Ordering::Relaxed) {
                        return Poll::Pending;
                    }
                }
            })
            .await
        };
        if let Err(error) = outcome {
            // Before the store goes, and with it the answers' ends.
            let _ = alive.fate.set(ended::end(&error, Stage::Running, &stored.0.data().limiter));
        }
        self.close(&alive);
    }

    /// No more requests for it.
    fn close(&self, alive: &Arc<Alive>) {
        alive.retire();
        self.open().retain(|other| !Arc::ptr_eq(other, alive));
    }
}

impl Alive {
    fn jobs(&self) -> MutexGuard<'_, Option<mpsc::UnboundedSender<Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn retire(&self) {
        *self.jobs() = None;
    }

    /// Until nobody waits for anything of it: at once where it works on for a request whose time is over, else after a while.
    async fn over(&self) {
        loop {
            let changed = self.changed.notified();
            let unwanted = self.wanted.load(Ordering::Relaxed) == 0 && self.jobs().is_none();
            match (unwanted, self.overdue.load(Ordering::Relaxed)) {
                (true, true) => return,
                (true, false) => {
                    if timeout(AFTERWARDS, changed).await.is_err() {
                        return;
                    }
                }
                (false, _) => changed.await,
            }
        }
    }
}

/// Answers requests until there are no more, and the guest has nothing to do.
async fn answer_all(
    accessor: &Accessor<ComponentGuest>,
    service: &Arc<Service>,
    mut jobs: mpsc::UnboundedReceiver<Job>,
    alive: &Alive,
) -> wasmtime::Result<()> {
    let (working, mut worked) = mpsc::channel(1);
    loop {
        // One at a time: none is taken behind one that computes. Whoever drives this polls it again when the guest has come back.
        let next = poll_fn(|context| match alive.rests.load(Ordering::Relaxed) {
            true => jobs.poll_recv(context),
            false => Poll::Pending,
        });
        match next.await {
            Some(Job { asked, taken, answers, done }) => {
                let _ = taken.send(());
                alive.rests.store(false, Ordering::Relaxed);
                if let Some(request) = take(&asked) {
                    let (service, _working) = (Arc::clone(service), working.clone());
                    accessor.spawn(Answering { service, request, answers, done, _working })?;
                }
            }
            None => break,
        }
    }
    drop(working);
    // Nothing is ever sent: until the last of them is done.
    let _ = worked.recv().await;
    poll_fn(|context| accessor.poll_no_interesting_tasks(context)).await;
    Ok(())
}

fn take(asked: &Mutex<Option<Request<WasiBody>>>) -> Option<Request<WasiBody>> {
    asked.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// How reading a request's body ended.
type Transferred = Pin<Box<dyn Future<Output = wasmtime_wasi_http::Result<()>> + Send>>;

/// One request.
struct Answering {
    service: Arc<Service>,
    request: Request<WasiBody>,
    answers: oneshot::Sender<Answered>,
    done: oneshot::Sender<()>,
    /// For as long as it is not done.
    _working: mpsc::Sender<()>,
}

impl AccessorTask<ComponentGuest> for Answering {
    async fn run(self, accessor: &Accessor<ComponentGuest>) -> wasmtime::Result<()> {
        let Self { service, request, answers, done, _working } = self;
        let (request, sent) = accessor.with(|mut store| {
            let (request, sent) = GuestRequest::from_http(store.data_mut().http().hooks, request);
            let sent: Transferred = Box::pin(sent);
            (request, sent)
        });
        let answer = match service.handle(accessor, request).await? {
            Ok(answer) => Ok(accessor.with(|store| answer.into_http(store, sent))?),
            Err(code) => Err(ended::without_answer(&in_words(&code))),
        };
        // Nobody waits for it any more where its time is over.
        let _ = answers.send(answer);
        let _ = done.send(());
        Ok(())
    }
}

fn in_words(code: &ErrorCode) -> String {
    format!("the guest answered with an error: {code}")
}
