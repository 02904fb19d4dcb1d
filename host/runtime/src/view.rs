//! The view of running jobs for the person who started the coordinator.

use sandhog_protocol::request::Level;
use sandhog_spec::text::escape;
use std::fmt::Write;

/// Shows it. Called from threads that may wait for a slow terminal, but for [`View::compiling`].
pub trait View: Send + Sync {
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
pub struct LogLine {
    pub job: String,
    pub level: Level,
    pub text: String,
    pub fields: Vec<(String, String)>,
}

impl LogLine {
    /// `LEVEL job: text name=value`, in one line, whatever is in it; `level` as it is to be shown.
    pub fn say(&self, level: &str) -> String {
        let mut text = format!("{level} {}: {}", escape(&self.job), escape(&self.text));
        for (name, value) in &self.fields {
            let value = escape(value);
            let quoted = value.is_empty() || value.contains([' ', '"', '=']);
            // Writing to a String does not fail.
            let _ = match quoted {
                true => write!(text, " {}={value:?}", escape(name)),
                false => write!(text, " {}={value}", escape(name)),
            };
        }
        text
    }
}

/// How far a job is. The note comes from the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    pub job: String,
    pub done: u64,
    /// None: nobody knows.
    pub total: Option<u64>,
    pub note: String,
}
