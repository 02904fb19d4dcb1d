//! What a job may use, opened when the operator spoke, and the zygotes that have loaded it.

use sandhog_runtime::coordinator::Coordinator;
use sandhog_runtime::error::Error;
use sandhog_runtime::granted::{Granted, Opener};
use sandhog_runtime::zygote::shared::SharedZygotes;
use sandhog_spec::job::{Job, User};
use std::io;
use std::sync::Arc;

#[derive(Clone)]
pub(super) struct Opened {
    pub granted: Granted,
    pub zygotes: Arc<SharedZygotes>,
}

impl Opened {
    /// A path may lead to a disk that is slow or gone: a thread waits for it.
    ///
    /// # Errors
    /// The first path that leads nowhere, or not to what it should.
    pub(super) async fn now(coordinator: &Arc<Coordinator>, job: &Arc<Job>) -> Result<Self, Error> {
        if !coordinator.is_root()
            && let User::Ids { .. } = job.user
        {
            return Err(Error::User { given: "UID:GID" });
        }
        let (coordinator, job) = (Arc::clone(coordinator), Arc::clone(job));
        let open = move || Opener::now(coordinator.own_directories()).open(&job);
        let granted = tokio::task::spawn_blocking(open).await.map_err(io::Error::other)??;
        Ok(Self { granted, zygotes: Arc::default() })
    }
}
