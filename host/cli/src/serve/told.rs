//! What people are told while it serves: a line of each request on stdout; what guests write, and what happens to workers, on
//! stderr.
//!
//! Must not: wait, but in a guest's own stream.

use super::lines::Lines;
use crate::args::AccessLog;
use crate::render::verdict;
use sandhog_protocol::causes;
use sandhog_protocol::control::LogStream;
use sandhog_protocol::http::{Request, RequestEnd};
use sandhog_protocol::request::Level;
use sandhog_protocol::verdict::Verdict;
use sandhog_protocol::worker::End;
use sandhog_runtime::observer;
use sandhog_runtime::output::Sink;
use sandhog_runtime::pool::task::{Finished, Outcome};
use sandhog_runtime::record::VerdictRecord;
use sandhog_runtime::view::LogLine;
use sandhog_serve::access::{self, Entry};
use sandhog_serve::crew::{CrewTold, Notice};
use sandhog_serve::dispatcher::Told;
use sandhog_serve::fresh::FreshTold;
use sandhog_spec::text::escape;
use sandhog_spec::units::print_duration;
use sandhog_sys::clock;
use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A line of a guest without an end is passed on in pieces of this many bytes.
const LINE: usize = 16 << 10;

/// Attempts that have ended and whose number is still known: their last requests may come to be told of afterwards.
const ENDED: usize = 256;

/// Tells it.
pub(super) struct Teller {
    pub job: String,
    /// There may be more than one worker, so each line of a guest says of which it is.
    pub several: bool,
    /// Least level of the guest's log that is told.
    pub level: Option<Level>,
    pub access: AccessLog,
    /// stderr is a terminal: what guests write to it is made harmless.
    pub terminal: bool,
    pub out: Lines,
    pub err: Lines,
    pub workers: Mutex<Workers>,
    /// It has begun to serve. Before, the command's own end says why it came to nothing.
    pub serves: AtomicBool,
}

/// Which worker an attempt is.
#[derive(Default)]
pub(super) struct Workers {
    numbers: HashMap<String, u32>,
    ended: VecDeque<String>,
}

impl Workers {
    fn begins(&mut self, attempt: &str, number: u32) {
        self.numbers.insert(attempt.into(), number);
    }

    fn ends(&mut self, attempt: &str) {
        self.ended.push_back(attempt.into());
        if self.ended.len() > ENDED
            && let Some(oldest) = self.ended.pop_front()
        {
            self.numbers.remove(&oldest);
        }
    }

    fn number(&self, attempt: &str) -> u32 {
        self.numbers.get(attempt).copied().unwrap_or_default()
    }
}

impl Teller {
    /// A sentence of ours.
    pub(super) fn say(&self, sentence: &str) {
        self.err.try_say(format!("sandhog: {}\n", escape(sentence)));
    }

    fn workers(&self) -> MutexGuard<'_, Workers> {
        // Nothing panics while it holds the lock.
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn passed(&self, instance: u32) -> Passed {
        let prefix = if self.several { format!("{}/{instance}: ", escape(&self.job)) } else { String::new() };
        Passed { err: self.err.clone(), prefix, terminal: self.terminal, held: Vec::new() }
    }
}

impl Told for Teller {
    fn request(&self, attempt: &str, request: &Request, peer: &str) {
        let instance = self.workers().number(attempt);
        let entry = Entry { at_ms: clock::now_ms(), peer, job: &self.job, instance, attempt, request };
        let line = match self.access {
            AccessLog::Common => Some(access::common(&entry)),
            AccessLog::Json => Some(access::json(&entry)),
            AccessLog::None => None,
        };
        if let Some(mut line) = line {
            line.push('\n');
            self.out.try_say(line);
        }
        if let RequestEnd::Failed(end) = &request.end {
            let what = format!("{} {}", request.method, request.target);
            self.say(&format!("request {attempt}/{} ({what}): {}", request.number, failure(end)));
        }
    }

    fn problem(&self, text: &str) {
        self.say(text);
    }
}

