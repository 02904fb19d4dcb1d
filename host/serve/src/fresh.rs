//! A sealed process for each connection: workers out of a warm pool, each of which takes one connection and ends with it.
//!
//! As many as there may be at once wait for a client, each handed to the dispatcher as soon as the pool has one that is ready.
//!
//! Must not: decide who gets which connection, or how workers are kept ready.

use crate::dispatcher::{Dispatcher, Membership, Standing};
use sandhog_protocol::plan::Isolation;
use sandhog_protocol::verdict::Verdict;
use sandhog_runtime::coordinator::Coordinator;
use sandhog_runtime::error::Error;
use sandhog_runtime::pool::task::{Clients, Finished, Input, Outcome, Task};
use sandhog_runtime::pool::{Pool, Settings, Ticket};
use sandhog_spec::job::Job;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The pause after a worker that ended before it took clients; it doubles with each further one in a row.
const PAUSE: Duration = Duration::from_millis(100);

/// Its longest.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Hears of the ends of workers. Nothing of it may wait.
pub trait FreshTold: Send + Sync {
    /// The attempt of a connection has ended, or never began: `finished.attempt`.
    fn ended(&self, finished: Finished);

    /// There are no more workers, and why.
    fn failed(&self, reason: &str);
}

/// The way to the workers. They go with it.
pub struct Fresh {
    pool: Pool,
    closes: watch::Sender<bool>,
    places: JoinSet<()>,
}

/// One of those that may be there at once.
struct Place {
    pool: Pool,
    dispatcher: Dispatcher,
    told: Arc<dyn FreshTold>,
    closes: watch::Receiver<bool>,
}

impl Fresh {
    /// Starts a pool with so many workers for clients, and as many that are ready to take their places.
    ///
    /// # Errors
    /// There is nothing to run. Inside: the verdict that a run of it would have had.
    pub async fn open(
        coordinator: &Arc<Coordinator>,
        job: &Job,
        workers: u32,
        dispatcher: &Dispatcher,
        told: Arc<dyn FreshTold>,
    ) -> Result<Result<Self, Verdict>, Error> {
        let workers = workers.max(1);
        let mut job = job.clone();
        if let Some(http) = &mut job.http {
            http.isolation = Some(Isolation::Process);
        }
        let settings = Settings { busy_max: workers, ready: workers, ..Settings::default() };
        let pool = match Pool::open(coordinator, &job, settings).await? {
            Ok(pool) => pool,
            Err(verdict) => return Ok(Err(verdict)),
        };
        let (closes, closed) = watch::channel(false);
        let mut places = JoinSet::new();
        for _ in 0..workers {
            let place = Place {
                pool: pool.clone(),
                dispatcher: dispatcher.clone(),
                told: Arc::clone(&told),
                closes: closed.clone(),
            };
            places.spawn(place.serve());
        }
        Ok(Ok(Self { pool, closes, places }))
    }

    /// Idle workers end, those with a client end with it. Comes back when none is left.
    pub async fn drain(mut self) {
        self.closes.send_replace(true);
        while self.places.join_next().await.is_some() {}
        self.pool.drain().await;
    }
}

impl Place {
    /// One worker after the other, until no more are wanted.
    async fn serve(mut self) {
        let mut failures = 0;
        while !*self.closes.borrow() {
            let (clients, serving) = Clients::new();
            let task = Task { input: Input::Clients(clients), client: 0, timeout: None, wait: None };
            let mut ticket = self.pool.submit(task).await;
            let membership = tokio::select! {
                Ok(serving) = serving => self.dispatcher.join(serving.attempt, serving.connection).ok(),
                () = closed(&mut self.closes) => return ticket.cancel(),
                finished = ticket.end() => match self.ended(finished) {
                    Next::Another => None,
                    Next::Nothing => return,
                },
            };
            let Some(membership) = membership else {
                failures += 1;
                self.pause(failures).await;
                continue;
            };
            let finished = self.until_the_end(&membership, &mut ticket).await;
            failures = if *membership.standing().borrow() == Standing::Joined { failures + 1 } else { 0 };
            // It has been reaped: a connection that it did not read is another one's.
            drop(membership);
            match self.ended(finished) {
                Next::Another => self.pause(failures).await,
                Next::Nothing => return,
            }
        }
    }

    async fn until_the_end(&mut self, membership: &Membership, ticket: &mut Ticket) -> Finished {
        let mut standing = membership.standing();
        tokio::select! {
            finished = ticket.end() => return finished,
            () = closed(&mut self.closes) => membership.finish(),
            () = broke(&mut standing) => ticket.cancel(),
        }
        ticket.end().await
    }

    fn ended(&self, finished: Finished) -> Next {
        if let Outcome::Closed(reason) = &finished.outcome {
            if !*self.closes.borrow() {
                self.told.failed(reason);
            }
            return Next::Nothing;
        }
        self.told.ended(finished);
        Next::Another
    }

    /// After so many in a row that took no clients.
    async fn pause(&mut self, failures: u32) {
        let Some(doublings) = failures.checked_sub(1) else { return };
        let pause = PAUSE.saturating_mul(1 << doublings.min(16)).min(PAUSE_MAX);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = closed(&mut self.closes) => {}
        }
    }
}

/// What follows the end of a worker.
enum Next {
    Another,
    /// The pool has ended.
    Nothing,
}

/// Comes back when a worker has broken the rules: its client is not served any more.
async fn broke(standing: &mut watch::Receiver<Standing>) {
    if standing.wait_for(|standing| matches!(standing, Standing::Broke(_))).await.is_err() {
        std::future::pending().await
    }
}

/// Comes back when no more are wanted.
async fn closed(closes: &mut watch::Receiver<bool>) {
    // Whoever could say so has gone: none is wanted.
    let _ = closes.wait_for(|closes| *closes).await;
}
