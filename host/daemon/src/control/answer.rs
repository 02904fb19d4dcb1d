//! What is sent back: a document, a list of them, numbers, or lines that may go on. Each describes itself.

use super::document::DOCUMENT;
use super::input::Described;
use super::limits::FOLLOWERS;
use super::lines::{Line, Tail, content};
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use sandhog_http::{Closing, Follows, Refused, numbers};
use serde::Serialize;
use std::sync::Arc;
use tokio::sync::Semaphore;

#[cfg(test)]
use super::tests::description::Description;

/// What answers by the line share.
#[derive(Clone)]
pub(super) struct Streams {
    /// Those that may still begin.
    pub followers: Arc<Semaphore>,
    /// Its other end goes when the daemon ends.
    pub closing: Closing,
}

/// What a route answers with.
pub(super) trait Output: Send + 'static {
    fn respond(self, streams: &Streams) -> Response;

    #[cfg(test)]
    fn describe(description: &mut Description);
}

/// One document.
pub(super) struct One<T>(pub T);

/// A list of documents.
pub(super) struct List<T>(pub Vec<T>);

/// In Prometheus' text format.
pub(super) struct Numbers(pub String);

/// The description of all this.
pub(super) struct Document;

/// How many lines of an answer are of the past; those behind them come when they happen.
pub const PAST_LINES: &str = "sandhog-past-lines";

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");

impl<T: Serialize + Described + Send + 'static> Output for One<T> {
    fn respond(self, _: &Streams) -> Response {
        whole(&self.0)
    }

    #[cfg(test)]
    fn describe(description: &mut Description) {
        description.one::<T>();
    }
}

impl<T: Serialize + Described + Send + 'static> Output for List<T> {
    fn respond(self, _: &Streams) -> Response {
        whole(&self.0)
    }

    #[cfg(test)]
    fn describe(description: &mut Description) {
        description.list::<T>();
    }
}

impl Output for Numbers {
    fn respond(self, _: &Streams) -> Response {
        numbers::text(self.0)
    }

    #[cfg(test)]
    fn describe(description: &mut Description) {
        description.numbers();
    }
}

impl Output for Document {
    fn respond(self, _: &Streams) -> Response {
        ([(CONTENT_TYPE, JSON)], DOCUMENT).into_response()
    }

    #[cfg(test)]
    fn describe(description: &mut Description) {
        description.any();
    }
}

impl<T: Line + Described> Output for Tail<T> {
    fn respond(self, streams: &Streams) -> Response {
        let Ok(permit) = Arc::clone(&streams.followers).try_acquire_owned() else {
            let sentence = format!("{FOLLOWERS} programs follow already: end one of them");
            return Refused::new(StatusCode::SERVICE_UNAVAILABLE, sentence).into_response();
        };
        let past = self.first.len();
        let mut response = Response::new(Body::new(content(self, streams.closing.clone(), permit)));
        response.headers_mut().insert(CONTENT_TYPE, LINES);
        response.headers_mut().insert(HeaderName::from_static(PAST_LINES), past.into());
        response.extensions_mut().insert(Follows);
        response
    }

    #[cfg(test)]
    fn describe(description: &mut Description) {
        description.lines::<T>();
    }
}

/// JSON, with a line's end for whoever looks at it in a terminal.
fn whole(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(mut text) => {
            text.push(b'\n');
            ([(CONTENT_TYPE, JSON)], Bytes::from(text)).into_response()
        }
        Err(error) => {
            Refused::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the answer is no JSON: {error}")).into_response()
        }
    }
}
