//! One attempt: from waiting for its turn to its verdict, and what it says meanwhile.
//!
//! Must not: decide anything.

use super::message::{Inbox, Message};
use super::runner::Runner;
use super::told::CrewTold;
use crate::dispatcher::Standing;
use sandhog_protocol::causes;
use sandhog_protocol::control::LogStream;
use sandhog_protocol::usage::WorkerUsage;
use sandhog_protocol::verdict::Verdict;
use sandhog_runtime::observer::{Keeper, Life, Observer, Told};
use sandhog_runtime::output::Sink;
use sandhog_runtime::record::VerdictRecord;
use sandhog_runtime::run::Kept;
use sandhog_runtime::stop::{StopRequest, StopRequests};
use sandhog_runtime::view::LogLine;
use sandhog_runtime::worker_process::WorkerProcess;
use sandhog_supervisor::outcome;
use sandhog_supervisor::state::AttemptNumber;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Two heartbeats within this time are one: a guest that does nothing else must not keep this process busy.
const HEARTBEAT_MIN: Duration = Duration::from_millis(50);

/// Hears of one attempt.
pub(super) struct Witness {
    number: AttemptNumber,
    instance: u32,
    name: String,
    told: Arc<dyn CrewTold>,
    inbox: Inbox,
    said: Mutex<Said>,
    process: OnceLock<Arc<WorkerProcess>>,
}

#[derive(Default)]
struct Said {
    ready: bool,
    retired: bool,
    heartbeat: Option<Instant>,
    /// Others may start once this one has.
    permit: Option<OwnedSemaphorePermit>,
}

impl Witness {
    pub(super) fn new(
        number: AttemptNumber,
        instance: u32,
        name: String,
        told: Arc<dyn CrewTold>,
        inbox: Inbox,
    ) -> Arc<Self> {
        let (said, process) = (Mutex::default(), OnceLock::new());
        Arc::new(Self { number, instance, name, told, inbox, said, process })
    }

    /// What the kernel says that its worker uses; None: there is none, or it is hidden.
    pub(super) fn memory_bytes(&self) -> Option<u64> {
        match self.process.get()?.usage() {
            WorkerUsage::Alive(usage) => Some(usage.rss_bytes),
            WorkerUsage::Ended | WorkerUsage::Unknown => None,
        }
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        // Nothing panics while it holds the lock, and what it holds is whole after every statement.
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, message: Message) {
        // Where nobody hears it, nobody keeps workers up any more.
        let _ = self.inbox.send(message);
    }

    /// Whether it has not said so before.
    fn is_news(&self, life: &Life) -> bool {
        let mut said = self.said();
        match life {
            Life::Ready => !std::mem::replace(&mut said.ready, true),
            Life::Retire(_) => !std::mem::replace(&mut said.retired, true),
            Life::Heartbeat => {
                let now = Instant::now();
                let is_due = said.heartbeat.is_none_or(|last| now.duration_since(last) >= HEARTBEAT_MIN);
                if is_due {
                    said.heartbeat = Some(now);
                }
                is_due
            }
        }
    }
}

impl Observer for Witness {
    fn log(&self, line: LogLine) -> Told<'_> {
        self.told.log(self.instance, &self.name, &line);
        Box::pin(std::future::ready(()))
    }

    /// Children live their own lives: only the attempt itself is heard.
    fn life(&self, _job: &str, attempt: &str, life: Life) -> Told<'_> {
        if attempt == self.name && self.is_news(&life) {
            self.tell(Message::Life(self.number, life));
        }
        Box::pin(std::future::ready(()))
    }

    fn worker_started(&self, attempt: &str, _worker: u32, process: &Arc<WorkerProcess>) {
        if attempt == self.name {
            let _ = self.process.set(Arc::clone(process));
            self.said().permit = None;
        }
    }

    fn began(&self, attempt: &str) {
        if attempt == self.name {
            self.said().permit = None;
            self.tell(Message::Began(self.number));
        }
    }
}

impl Keeper for Witness {
    fn sink(&self, stream: LogStream) -> Box<dyn Sink> {
        self.told.sink(self.instance, &self.name, stream)
    }
}

/// Runs it, and tells how it ended.
pub(super) async fn run(
    runner: Arc<dyn Runner>,
    starts: Arc<Semaphore>,
    kept: Result<Kept, VerdictRecord>,
    witness: Arc<Witness>,
    standing: Option<watch::Receiver<Standing>>,
    stop_requests: StopRequests,
) {
    let record = match kept {
        Ok(kept) => {
            let tried = attempt(&*runner, &starts, kept, &witness, stop_requests);
            tokio::pin!(tried);
            let stands = pass_on(&witness, standing);
            tokio::select! {
                record = &mut tried => record,
                () = stands => tried.await,
            }
        }
        Err(record) => record,
    };
    witness.said().permit = None;
    witness.tell(Message::Ended(witness.number, Box::new(record)));
}

async fn attempt(
    runner: &dyn Runner,
    starts: &Arc<Semaphore>,
    kept: Kept,
    witness: &Witness,
    mut stop_requests: StopRequests,
) -> VerdictRecord {
    let (name, job) = (kept.identity.attempt.clone(), kept.job.name.clone());
    let verdict = |verdict| VerdictRecord::new(verdict, name.clone(), job.clone());
    let mut asked = stop_requests.clone();
    let permit = tokio::select! {
        biased;
        request = asked.wait_for(Option::is_some) => {
            let request = request.ok().and_then(|request| *request);
            return verdict(outcome::never_began(request.map(StopRequest::cause)));
        }
        permit = Arc::clone(starts).acquire_owned() => permit,
    };
    witness.said().permit = permit.ok();
    witness.tell(Message::Launched(witness.number));
    stop_requests.mark_unchanged();
    let record = runner.run(kept, stop_requests).await;
    record.unwrap_or_else(|error| verdict(Verdict::Refused { reason: causes::one_line(&error) }))
}

/// How it stands with the dispatcher, until that knows it no more.
async fn pass_on(witness: &Witness, standing: Option<watch::Receiver<Standing>>) {
    let Some(mut standing) = standing else { return };
    while standing.changed().await.is_ok() {
        let now = *standing.borrow_and_update();
        witness.tell(Message::Stands(witness.number, now));
    }
}
