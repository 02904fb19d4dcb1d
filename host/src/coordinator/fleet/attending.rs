//! One attempt as the daemon attends it: what it says is kept, and how it goes is passed on to the fleet.

use super::actor::{Inbox, Message};
use super::logs::{Logs, Origin};
use super::sample;
use crate::config::service::LogRules;
use crate::config::text::escape;
use crate::coordinator::audience::Life;
use crate::coordinator::view::{self, Progress};
use crate::supervisor::output::Sink;
use crate::supervisor::state::AttemptNumber;
use crate::sys::clock::now_ms;
use sandhog_protocol::control::LogStream;
use std::fmt::Write;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;

/// Two heartbeats within this time are one: a guest that does nothing else must not keep the daemon busy.
const HEARTBEAT_LEAST: Duration = Duration::from_millis(50);

pub(crate) struct Attending {
    pub(super) number: AttemptNumber,
    pub(super) origin: Origin,
    pub(super) rules: LogRules,
    pub(super) logs: Logs,
    pub(super) inbox: Inbox,
    born: OnceLock<Born>,
    said: Mutex<Said>,
}

/// A worker that has begun.
#[derive(Clone, Copy)]
pub(super) struct Born {
    /// Its number at the spawner.
    pub worker: u32,
    /// None: it has gone already.
    pub pid: Option<u32>,
    pub at_ms: u64,
}

#[derive(Default)]
struct Said {
    ready: bool,
    retired: bool,
    heartbeat: Option<Instant>,
    progress: Option<Progress>,
    /// Others may start once this one has.
    permit: Option<OwnedSemaphorePermit>,
    /// What it has said before there was news of its worker: few things, each once.
    held: Vec<Message>,
}

impl Attending {
    pub(super) fn new(number: AttemptNumber, origin: Origin, rules: LogRules, logs: Logs, inbox: Inbox) -> Self {
        Self { number, origin, rules, logs, inbox, born: OnceLock::new(), said: Mutex::default() }
    }

    fn said(&self) -> std::sync::MutexGuard<'_, Said> {
        // Nothing panics while it holds the lock, and what it holds is whole after every statement.
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds a place among those that start until its worker has begun.
    pub(super) fn hold(&self, permit: OwnedSemaphorePermit) {
        self.said().permit = Some(permit);
        let _ = self.inbox.send(Message::Launched { attempt: self.number });
    }

    /// It has begun, or never will.
    pub(super) fn let_others_start(&self) {
        self.said().permit = None;
    }

    pub(super) fn worker(&self) -> Option<Born> {
        self.born.get().copied()
    }

    /// How far it is, as it said last; one line, whatever it said.
    pub(super) fn how_far(&self) -> Option<String> {
        let said = self.said();
        let progress = said.progress.as_ref()?;
        let mut text = match progress.total {
            Some(total) => format!("{}/{total}", progress.done),
            None => progress.done.to_string(),
        };
        if !progress.note.is_empty() {
            // Writing to a String does not fail.
            let _ = write!(text, " {}", escape(&progress.note));
        }
        Some(text)
    }

    /// Where one of its streams, or of its children's, is kept.
    pub(crate) fn sink(&self, stream: LogStream) -> Box<dyn Sink> {
        Box::new(Kept(self.logs.stream(self.origin.clone(), stream, self.rules)))
    }

    pub(crate) fn born(&self, attempt: &str, worker: u32, pidfd: &OwnedFd) {
        if attempt == self.origin.attempt {
            let mut said = self.said();
            let _ = self.born.set(Born { worker, pid: sample::pid_of(pidfd), at_ms: now_ms() });
            said.permit = None;
            for message in said.held.drain(..) {
                let _ = self.inbox.send(message);
            }
        }
    }

    /// Its guest begins now.
    pub(crate) fn began(&self, attempt: &str) {
        if attempt == self.origin.attempt {
            self.pass_on(Message::Began { attempt: self.number });
        }
    }

    /// News of its worker comes by another way, and may come later than what that says.
    fn pass_on(&self, message: Message) {
        let mut said = self.said();
        if self.born.get().is_none() {
            said.held.push(message);
            return;
        }
        drop(said);
        // Where nobody hears it the daemon has ended.
        let _ = self.inbox.send(message);
    }

    /// A line of its log, or of a child's.
    pub(crate) async fn log(&self, line: &view::LogLine) {
        if self.rules.level.is_some_and(|least| line.level >= least) {
            self.logs.line(&self.origin, LogStream::Log, self.rules, &line.say(line.level.name())).await;
        }
    }

    pub(crate) fn progress(&self, attempt: &str, progress: Option<Progress>) {
        if attempt == self.origin.attempt {
            self.said().progress = progress;
        }
    }

    /// Children live their own lives: only the attempt itself is heard.
    pub(in crate::coordinator) fn life(&self, attempt: &str, life: Life) {
        if attempt == self.origin.attempt && self.is_news(&life) {
            self.pass_on(Message::Life { attempt: self.number, life });
        }
    }

    /// Whether it has not said so before.
    fn is_news(&self, life: &Life) -> bool {
        let mut said = self.said();
        match life {
            Life::Ready => !std::mem::replace(&mut said.ready, true),
            Life::Retire(_) => !std::mem::replace(&mut said.retired, true),
            Life::Heartbeat => {
                let now = Instant::now();
                let is_due = said.heartbeat.is_none_or(|last| now.duration_since(last) >= HEARTBEAT_LEAST);
                is_due && said.heartbeat.replace(now) != Some(now)
            }
        }
    }
}

/// A stream on its way to the log.
struct Kept(super::logs::Sink);

impl Sink for Kept {
    fn write<'a>(&'a mut self, bytes: &'a [u8]) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(self.0.write(bytes))
    }

    fn end(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.0.end())
    }
}
