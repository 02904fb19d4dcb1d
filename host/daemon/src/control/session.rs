//! One connection: requests in, answers out, one after the other, and nothing taken in beyond its bound.
//!
//! What is no HTTP at all, and a head that is too long, are answered by the library: 400 or 431, without a sentence.

use super::api::{Api, Payload};
use super::call;
use super::limits::{BODIES_BYTES, FOLLOWERS, HEAD_BYTES, Patience};
use super::lines::{Content, Line, Tail};
use super::patient::Patient;
use super::refused::Refused;
use super::routes::{self, Route};
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// What all connections share.
#[derive(Clone)]
pub(super) struct Shared<A> {
    pub answers: A,
    /// What can be asked for.
    pub routes: &'static [Route],
    pub patience: Patience,
    /// Bytes of bodies that may still be taken in.
    pub capacity: Arc<Semaphore>,
    /// Answers by the line that may still begin.
    pub followers: Arc<Semaphore>,
    /// Its other end goes when the daemon ends.
    pub closing: watch::Receiver<()>,
}

impl<A> Shared<A> {
    /// With room for [`BODIES_BYTES`] and [`FOLLOWERS`].
    pub(super) fn new(answers: A, routes: &'static [Route], patience: Patience, closing: watch::Receiver<()>) -> Self {
        let (capacity, followers) = (Arc::new(Semaphore::new(BODIES_BYTES)), Arc::new(Semaphore::new(FOLLOWERS)));
        Self { answers, routes, patience, capacity, followers, closing }
    }
}

/// Serves a connection until its client, its time or the daemon ends. Who is a stranger is told so, and nothing else.
pub(super) async fn serve<A: Api>(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    stranger: Option<Refused>,
    shared: Shared<A>,
) {
    let (patience, mut closing) = (shared.patience, shared.closing.clone());
    let follows = Arc::new(AtomicBool::new(false));
    let io = TokioIo::new(Patient::new(stream, patience, Arc::clone(&follows)));
    let service = service_fn(|request| {
        let (shared, stranger, follows) = (shared.clone(), stranger.clone(), &follows);
        async move {
            let response = respond(request, stranger, shared).await;
            follows.store(matches!(response.body(), Content::Lines(_)), Ordering::Relaxed);
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(patience.head).max_buf_size(HEAD_BYTES);
    let mut connection = pin!(builder.keep_alive(stranger.is_none()).serve_connection(io, service));
    // How a connection ends is its client's business: it has been told, or it has gone.
    let _ = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = closing.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
}

async fn respond<A: Api>(
    request: Request<Incoming>,
    stranger: Option<Refused>,
    shared: Shared<A>,
) -> Response<Content> {
    let (closing, followers) = (shared.closing.clone(), Arc::clone(&shared.followers));
    let answer = match stranger {
        Some(refused) => Err(refused),
        None => take(request, shared).await,
    };
    match answer {
        Ok(Payload::Whole(text)) => response(StatusCode::OK, JSON, Content::Whole(text)),
        Ok(Payload::Metrics(text)) => response(StatusCode::OK, METRICS, Content::Whole(text)),
        Ok(Payload::Log(tail)) => lines(tail, closing, followers),
        Ok(Payload::Events(tail)) => lines(tail, closing, followers),
        Err(refused) => refuse(&refused),
    }
}

fn lines<T: Line>(tail: Tail<T>, closing: watch::Receiver<()>, followers: Arc<Semaphore>) -> Response<Content> {
    match followers.try_acquire_owned() {
        Ok(permit) => {
            let past = tail.first.len();
            let mut response = response(StatusCode::OK, LINES, Content::of(tail, closing, permit));
            response.headers_mut().insert(HeaderName::from_static(PAST_LINES), past.into());
            response
        }
        Err(_) => {
            let sentence = format!("{FOLLOWERS} programs follow already: end one of them");
            refuse(&Refused::new(StatusCode::SERVICE_UNAVAILABLE, sentence))
        }
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Prometheus' text format. Source: "Exposition formats" of its documentation.
const METRICS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
const LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");

/// How many lines of an answer are of the past; those behind them come when they happen.
pub const PAST_LINES: &str = "sandhog-past-lines";

async fn take<A: Api>(request: Request<Incoming>, shared: Shared<A>) -> Result<Payload, Refused> {
    if request.version() != Version::HTTP_11 {
        return Err(Refused::new(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "this is no HTTP/1.1"));
    }
    let (head, body) = request.into_parts();
    let (route, name) = routes::find(shared.routes, &head.method, head.uri.path())?;
    // The body's room is given back when it has been understood: what comes of it is no larger by an order.
    let call = {
        let (body, _permit) = receive(body, route.body_bytes, &shared).await?;
        call::read(route, name, head.uri.query().unwrap_or_default(), &body)?
    };
    shared.answers.answer(call).await
}

/// The whole body, and the room that it takes.
async fn receive<A>(
    body: Incoming,
    max: usize,
    shared: &Shared<A>,
) -> Result<(Vec<u8>, Option<OwnedSemaphorePermit>), Refused> {
    if body.size_hint().lower() > max as u64 {
        return Err(too_long(max));
    }
    let whole = tokio::time::timeout(shared.patience.body, collect(body, max, &shared.capacity)).await;
    whole.unwrap_or_else(|_| {
        Err(Refused::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body did not come within {:?}", shared.patience.body),
        ))
    })
}

async fn collect(
    mut body: Incoming,
    max: usize,
    capacity: &Arc<Semaphore>,
) -> Result<(Vec<u8>, Option<OwnedSemaphorePermit>), Refused> {
    let (mut whole, mut permit) = (Vec::new(), None);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refused::invalid("the body is broken off, or not what its headers say"))?;
        let Ok(piece) = frame.into_data() else { continue };
        if whole.len() + piece.len() > max {
            return Err(too_long(max));
        }
        occupy(capacity, &mut permit, piece.len())?;
        whole.extend_from_slice(&piece);
    }
    Ok((whole, permit))
}

pub(super) fn occupy(
    capacity: &Arc<Semaphore>,
    permit: &mut Option<OwnedSemaphorePermit>,
    bytes: usize,
) -> Result<(), Refused> {
    let more = u32::try_from(bytes).ok().and_then(|bytes| Arc::clone(capacity).try_acquire_many_owned(bytes).ok());
    let more = more.ok_or_else(|| {
        Refused::new(StatusCode::SERVICE_UNAVAILABLE, "too many large requests at once").with_hint("try again")
    })?;
    match permit {
        Some(permit) => permit.merge(more),
        None => *permit = Some(more),
    }
    Ok(())
}

fn too_long(max: usize) -> Refused {
    let refused = Refused::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is longer than {max} bytes"));
    if max == 0 { refused.with_hint("leave it out: this takes none") } else { refused }
}

fn refuse(refused: &Refused) -> Response<Content> {
    let mut text = serde_json::to_vec(&refused.problem).unwrap_or_default();
    text.push(b'\n');
    let mut response = response(refused.status, JSON, Content::Whole(Bytes::from(text)));
    if let Some(allow) = refused.allow.as_deref().and_then(|allow| HeaderValue::from_str(allow).ok()) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

fn response(status: StatusCode, kind: HeaderValue, content: Content) -> Response<Content> {
    let mut response = Response::new(content);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
