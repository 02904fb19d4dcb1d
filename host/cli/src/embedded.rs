//! A coordinator inside this command, for as long as the command lasts.

use super::job_control;
use super::render::problem::Problem;
use super::surroundings;
use sandhog_protocol::exit_code;
use sandhog_protocol::verdict::StopReason;
use sandhog_runtime::coordinator::Coordinator;
use sandhog_runtime::own_limits;
use sandhog_runtime::privilege::{self, Start};
use sandhog_runtime::terms::Terms;
use sandhog_runtime::view::View;
use sandhog_sys::stamps;
use std::sync::Arc;
use tokio::signal::unix::SignalKind;

/// Why a command came to nothing, and its exit code.
pub struct Failure {
    pub problem: Problem,
    pub code: u8,
}

impl Failure {
    /// A failure of Sandhog's own.
    pub fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        Self { problem: Problem::of(error), code: exit_code::SANDHOG_FAILED }
    }
}

/// As [`with_coordinator_that`]. SIGINT, SIGTERM and SIGHUP stop what runs; a second one ends the command at once, and the
/// spawner clears away behind it. One that the command was started to ignore does neither.
pub fn with_coordinator<T, F>(
    start: impl Into<Start>,
    terms: &Terms,
    view: Arc<dyn View>,
    work: impl FnOnce(Arc<Coordinator>) -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    with_coordinator_that(start, terms, view, listen_for_signals, work)
}

/// Starts a coordinator, lets `work` use it, and leaves nothing behind. `listen`: for signals.
pub fn with_coordinator_that<T, F>(
    start: impl Into<Start>,
    terms: &Terms,
    view: Arc<dyn View>,
    listen: impl FnOnce(&Arc<Coordinator>) -> std::io::Result<()>,
    work: impl FnOnce(Arc<Coordinator>) -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    own_limits::check().map_err(|error| Failure { code: exit_code::REFUSED, ..Failure::of(&error) })?;
    let parted = privilege::split(start.into(), terms).map_err(|error| Failure {
        problem: error.hint().into_iter().fold(Problem::of(&error), Problem::with_hint),
        code: if error.is_refusal() { exit_code::REFUSED } else { exit_code::SANDHOG_FAILED },
    })?;
    let failed = |error: std::io::Error| Failure::of(&error);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let outcome = runtime.block_on(async {
        let coordinator = Coordinator::new(parted, view).map_err(failed)?;
        listen(&coordinator).and_then(|()| job_control::heed(&coordinator)).map_err(failed)?;
        stamps::note("coordinator is there");
        let outcome = work(Arc::clone(&coordinator)).await;
        stamps::note("attempt is over");
        coordinator.close().await;
        stamps::note("spawner has ended");
        outcome
    });
    // A thread may still wait for a lock or for stdin: the process's end is its end.
    runtime.shutdown_background();
    outcome
}

fn listen_for_signals(coordinator: &Arc<Coordinator>) -> std::io::Result<()> {
    let signals = [
        (SignalKind::interrupt(), StopReason::Interrupt, exit_code::INTERRUPTED),
        (SignalKind::terminate(), StopReason::Terminate, exit_code::TERMINATED),
        (SignalKind::hangup(), StopReason::Terminate, exit_code::TERMINATED),
    ];
    for (kind, reason, code) in signals {
        let Some(mut signals) = surroundings::hear(kind)? else { continue };
        let coordinator = Arc::clone(coordinator);
        tokio::spawn(async move {
            if signals.recv().await.is_some() {
                coordinator.stop(reason);
            }
            if signals.recv().await.is_some() {
                std::process::exit(code.into());
            }
        });
    }
    Ok(())
}
