//! What could not be written.

use sandhog_spec::text::escape;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Lines that could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Of all jobs, since this was last asked for.
    pub lines: u64,
    /// The job that it happened to last, and why.
    pub job: String,
    pub cause: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (job, cause) = (escape(&self.job), escape(&self.cause));
        match self.lines {
            0 => write!(out, "the log of {job} can't be removed: {cause}"),
            1 => write!(out, "a line of the log of {job} is lost: {cause}"),
            lines => write!(out, "{lines} lines of logs are lost, the last one of {job}: {cause}"),
        }
    }
}

impl Problem {
    pub(super) fn add(to: &Mutex<Option<Self>>, lines: u64, job: &str, cause: String) {
        let mut problem = to.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = problem.as_ref().map_or(0, |problem| problem.lines) + lines;
        *problem = Some(Self { lines, job: job.to_owned(), cause });
    }
}
