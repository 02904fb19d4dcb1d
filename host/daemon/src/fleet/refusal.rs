//! Why a request came to nothing.

use sandhog_protocol::control::ErrorBody;

/// Why a request came to nothing: the text, and of which kind it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub kind: RefusalKind,
    pub problem: ErrorBody,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// What was sent makes no sense: 400.
    Invalid,
    /// Nothing is called so: 404.
    NotFound,
    /// It can't be now: 409.
    Conflict,
    /// A fault of the daemon's own, or it is going: 503.
    Unavailable,
}

impl Refusal {
    pub(super) fn new(kind: RefusalKind, error: impl Into<String>) -> Self {
        Self { kind, problem: ErrorBody { error: error.into(), hint: None } }
    }

    pub(super) fn with_hint(mut self, hint: &str) -> Self {
        self.problem.hint = Some(hint.into());
        self
    }
}
