//! An attempt of a job that has a process for each connection: a place for one connection at a time, whose processes come out of a
//! pool. To the supervisor it is an attempt like any other: it begins, is ready when its first process takes clients, is asked to
//! stop, and ends with one verdict. A process that fails is told of, and another one takes its place at once.
//!
//! Must not: decide which client a process gets.

use super::pools::{Opening, Seat};
use super::told::Told;
use crate::fleet::attempt_observer::AttemptObserver;
use crate::fleet::logs::Origin;
use crate::fleet::message::Message;
use sandhog_protocol::causes;
use sandhog_protocol::control::LogStream;
use sandhog_protocol::verdict::{LostCause, Usage, Verdict};
use sandhog_runtime::coordinator::Coordinator;
use sandhog_runtime::objects::Group;
use sandhog_runtime::observer::{self, Life};
use sandhog_runtime::pool::Pool;
use sandhog_runtime::pool::captured::Captured;
use sandhog_runtime::pool::task::{Finished, Outcome};
use sandhog_runtime::record::VerdictRecord;
use sandhog_runtime::stop::{StopRequest, StopRequests};
use sandhog_serve::dispatcher::{Dispatcher, InFlight, Told as _};
use sandhog_serve::fresh::{FreshTold, Place, Wish};
use sandhog_spec::job::Job;
use sandhog_spec::service::Rules;
use sandhog_supervisor::outcome;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::{Semaphore, mpsc, watch};

/// What an attempt is made of.
pub(in crate::fleet) struct Order {
    pub(super) seat: Arc<Seat>,
    pub(super) hearing: Arc<PlaceHearing>,
    pub(super) dispatcher: Dispatcher,
    /// Of the job: how long it may take to stop, and how often a process is tried that takes no client.
    pub(super) rules: Rules,
}

/// Hears of the processes of one place.
pub(super) struct PlaceHearing {
    told: Arc<Told>,
    observer: Arc<AttemptObserver>,
    seat: Arc<Seat>,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    is_ready: bool,
    /// Of the process that is there.
    requests: Option<InFlight>,
    /// It is to stop: how its processes end is no news.
    stops: bool,
    /// Why there are no more processes.
    end: Option<Verdict>,
    used: Usage,
}

impl PlaceHearing {
    pub(super) fn new(told: &Arc<Told>, observer: &Arc<AttemptObserver>, seat: &Arc<Seat>) -> Arc<Self> {
        let (told, observer, seat) = (Arc::clone(told), Arc::clone(observer), Arc::clone(seat));
        Arc::new(Self { told, observer, seat, heard: Mutex::default() })
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        // Nothing panics while it holds the lock, and what it holds is whole after every statement.
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests that have not ended.
    pub(super) fn in_flight(&self) -> u32 {
        self.heard().requests.as_ref().map_or(0, InFlight::now)
    }

    fn tell(&self, message: Message) {
        // Where nobody hears it the daemon has ended.
        let _ = self.observer.inbox.send(message);
    }

    async fn keep(&self, attempt: &str, stream: LogStream, mut captured: Captured) {
        if captured.is_empty() {
            return;
        }
        let origin = Origin { attempt: attempt.to_owned(), ..self.observer.origin.clone() };
        let mut sink = self.observer.logs.stream(origin, stream, self.observer.rules);
        let (pieces, mut to_be_kept) = mpsc::channel::<Vec<u8>>(1);
        // What is long is in a file, and reading it back may take a disk's time.
        let read = tokio::task::spawn_blocking(move || {
            captured.pass_to(|piece| pieces.blocking_send(piece.to_vec()).map_err(io::Error::other))
        });
        while let Some(piece) = to_be_kept.recv().await {
            sink.write(&piece).await;
        }
        sink.end().await;
        if let Ok(Err(error)) = read.await {
            self.told.problem(&format!("the log misses what a process wrote: {}", causes::one_line(&error)));
        }
    }
}

impl FreshTold for PlaceHearing {
    fn joins(&self, attempt: &str) {
        self.told.enter_alone(attempt, &self.observer.origin.attempt);
        self.observer.works_by(self.seat.process(attempt));
    }

    fn accepts(&self, requests: InFlight) {
        let mut heard = self.heard();
        heard.requests = Some(requests);
        if !std::mem::replace(&mut heard.is_ready, true) {
            drop(heard);
            self.tell(Message::Life { attempt: self.observer.number, life: Life::Ready });
        }
    }

    fn ended(&self, finished: Finished) -> observer::Told<'_> {
        Box::pin(async move {
            let Finished { outcome, attempt, stdout, stderr, usage, .. } = finished;
            let Some(attempt) = attempt else { return };
            self.observer.works_by(None);
            let (stops, is_ready) = {
                let mut heard = self.heard();
                heard.requests = None;
                add(&mut heard.used, &usage);
                (heard.stops, heard.is_ready)
            };
            self.keep(&attempt, LogStream::Out, stdout).await;
            self.keep(&attempt, LogStream::Err, stderr).await;
            match outcome {
                Outcome::Ended(Verdict::Completed { .. } | Verdict::Stopped { .. }) => {}
                // The attempt ends with the one of a process on trial.
                Outcome::Ended(verdict) if is_ready && !stops => self.told.failed_alone(&attempt, verdict),
                Outcome::Ended(_)
                | Outcome::Answer(_)
                | Outcome::Failure(_)
                | Outcome::Cancelled
                | Outcome::Expired
                | Outcome::Closed(_) => {}
            }
            self.told.leave(&attempt);
        })
    }

