//! The end: all that has a result is written, and nobody is waited for without end once the command is to stop.
//!
//! Must not: begin anything.

use super::conduct::Conduct;
use super::printer::{self, Done, Printer};
use super::tally::Over;
use crate::stop::{StopRequest, StopRequests};
use sandhog_protocol::verdict::StopReason;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::sleep;

/// How long a reader that reads nothing is waited for once the command is to stop.
const PATIENCE: Duration = Duration::from_secs(5);

/// Waits until everything is out, once the command is to stop for no longer than a reader reads.
pub(super) async fn print_rest(
    rest: Vec<Done>,
    printer: Printer,
    stops: &mut StopRequests,
    conduct: &mut Conduct,
) -> Result<(), printer::Error> {
    let Printer { lists, end, progress } = printer;
    let printing = async {
        if !rest.is_empty() {
            // Where it fails the printer has ended, and says why.
            let _ = lists.send(rest).await;
        }
        drop(lists);
        end.await.unwrap_or(Ok(()))
    };
    tokio::pin!(printing);
    loop {
        let is_stopped = stops.borrow().is_some();
        let moved = progress.bytes.load(Ordering::Relaxed);
        tokio::select! {
            printed = &mut printing => return printed,
            reason = stop(stops), if !is_stopped => conduct.stop(reason),
            () = sleep(PATIENCE), if is_stopped => {
                if progress.bytes.load(Ordering::Relaxed) == moved {
                    return Ok(());
                }
            }
        }
    }
}

/// What it means that the output is broken.
pub(super) fn over_by(error: &printer::Error) -> Over {
    if matches!(error, printer::Error::Closed) { Over::OutputClosed } else { Over::Broken }
}

/// Until the command is to stop.
pub(super) async fn stop(stops: &mut StopRequests) -> StopReason {
    let request = stops.wait_for(Option::is_some).await.ok().map(|request| *request);
    let Some(request) = request else { return std::future::pending().await };
    match request {
        Some(StopRequest::Stop(reason) | StopRequest::Kill(reason)) => reason,
        Some(StopRequest::Unhealthy(_) | StopRequest::SigKill | StopRequest::Breach(_)) | None => StopReason::Operator,
    }
}
