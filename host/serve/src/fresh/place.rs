//! A place for one connection at a time.

use super::told::{FreshTold, Wish};
use crate::dispatcher::{Dispatcher, Membership, Standing};
use sandhog_runtime::pool::task::{Clients, Finished, Input, Outcome, Serving, Task};
use sandhog_runtime::pool::{Pool, Ticket};
use sandhog_runtime::record::VerdictRecord;
use sandhog_spec::service::Rules;
use sandhog_supervisor::tries::{Next, Tries};
use sandhog_supervisor::verdict_text;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// One of those that may be there at once.
pub struct Place {
    pool: Pool,
    dispatcher: Dispatcher,
    told: Arc<dyn FreshTold>,
    wish: watch::Receiver<Wish>,
    tries: Tries,
    began: Instant,
}

/// How a worker was.
struct Ended {
    finished: Finished,
    /// It took connections.
    accepted: bool,
}

impl Place {
    /// For workers of this pool and clients of this dispatcher. `rules`: for workers that end before they take a connection.
    /// Where nobody is left who could wish, nobody wants it any more.
    #[must_use]
    pub fn new(
        pool: &Pool,
        dispatcher: &Dispatcher,
        told: &Arc<dyn FreshTold>,
        rules: &Rules,
        wish: watch::Receiver<Wish>,
    ) -> Self {
        let tries = Tries::new(rules.backoff, rules.intensity);
        let (pool, dispatcher, told) = (pool.clone(), dispatcher.clone(), Arc::clone(told));
        Self { pool, dispatcher, told, wish, tries, began: Instant::now() }
    }

    /// One worker after the other, until no more are wanted, the pool has ended, or too many in a row took no connection. The last
    /// one has ended by then.
    pub async fn serve(mut self) {
        while *self.wish.borrow() == Wish::Serve {
            let Some(ended) = self.one().await else { return };
            if !self.goes_on(ended).await {
                return;
            }
        }
    }

    /// A worker, from asking for it to its end. None: it is not wanted any more.
    async fn one(&mut self) -> Option<Ended> {
        let (clients, serving) = Clients::new();
        let task = Task { input: Input::Clients(clients), client: 0, timeout: None, wait: None };
        let mut ticket = self.pool.submit(task).await;
        let membership = tokio::select! {
            Ok(serving) = serving => self.join(serving),
            () = wished(&mut self.wish, Wish::Drain) => {
                ticket.cancel();
                return None;
            }
            finished = ticket.end() => return Some(Ended { finished, accepted: false }),
        };
        let Some(membership) = membership else {
            ticket.cancel();
            return Some(Ended { finished: ticket.end().await, accepted: false });
        };
        let ended = self.until_the_end(&membership, &mut ticket).await;
        // It has been reaped: a connection that it did not read is another one's.
        drop(membership);
        Some(ended)
    }

    fn join(&self, serving: Serving) -> Option<Membership> {
        let Serving { attempt, connection } = serving;
        self.told.joins(&attempt);
        self.dispatcher.join(attempt, connection).ok()
    }

    async fn until_the_end(&self, membership: &Membership, ticket: &mut Ticket) -> Ended {
        let [mut accepts, mut broke] = [membership.standing(), membership.standing()];
        let [mut drained, mut ended] = [self.wish.clone(), self.wish.clone()];
        let (mut is_told, mut drains, mut ends) = (false, false, false);
        loop {
            tokio::select! {
                finished = ticket.end() => {
                    let accepted = is_told || *membership.standing().borrow() == Standing::Accepts;
                    return Ended { finished, accepted };
                }
                () = stands(&mut accepts, |standing| standing == Standing::Accepts), if !is_told => {
                    is_told = true;
                    self.told.accepts(membership.in_flight());
                }
                () = wished(&mut drained, Wish::Drain), if !drains => {
                    drains = true;
                    membership.finish();
                }
                () = stands(&mut broke, |standing| matches!(standing, Standing::Broke(_))), if !ends => {
                    ends = true;
                    ticket.cancel();
                }
                () = wished(&mut ended, Wish::End), if !ends => {
                    ends = true;
                    ticket.cancel();
                }
            }
        }
    }

    /// Takes its end in, and makes the pause that has to follow. Whether there is another one.
    async fn goes_on(&mut self, Ended { finished, accepted }: Ended) -> bool {
        let is_wanted = *self.wish.borrow() == Wish::Serve;
        let record = match &finished.outcome {
            Outcome::Closed(reason) => {
                if is_wanted {
                    self.told.failed(reason, None);
                }
                return false;
            }
            Outcome::Ended(verdict) if !accepted => {
                let attempt = finished.attempt.clone().unwrap_or_default();
                Some(Box::new(self.pool.record(verdict.clone(), attempt, finished.usage)))
            }
            Outcome::Ended(_) | Outcome::Answer(_) | Outcome::Failure(_) | Outcome::Cancelled | Outcome::Expired => {
                None
            }
        };
        self.told.ended(finished).await;
        match record {
            Some(record) => self.tries_again(record).await,
            None => {
                self.tries.succeeded();
                true
            }
        }
    }

    /// After one that took no connection.
    async fn tries_again(&mut self, record: Box<VerdictRecord>) -> bool {
        let next = match self.told.is_trial() {
            true => Next::GiveUp(format!("its first process {}", verdict_text::clause(&record.verdict))),
            false => self.tries.failed(&record.verdict, self.began.elapsed(), random()),
        };
        if *self.wish.borrow() != Wish::Serve {
            return false;
        }
        match next {
            Next::GiveUp(reason) => {
                self.told.failed(&reason, Some(record));
                false
            }
            Next::Again(pause) => tokio::select! {
                () = tokio::time::sleep(pause) => true,
                () = wished(&mut self.wish, Wish::Drain) => false,
            },
        }
    }
}

/// For the pauses: as random as the keys of the standard library's tables.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}

/// Comes back when a worker stands like that.
async fn stands(standing: &mut watch::Receiver<Standing>, is: impl Fn(Standing) -> bool) {
    if standing.wait_for(|standing| is(*standing)).await.is_err() {
        std::future::pending().await
    }
}

/// Comes back when this is wished, or more.
async fn wished(wish: &mut watch::Receiver<Wish>, least: Wish) {
    // Whoever could say so has gone: nothing is wanted.
    let _ = wish.wait_for(|wish| *wish >= least).await;
}
