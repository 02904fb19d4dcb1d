//! A request that came to nothing: the status, and the sentence in JSON.

use crate::limits::SHOWN_CHARACTERS;
use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use sandhog_protocol::control::ErrorBody;
use sandhog_spec::text::escape;

/// Why a client does not get what it asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub status: StatusCode,
    pub problem: ErrorBody,
    /// The methods that the path has, where the one that was asked for is none of them.
    pub allow: Option<&'static str>,
}

impl Refused {
    /// Without a hint.
    pub fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, problem: ErrorBody { error: error.into(), hint: None }, allow: None }
    }

    /// What was sent makes no sense.
    pub fn invalid(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    /// Nothing has this path.
    #[must_use]
    pub fn unknown(path: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is nothing at {}", shown(path)))
    }

    /// The path has another method. One that has GET has HEAD.
    #[must_use]
    pub fn wrong_method(asked: &Method, uri: &Uri, right: &Method) -> Self {
        let error = format!("{} is for {right}, not for {}", shown(uri.path()), shown(asked.as_str()));
        let allow = if *right == Method::GET { "GET, HEAD" } else { "POST" };
        Self { allow: Some(allow), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, error) }
    }

    /// The same with advice.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.problem.hint = Some(hint.into());
        self
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut text = serde_json::to_vec(&self.problem).unwrap_or_default();
        text.push(b'\n');
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(allow) = self.allow {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

/// Text from a client, made harmless and short.
#[must_use]
pub fn shown(text: &str) -> String {
    let text = escape(text);
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text.into_owned(),
    }
}
