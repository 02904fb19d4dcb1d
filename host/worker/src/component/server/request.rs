//! One request, from its head to its answer's: what is refused, who answers, and what the answer is where nobody does.

use super::body::{Guests, Received, Refusal, Sent, Work};
use super::framing::Heads;
use super::record::{Record, target};
use super::state::Server;
use super::watch::Watch;
use super::{answers, ended};
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_LENGTH, HOST, HeaderMap};
use hyper::http::uri::{Authority, PathAndQuery, Scheme};
use hyper::{Method, Request, Response, StatusCode, Uri};
use sandhog_protocol::http::{ConnectionId, RequestEnd, Version};
use sandhog_protocol::worker::End;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};
use wasmtime_wasi_http::WasiBody;

/// The connection that requests come by.
#[derive(Clone)]
pub(super) struct By {
    pub(super) server: Arc<Server>,
    pub(super) watch: Arc<Watch>,
    pub(super) connection: ConnectionId,
    /// Of HTTP/1.
    pub(super) heads: Option<Heads>,
}

/// Why a request has no answer of the guest's.
enum Unanswered {
    Refused(StatusCode),
    Overloaded,
    Late,
    Failed(End),
}

impl Unanswered {
    fn status(&self) -> StatusCode {
        match self {
            Self::Refused(status) => *status,
            Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Late => StatusCode::GATEWAY_TIMEOUT,
            Self::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn end(self) -> RequestEnd {
        match self {
            Self::Refused(_) => RequestEnd::Refused,
            Self::Overloaded => RequestEnd::Overloaded,
            Self::Late => RequestEnd::Late,
            Self::Failed(end) => RequestEnd::Failed(Box::new(end)),
        }
    }
}

/// Answers it, whatever happens.
pub(super) async fn answer(by: By, request: Request<Incoming>) -> Result<Response<Sent>, Infallible> {
    by.server.told.room().await;
    let checked = checked(&by, &request);
    let of_head = request.method() == Method::HEAD;
    let mut record = match checked {
        Err(Misread { is_instead: true, .. }) => unnamed(&by, Version::Http11),
        Err(Misread { is_instead: false, .. }) | Ok(()) => recorded(&by, &request),
    };
    let answered = match checked {
        Ok(()) => guests_answer(&by.server, request, &mut record).await,
        Err(Misread { status, .. }) => Err(Unanswered::Refused(status)),
    };
    match answered {
        Ok((head, guests)) => {
            record.status(head.status.as_u16());
            let length = if of_head { Some(0) } else { length(&head, &guests.body) };
            Ok(Response::from_parts(head, Sent::guests(guests, length, record)))
        }
        Err(unanswered) => Ok(ours(unanswered, record)),
    }
}

/// The request is not what its client has sent, or nobody can tell.
#[derive(Clone, Copy)]
struct Misread {
    status: StatusCode,
    /// Hyper has seen another head than its client wrote.
    is_instead: bool,
}

/// Whether both readers of what its client has sent agree.
fn checked(by: &By, request: &Request<Incoming>) -> Result<(), Misread> {
    let Some(heads) = &by.heads else { return Ok(()) };
    let given = heads.next().ok_or(Misread { status: StatusCode::BAD_REQUEST, is_instead: false })?;
    let is_instead = given.is_instead;
    given.check(&request.body().size_hint()).map_err(|status| Misread { status, is_instead })
}

fn recorded(by: &By, request: &Request<Incoming>) -> Record {
    let version = version(request);
    let called = target(request.uri(), version, request.method());
    Record::new(&by.server, &by.watch, by.connection, version, (request.method().as_str(), called))
}

/// Of a request whose method and target nobody knows.
fn unnamed(by: &By, version: Version) -> Record {
    Record::new(&by.server, &by.watch, by.connection, version, ("", String::new()))
}

/// The worker's own answer.
fn ours(unanswered: Unanswered, mut record: Record) -> Response<Sent> {
    let (head, body) = answers::of(unanswered.status()).into_parts();
    record.status(head.status.as_u16());
    record.end(unanswered.end());
    Response::from_parts(head, Sent::ours(body, record))
}

/// A head that could not be read: hyper answers it, or nobody does.
pub(super) fn unread(by: &By, version: Version, status: u16) {
    let mut record = unnamed(by, version);
    record.status(status);
    record.end(RequestEnd::Refused);
}

fn version<T>(request: &Request<T>) -> Version {
    match request.version() {
        hyper::Version::HTTP_2 => Version::Http2,
        hyper::Version::HTTP_10 => Version::Http10,
        _ => Version::Http11,
    }
}

async fn guests_answer(
    server: &Arc<Server>,
    request: Request<Incoming>,
    record: &mut Record,
) -> Result<(hyper::http::response::Parts, Guests), Unanswered> {
    let refusal = Arc::new(Refusal::default());
    let request = admitted(server, request, record, &refusal).map_err(Unanswered::Refused)?;
    let until = server.request_time().map(|time| Instant::from_std(record.began()) + time);
    let mut late = until.map(|until| Box::pin(sleep_until(until)));
    let turn = match in_time(&mut late, server.gate.enter()).await {
        Some(turn) => turn.ok_or(Unanswered::Overloaded)?,
        None => return Err(Unanswered::Late),
    };
    let call = match in_time(&mut late, server.instances.call(request)).await {
        Some(call) => call.map_err(Unanswered::Failed)?,
        None => return Err(Unanswered::Late),
    };
    let mut work = Work::new(call.running, call.fate, turn, until);
    let (mut answer, mut refused) = (pin!(call.answer), pin!(refusal.come()));
    let answered = poll_fn(|context| {
        work.poll(context);
        if let Poll::Ready(status) = refused.as_mut().poll(context) {
            return Poll::Ready(Err(Unanswered::Refused(status)));
        }
        if let Poll::Ready(answered) = answer.as_mut().poll(context) {
            // Nobody will send one: the guest is done, or no more.
            return Poll::Ready(
                answered.map_err(|_| no_answer(&work)).and_then(|answered| answered.map_err(Unanswered::Failed)),
            );
        }
        match late.as_mut().map(|late| late.as_mut().poll(context)) {
            Some(Poll::Ready(())) => Poll::Ready(Err(Unanswered::Late)),
            Some(Poll::Pending) | None => Poll::Pending,
        }
    });
    match answered.await.and_then(is_one) {
        Ok(answer) => {
            let (head, body) = answer.into_parts();
            Ok((head, Guests { body, work, late }))
        }
        Err(unanswered) => {
            match &unanswered {
                Unanswered::Late => work.end(),
                Unanswered::Failed(_) => work.settle(),
                // The guest finds its request broken off, and does what it likes with that.
                Unanswered::Refused(_) | Unanswered::Overloaded => {}
            }
            Err(unanswered)
        }
    }
}

/// How long the answer's body is, where that is known: hyper asks for no more of it.
fn length(head: &hyper::http::response::Parts, body: &WasiBody) -> Option<u64> {
    match head.status {
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => Some(0),
        _ => {
            let named = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
            named.or(body.size_hint().exact())
        }
    }
}

fn no_answer(work: &Work) -> Unanswered {
    match work.failed() {
        Some(RequestEnd::Failed(end)) => Unanswered::Failed(*end),
        Some(_) | None => Unanswered::Failed(ended::without_answer("the guest gave no answer")),
    }
}

/// Whether hyper can send it: an answer of 1xx is none.
fn is_one(answer: Response<WasiBody>) -> Result<Response<WasiBody>, Unanswered> {
    match answer.status().is_informational() {
        true => Err(Unanswered::Failed(ended::without_answer(
            "the guest answered with a status of 1xx, which is no answer",
        ))),
        false => Ok(answer),
    }
}

/// Does it before the time is over; None: it was not done by then.
async fn in_time<T>(late: &mut Option<Pin<Box<Sleep>>>, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|context| {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(Some(done));
        }
        match late.as_mut().map(|late| late.as_mut().poll(context)) {
            Some(Poll::Ready(())) => Poll::Ready(None),
            Some(Poll::Pending) | None => Poll::Pending,
        }
    })
    .await
}

