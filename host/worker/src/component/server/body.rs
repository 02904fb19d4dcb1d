//! Bodies on their way: a request's to the guest, within its limits, and an answer's to the client.

use super::call::{Fate, Running};
use super::gate::Turn;
use super::record::Record;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use sandhog_protocol::causes;
use sandhog_protocol::http::RequestEnd;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Sleep, timeout};
use wasmtime_wasi_http::{Error, WasiBody};

/// How long a guest may work for a client that has gone, where a request has no limit of time.
const FOR_NOBODY: Duration = Duration::from_secs(30);

/// Whether what a client sends is refused while the guest reads it, and with which status.
#[derive(Default)]
pub(super) struct Refusal {
    /// 0: it is not.
    status: AtomicU16,
    came: Notify,
}

impl Refusal {
    fn say(&self, status: StatusCode) {
        self.status.store(status.as_u16(), Ordering::Relaxed);
        self.came.notify_one();
    }

    pub(super) fn get(&self) -> Option<StatusCode> {
        StatusCode::from_u16(self.status.load(Ordering::Relaxed)).ok()
    }

    /// Until it is.
    pub(super) async fn come(&self) -> StatusCode {
        loop {
            if let Some(status) = self.get() {
                return status;
            }
            self.came.notified().await;
        }
    }
}

/// A request's body, as the guest reads it.
pub(super) struct Received {
    body: Incoming,
    /// Bytes that may still come.
    left: u64,
    received: Arc<AtomicU64>,
    refusal: Arc<Refusal>,
    idle: Duration,
    /// It waits for the client.
    waits: Option<Pin<Box<Sleep>>>,
}

impl Received {
    pub(super) fn new(body: Incoming, most: u64, idle: Duration, record: &Record, refusal: &Arc<Refusal>) -> Self {
        Self { body, left: most, received: record.received(), refusal: Arc::clone(refusal), idle, waits: None }
    }

    fn refuse(&self, status: StatusCode, error: Error) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.refusal.say(status);
        Poll::Ready(Some(Err(error)))
    }

    /// The client is late, or this is polled again when it is.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let idle = self.idle;
        self.waits.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle))).as_mut().poll(context)
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(frame) => frame,
            Poll::Pending if self.poll_late(context).is_ready() => {
                return self.refuse(StatusCode::REQUEST_TIMEOUT, Error::ConnectionReadTimeout);
            }
            Poll::Pending => return Poll::Pending,
        };
        self.waits = None;
        match frame {
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                self.received.fetch_add(length, Ordering::Relaxed);
                match self.left.checked_sub(length) {
                    Some(left) => {
                        self.left = left;
                        Poll::Ready(Some(Ok(frame)))
                    }
                    None => self.refuse(StatusCode::PAYLOAD_TOO_LARGE, Error::HttpRequestBodySize(None)),
                }
            }
            Some(Err(error)) if is_nonsense(&error) => self.refuse(StatusCode::BAD_REQUEST, error.into()),
            Some(Err(error)) => Poll::Ready(Some(Err(error.into()))),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Whether the client has sent what is no body, rather than gone.
fn is_nonsense(error: &hyper::Error) -> bool {
    let cause = causes::chain(error).find_map(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| matches!(cause.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData))
}

/// An answer breaks off: hyper closes the connection, or resets the stream.
#[derive(Debug, thiserror::Error)]
#[error("the answer has no end")]
pub(super) struct BrokenOff;

/// An answer's body, as the client gets it, and all that goes on until it is there.
pub(super) struct Sent {
    body: Either,
    /// Bytes that hyper will still ask for; None: until there are no more.
    left: Option<u64>,
    record: Option<Record>,
}

enum Either {
    /// The worker's own.
    Ours(Option<Bytes>),
    Guests(Guests),
}

/// A guest's, and the guest that makes it.
pub(super) struct Guests {
    pub(super) body: WasiBody,
    pub(super) work: Work,
    /// When its time is over.
    pub(super) late: Option<Pin<Box<Sleep>>>,
}

impl Sent {
    /// One that is there already.
    pub(super) fn ours(body: Bytes, record: Record) -> Self {
        Self { body: Either::Ours(Some(body)), left: None, record: Some(record) }
    }

    /// `length`: of its body, where it is known.
    pub(super) fn guests(guests: Guests, length: Option<u64>, record: Record) -> Self {
        Self { body: Either::Guests(guests), left: length, record: Some(record) }
    }

    /// Tells of its end.
    fn end(&mut self, end: Option<RequestEnd>) {
        if let (Some(mut record), Some(end)) = (self.record.take(), end) {
            record.end(end);
        }
    }
}

