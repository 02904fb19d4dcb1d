//! One way to both kinds of workers: a crew whose workers live on, and a process for each connection.
//!
//! Must not: decide when a worker is started again (the supervisor does, and the pool).

use super::told::Teller;
use crate::args::Instances;
use crate::embedded::Failure;
use crate::render::problem::Problem;
use crate::render::verdict;
use crate::run::{given, not_run};
use sandhog_protocol::exit_code;
use sandhog_protocol::plan::Isolation;
use sandhog_protocol::verdict::{Verdict, VerdictKind};
use sandhog_runtime::coordinator::Coordinator;
use sandhog_serve::crew::{Crew, CrewSettings, CrewTold, Scale};
use sandhog_serve::dispatcher::Dispatcher;
use sandhog_serve::fresh::{Fresh, FreshSettings, FreshTold};
use sandhog_serve::status::Status;
use sandhog_spec::job::Job;
use sandhog_spec::service::Rules;
use std::sync::Arc;
use tokio::task::JoinSet;

/// What is kept up.
pub(super) struct Kept {
    pub job: Job,
    pub rules: Rules,
    pub instances: Instances,
}

pub(super) enum Workers {
    Crew(Crew),
    Fresh(Box<Processes>),
}

/// A process for each connection.
pub(super) struct Processes {
    coordinator: Arc<Coordinator>,
    kept: Kept,
    dispatcher: Dispatcher,
    teller: Arc<Teller>,
    /// None: they are on their way out.
    fresh: Option<Fresh>,
    /// Those of versions before, until their connections have ended.
    old: JoinSet<()>,
}

impl Workers {
    /// Opens what the job may use and begins to start them.
    pub(super) async fn open(
        coordinator: &Arc<Coordinator>,
        kept: Kept,
        dispatcher: &Dispatcher,
        teller: &Arc<Teller>,
    ) -> Result<Self, Failure> {
        let isolation = kept.job.http.as_ref().and_then(|http| http.isolation);
        if isolation == Some(Isolation::Process) {
            let mut processes = Processes {
                coordinator: Arc::clone(coordinator),
                kept,
                dispatcher: dispatcher.clone(),
                teller: Arc::clone(teller),
                fresh: None,
                old: JoinSet::new(),
            };
            processes.fresh = Some(processes.open(false).await?);
            return Ok(Self::Fresh(Box::new(processes)));
        }
        let Kept { job, rules, instances } = kept;
        let settings = CrewSettings { job, rules, scale: Scale::between(instances.min, instances.max) };
        let told: Arc<dyn CrewTold> = Arc::<Teller>::clone(teller);
        let crew = Crew::open(coordinator, settings, dispatcher, told).await;
        crew.map(Self::Crew).map_err(|error| not_run(&error))
    }

    /// Comes back when the first one takes connections.
    pub(super) async fn up(&mut self) -> Result<(), Failure> {
        let up = match self {
            Self::Crew(crew) => crew.up().await,
            Self::Fresh(processes) => match &mut processes.fresh {
                Some(fresh) => fresh.up().await,
                None => Err(Status::Over),
            },
        };
        up.map_err(come_to_nothing)
    }

    /// Comes back when no worker is left, and none is started any more.
    pub(super) async fn failed(&self) -> Failure {
        let status = match self {
            Self::Crew(crew) => Some(crew.status()),
            Self::Fresh(processes) => processes.fresh.as_ref().map(Fresh::status),
        };
        let Some(mut status) = status else { return come_to_nothing(Status::Over) };
        let is_end = |status: &Status| match status {
            Status::Failed { .. } | Status::SpawnerLost | Status::Over => true,
            Status::Starting | Status::Serving => false,
        };
        let status = status.wait_for(is_end).await.map(|status| status.clone());
        come_to_nothing(status.unwrap_or(Status::Over))
    }

    /// Opens anew what the job may use, and replaces the workers: how, for people. Comes back when all is opened, and the first
    /// process of a connection is ready.
    ///
    /// # Errors
    /// Why not; all stays as it was.
    pub(super) async fn reload(&mut self) -> Result<&'static str, Failure> {
        match self {
            Self::Crew(crew) => {
                crew.reload().await.map_err(|error| not_run(&error))?;
                Ok("reloading: each worker goes when its new one is ready")
            }
            Self::Fresh(processes) => {
                processes.reload().await?;
                Ok("reloaded: connections have a process of the new module, those before keep theirs")
            }
        }
    }

    /// No more connections are accepted. Comes back when the last one has ended.
    pub(super) async fn drain(self) {
        match self {
            Self::Crew(crew) => crew.drain().await,
            Self::Fresh(processes) => processes.drain().await,
        }
    }
}

impl Processes {
    /// Those of the module as it is now. `is_successor`: of others, which stay where it comes to nothing.
    async fn open(&self, is_successor: bool) -> Result<Fresh, Failure> {
        let told: Arc<dyn FreshTold> = Arc::<Teller>::clone(&self.teller);
        let Kept { job, rules, instances } = &self.kept;
        let order = FreshSettings { job, places: instances.max, rules, is_successor };
        given(Fresh::open(&self.coordinator, order, &self.dispatcher, told).await)
    }

    /// Takes new ones in the place of those that there are, once the first one takes connections.
    async fn reload(&mut self) -> Result<(), Failure> {
        let mut next = self.open(true).await?;
        if let Err(status) = next.up().await {
            next.drain().await;
            return Err(come_to_nothing(status));
        }
        let before = self.fresh.replace(next);
        before.into_iter().for_each(|before| drop(self.old.spawn(before.drain())));
        Ok(())
    }

    async fn drain(mut self) {
        let workers = async {
            if let Some(fresh) = self.fresh.take() {
                fresh.drain().await;
            }
            while self.old.join_next().await.is_some() {}
        };
        tokio::join!(self.dispatcher.drain(), workers);
    }
}

/// Why there are no workers.
fn come_to_nothing(status: Status) -> Failure {
    match status {
        Status::Failed { reason, last: Some(record) } => {
            let problem = verdict::sentence(&record.verdict).unwrap_or_else(|| {
                let code = if let Verdict::Failed { code } = &record.verdict {
                    format!(" with code {code}")
                } else {
                    String::new()
                };
                Problem::new(format!("the guest ended{code} and serves nobody"))
            });
            // A guest that ends well without having served has failed all the same.
            let code = match exit_code::of(&record.verdict) {
                exit_code::SUCCESS => exit_code::SANDHOG_FAILED,
                code => code,
            };
            // Of one that is refused the sentence says it all.
            let is_refused = record.verdict.kind() == VerdictKind::Refused;
            let detail = (!is_refused).then(|| format!("no worker is left: {reason}"));
            let problem = detail.into_iter().fold(problem, Problem::with_detail);
            Failure { problem, code }
        }
        Status::Failed { reason, last: None } => lost(&format!("no worker is left: {reason}")),
        Status::SpawnerLost => lost("the spawner has ended, and every worker with it"),
        Status::Starting | Status::Serving | Status::Over => lost("no worker is left"),
    }
}

fn lost(reason: &str) -> Failure {
    Failure { problem: Problem::new(reason), code: exit_code::SANDHOG_FAILED }
}
