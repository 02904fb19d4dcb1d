//! The answers that are the worker's own, where there is none of the guest's.

use bytes::Bytes;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};

/// After this many seconds a client may try again.
const SOON: HeaderValue = HeaderValue::from_static("1");

/// A sentence for the client. It says nothing of the guest.
fn sentence(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "the request is not valid\n",
        StatusCode::REQUEST_TIMEOUT => "the request took too long to arrive\n",
        StatusCode::PAYLOAD_TOO_LARGE => "the request's body is too large\n",
        StatusCode::URI_TOO_LONG => "the request's target is too long\n",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "the request's headers are too large\n",
        StatusCode::NOT_IMPLEMENTED => "this method or transfer coding is not served\n",
        StatusCode::SERVICE_UNAVAILABLE => "too many requests at the same time\n",
        StatusCode::GATEWAY_TIMEOUT => "the answer took too long\n",
        _ => "the request could not be answered\n",
    }
}

/// The answer with this status.
pub(super) fn of(status: StatusCode) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from_static(sentence(status).as_bytes()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, SOON);
    }
    if closes(status) {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

/// Whether nothing that follows on the connection can be trusted, or would be worth reading.
fn closes(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::URI_TOO_LONG
            | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            | StatusCode::NOT_IMPLEMENTED
    )
}

/// Whole, for a client that hyper says nothing to: it took too long for a request's head.
pub(super) const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-type: text/plain; charset=utf-8\r\n\
    content-length: 36\r\nconnection: close\r\n\r\nthe request took too long to arrive\n";