    /// The first one is: the supervisor decides what follows.
    fn is_trial(&self) -> bool {
        !self.heard().is_ready
    }

    fn failed(&self, reason: &str, last: Option<Box<VerdictRecord>>) {
        let verdict = last.map_or_else(
            || {
                self.seat.is_over();
                Verdict::Lost { reason: reason.to_owned(), cause: LostCause::Start }
            },
            |record| record.verdict,
        );
        self.heard().end = Some(verdict);
    }
}

/// All that its processes used, one after the other.
fn add(all: &mut Usage, one: &Usage) {
    all.cpu_ms = all.cpu_ms.saturating_add(one.cpu_ms);
    all.peak_memory_bytes = all.peak_memory_bytes.max(one.peak_memory_bytes);
    all.peak_rss_bytes = all.peak_rss_bytes.max(one.peak_rss_bytes);
    all.output_bytes = all.output_bytes.saturating_add(one.output_bytes);
}

/// Runs it, from waiting for its turn to its verdict, and tells that.
pub(in crate::fleet) async fn run(
    coordinator: Arc<Coordinator>,
    starts: Arc<Semaphore>,
    order: Result<(Order, Job, Option<Group>), Verdict>,
    observer: Arc<AttemptObserver>,
    stop_requests: StopRequests,
) {
    let record = match order {
        Ok((order, job, group)) => attempt(&coordinator, &starts, order, &job, group, stop_requests).await,
        Err(verdict) => plain(verdict, &observer),
    };
    observer.let_others_start();
    let _ = observer.inbox.send(Message::Ended { attempt: observer.number, record: Box::new(record) });
}

fn plain(verdict: Verdict, observer: &AttemptObserver) -> VerdictRecord {
    VerdictRecord::new(verdict, observer.origin.attempt.clone(), observer.origin.job.clone())
}

async fn attempt(
    coordinator: &Arc<Coordinator>,
    starts: &Arc<Semaphore>,
    order: Order,
    job: &Job,
    group: Option<Group>,
    stop_requests: StopRequests,
) -> VerdictRecord {
    let Order { seat, hearing, dispatcher, rules: kept } = order;
    let observer = &hearing.observer;
    let (logs, origin, rules) = (observer.logs.clone(), observer.origin.clone(), observer.rules);
    let opened = async {
        if let Ok(permit) = Arc::clone(starts).acquire_owned().await {
            observer.hold(permit);
        }
        seat.pool(Opening { coordinator, job, group, logs, origin, rules }).await
    };
    let mut asked = stop_requests.clone();
    let opened = tokio::select! {
        biased;
        request = asked.wait_for(Option::is_some) => {
            Err(outcome::never_began(request.ok().and_then(|request| *request).map(StopRequest::cause)))
        }
        opened = opened => opened,
    };
    observer.let_others_start();
    let pool = match opened {
        Ok(pool) => pool,
        Err(verdict) => return plain(verdict, observer),
    };
    hearing.tell(Message::Began { attempt: observer.number });
    let began = Instant::now();
    let verdict = live(&pool, &dispatcher, &hearing, &kept, stop_requests).await;
    let used = Usage { wall_ms: sandhog_spec::units::millis(began.elapsed()), ..hearing.heard().used };
    pool.record(verdict, observer.origin.attempt.clone(), used)
}

/// Serves until it is asked to stop, or the pool has ended.
async fn live(
    pool: &Pool,
    dispatcher: &Dispatcher,
    hearing: &Arc<PlaceHearing>,
    rules: &Rules,
    mut stop_requests: StopRequests,
) -> Verdict {
    let (wish, wished) = watch::channel(Wish::Serve);
    let told: Arc<dyn FreshTold> = Arc::<PlaceHearing>::clone(hearing);
    let serving = Place::new(pool, dispatcher, &told, rules, wished).serve();
    tokio::pin!(serving);
    stop_requests.mark_changed();
    let (mut asked, mut end) = (None, None);
    loop {
        tokio::select! {
            () = &mut serving => break,
            Ok(()) = stop_requests.changed() => {
                let Some(request) = *stop_requests.borrow_and_update() else { continue };
                hearing.heard().stops = true;
                asked = Some(request);
                match request {
                    StopRequest::Stop(_) => {
                        end = Some(tokio::time::Instant::now() + rules.grace);
                        wish.send_replace(Wish::Drain);
                    }
                    StopRequest::Kill(_)
                    | StopRequest::Unhealthy(_)
                    | StopRequest::SigKill
                    | StopRequest::Breach(_) => drop(wish.send_replace(Wish::End)),
                }
            }
            () = until(end) => {
                end = None;
                wish.send_replace(Wish::End);
            }
        }
    }
    match asked {
        Some(StopRequest::Stop(reason)) if *wish.borrow() == Wish::Drain => Verdict::Stopped { graceful: true, reason },
        Some(request) => outcome::never_began(Some(request.cause())),
        None => {
            let end = hearing.heard().end.take();
            let lost =
                || Verdict::Lost { reason: "no process can be started any more".into(), cause: LostCause::Start };
            end.unwrap_or_else(lost)
        }
    }
}

async fn until(end: Option<tokio::time::Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}
