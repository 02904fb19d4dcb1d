//! Places of a command, and the pool that they share.

use super::place::Place;
use super::told::{FreshTold, Wish};
use crate::dispatcher::Dispatcher;
use sandhog_protocol::plan::Isolation;
use sandhog_protocol::verdict::Verdict;
use sandhog_runtime::coordinator::Coordinator;
use sandhog_runtime::error::Error;
use sandhog_runtime::pool::{Pool, Settings};
use sandhog_spec::job::Job;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A pool for so many places: as many workers have a client, and as many are ready to take their places.
#[must_use]
pub fn settings(places: u32) -> Settings {
    let places = places.max(1);
    Settings { busy_max: places, ready: places, ..Settings::default() }
}

/// The way to the workers. They go with it.
pub struct Fresh {
    pool: Pool,
    wish: watch::Sender<Wish>,
    places: JoinSet<()>,
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
        let mut job = job.clone();
        if let Some(http) = &mut job.http {
            http.isolation = Some(Isolation::Process);
        }
        let settings = settings(workers);
        let pool = match Pool::open(coordinator, &job, settings).await? {
            Ok(pool) => pool,
            Err(verdict) => return Ok(Err(verdict)),
        };
        let (wish, wished) = watch::channel(Wish::Serve);
        let mut places = JoinSet::new();
        for _ in 0..settings.busy_max {
            places.spawn(Place::new(&pool, dispatcher, &told, wished.clone()).serve());
        }
        Ok(Ok(Self { pool, wish, places }))
    }

    /// Idle workers end, those with a client end with it. Comes back when none is left.
    pub async fn drain(mut self) {
        self.wish.send_replace(Wish::Drain);
        while self.places.join_next().await.is_some() {}
        self.pool.drain().await;
    }
}
