//! The way to the fleet, for sessions: each call is a request to the one task, or goes to the logs.

use super::logs::Logs;
use super::message::{Inbox, Message};
use super::metrics;
use super::refusal::{Refusal, RefusalKind};
use super::request::{Reply, Request, Verb};
use super::settle::{self, Opened};
use sandhog_protocol::control::{
    ApplyRequest, Daemon as About, Event, Instance, Job, JobSummary, LogLine, ScaleRequest, SendReply, SendRequest,
    SharedObject, VerbRequest, VerbResult,
};
use sandhog_runtime::coordinator::Coordinator;
use std::sync::Arc;
use tokio::sync::{broadcast, oneshot};

/// What a session does to a request of `logs`.
pub struct LogTail {
    /// What is there already, oldest first.
    pub lines: Vec<LogLine>,
    /// What comes, where it was asked for: from right behind `lines`, nothing left out but what a slow reader was too slow
    /// for.
    pub follow: Option<broadcast::Receiver<LogLine>>,
    /// Of `follow`: whether a line is one of those that were asked for.
    pub concerns: Box<dyn Fn(&LogLine) -> bool + std::marker::Send + Sync>,
}

/// The way to the fleet, for sessions.
#[derive(Clone)]
pub struct Handle {
    pub(super) inbox: Inbox,
    pub(super) logs: Logs,
    pub(super) access: Logs,
    pub(super) coordinator: Arc<Coordinator>,
}

/// Lines that are looked through for those of one instance.
const LOOKED_THROUGH: usize = 10_000;

impl Handle {
    async fn call<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, Refusal> {
        let going = || Refusal::new(RefusalKind::Unavailable, "the daemon is ending");
        let (reply, answer) = oneshot::channel();
        self.inbox.send(Message::Request(request(reply))).map_err(|_| going())?;
        answer.await.map_err(|_| going())?
    }

    pub async fn daemon(&self) -> Result<About, Refusal> {
        self.call(Request::About).await
    }

    /// `select` as in [`VerbRequest::select`]; empty: all.
    pub async fn instances(&self, select: Vec<String>) -> Result<Vec<Instance>, Refusal> {
        self.call(|reply| Request::Instances(select, reply)).await
    }

    /// Jobs that are meant as a whole, with an instance or without; empty: all.
    pub async fn jobs(&self, select: Vec<String>) -> Result<Vec<JobSummary>, Refusal> {
        self.call(|reply| Request::Jobs(select, reply)).await
    }

    pub async fn job(&self, name: String) -> Result<Job, Refusal> {
        self.call(|reply| Request::Job(name, reply)).await
    }

    /// The objects that jobs share, of all groups.
    pub async fn objects(&self) -> Result<Vec<SharedObject>, Refusal> {
        self.call(Request::Objects).await
    }

    /// What the jobs may use is opened now, for a dry run too.
    pub async fn apply(&self, apply: ApplyRequest) -> Result<VerbResult, Refusal> {
        let names = apply.jobs.iter().map(|job| job.name.clone()).collect();
        let known = self.call(|reply| Request::Known(names, reply)).await?;
        let coordinator = Arc::clone(&self.coordinator);
        let prepared = blocking(move || settle::prepare(apply, &known, coordinator.own_directories())).await??;
        self.call(|reply| Request::Apply(Box::new(prepared), reply)).await
    }

    /// Starts, stops, … what is selected. Answers at once, or when it is done ([`VerbRequest::wait`]).
    pub async fn ask(&self, verb: Verb, ask: VerbRequest) -> Result<VerbResult, Refusal> {
        let opened = match verb {
            Verb::Start | Verb::Restart | Verb::Reload => {
                let select = ask.select.clone();
                let jobs = self.call(|reply| Request::ToOpen(verb, select, reply)).await?;
                let coordinator = Arc::clone(&self.coordinator);
                blocking(move || settle::open(jobs, coordinator.own_directories())).await?
            }
            Verb::Stop | Verb::Delete | Verb::Signal => Opened::new(),
        };
        self.call(|reply| Request::Ask(verb, ask, opened, reply)).await
    }

    pub async fn scale(&self, scale: ScaleRequest) -> Result<VerbResult, Refusal> {
        self.call(|reply| Request::Scale(scale, reply)).await
    }

    pub async fn send(&self, send: SendRequest) -> Result<Vec<SendReply>, Refusal> {
        self.call(|reply| Request::Send(send, reply)).await
    }

    /// All numbers, in Prometheus' text format.
    pub async fn metrics(&self) -> Result<String, Refusal> {
        Ok(metrics::text(&self.call(Request::Metrics).await?))
    }

    /// The last `count` lines of what is selected, and those that come, where they are to be followed. Nothing is selected:
    /// all. `access`: lines about requests that jobs have served, instead of what the jobs have written.
    pub async fn logs(
        &self,
        select: Vec<String>,
        count: usize,
        follow: bool,
        access: bool,
    ) -> Result<LogTail, Refusal> {
        // Jobs that come later are among all.
        let all = select.is_empty();
        let wanted = self.call(|reply| Request::Logs(select, reply)).await?;
        let jobs = wanted.keys().cloned().collect();
        // Instances share a file: those of one may stand far apart.
        let max = if wanted.values().all(Option::is_none) { count } else { count.max(LOOKED_THROUGH) };
        let concerns = move |line: &LogLine| {
            let some = wanted.get(&line.job);
            all || some.is_some_and(|some| some.as_ref().is_none_or(|some| some.contains(&line.instance)))
        };
        let failed = |error| Refusal::new(RefusalKind::Unavailable, format!("the logs can't be read: {error}"));
        let logs = if access { &self.access } else { &self.logs };
        let (lines, follow) = logs.tail(jobs, max, follow).await.map_err(failed)?;
        let lines: Vec<LogLine> = lines.into_iter().filter(&concerns).collect();
        let lines = lines.split_at(lines.len().saturating_sub(count)).1.to_vec();
        Ok(LogTail { lines, follow, concerns: Box::new(concerns) })
    }

    /// Events since this number, as far as they are kept (the last 10,000), and those that come. 0: none of the past ones
    /// but the last `last`.
    pub async fn events(&self, since: u64, last: usize) -> Result<(Vec<Event>, broadcast::Receiver<Event>), Refusal> {
        self.call(|reply| Request::Events(since, last, reply)).await
    }

    /// Stops everything in reverse order; the daemon ends then.
    pub async fn shut_down(&self) -> Result<(), Refusal> {
        self.call(Request::ShutDown).await
    }

    /// The same at once, without grace: a second signal.
    pub fn shut_down_now(&self) {
        // Where nobody hears it, it is over already.
        let _ = self.inbox.send(Message::ShutDownNow);
    }
}

/// Work that may wait for a disk, on a thread of its own.
async fn blocking<T: std::marker::Send + 'static>(
    work: impl FnOnce() -> T + std::marker::Send + 'static,
) -> Result<T, Refusal> {
    let failed = |error: tokio::task::JoinError| Refusal::new(RefusalKind::Unavailable, error.to_string());
    tokio::task::spawn_blocking(work).await.map_err(failed)
}
