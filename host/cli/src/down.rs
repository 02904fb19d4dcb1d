//! `sandhog down`: the jobs of a manifest, or others, are stopped and deleted; the daemon is ended.

use super::args::DownArgs;
use super::client::Client;
use super::embedded::Failure;
use super::ending::report;
use super::render::problem::Problem;
use super::render::progress::Progress;
use super::words::{as_text, is_path};
use super::{ask, manifest_file, render};
use sandhog_daemon::fleet::Verb;
use sandhog_dirs::lock;
use sandhog_protocol::control::{ApplyRequest, Change, ChangeKind, Shutdown, VerbResult};
use sandhog_protocol::exit_code;
use sandhog_runtime::privilege;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// What is taken down.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    /// The jobs of a manifest.
    Manifest(Option<PathBuf>),
    Jobs(Vec<String>),
    /// Nothing is deleted.
    DaemonAlone,
}

/// Takes them down and returns the exit code.
pub(super) fn run(args: &DownArgs) -> u8 {
    report(try_run(args))
}

fn try_run(args: &DownArgs) -> Result<u8, Failure> {
    let target = target(&args.words, args.daemon, Path::is_file)?;
    let source = match &target {
        Target::Manifest(path) => Some(manifest_file::source(path.as_deref())?),
        Target::Jobs(_) | Target::DaemonAlone => None,
    };
    let Some(mut client) = Client::try_connect()? else { return Ok(nothing_runs(args.json)) };
    let (wait, of_manifest) = (ask::waits(args.wait), source.is_some());
    let done = match (target, source) {
        (Target::Jobs(select), _) => delete(&mut client, select, wait)?,
        (Target::Manifest(_), source) => delete_all_of(&mut client, source, wait)?,
        (Target::DaemonAlone, _) => VerbResult::default(),
    };
    if args.daemon {
        let _line = Progress::start("ending the daemon");
        let _: serde_json::Value = client.post("/v1/shutdown", &Shutdown::default())?;
        // Everything has gone then, its socket too.
        client.while_it(|| lock::wait_for_end(&privilege::who()))?.map_err(|error| Failure::of(&error))?;
        if done == VerbResult::default() && !args.json {
            return Ok(render::answer(b"the daemon has ended\n"));
        }
    }
    if of_manifest && done == VerbResult::default() && !args.json {
        return Ok(render::answer(b"nothing to do: there is no job of this manifest\n"));
    }
    Ok(ask::end(Verb::Delete, &done, args.json))
}

fn target(words: &[OsString], daemon: bool, is_file: impl Fn(&Path) -> bool) -> Result<Target, Failure> {
    let is_manifest = |word: &OsStr| is_path(word, &["toml"], &is_file);
    match words {
        [] if daemon => Ok(Target::DaemonAlone),
        [] => Ok(Target::Manifest(None)),
        [one] if is_manifest(one) => Ok(Target::Manifest(Some(one.into()))),
        many if many.iter().any(|word| is_manifest(word)) => Err(Failure {
            problem: Problem::new("a manifest goes down alone, without names and other manifests")
                .with_hint("give them to a command each"),
            code: exit_code::REFUSED,
        }),
        names => Ok(Target::Jobs(as_text(names)?)),
    }
}

fn nothing_runs(json: bool) -> u8 {
    if json {
        render::answer_json(&VerbResult::default())
    } else {
        render::answer(b"no daemon runs, so nothing is up; what was up is up again with the next one\n")
    }
}

/// Stops what is selected, those that come after others first, and forgets it. Not by `stop`: what stops already would be
/// stopped for the second time, which is without grace.
fn delete(client: &mut Client, select: Vec<String>, wait: bool) -> Result<VerbResult, Failure> {
    ask::ask(client, Verb::Delete, select, wait)
}

/// The same for all jobs that have come from a manifest, whatever it says now.
fn delete_all_of(client: &mut Client, source: Option<String>, wait: bool) -> Result<VerbResult, Failure> {
    let nothing = |dry_run| ApplyRequest { source: source.clone(), dry_run, ..ApplyRequest::default() };
    if !wait {
        return client.post("/v1/apply", &nothing(false));
    }
    let found: VerbResult = client.post("/v1/apply", &nothing(true))?;
    let is_deleted = |change: &&Change| change.change == ChangeKind::Delete;
    let names: Vec<_> = found.changes.iter().filter(is_deleted).map(|change| change.job.clone()).collect();
    if names.is_empty() { Ok(found) } else { delete(client, names, true) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str], daemon: bool) -> Result<Target, String> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        target(&words, daemon, |path| path == "jobs").map_err(|failure| failure.problem.to_text(false))
    }

    #[test]
    fn a_word_is_a_manifest_or_a_name() {
        assert_eq!(of(&[], false), Ok(Target::Manifest(None)));
        assert_eq!(of(&["a.toml"], false), Ok(Target::Manifest(Some("a.toml".into()))));
        assert_eq!(of(&["./a"], false), Ok(Target::Manifest(Some("./a".into()))));
        assert_eq!(of(&["jobs"], true), Ok(Target::Manifest(Some("jobs".into()))));
        assert_eq!(of(&["web/1", "all"], false), Ok(Target::Jobs(vec!["web/1".into(), "all".into()])));
        assert!(of(&["web", "a.toml"], false).unwrap_err().contains("a manifest goes down alone"));
    }

    #[test]
    fn to_end_the_daemon_alone_deletes_nothing() {
        assert_eq!(of(&[], true), Ok(Target::DaemonAlone));
    }
}
