//! The pool of a command, as a conversation sees it.
//!
//! Must not: know what carries a conversation.

use super::serve::{Serve, Ticket};
use crate::args::PoolArgs;
use crate::embedded::Failure;
use crate::render::problem::Problem;
use crate::run::given;
use sandhog_protocol::exit_code;
use sandhog_protocol::pool::{Kind, Statistics};
use sandhog_protocol::verdict::{Usage, Verdict};
use sandhog_runtime::coordinator::Coordinator;
use sandhog_runtime::pool::task::{Finished, Task};
use sandhog_runtime::pool::{self, Pool, Settings, WorkerKind};
use sandhog_runtime::record::VerdictRecord;
use sandhog_spec::job::Job;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

/// How the flags want it to be.
pub(super) fn settings(args: &PoolArgs) -> Settings {
    let processors = || available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(1));
    let busy_max = args.workers.unwrap_or_else(processors);
    // One more than can be busy: the next task does not wait for a start.
    let ready = args.ready.unwrap_or(if args.reuse.is_some() { 1 } else { busy_max.saturating_add(1) });
    Settings {
        busy_max,
        ready,
        tasks_per_worker: Some(args.reuse.map_or(1, NonZeroU64::get)),
        // An answer never waits for the task behind it.
        in_flight: 1,
        // No more are handed in than the conversation has turns for.
        waiting_max: usize::try_from(args.max_waiting).unwrap_or(usize::MAX),
        worker_age: args.recycle_after,
        worker_bytes: args.recycle_bytes,
        idle: args.idle,
        spawn: args.spawn.into(),
        ..Settings::default()
    }
}

/// Opens it.
///
/// # Errors
/// There is nothing to run: as `sandhog run` says it.
pub(super) async fn open(
    coordinator: &Arc<Coordinator>,
    job: &Job,
    settings: Settings,
) -> Result<(Pool, Kind), Failure> {
    let pool = given(Pool::open(coordinator, job, settings).await)?;
    match pool.kind() {
        WorkerKind::Handler => Ok((pool, Kind::Handler)),
        WorkerKind::Command if settings.is_fresh() => Ok((pool, Kind::Command)),
        WorkerKind::Command => {
            pool.close().await;
            let what = "--reuse: a program ends with its task; only a handler can do more than one";
            Err(Failure { problem: Problem::new(what), code: exit_code::REFUSED })
        }
    }
}

impl Serve for Pool {
    type Ticket = pool::Ticket;

    async fn submit(&self, task: Task) -> pool::Ticket {
        Self::submit(self, task).await
    }

    fn statistics(&self) -> Statistics {
        let pool::Statistics { counts, start_p50, start_p99 } = Self::statistics(self);
        let micros = |time: Option<Duration>| time.map_or(0, sandhog_spec::units::micros);
        Statistics {
            idle: counts.idle.into(),
            busy: counts.busy.into(),
            starting: counts.starting.into(),
            started: counts.started,
            recycled: counts.recycled,
            start_us_p50: micros(start_p50),
            start_us_p99: micros(start_p99),
            ..Statistics::default()
        }
    }

    fn record(&self, verdict: Verdict, attempt: String, usage: Usage) -> VerdictRecord {
        Self::record(self, verdict, attempt, usage)
    }
}

impl Ticket for pool::Ticket {
    fn cancel(&self) {
        Self::cancel(self);
    }

    async fn end(&mut self) -> Finished {
        Self::end(self).await
    }
}
