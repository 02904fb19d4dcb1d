//! `sandhog up`: the jobs of a manifest are brought up, and waited for.

use super::args::UpArgs;
use super::bring_up::{apply, bring_up};
use super::client::Client;
use super::embedded::Failure;
use super::ending::{NOT_ALL, report};
use super::manifest_file::{self, Manifest};
use super::profile::Profile;
use super::{ask, render, watch};
use sandhog_protocol::control::{Change, ChangeKind, VerbResult};
use std::path::Path;

/// Brings them up and returns the exit code.
pub(super) fn run(args: &UpArgs) -> u8 {
    report(try_run(args))
}

fn try_run(args: &UpArgs) -> Result<u8, Failure> {
    let file = args.file.as_deref();
    let profile = Profile::chosen(args.profile.profile.as_deref())?;
    let manifest = manifest_file::load(file, &profile)?;
    manifest_file::check_files(file, &manifest)?;
    if args.dry_run {
        return dry_run(file, manifest, args.json);
    }
    if args.watch {
        return watch::run(file, &profile, manifest, &args.allow_missing);
    }
    bring_up(apply(manifest, false), &args.allow_missing, ask::waits(args.wait), args.json)
}

/// Without a daemon nothing is up, so all would be new.
fn dry_run(file: Option<&Path>, manifest: Manifest, json: bool) -> Result<u8, Failure> {
    let done = match Client::try_connect()? {
        Some(mut client) => client.post("/v1/apply", &apply(manifest, true))?,
        None => VerbResult {
            warnings: manifest_file::exposed(file, &manifest),
            changes: manifest.jobs.into_iter().map(|job| created(job.name)).collect(),
            ..VerbResult::default()
        },
    };
    render::warn(&done.warnings);
    if json {
        return Ok(render::answer_json(&done));
    }
    let shown = render::answer(render::done::changes(&done.changes, true).as_bytes());
    if done.problems.is_empty() {
        return Ok(shown);
    }
    render::report(&render::done::problems("this can't be brought up", &done.problems, "nothing was changed"));
    Ok(NOT_ALL.max(shown))
}

fn created(job: String) -> Change {
    Change { job, change: ChangeKind::Create, keys: Vec::new() }
}
