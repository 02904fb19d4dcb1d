//! From what became of a task to what is said about it: an exit code, a signal, a verdict in words, and what is printed.
//!
//! Must not: count, print, or try again.

use super::answers::{self, Answers};
use crate::pool::captured::Captured;
use crate::pool::task::{Finished, Outcome};
use sandhog_protocol::causes;
use sandhog_protocol::exit_code;
use sandhog_protocol::verdict::{Killer, Verdict};
use sandhog_supervisor::{signal, verdict_text};
use std::time::Duration;

/// The exit code of a handler's own error, as that of a program that says no more.
const FAILURE: u8 = 1;

/// Longest text of a verdict in words, in bytes: a handler's error may have megabytes.
const WORDS: usize = 400;

/// What a task came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Result {
    Succeeded,
    Failed,
    /// It never ran, and may never: its worker was refused.
    Refused,
    /// We ended it.
    Ended,
    /// We took it back before it began.
    TakenBack,
    /// There are no workers any more.
    Closed,
}

/// How a task ended.
#[derive(Debug)]
pub struct Ended {
    pub result: Result,
    pub exit: u8,
    pub signal: i32,
    /// One line, harmless.
    pub words: String,
    /// For stdout.
    pub out: Captured,
    /// For stderr, one after the other.
    pub err: [Captured; 2],
    pub ran: Duration,
}

/// Of whom the task was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Handler(Answers),
    Command,
}

impl Ended {
    /// `recalled`: we wanted it no more.
    #[must_use]
    pub fn new(finished: Finished, of: Of, recalled: bool) -> Self {
        let Finished { outcome, stdout, stderr, ran, .. } = finished;
        let lost =
            [&stdout, &stderr].into_iter().find_map(|stream| stream.failure().map(|error| causes::one_line(error)));
        let (out, err) = match of {
            // Its answers are what is printed; what it writes beside them is for people.
            Of::Handler(_) => (Captured::default(), [stdout, stderr]),
            Of::Command => (stdout, [stderr, Captured::default()]),
        };
        let ended = Self { result: Result::Failed, exit: FAILURE, signal: 0, words: String::new(), out, err, ran };
        let ended = match outcome {
            Outcome::Answer(message) => match of {
                Of::Handler(how) => {
                    ended.answered(answers::line(&message, how).map_err(|error| causes::one_line(&error)))
                }
                Of::Command => ended.said(FAILURE, "failed: it answered, which a command can't"),
            },
            Outcome::Failure(text) => ended.said(FAILURE, &format!("failed: {}", cut(&text))),
            Outcome::Ended(verdict) => ended.with_verdict(&verdict, of, recalled),
            Outcome::Cancelled => Self { result: Result::TakenBack, ..ended.said(exit_code::TERMINATED, "cancelled") },
            Outcome::Expired => ended.said(exit_code::OUT_OF_TIME, "expired: it waited longer than --wait-timeout"),
            Outcome::Closed(why) => {
                Self { result: Result::Closed, ..ended.said(exit_code::SANDHOG_FAILED, &cut(&why)) }
            }
        };
        match lost {
            Some(lost) if ended.result == Result::Succeeded => {
                Self { result: Result::Failed, ..ended.said(exit_code::SANDHOG_FAILED, &format!("lost: {lost}")) }
            }
            Some(_) | None => ended,
        }
    }

    /// Of a task that was none: why.
    #[must_use]
    pub fn unfit(why: &str) -> Self {
        let ended = Self {
            result: Result::Failed,
            exit: 0,
            signal: 0,
            words: String::new(),
            out: Captured::default(),
            err: Default::default(),
            ran: Duration::ZERO,
        };
        ended.said(exit_code::REFUSED, &format!("refused: {why}"))
    }

    fn answered(self, line: std::result::Result<Captured, String>) -> Self {
        match line {
            Ok(line) => match line.failure().map(|error| causes::one_line(error)) {
                Some(lost) => self.said(exit_code::SANDHOG_FAILED, &format!("lost: {lost}")),
                None => Self { result: Result::Succeeded, out: line, ..self.said(exit_code::SUCCESS, "completed") },
            },
            Err(why) => self.said(FAILURE, &format!("failed: its answer can't be said in JSON: {why}")),
        }
    }

    fn with_verdict(self, verdict: &Verdict, of: Of, recalled: bool) -> Self {
        let (result, signal) = match verdict {
            Verdict::Completed { .. } => match of {
                Of::Command => (Result::Succeeded, 0),
                Of::Handler(_) => return self.said(FAILURE, "failed: it ended without an answer"),
            },
            Verdict::Stopped { .. } | Verdict::Killed { by: Killer::Operator, .. } if recalled => (Result::Ended, 0),
            Verdict::Stopped { .. } => (Result::Failed, 0),
            Verdict::Killed { signal, .. } => (Result::Failed, signal::number(signal)),
            Verdict::Refused { .. } => (Result::Refused, 0),
            Verdict::Failed { .. }
            | Verdict::Trapped { .. }
            | Verdict::Deadline { .. }
            | Verdict::Cpu { .. }
            | Verdict::Memory { .. }
            | Verdict::Output { .. }
            | Verdict::Denied { .. }
            | Verdict::Unhealthy { .. }
            | Verdict::Lost { .. }
            | Verdict::Unknown => (Result::Failed, 0),
        };
        Self { result, signal, ..self.said(exit_code::of(verdict), &verdict_text::brief(verdict)) }
    }

