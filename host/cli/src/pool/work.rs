//! One accepted task, from its place in the conversation to what is to be told of it.
//!
//! Must not: answer twice, or not at all: [`done`] returns exactly one telling.

use super::outcome::{Done, Telling};
use super::serve::{Serve, Ticket};
use sandhog_protocol::limits;
use sandhog_protocol::message::{Format, Message};
use sandhog_protocol::pool::{self, Id, Kind, NotRun, Refusal};
use sandhog_runtime::pool::task::{Finished, Input, Outcome, Task};
use std::sync::Arc;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// A task that is accepted.
pub(super) struct Accepted {
    pub id: Id,
    pub task: Task,
    pub cancelled: Arc<Notify>,
}

/// What a worker is given; else why it is refused, and that in words. `before`: bytes of the arguments that it has anyway.
pub(super) fn input(task: &mut pool::Task, kind: Kind, before: usize) -> Result<Input, (Refusal, String)> {
    let wrong = |text: &str| Err((Refusal::WrongKind, text.to_owned()));
    let message = task.message.take();
    let (own, stdin) = (task.arguments.take(), task.stdin.take());
    match (kind, message, own, stdin) {
        (Kind::Command, None, own, stdin) => {
            let arguments = own.unwrap_or_default();
            let stdin = stdin.unwrap_or_default().0;
            if before + arguments.iter().map(|argument| argument.len() + 1).sum::<usize>() > limits::ARGUMENTS {
                return too_large("its arguments have", limits::ARGUMENTS);
            }
            if stdin.len() > limits::MESSAGE {
                return too_large("its stdin has", limits::MESSAGE);
            }
            if arguments.iter().any(|argument| argument.contains('\0')) {
                return wrong("an argument has a zero byte in it");
            }
            Ok(Input::Command { arguments, stdin })
        }
        (Kind::Command, Some(_), ..) => {
            wrong("a command takes \"arguments\" and \"stdin\", and no \"value\" or \"bytes\"")
        }
        (Kind::Handler | Kind::Unknown(_), Some(message), None, None) => match message.format {
            Format::Value | Format::Bytes if message.body.len() <= limits::MESSAGE => Ok(Input::Message(message)),
            Format::Value | Format::Bytes => too_large("it has", limits::MESSAGE),
            Format::Failure => wrong("a failure is no task"),
        },
        (Kind::Handler | Kind::Unknown(_), None, None, None) => wrong("it has neither a \"value\" nor \"bytes\""),
        (Kind::Handler | Kind::Unknown(_), ..) => {
            wrong("a handler takes \"value\" or \"bytes\", and no \"arguments\" or \"stdin\"")
        }
    }
}

fn too_large(what: &str, max: usize) -> Result<Input, (Refusal, String)> {
    Err((Refusal::TooLarge, format!("{what} more than {max} bytes")))
}

/// Does a task: waits for its turn, hands it to the pool, and waits for its end. With the permit that was its turn, which is
/// kept until it has been told what became of it.
pub(super) async fn done<S: Serve>(
    pool: &S,
    turns: Arc<Semaphore>,
    accepted: Accepted,
) -> (Telling, Option<OwnedSemaphorePermit>) {
    let Accepted { id, mut task, cancelled } = accepted;
    let submitted = Instant::now();
    let expiry = task.wait.and_then(|wait| submitted.checked_add(wait));
    let (mut ticket, turn) = tokio::select! {
        biased;
        () = cancelled.notified() => return (not_run(id, NotRun::Cancelled), None),
        submitted = async {
            // Nobody closes it.
            let turn = turns.acquire_owned().await.ok();
            task.wait = expiry.map(|expiry| expiry.saturating_duration_since(Instant::now()));
            (pool.submit(task).await, turn)
        } => submitted,
        () = until(expiry) => return (not_run(id, NotRun::Expired), None),
    };
    let finished = tokio::select! {
        biased;
        finished = ticket.end() => finished,
        () = cancelled.notified() => {
            ticket.cancel();
            ticket.end().await
        }
    };
    (telling(pool, id, finished), turn)
}

async fn until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

fn not_run(id: Id, reason: NotRun) -> Telling {
    let text = match reason {
        NotRun::Cancelled => "it was taken back before a worker had it",
        NotRun::Expired => "it waited for longer than it was to",
        NotRun::Closed | NotRun::Unknown(_) => "the pool has ended",
    };
    Telling::not_run(id, reason, text)
}

fn telling<S: Serve>(pool: &S, id: Id, finished: Finished) -> Telling {
    let Finished { outcome, attempt, stdout, stderr, usage, waited: _, ran: _ } = finished;
    let done = match outcome {
        Outcome::Answer(message) => Done::Said(message),
        Outcome::Failure(text) => Done::Said(Message { format: Format::Failure, body: text.into_bytes() }),
        Outcome::Ended(verdict) => Done::Ended(Box::new(pool.record(verdict, attempt.unwrap_or_default(), usage))),
        Outcome::Cancelled => return not_run(id, NotRun::Cancelled),
        Outcome::Expired => return not_run(id, NotRun::Expired),
        Outcome::Closed(text) => return Telling::not_run(id, NotRun::Closed, text),
    };
    Telling::Done { id, done, stdout, stderr }
}