/// What a part of a body is to be.
enum Next {
    Frame(Frame<Bytes>),
    End,
    Broken(RequestEnd),
}

impl Guests {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Next> {
        self.work.poll(context);
        if self.late.as_mut().is_some_and(|late| late.as_mut().poll(context).is_ready()) {
            return Poll::Ready(Next::Broken(RequestEnd::Late));
        }
        let frame = Pin::new(&mut self.body).poll_frame(context);
        // What an instance that has died had to send looks like an end.
        match (frame, self.work.failed()) {
            (Poll::Ready(Some(Ok(frame))), _) => Poll::Ready(Next::Frame(frame)),
            (Poll::Ready(None), None) => Poll::Ready(Next::End),
            (_, Some(failed)) => Poll::Ready(Next::Broken(failed)),
            (Poll::Ready(Some(Err(error))), None) => {
                let end = super::ended::without_answer(&format!("the guest's answer broke off: {error}"));
                Poll::Ready(Next::Broken(RequestEnd::Failed(Box::new(end))))
            }
            (Poll::Pending, None) => Poll::Pending,
        }
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let next = match &mut self.body {
            Either::Ours(body) => body.take().map_or(Next::End, |body| Next::Frame(Frame::data(body))),
            Either::Guests(guests) => match guests.poll_next(context) {
                Poll::Ready(next) => next,
                Poll::Pending => return Poll::Pending,
            },
        };
        match next {
            Next::Frame(frame) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                self.record.iter_mut().for_each(|record| record.sent(length));
                self.left.iter_mut().for_each(|left| *left = left.saturating_sub(length as u64));
                Poll::Ready(Some(Ok(frame)))
            }
            Next::End => {
                self.finish();
                Poll::Ready(None)
            }
            Next::Broken(end) => {
                self.end(Some(end));
                if let Either::Guests(guests) = &mut self.body {
                    guests.work.end();
                }
                Poll::Ready(Some(Err(BrokenOff)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Either::Ours(body) => body.is_none(),
            // The guest is driven by the frames that are asked for, to the last.
            Either::Guests(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Either::Ours(body) => SizeHint::with_exact(body.as_ref().map_or(0, Bytes::len) as u64),
            Either::Guests(guests) => guests.body.size_hint(),
        }
    }
}

impl Sent {
    /// All of it has been handed over.
    fn finish(&mut self) {
        match &mut self.body {
            // Whoever made it has said how it ends.
            Either::Ours(_) => self.record = None,
            Either::Guests(guests) => {
                let failed = guests.work.failed();
                guests.work.settle();
                self.end(Some(failed.unwrap_or(RequestEnd::Answered)));
            }
        }
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        if self.left == Some(0) && self.record.is_some() {
            self.finish();
        }
    }
}

/// What a guest does for one request. Dropped before it is settled, the guest goes on for as long as it still may, as if its
/// client were there.
pub(super) struct Work {
    running: Option<Running>,
    fate: Fate,
    /// Its place among those that run.
    turn: Option<Turn>,
    left: Option<tokio::time::Instant>,
}

impl Work {
    /// `until`: when the request's time is over.
    pub(super) fn new(running: Running, fate: Fate, turn: Turn, until: Option<tokio::time::Instant>) -> Self {
        Self { running: Some(running), fate, turn: Some(turn), left: until }
    }

    /// Lets the guest work.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) {
        if let Some(Running::Alone(work)) = &mut self.running
            && work.as_mut().poll(context).is_ready()
        {
            self.running = None;
        }
    }

    /// Its instance ended, and not because it was done.
    pub(super) fn failed(&self) -> Option<RequestEnd> {
        self.fate.get().map(|end| RequestEnd::Failed(Box::new(end.clone())))
    }

    /// Ends the guest.
    pub(super) fn end(&mut self) {
        self.running = None;
        self.turn = None;
    }

    /// The client has the whole answer. What the guest still wants to do it does.
    pub(super) fn settle(&mut self) {
        match self.running.take() {
            Some(Running::Shared(lease)) => lease.settle(),
            running @ (Some(Running::Alone(_)) | None) => self.running = running,
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        let turn = self.turn.take();
        let until = self.left.map_or(FOR_NOBODY, |until| until.duration_since(tokio::time::Instant::now()));
        tokio::spawn(async move {
            match running {
                Running::Alone(work) => drop(timeout(until, work).await),
                Running::Shared(lease) => drop(timeout(until, lease.until_answered()).await),
            }
            drop(turn);
        });
    }
}
