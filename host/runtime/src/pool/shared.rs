//! The common parts of all workers of a pool.

use super::captured::Captured;
use super::happening::{Happening, StartFailure, WorkerEnded};
use super::settings::{Settings, WorkerKind};
use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::granted::Granted;
use crate::objects::Group;
use crate::observer::Observer;
use crate::own_limits;
use crate::plan;
use crate::run::Member;
use sandhog_protocol::causes;
use sandhog_protocol::plan::{Identity, Wall, Walls};
use sandhog_protocol::verdict::{LostCause, Usage, Verdict};
use sandhog_spec::job::Job;
use sandhog_supervisor::outcome::{self, Cause, Facts};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

pub(super) struct Shared {
    pub(super) coordinator: Arc<Coordinator>,
    pub(super) job: Arc<Job>,
    pub(super) granted: Granted,
    pub(super) observer: Arc<dyn Observer>,
    /// Its observer wants to know the processes of workers. Each is a descriptor then, for as long as it is there.
    pub(super) shows_processes: bool,
    pub(super) settings: Settings,
    /// The objects that its workers share, where they may use some.
    pub(super) group: Option<Group>,
    /// Known once its first zygote has the module.
    pub(super) kind: OnceLock<WorkerKind>,
    pub(super) happenings: mpsc::UnboundedSender<Happening>,
    /// Those that the next zygote is started behind. Others were let go, since they can't be built here.
    pub(super) walls: Mutex<Walls>,
}

impl Shared {
    /// Whoever owns the pool hears of it; where it has gone, nobody is left who would.
    pub(super) fn tell(&self, happening: Happening) {
        let _ = self.happenings.send(happening);
    }

    pub(super) fn walls(&self) -> MutexGuard<'_, Walls> {
        // Nothing panics while it holds the lock.
        self.walls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One attempt's guest with all that it may use.
    pub(super) fn member(&self, identity: Identity) -> Member {
        let Granted { module, directories, modules, input: _ } = &self.granted;
        Member {
            job: Arc::clone(&self.job),
            module: Arc::clone(module),
            listeners: Vec::new(),
            directories: directories.clone(),
            modules: modules.clone(),
            identity,
            data: None,
            objects: BTreeMap::new(),
            instead: None,
            worker: Arc::default(),
            family: None,
        }
    }

    /// The verdict on an attempt. `timeout`: its task's own limit of time.
    pub(super) fn verdict(&self, facts: &Facts, timeout: Option<Duration>) -> Verdict {
        let limits = sandhog_spec::job::Limits { timeout: timeout.or(self.job.limits.timeout), ..self.job.limits };
        outcome::decide(facts, &plan::named(&limits, own_limits::cpu()))
    }

    /// What a failed start means for the next one. A wall that may be missing is let go.
    pub(super) fn start_failure(&self, cause: Option<Cause>) -> StartFailure {
        let lets_go = cause.as_ref().and_then(|cause| self.let_go(cause)).is_some();
        let verdict = outcome::never_began(cause);
        // Without a spawner nothing is ever started again.
        let is_hopeless = matches!(verdict, Verdict::Refused { .. } | Verdict::Lost { cause: LostCause::Spawner, .. });
        let is_final = !lets_go && is_hopeless;
        StartFailure { verdict, is_final }
    }

    fn let_go(&self, cause: &Cause) -> Option<Wall> {
        self.coordinator.let_go(cause, &self.job, &mut self.walls())
    }
}

impl StartFailure {
    /// There is nothing to start it with.
    pub(super) fn of_start(error: &Error) -> Self {
        Self { verdict: Verdict::Refused { reason: causes::one_line(error) }, is_final: false }
    }

    /// This process itself is at a limit.
    pub(super) fn of_machine(error: &io::Error) -> Self {
        let cause = Cause::Failed(LostCause::Machine, error.to_string());
        Self { verdict: outcome::never_began(Some(cause)), is_final: false }
    }
}

impl WorkerEnded {
    /// One that never came.
    pub(super) fn never(failure: StartFailure) -> Self {
        Self {
            verdict: failure.verdict.clone(),
            failure: Some(failure),
            usage: Usage::default(),
            stdout: Captured::default(),
            stderr: Captured::default(),
        }
    }
}
