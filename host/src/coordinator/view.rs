//! What whoever started the coordinator is to see while jobs run.

use sandhog_protocol::request::Level;

/// Shows it. Called from threads that may wait for a slow terminal, but for [`View::compiling`].
pub(crate) trait View: Send + Sync {
    /// A module is being compiled; over when the value is dropped.
    fn compiling(&self, job: &str) -> Box<dyn Send>;

    /// Lets a job's output through to the terminal that this draws on. `write` says whether it ended a line.
    fn beside(&self, write: &mut dyn FnMut() -> bool);

    /// Sandhog's own word on something that works, but not as it should.
    fn note(&self, text: &str);

    /// A line of a job's log.
    fn log(&self, line: &LogLine);

    /// How far a job is; `None`: it has ended.
    fn progress(&self, attempt: &str, progress: Option<&Progress>);
}

/// A line of a job's log. Its texts come from the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogLine {
    pub job: String,
    pub level: Level,
    pub text: String,
    pub fields: Vec<(String, String)>,
}

/// How far a job is. The note comes from the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pub job: String,
    pub done: u64,
    /// None: nobody knows.
    pub total: Option<u64>,
    pub note: String,
}
