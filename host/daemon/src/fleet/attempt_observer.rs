//! One attempt as the daemon observes it: what it says is kept, and how it goes is passed on to the fleet.

use super::logs::{Logs, Origin};
use super::message::{Inbox, Message};
use sandhog_protocol::control::LogStream;
use sandhog_runtime::observer::{Keeper, Life, Observer, Told};
use sandhog_runtime::output::Sink;
use sandhog_runtime::view::{LogLine, Progress};
use sandhog_runtime::worker_process::WorkerProcess;
use sandhog_spec::service::LogRules;
use sandhog_spec::text::escape;
use sandhog_supervisor::state::AttemptNumber;
use sandhog_sys::clock::now_ms;
use std::fmt::Write;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;

/// Two heartbeats within this time are one: a guest that does nothing else must not keep the daemon busy.
const HEARTBEAT_MIN: Duration = Duration::from_millis(50);

pub(super) struct AttemptObserver {
    pub(super) number: AttemptNumber,
    pub(super) origin: Origin,
    pub(super) rules: LogRules,
    pub(super) logs: Logs,
    pub(super) inbox: Inbox,
    started: Mutex<Option<StartedWorker>>,
    reported: Mutex<Reported>,
}

/// A worker that has begun.
#[derive(Clone)]
pub(super) struct StartedWorker {
    /// Its number at the spawner.
    pub worker: u32,
    pub process: Arc<WorkerProcess>,
    pub at_ms: u64,
}

#[derive(Default)]
struct Reported {
    ready: bool,
    retired: bool,
    heartbeat: Option<Instant>,
    progress: Option<Progress>,
    /// Others may start once this one has.
    permit: Option<OwnedSemaphorePermit>,
    /// What it has said before there was news of its worker: few things, each once.
    held: Vec<Message>,
}

impl AttemptObserver {
    pub(super) fn new(number: AttemptNumber, origin: Origin, rules: LogRules, logs: Logs, inbox: Inbox) -> Self {
        Self { number, origin, rules, logs, inbox, started: Mutex::default(), reported: Mutex::default() }
    }

    fn reported(&self) -> std::sync::MutexGuard<'_, Reported> {
        // Nothing panics while it holds the lock, and what it holds is whole after every statement.
        self.reported.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds a place among those that start until its worker has begun.
    pub(super) fn hold(&self, permit: OwnedSemaphorePermit) {
        self.reported().permit = Some(permit);
        let _ = self.inbox.send(Message::Launched { attempt: self.number });
    }

    /// It has begun, or never will.
    pub(super) fn let_others_start(&self) {
        self.reported().permit = None;
    }

    pub(super) fn worker(&self) -> Option<StartedWorker> {
        self.started().clone()
    }

    fn started(&self) -> std::sync::MutexGuard<'_, Option<StartedWorker>> {
        // As above.
        self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process that works for it from now on: of an attempt that has one after the other. None: it has none for now.
    pub(super) fn works_by(&self, worker: Option<StartedWorker>) {
        *self.started() = worker;
    }

    /// How far it is, as it said last; one line, whatever it said.
    pub(super) fn how_far(&self) -> Option<String> {
        let reported = self.reported();
        let progress = reported.progress.as_ref()?;
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

    /// News of its worker comes by another way, and may come later than what that says.
    fn pass_on(&self, message: Message) {
        let mut reported = self.reported();
        if self.started().is_none() {
            reported.held.push(message);
            return;
        }
        drop(reported);
        // Where nobody hears it the daemon has ended.
        let _ = self.inbox.send(message);
    }

    /// Whether it has not said so before.
    fn is_news(&self, life: &Life) -> bool {
        let mut reported = self.reported();
        match life {
            Life::Ready => !std::mem::replace(&mut reported.ready, true),
            Life::Retire(_) => !std::mem::replace(&mut reported.retired, true),
            Life::Heartbeat => {
                let now = Instant::now();
                let is_due = reported.heartbeat.is_none_or(|last| now.duration_since(last) >= HEARTBEAT_MIN);
                is_due && reported.heartbeat.replace(now) != Some(now)
            }
        }
    }
}

impl Observer for AttemptObserver {
    fn log(&self, line: LogLine) -> Told<'_> {
        Box::pin(async move {
            if self.rules.level.is_some_and(|min_level| line.level >= min_level) {
                self.logs.line(&self.origin, LogStream::Log, self.rules, &line.say(line.level.name())).await;
            }
        })
    }

    fn progress(&self, attempt: &str, progress: Option<Progress>) -> Told<'_> {
        if attempt == self.origin.attempt {
            self.reported().progress = progress;
        }
        Box::pin(std::future::ready(()))
    }

    /// Children live their own lives: only the attempt itself is heard.
    fn life(&self, _job: &str, attempt: &str, life: Life) -> Told<'_> {
        if attempt == self.origin.attempt && self.is_news(&life) {
            self.pass_on(Message::Life { attempt: self.number, life });
        }
        Box::pin(std::future::ready(()))
    }

    fn worker_started(&self, attempt: &str, worker: u32, process: &Arc<WorkerProcess>) {
        if attempt == self.origin.attempt {
            let mut reported = self.reported();
            self.works_by(Some(StartedWorker { worker, process: Arc::clone(process), at_ms: now_ms() }));
            reported.permit = None;
            for message in reported.held.drain(..) {
                let _ = self.inbox.send(message);
            }
        }
    }

    fn began(&self, attempt: &str) {
        if attempt == self.origin.attempt {
            self.pass_on(Message::Began { attempt: self.number });
        }
    }
}

impl Keeper for AttemptObserver {
    fn sink(&self, stream: LogStream) -> Box<dyn Sink> {
        Box::new(Kept(self.logs.stream(self.origin.clone(), stream, self.rules)))
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
