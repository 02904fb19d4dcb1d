//! Answers that are a line of JSON for each thing that has happened, and that may go on for as long as somebody listens.

use super::limits::LINES_AHEAD;
use axum::body::Bytes;
use http_body::{Body, Frame};
use sandhog_http::Closing;
use sandhog_protocol::control::{Event, LogLine, LogStream};
use sandhog_sys::clock;
use serde::Serialize;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast, mpsc};

/// What is there, and what comes.
pub(super) struct Tail<T> {
    pub first: Vec<T>,
    /// None: the answer ends behind the first ones.
    pub then: Option<broadcast::Receiver<T>>,
    /// Of those that come: whether it was asked for.
    pub concerns: Box<dyn Fn(&T) -> bool + Send + Sync>,
}

/// Something that is told by the line.
pub(super) trait Line: Clone + Serialize + Send + Sync + 'static {
    /// What stands for lines that were left out because they were read too slowly.
    fn left_out(count: u64) -> Option<Self>;
}

impl Line for LogLine {
    fn left_out(count: u64) -> Option<Self> {
        Some(Self {
            at_ms: clock::now_ms(),
            job: String::new(),
            instance: 0,
            attempt: String::new(),
            stream: LogStream::Sandhog,
            text: match count {
                1 => "1 line of all jobs was left out: it came faster than it was read".into(),
                count => format!("{count} lines of all jobs were left out: they came faster than they were read"),
            },
        })
    }
}

impl Line for Event {
    /// Events are numbered without gaps: a gap says it.
    fn left_out(_: u64) -> Option<Self> {
        None
    }
}

/// The body of an answer that is lines as they come.
pub(super) struct Lines(mpsc::Receiver<Bytes>);

/// Lines until there are no more, the client has gone, or `closing` has.
pub(super) fn content<T: Line>(tail: Tail<T>, closing: Closing, permit: OwnedSemaphorePermit) -> Lines {
    let (sender, receiver) = mpsc::channel(LINES_AHEAD);
    tokio::spawn(async move {
        feed(tail, sender, closing).await;
        drop(permit);
    });
    Lines(receiver)
}

impl Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}

async fn feed<T: Line>(tail: Tail<T>, out: mpsc::Sender<Bytes>, mut closing: Closing) {
    for line in tail.first {
        if put(&out, &line).await.is_err() {
            return;
        }
    }
    let Some(mut then) = tail.then else { return };
    loop {
        let next = tokio::select! {
            // The last lines of a daemon that ends are told, too.
            biased;
            () = out.closed() => return,
            next = then.recv() => next,
            _ = closing.changed() => return,
        };
        let line = match next {
            Ok(line) => Some(line).filter(|line| (tail.concerns)(line)),
            Err(RecvError::Lagged(count)) => T::left_out(count),
            Err(RecvError::Closed) => return,
        };
        if let Some(line) = line
            && put(&out, &line).await.is_err()
        {
            return;
        }
    }
}

/// Waits until there is room. Fails where nobody listens any more, or a line is no JSON, which ours always are.
async fn put<T: Line>(out: &mpsc::Sender<Bytes>, line: &T) -> Result<(), ()> {
    let mut text = serde_json::to_vec(line).map_err(drop)?;
    text.push(b'\n');
    out.send(text.into()).await.map_err(drop)
}
