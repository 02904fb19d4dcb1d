//! The pool of a command, as a conversation sees it.
//!
//! Must not: know what carries a conversation.

use super::serve::{Serve, Ticket};
use crate::args::{PoolArgs, Workers};
use crate::embedded::Failure;
use crate::render::problem::Problem;
use sandhog_protocol::exit_code;
use sandhog_protocol::pool::{Kind, Statistics};
use sandhog_protocol::verdict::{Usage, Verdict};
use sandhog_runtime::coordinator::Coordinator;
use sandhog_runtime::pool::task::{Finished, Task};
use sandhog_runtime::record::VerdictRecord;
use sandhog_spec::job::Job;
use std::sync::Arc;

#[derive(Clone)]
pub(super) struct Opened;
pub(super) struct Waiting;

pub(super) async fn open(
    _coordinator: &Arc<Coordinator>,
    _job: &Job,
    _args: &PoolArgs,
    _workers: Workers,
) -> Result<(Opened, Kind), Failure> {
    Err(Failure { problem: Problem::new("not yet"), code: exit_code::SANDHOG_FAILED })
}

impl Serve for Opened {
    type Ticket = Waiting;

    async fn submit(&self, _task: Task) -> Waiting {
        Waiting
    }

    fn statistics(&self) -> Statistics {
        Statistics::default()
    }

    fn record(&self, verdict: Verdict, attempt: String, usage: Usage) -> VerdictRecord {
        VerdictRecord { usage, ..VerdictRecord::new(verdict, attempt, String::new()) }
    }

    async fn close(self) {}
}

impl Ticket for Waiting {
    fn cancel(&mut self) {}

    async fn finished(&mut self) -> Finished {
        std::future::pending().await
    }
}
