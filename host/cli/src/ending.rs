//! How a verb ends: its exit code, and a word on stderr where it came to nothing.
//!
//! Must not: know a verb.

use super::embedded::Failure;
use super::render;

/// Some of it went well, and some did not.
pub(super) const NOT_ALL: u8 = 1;

/// The exit code of a verb; where it came to nothing, says why.
pub(super) fn report(answer: Result<u8, Failure>) -> u8 {
    answer.unwrap_or_else(|failure| {
        render::report(&failure.problem);
        failure.code
    })
}