/// The request as the guest is to see it.
///
/// # Errors
/// With which status it is refused.
fn admitted(
    server: &Server,
    request: Request<Incoming>,
    record: &Record,
    refusal: &Arc<Refusal>,
) -> Result<Request<WasiBody>, StatusCode> {
    let plan = &server.plan;
    let (mut head, body) = request.into_parts();
    if head.method == Method::CONNECT {
        return Err(StatusCode::NOT_IMPLEMENTED);
    }
    if header_bytes(&head.headers) > u64::from(plan.header_bytes) {
        return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    if body.size_hint().lower() > plan.body_bytes {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    head.uri = with_authority(head.uri, &head.headers, head.version)?;
    // What of these belongs to the connection is no guest's business.
    head.extensions = hyper::http::Extensions::new();
    let idle = Duration::from_millis(plan.idle_ms);
    let body = Received::new(body, plan.body_bytes, idle, record, refusal);
    Ok(Request::from_parts(head, WasiBody::new(body)))
}

/// As they are on the wire in HTTP/1.1: a colon, a space and the end of a line for each.
fn header_bytes(headers: &HeaderMap) -> u64 {
    headers.iter().fold(0, |sum, (name, value)| sum + (name.as_str().len() + value.len() + 4) as u64)
}

/// The target with the authority that the request is for: its own, or else that of its `Host`, of which there must be one.
/// Source: RFC 9112, sections 3.2 and 3.3.
fn with_authority(uri: Uri, headers: &HeaderMap, version: hyper::Version) -> Result<Uri, StatusCode> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return Err(StatusCode::BAD_REQUEST),
        // Of a target without an authority.
        (Some(host), None) if host.is_empty() => None,
        (Some(host), None) => Some(Authority::try_from(host.as_bytes()).map_err(|_| StatusCode::BAD_REQUEST)?),
        (None, None) if version == hyper::Version::HTTP_11 => return Err(StatusCode::BAD_REQUEST),
        (None, None) => None,
    };
    let mut parts = uri.into_parts();
    let named = parts.authority.or(host);
    // Of a user, who is nobody here. Source: RFC 9110, section 4.2.4.
    if named.as_ref().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(StatusCode::BAD_REQUEST);
    }
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = named.or(Some(Authority::from_static("localhost")));
    if parts.path_and_query.is_none() {
        parts.path_and_query = Some(PathAndQuery::from_static("/"));
    }
    Uri::from_parts(parts).map_err(|_| StatusCode::BAD_REQUEST)
}
