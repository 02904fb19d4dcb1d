//! Jobs whose modules have changed take them, each with a line about how that went.
//!
//! Must not: start what somebody has stopped.

use super::super::client::{Client, query};
use super::super::embedded::Failure;
use super::super::render::{self, say};
use super::files::Concerned;
use sandhog_protocol::control::{Instance, Phase, VerbRequest, VerbResult};
use std::thread;

/// Jobs that are reloaded at the same time: each takes a thread here and a worker there, and one that is slow is not to hold up
/// the others.
const AT_ONCE: usize = 8;

/// Reloads the jobs and returns when all are through with it.
pub(super) fn all(concerned: &[Concerned]) {
    for some in concerned.chunks(AT_ONCE) {
        thread::scope(|scope| some.iter().for_each(|one| drop(scope.spawn(|| reload(one)))));
    }
}

/// What became of a job.
enum Outcome {
    Reloaded,
    /// It takes the new module when it starts next.
    Later,
    Failed(Vec<String>),
}

fn reload(Concerned { job, files }: &Concerned) {
    match try_reload(job) {
        Ok(Outcome::Reloaded) => say(&format!("{files} changed: {job} reloaded")),
        Ok(Outcome::Later) => say(&format!("{files} changed: {job} has it from its next start on")),
        Ok(Outcome::Failed(problems)) => {
            let hint = format!("sandhog logs {job} says what it wrote; what ran before goes on");
            render::report(&render::done::problems(&format!("{files} changed: {job} not reloaded"), &problems, &hint));
        }
        Err(Failure { problem, .. }) => {
            say(&format!("{files} changed: {job} not reloaded: {}", problem.what()));
        }
    }
}

fn try_reload(job: &str) -> Result<Outcome, Failure> {
    let mut client = Client::connect()?;
    let instances: Vec<Instance> = client.get(&query("/v1/instances", &[("select", job)]))?;
    // Without an instance it is as if somebody had stopped it.
    if instances.iter().all(|instance| instance.phase == Phase::Stopped) {
        return Ok(Outcome::Later);
    }
    let ask = VerbRequest { select: vec![job.to_owned()], wait: true, signal: None };
    let done: VerbResult = client.post_and_wait("/v1/reload", &ask)?;
    if !done.problems.is_empty() {
        return Ok(Outcome::Failed(done.problems));
    }
    Ok(if done.unchanged.is_empty() { Outcome::Reloaded } else { Outcome::Later })
}
