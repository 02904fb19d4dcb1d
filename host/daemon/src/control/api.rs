//! What routes ask for: the daemon's jobs answer.

use crate::fleet::{Handle, LogTail, Refusal, RefusalKind, Verb};
use axum::http::StatusCode;
use sandhog_http::Refused;
use sandhog_protocol::control::{
    ApplyRequest, Daemon, Event, Instance, Job, JobSummary, ScaleRequest, SendReply, SendRequest, SharedObject,
    VerbRequest, VerbResult,
};
use tokio::sync::broadcast::Receiver;

/// An answer of the jobs, when it is there.
pub(super) trait Answer<T>: Future<Output = Result<T, Refusal>> + Send {}

impl<T, F: Future<Output = Result<T, Refusal>> + Send> Answer<T> for F {}

/// Who answers: the daemon's jobs, or a test. Each is as [`Handle`] says.
pub(super) trait Api: Clone + Send + Sync + 'static {
    fn daemon(&self) -> impl Answer<Daemon>;
    fn instances(&self, select: Vec<String>) -> impl Answer<Vec<Instance>>;
    fn jobs(&self, select: Vec<String>) -> impl Answer<Vec<JobSummary>>;
    fn job(&self, name: String) -> impl Answer<Job>;
    fn objects(&self) -> impl Answer<Vec<SharedObject>>;
    fn apply(&self, apply: ApplyRequest) -> impl Answer<VerbResult>;
    fn ask(&self, verb: Verb, ask: VerbRequest) -> impl Answer<VerbResult>;
    fn scale(&self, scale: ScaleRequest) -> impl Answer<VerbResult>;
    fn send(&self, send: SendRequest) -> impl Answer<Vec<SendReply>>;
    fn logs(&self, select: Vec<String>, count: usize, follow: bool, access: bool) -> impl Answer<LogTail>;
    fn events(&self, since: u64, last: usize) -> impl Answer<(Vec<Event>, Receiver<Event>)>;
    fn shut_down(&self) -> impl Answer<()>;
    fn metrics(&self) -> impl Answer<String>;
}

impl Api for Handle {
    fn daemon(&self) -> impl Answer<Daemon> {
        self.daemon()
    }

    fn instances(&self, select: Vec<String>) -> impl Answer<Vec<Instance>> {
        self.instances(select)
    }

    fn jobs(&self, select: Vec<String>) -> impl Answer<Vec<JobSummary>> {
        self.jobs(select)
    }

    fn job(&self, name: String) -> impl Answer<Job> {
        self.job(name)
    }

    fn objects(&self) -> impl Answer<Vec<SharedObject>> {
        self.objects()
    }

    fn apply(&self, apply: ApplyRequest) -> impl Answer<VerbResult> {
        self.apply(apply)
    }

    fn ask(&self, verb: Verb, ask: VerbRequest) -> impl Answer<VerbResult> {
        self.ask(verb, ask)
    }

    fn scale(&self, scale: ScaleRequest) -> impl Answer<VerbResult> {
        self.scale(scale)
    }

    fn send(&self, send: SendRequest) -> impl Answer<Vec<SendReply>> {
        self.send(send)
    }

    fn logs(&self, select: Vec<String>, count: usize, follow: bool, access: bool) -> impl Answer<LogTail> {
        self.logs(select, count, follow, access)
    }

    fn events(&self, since: u64, last: usize) -> impl Answer<(Vec<Event>, Receiver<Event>)> {
        self.events(since, last)
    }

    fn shut_down(&self) -> impl Answer<()> {
        self.shut_down()
    }

    fn metrics(&self) -> impl Answer<String> {
        self.metrics()
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.kind {
            RefusalKind::Invalid => StatusCode::BAD_REQUEST,
            RefusalKind::NotFound => StatusCode::NOT_FOUND,
            RefusalKind::Conflict => StatusCode::CONFLICT,
            RefusalKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self { status, problem: refusal.problem, allow: None }
    }
}
