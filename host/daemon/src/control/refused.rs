//! A request that came to nothing: the status, and the sentence in JSON.

use super::limits::SHOWN_CHARACTERS;
use crate::fleet::{Refusal, RefusalKind};
use hyper::StatusCode;
use sandhog_protocol::control::ErrorBody;
use sandhog_spec::text::escape;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub status: StatusCode,
    pub problem: ErrorBody,
    /// The methods that the path has, where the one that was asked for is none of them.
    pub allow: Option<String>,
}

impl Refused {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, problem: ErrorBody { error: error.into(), hint: None }, allow: None }
    }

    /// What was sent makes no sense.
    pub(super) fn invalid(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    #[must_use]
    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.problem.hint = Some(hint.into());
        self
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.kind {
            RefusalKind::Invalid => StatusCode::BAD_REQUEST,
            RefusalKind::NotFound => StatusCode::NOT_FOUND,
            RefusalKind::Conflict => StatusCode::CONFLICT,
            RefusalKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self { status, problem: refusal.problem, allow: None }
    }
}

/// Text from a client, made harmless and short.
pub(super) fn shown(text: &str) -> String {
    let text = escape(text);
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text.into_owned(),
    }
}
