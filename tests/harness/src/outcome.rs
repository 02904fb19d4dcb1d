//! How a command ended, and what tests say about it.
//!
//! Must not: hide anything. Each assertion that fails shows all.

use serde_json::Value;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// How a command ended.
pub struct Outcome {
    /// As a shell tells it: 128 and the number of the signal that ended it. See [`Self::exited`].
    pub code: i32,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it reported.
    pub stderr: String,
    /// The same where it is no text.
    pub raw_stderr: Vec<u8>,
    /// Null where there is none.
    pub verdict: Value,
    /// The file of `--verdict` as it was written.
    pub verdict_line: String,
    signal: Option<i32>,
}

/// Short: guests print megabytes.
impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]).into_owned();
        f.debug_struct("Outcome")
            .field("code", &self.code)
            .field("signal", &self.signal)
            .field("stdout", &start(&self.stdout))
            .field("stderr", &start(&self.raw_stderr))
            .field("verdict", &format_args!("{}", self.verdict_line.trim_end()))
            .finish()
    }
}

impl Outcome {
    pub(crate) fn new(status: ExitStatus, stdout: Vec<u8>, raw_stderr: Vec<u8>, verdict_line: String) -> Self {
        Self {
            code: status.code().unwrap_or_else(|| 128 + status.signal().unwrap()),
            stdout,
            stderr: String::from_utf8_lossy(&raw_stderr).into_owned(),
            raw_stderr,
            verdict: serde_json::from_str(&verdict_line).unwrap_or(Value::Null),
            verdict_line,
            signal: status.signal(),
        }
    }

    /// The code that it exited with by itself; `None` where a signal ended it.
    pub fn exited(&self) -> Option<i32> {
        self.signal.is_none().then_some(self.code)
    }

    /// It exited with 0.
    pub fn went_well(&self) -> bool {
        self.exited() == Some(0)
    }

    /// What it printed, which is text.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// The word of the verdict; `none` where there is none.
    pub fn word(&self) -> &str {
        self.verdict["verdict"].as_str().unwrap_or("none")
    }

    /// A number of the verdict's.
    #[track_caller]
    pub fn number(&self, key: &str) -> u64 {
        self.verdict[key].as_u64().unwrap_or_else(|| panic!("no number {key} in {self:#?}"))
    }

    /// The names in one of the verdict's lists.
    pub fn list(&self, name: &str) -> Vec<&str> {
        self.verdict[name].as_array().map_or(Vec::new(), |list| list.iter().filter_map(Value::as_str).collect())
    }

    /// It exited with this code and has this verdict.
    #[track_caller]
    pub fn is(&self, code: i32, verdict: &str) -> &Self {
        assert_eq!((self.exited(), self.word()), (Some(code), verdict), "{self:#?}");
        self
    }

    /// It completed with this on stdout and nothing on stderr.
    #[track_caller]
    pub fn printed(&self, stdout: &str) -> &Self {
        self.is(0, "completed");
        assert_eq!((self.text(), self.stderr.as_str()), (stdout, ""));
        self
    }

    /// It exited with this code, and reported exactly this on stderr.
    #[track_caller]
    pub fn reported(&self, code: i32, stderr: &str) -> &Self {
        assert_eq!((self.exited(), self.stderr.as_str()), (Some(code), stderr), "{self:#?}");
        self
    }

    /// It was refused for exactly this reason.
    #[track_caller]
    pub fn refused(&self, reason: &str) -> &Self {
        self.is(126, "refused").reported(126, &format!("sandhog: refused: {reason}\n"));
        assert_eq!(self.verdict["reason"], reason);
        self
    }

    /// It never started, and stderr says all of this, in lines that are none of somebody else's.
    #[track_caller]
    pub fn refused_with(&self, said: &[&str]) -> &Self {
        assert_eq!(self.exited(), Some(126), "{self:#?}");
        said.iter().for_each(|said| assert!(self.stderr.contains(said), "{said:?} is not in {self:#?}"));
        assert!(!self.stderr.contains("\\n"), "{self:#?}");
        self
    }
}