impl CrewTold for Teller {
    fn notice(&self, instance: u32, _attempt: Option<&str>, notice: &Notice) {
        let worker = format!("worker {instance}");
        match notice {
            Notice::Backoff { pause, .. } => {
                self.say(&format!("{worker} is started again in {}", print_duration(*pause)));
            }
            Notice::Failed { reason } if self.serves.load(Ordering::Relaxed) => {
                self.say(&format!("{worker} is given up: {reason}"));
            }
            Notice::Recycled { bytes, .. } => {
                self.say(&format!("{worker} takes {} MiB and is replaced", bytes >> 20));
            }
            Notice::Retiring { reason, .. } => self.say(&format!("{worker} is replaced: {reason}")),
            Notice::Unhealthy { check, .. } => self.say(&format!("{worker} is unhealthy: {}", check.failure())),
            Notice::Reloaded { .. } => self.say(&format!("{worker} is replaced by a new one, which is ready")),
            Notice::ReloadFailed { reason } => {
                self.say(&format!("{worker} stays as it was: the new one failed: {reason}"));
            }
            // What the verdict says is said in `ended`, and the rest at the beginning and the end by the command.
            Notice::Failed { .. }
            | Notice::Starting { .. }
            | Notice::Ready { .. }
            | Notice::Ended { .. }
            | Notice::Stopping { .. }
            | Notice::Stopped
            | Notice::Finished
            | Notice::Skipped => {}
        }
    }

    fn ended(&self, instance: u32, record: &VerdictRecord) {
        self.workers().ends(&record.attempt);
        self.over(&format!("worker {instance}"), &record.verdict);
    }

    fn log(&self, _instance: u32, _attempt: &str, line: &LogLine) {
        if self.level.is_some_and(|least| line.level >= least) {
            self.err.try_say(line.say(line.level.name()) + "\n");
        }
    }

    fn sink(&self, instance: u32, attempt: &str, _stream: LogStream) -> Box<dyn Sink> {
        self.workers().begins(attempt, instance);
        Box::new(self.passed(instance))
    }
}

impl FreshTold for Teller {
    fn ended(&self, finished: Finished) -> observer::Told<'_> {
        for mut captured in [finished.stdout, finished.stderr] {
            let mut passed = self.passed(0);
            let say = |line: Vec<u8>| self.err.try_say(line);
            let passed_on = captured.pass_to(|piece| {
                passed.lines(piece).into_iter().for_each(say);
                Ok(())
            });
            passed.rest().into_iter().for_each(say);
            if let Err(error) = passed_on {
                self.say(&causes::one_line(&error));
            }
        }
        if let Outcome::Ended(verdict) = &finished.outcome {
            self.over("the process of a connection", verdict);
        }
        Box::pin(std::future::ready(()))
    }

    fn failed(&self, reason: &str, _last: Option<Box<VerdictRecord>>) {
        if self.serves.load(Ordering::Relaxed) {
            self.say(&format!("processes for a connection are given up: {reason}"));
        }
    }
}

impl Teller {
    /// Of a worker that ended as nobody asked it to.
    fn over(&self, who: &str, verdict: &Verdict) {
        match verdict {
            Verdict::Completed { .. } | Verdict::Stopped { .. } => {}
            Verdict::Refused { .. } if !self.serves.load(Ordering::Relaxed) => {}
            Verdict::Failed { code } => self.say(&format!("{who} ended with code {code}")),
            Verdict::Refused { .. }
            | Verdict::Trapped { .. }
            | Verdict::Deadline { .. }
            | Verdict::Cpu { .. }
            | Verdict::Memory { .. }
            | Verdict::Output { .. }
            | Verdict::Denied { .. }
            | Verdict::Killed { .. }
            | Verdict::Unhealthy { .. }
            | Verdict::Lost { .. }
            | Verdict::Unknown => {
                if let Some(problem) = verdict::sentence(verdict) {
                    self.err.try_say(problem.to_text(false).replacen("sandhog: ", &format!("sandhog: {who}: "), 1));
                }
            }
        }
    }
}

