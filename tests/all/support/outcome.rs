//! How a command ended, and what tests say about it.

use serde_json::Value;
use std::fmt;

/// How a command ended.
pub(crate) struct Outcome {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
    /// The same where it is no text.
    pub raw_stderr: Vec<u8>,
    /// Null where there is none.
    pub verdict: Value,
    /// The file of `--verdict` as it was written.
    pub verdict_line: String,
}

/// Short: guests print megabytes.
impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]).into_owned();
        f.debug_struct("Outcome")
            .field("code", &self.code)
            .field("stdout", &start(&self.stdout))
            .field("stderr", &start(&self.raw_stderr))
            .field("verdict", &format_args!("{}", self.verdict_line.trim_end()))
            .finish()
    }
}

impl Outcome {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// It ended with this code and verdict.
    pub(crate) fn is(&self, code: i32, verdict: &str) -> &Self {
        assert_eq!((self.code, self.verdict["verdict"].as_str()), (code, Some(verdict)), "{self:#?}");
        self
    }

    /// It completed with this on stdout and nothing on stderr.
    pub(crate) fn printed(&self, stdout: &str) -> &Self {
        self.is(0, "completed");
        assert_eq!((self.text(), self.stderr.as_str()), (stdout, ""));
        self
    }

    /// It ended with this code, and reported exactly this on stderr.
    pub(crate) fn reported(&self, code: i32, stderr: &str) -> &Self {
        assert_eq!((self.code, self.stderr.as_str()), (code, stderr), "{self:#?}");
        self
    }

    /// The run was refused for this reason.
    pub(crate) fn refused(&self, reason: &str) -> &Self {
        self.is(126, "refused").reported(126, &format!("sandhog: refused: {reason}\n"));
        assert_eq!(self.verdict["reason"], reason);
        self
    }

    /// A number of the verdict's.
    pub(crate) fn number(&self, key: &str) -> u64 {
        self.verdict[key].as_u64().unwrap_or_else(|| panic!("no number {key} in {self:#?}"))
    }
}
