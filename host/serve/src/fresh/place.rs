//! A place for one connection at a time.

use super::told::{FreshTold, Wish};
use crate::dispatcher::{Dispatcher, Membership, Standing};
use sandhog_runtime::pool::task::{Clients, Finished, Input, Outcome, Serving, Task};
use sandhog_runtime::pool::{Pool, Ticket};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The pause after a worker that ended before it took clients; it doubles with each further one in a row.
const PAUSE: Duration = Duration::from_millis(100);

/// Its longest.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// One of those that may be there at once.
pub struct Place {
    pool: Pool,
    dispatcher: Dispatcher,
    told: Arc<dyn FreshTold>,
    wish: watch::Receiver<Wish>,
}

/// What follows the end of a worker.
enum Next {
    Another,
    /// The pool has ended.
    Nothing,
}

impl Place {
    /// For workers of this pool and clients of this dispatcher. Where nobody is left who could wish, nobody wants it any more.
    #[must_use]
    pub fn new(pool: &Pool, dispatcher: &Dispatcher, told: &Arc<dyn FreshTold>, wish: watch::Receiver<Wish>) -> Self {
        Self { pool: pool.clone(), dispatcher: dispatcher.clone(), told: Arc::clone(told), wish }
    }

    /// One worker after the other, until no more are wanted or the pool has ended. The last one has ended by then.
    pub async fn serve(mut self) {
        let mut failures = 0;
        while *self.wish.borrow() == Wish::Serve {
            let (clients, serving) = Clients::new();
            let task = Task { input: Input::Clients(clients), client: 0, timeout: None, wait: None };
            let mut ticket = self.pool.submit(task).await;
            let membership = tokio::select! {
                Ok(serving) = serving => self.join(serving),
                () = wished(&mut self.wish, Wish::Drain) => return ticket.cancel(),
                finished = ticket.end() => match self.ended(finished).await {
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
            match self.ended(finished).await {
                Next::Another => self.pause(failures).await,
                Next::Nothing => return,
            }
        }
    }

    fn join(&self, serving: Serving) -> Option<Membership> {
        let Serving { attempt, connection } = serving;
        self.told.joins(&attempt);
        self.dispatcher.join(attempt, connection).ok()
    }

    async fn until_the_end(&self, membership: &Membership, ticket: &mut Ticket) -> Finished {
        let [mut accepts, mut broke] = [membership.standing(), membership.standing()];
        let [mut drained, mut ended] = [self.wish.clone(), self.wish.clone()];
        let (mut is_told, mut drains, mut ends) = (false, false, false);
        loop {
            tokio::select! {
                finished = ticket.end() => return finished,
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

    async fn ended(&self, finished: Finished) -> Next {
        if let Outcome::Closed(reason) = &finished.outcome {
            if *self.wish.borrow() == Wish::Serve {
                self.told.failed(reason);
            }
            return Next::Nothing;
        }
        self.told.ended(finished).await;
        Next::Another
    }

    /// After so many in a row that took no clients.
    async fn pause(&mut self, failures: u32) {
        let Some(doublings) = failures.checked_sub(1) else { return };
        let pause = PAUSE.saturating_mul(1 << doublings.min(16)).min(PAUSE_MAX);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = wished(&mut self.wish, Wish::Drain) => {}
        }
    }
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