/// How the guest failed, as the end of a sentence. A guest may have chosen the words.
fn failure(end: &End) -> String {
    match end {
        End::Exited { code } => format!("the guest ended with code {code}"),
        End::Trapped { kind, message, .. } => format!("trapped: {}: {message}", kind.as_str()),
        End::Deadline => "it ran longer than it may (--request-timeout)".into(),
        End::Cpu => "it used more CPU time than it may".into(),
        End::Fuel => "it used more fuel than it may".into(),
        End::Memory { .. } => "it needed more memory than it has (--request-memory, --memory)".into(),
        End::Refused { reason } | End::Broken { reason } => reason.clone(),
    }
}

/// What a guest writes, line by line.
struct Passed {
    err: Lines,
    prefix: String,
    terminal: bool,
    held: Vec<u8>,
}

impl Passed {
    /// Lines that are whole; the rest is held.
    fn lines(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.held.extend_from_slice(bytes);
        let mut lines = Vec::new();
        loop {
            let end = self.held.iter().take(LINE).position(|byte| *byte == b'\n');
            let count = match end {
                Some(end) => end + 1,
                None if self.held.len() >= LINE => LINE,
                None => return lines,
            };
            let line: Vec<u8> = self.held.drain(..count).collect();
            lines.push(self.line(&line));
        }
    }

    /// What is held, where nothing more comes.
    fn rest(&mut self) -> Option<Vec<u8>> {
        let rest = std::mem::take(&mut self.held);
        (!rest.is_empty()).then(|| self.line(&rest))
    }

    fn line(&self, bytes: &[u8]) -> Vec<u8> {
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let mut line = self.prefix.clone().into_bytes();
        match self.terminal {
            true => line.extend_from_slice(escape(&String::from_utf8_lossy(bytes)).as_bytes()),
            false => line.extend_from_slice(bytes),
        }
        line.push(b'\n');
        line
    }
}

impl Sink for Passed {
    fn write<'a>(&'a mut self, bytes: &'a [u8]) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            for line in self.lines(bytes) {
                self.err.say(line).await;
            }
        })
    }

    fn end(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            if let Some(line) = self.rest() {
                self.err.say(line).await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandhog_sys::descriptors::StandardStream;

    fn passed(terminal: bool) -> Passed {
        let (err, _) = Lines::to(StandardStream::Stderr, "a test").unwrap();
        Passed { err, prefix: "web/2: ".into(), terminal, held: Vec::new() }
    }

    fn text(lines: Vec<Vec<u8>>) -> String {
        String::from_utf8(lines.concat()).unwrap()
    }

    #[test]
    fn each_line_of_a_guest_says_whose_it_is() {
        let mut passed = passed(false);
        assert_eq!(text(passed.lines(b"one\ntw")), "web/2: one\n");
        assert_eq!(text(passed.lines(b"o\n")), "web/2: two\n");
        assert_eq!(text(passed.lines(b"three")), "");
        assert_eq!(text(passed.rest().into_iter().collect()), "web/2: three\n");
        assert_eq!(passed.rest(), None);
    }

    #[test]
    fn a_line_without_end_is_passed_on_in_pieces() {
        let mut passed = passed(false);
        let lines = passed.lines(&vec![b'x'; 2 * LINE + 1]);
        assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [LINE + 8, LINE + 8]);
        assert_eq!(passed.rest().map(|rest| rest.len()), Some(9));
    }

    #[test]
    fn on_a_terminal_what_a_guest_writes_is_harmless() {
        assert_eq!(text(passed(true).lines(b"\x1b[2Ja\n")), "web/2: \\u{1b}[2Ja\n");
    }

    #[test]
    fn a_worker_that_has_ended_is_known_for_a_while() {
        let mut workers = Workers::default();
        for number in 0..=300 {
            let name = number.to_string();
            workers.begins(&name, number);
            workers.ends(&name);
        }
        assert_eq!((workers.number("300"), workers.number("0")), (300, 0));
        assert_eq!(workers.numbers.len(), ENDED);
    }
}
