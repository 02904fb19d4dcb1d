//! A zygote of a pool: started, given its module, and there until it is ended.
//!
//! Must not: know its workers.

use super::happening::{Happening, StartFailure, ZygoteNews};
use super::shared::Shared;
use crate::plan;
use crate::zygote::life::{Life, Origin};
use sandhog_supervisor::outcome::Cause;
use sandhog_supervisor::pool::ZygoteId;
use std::sync::Arc;
use tokio::sync::oneshot;

/// The way to a zygote that was begun: it ends when this is used or dropped.
pub(super) struct Handle {
    _end: oneshot::Sender<()>,
}

/// Starts one. Whoever owns the pool hears when it is ready, and once that it has ended.
pub(super) fn begin(shared: &Arc<Shared>, id: ZygoteId) -> Handle {
    let (end, ends) = oneshot::channel();
    let shared = Arc::clone(shared);
    let plan = plan::zygote_of(&shared.job.limits, shared.job.uses(), shared.settings.slots(), &shared.walls());
    let mut life = Life::new(Origin {
        coordinator: Arc::clone(&shared.coordinator),
        job: Arc::clone(&shared.job),
        module: Arc::clone(&shared.granted.module),
        directories: shared.granted.directories.clone(),
        plan,
    });
    tokio::spawn(async move {
        let ended = live(&mut life, &shared, id, ends).await;
        life.end().await;
        shared.tell(Happening::Zygote(id, ZygoteNews::Ended(ended.err())));
    });
    Handle { _end: end }
}

/// Until it has ended, or is to end.
///
/// # Errors
/// Why it never was ready.
async fn live(
    life: &mut Life,
    shared: &Shared,
    id: ZygoteId,
    mut ends: oneshot::Receiver<()>,
) -> Result<(), StartFailure> {
    let started = tokio::select! {
        started = life.start() => started,
        // Nobody wants it any more.
        _ = &mut ends => Err(Cause::ZygoteLost),
    };
    let entry = match started {
        Ok(entry) => entry,
        Err(cause) => {
            life.end().await;
            return Err(shared.start_failure(Some(cause)));
        }
    };
    shared.tell(Happening::Zygote(id, ZygoteNews::Ready { number: life.number(), entry }));
    tokio::select! {
        _ = life.ended() => {}
        _ = ends => {}
    }
    Ok(())
}