    fn said(self, exit: u8, words: &str) -> Self {
        Self { exit, words: cut(words), ..self }
    }
}

fn cut(text: &str) -> String {
    let cut = &text[..text.floor_char_boundary(WORDS)];
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("{}{more}", sandhog_spec::text::escape(cut))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandhog_protocol::message::{Format, Message};
    use sandhog_protocol::verdict::{StopReason, Usage};

    const HANDLER: Of = Of::Handler(Answers { raw_text: true, raw_bytes: false });

    fn finished(outcome: Outcome) -> Finished {
        Finished {
            outcome,
            attempt: None,
            stdout: b"out".to_vec().into(),
            stderr: b"err".to_vec().into(),
            usage: Usage::default(),
            waited: Duration::ZERO,
            ran: Duration::from_millis(5),
        }
    }

    fn ended(outcome: Outcome, of: Of) -> (Result, u8, i32, String) {
        let Ended { result, exit, signal, words, .. } = Ended::new(finished(outcome), of, false);
        (result, exit, signal, words)
    }

    #[test]
    fn a_commands_verdict_is_its_result() {
        let of = |verdict| ended(Outcome::Ended(verdict), Of::Command);
        assert_eq!(of(Verdict::Completed { code: 0 }), (Result::Succeeded, 0, 0, "completed".into()));
        assert_eq!(of(Verdict::Failed { code: 3 }), (Result::Failed, 3, 0, "failed with code 3".into()));
        let killed = Verdict::Killed { signal: "SIGKILL".into(), by: Killer::Outside };
        assert_eq!(of(killed), (Result::Failed, 137, 9, "killed by SIGKILL".into()));
        let refused = Verdict::Refused { reason: "no\n".into() };
        assert_eq!(of(refused), (Result::Refused, 126, 0, "refused: no\\n".into()));
        let stopped = Verdict::Stopped { graceful: true, reason: StopReason::Operator };
        assert_eq!(of(stopped.clone()), (Result::Failed, 143, 0, "stopped".into()));
        assert_eq!(Ended::new(finished(Outcome::Ended(stopped)), Of::Command, true).result, Result::Ended);
        let completed = finished(Outcome::Ended(Verdict::Completed { code: 0 }));
        assert_eq!(Ended::new(completed, Of::Command, true).result, Result::Succeeded, "it was faster");
    }

    #[test]
    fn a_handlers_answer_is_a_line_and_what_it_writes_goes_to_stderr() {
        let answer = Message { format: Format::Value, body: b"\xa2ok".to_vec() };
        let ended_ = Ended::new(finished(Outcome::Answer(answer)), HANDLER, false);
        assert_eq!((ended_.result, ended_.exit), (Result::Succeeded, 0));
        assert_eq!(ended_.out.into_bytes().unwrap(), b"ok\n");
        let [first, second] = ended_.err.map(|stream| stream.into_bytes().unwrap());
        assert_eq!((first, second), (b"out".to_vec(), b"err".to_vec()));
        let failure = ended(Outcome::Failure("no\nsuch".into()), HANDLER);
        assert_eq!(failure, (Result::Failed, 1, 0, "failed: no\\nsuch".into()));
        let silent = ended(Outcome::Ended(Verdict::Completed { code: 0 }), HANDLER);
        assert_eq!(silent.3, "failed: it ended without an answer");
        let broken = Message { format: Format::Value, body: vec![0xc1] };
        assert!(ended(Outcome::Answer(broken), HANDLER).3.starts_with("failed: its answer can't be said in JSON: "));
    }

    #[test]
    fn what_never_ran_says_why() {
        assert_eq!(ended(Outcome::Expired, HANDLER).1, 124);
        assert_eq!(ended(Outcome::Cancelled, HANDLER).0, Result::TakenBack);
        let closed = ended(Outcome::Closed("no memory".into()), Of::Command);
        assert_eq!(closed, (Result::Closed, 125, 0, "no memory".into()));
        let Ended { exit, words, .. } = Ended::unfit("too long");
        assert_eq!((exit, words.as_str()), (126, "refused: too long"));
    }

    #[test]
    fn an_error_of_megabytes_is_cut() {
        let long = ended(Outcome::Failure("é".repeat(1 << 20)), HANDLER).3;
        assert!(long.len() < WORDS + 10 && long.ends_with('…'));
    }
}
