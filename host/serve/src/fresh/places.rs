//! Places of a command, and the pool that they share.

use super::hearing::Hearing;
use super::place::Place;
use super::told::{FreshTold, Wish};
use crate::dispatcher::Dispatcher;
use crate::status::{Status, up};
use sandhog_protocol::plan::Isolation;
use sandhog_protocol::verdict::Verdict;
use sandhog_runtime::coordinator::Coordinator;
use sandhog_runtime::error::Error;
use sandhog_runtime::pool::{Pool, Settings};
use sandhog_spec::job::Job;
use sandhog_spec::service::Rules;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A pool for so many places: as many workers have a client, and as many are ready to take their places.
#[must_use]
pub fn settings(places: u32) -> Settings {
    let places = places.max(1);
    Settings { busy_max: places, ready: places, ..Settings::default() }
}

/// What is to be there.
pub struct FreshSettings<'a> {
    pub job: &'a Job,
    /// Connections at once; at least 1.
    pub places: u32,
    /// Pauses and intensity of workers that end before they take a connection.
    pub rules: &'a Rules,
    /// It takes the place of others that serve: where its first worker takes no connection, it has failed.
    pub is_successor: bool,
}

/// The way to the workers. They go with it.
pub struct Fresh {
    pool: Pool,
    dispatcher: Dispatcher,
    rules: Rules,
    hearing: Arc<Hearing>,
    wish: watch::Sender<Wish>,
    places: JoinSet<()>,
    /// Places that begin when the first one takes connections.
    later: u32,
}

impl Fresh {
    /// Starts a pool with so many workers for clients, and as many that are ready to take their places, and asks for the first
    /// one: [`Self::up`] says what came of that.
    ///
    /// # Errors
    /// There is nothing to run. Inside: the verdict that a run of it would have had.
    pub async fn open(
        coordinator: &Arc<Coordinator>,
        order: FreshSettings<'_>,
        dispatcher: &Dispatcher,
        told: Arc<dyn FreshTold>,
    ) -> Result<Result<Self, Verdict>, Error> {
        let FreshSettings { job, places, rules, is_successor } = order;
        let mut job = job.clone();
        if let Some(http) = &mut job.http {
            http.isolation = Some(Isolation::Process);
        }
        let settings = settings(places);
        let pool = match Pool::open(coordinator, &job, settings).await? {
            Ok(pool) => pool,
            Err(verdict) => return Ok(Err(verdict)),
        };
        let (dispatcher, rules, places) = (dispatcher.clone(), rules.clone(), JoinSet::new());
        let (hearing, wish) = (Hearing::new(told, is_successor), watch::Sender::new(Wish::Serve));
        let mut fresh = Self { pool, dispatcher, rules, hearing, wish, places, later: settings.busy_max - 1 };
        fresh.begin(1);
        Ok(Ok(fresh))
    }

    fn begin(&mut self, places: u32) {
        for _ in 0..places {
            let told: Arc<dyn FreshTold> = Arc::<Hearing>::clone(&self.hearing);
            let place = Place::new(&self.pool, &self.dispatcher, &told, &self.rules, self.wish.subscribe());
            self.places.spawn(place.serve());
        }
    }

    /// Comes back when the first worker takes connections and the other places have begun, or when it is certain that none will.
    ///
    /// # Errors
    /// How it stands then.
    pub async fn up(&mut self) -> Result<(), Status> {
        up(self.status()).await?;
        let later = std::mem::take(&mut self.later);
        self.hearing.more(later);
        self.begin(later);
        Ok(())
    }

    /// How it stands, from now on.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.hearing.status()
    }

    /// Idle workers end, those with a client end with it. Comes back when none is left.
    pub async fn drain(mut self) {
        self.wish.send_replace(Wish::Drain);
        while self.places.join_next().await.is_some() {}
        self.pool.drain().await;
    }
}
