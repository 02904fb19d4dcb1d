//! Jobs are handed to the daemon, and waited for: for `up`, `up --watch` and `start`.
//!
//! Must not: read a manifest, or know which verb it is.

use super::client::Client;
use super::embedded::Failure;
use super::ending::NOT_ALL;
use super::interrupt::Word;
use super::manifest_file::Manifest;
use super::render::problem::Problem;
use super::until_ready::{last_event, wait};
use super::{background, interrupt, render};
use sandhog_protocol::control::{ApplyRequest, VerbResult};
use sandhog_protocol::exit_code;
use sandhog_protocol::plan::Wall;
use sandhog_spec::text::escape;

/// Its jobs are to be up.
pub(super) fn apply(manifest: Manifest, dry_run: bool) -> ApplyRequest {
    ApplyRequest { source: Some(manifest.source), groups: manifest.groups, jobs: manifest.jobs, dry_run, create: false }
}

/// Hands the jobs to the daemon, which may have to be started, and waits until they are ready. `may_miss`: what one that is
/// started lets jobs do without.
pub(super) fn bring_up(apply: ApplyRequest, may_miss: &[Wall], waits: bool, json: bool) -> Result<u8, Failure> {
    let word = Word { what: "not waited for: the jobs stay up", hint: DOWN };
    hand_over(apply, may_miss, waits.then_some(word), json)
}

/// How to look after jobs, and how to end them.
pub(super) const DOWN: &str = "sandhog ps says how they are; sandhog down ends them";

/// The same; `word`: what Ctrl-C says as soon as they are on their way, where they are waited for.
pub(super) fn hand_over(apply: ApplyRequest, may_miss: &[Wall], word: Option<Word>, json: bool) -> Result<u8, Failure> {
    if let Some(wall) = not_said(&apply, may_miss)
        && Client::try_connect()?.is_none()
    {
        let problem = Problem::new(format!(
            "a job may do without the wall \"{wall}\" (allow_missing), and no daemon runs: one lets jobs do so only where \
             that was said when it was started"
        ));
        let hint = format!("sandhog up --allow-missing {wall}, or sandhog daemon --allow-missing {wall}");
        return Err(Failure { problem: problem.with_hint(hint), code: exit_code::REFUSED });
    }
    let mut client = background::daemon(may_miss)?;
    let since = last_event(&mut client)?;
    let mut done: VerbResult = client.post("/v1/apply", &apply)?;
    render::warn(&done.warnings);
    let mut shown = exit_code::SUCCESS;
    if !json {
        shown = render::answer(render::done::changes(&done.changes, false).as_bytes());
    }
    if let Some(word) = word {
        interrupt::says(word);
        let outcome = wait(since, &done.changes, &done.instances)?;
        if !json {
            shown = shown.max(render::answer(render::done::ready(outcome.ready).as_bytes()));
        }
        done.problems.extend(outcome.problems);
    }
    if json {
        shown = render::answer_json(&done);
    }
    if done.problems.is_empty() {
        return Ok(shown);
    }
    render::report(&render::done::problems(
        "not all are ready",
        &done.problems,
        "sandhog logs NAME says what they wrote",
    ));
    Ok(NOT_ALL.max(shown))
}

/// The first wall that a job may do without and the command does not name.
fn not_said(apply: &ApplyRequest, may_miss: &[Wall]) -> Option<String> {
    let mut asked = apply.jobs.iter().flat_map(|job| &job.allow_missing);
    asked.find(|wall| !may_miss.iter().any(|said| said.name() == **wall)).map(|wall| escape(wall).into_owned())
}
