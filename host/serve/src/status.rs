//! How the workers of a job stand that a command keeps up: below those who keep them and those who want to know.

use sandhog_runtime::record::VerdictRecord;
use tokio::sync::watch;

/// How they stand.
#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    /// No worker has been ready yet.
    Starting,
    /// At least one has been, and not all have been given up.
    Serving,
    /// All have been given up; why the last one was, and how its last attempt ended.
    Failed { reason: String, last: Option<Box<VerdictRecord>> },
    /// The spawner has ended, and every worker with it.
    SpawnerLost,
    /// It was asked to end, and nothing runs any more.
    Over,
}

/// Comes back when the first worker is ready, or when it is certain that none will be.
///
/// # Errors
/// How it stands then.
pub(crate) async fn up(mut status: watch::Receiver<Status>) -> Result<(), Status> {
    let status = status.wait_for(|status| *status != Status::Starting).await;
    match status.as_deref() {
        Ok(Status::Serving | Status::Starting) => Ok(()),
        Ok(other @ (Status::Failed { .. } | Status::SpawnerLost | Status::Over)) => Err(other.clone()),
        Err(_) => Err(Status::Over),
    }
}
