//! `sandhog up --watch`: stays, and brings up what changes on disk, for whoever works on a job.
//!
//! Must not: decide what a change is for what runs: `up` and `reload` do. Nothing that fails here ends what is up.

mod files;
mod notices;
mod reload;

use super::bring_up::{DOWN, apply, hand_over};
use super::client::Client;
use super::embedded::Failure;
use super::interrupt::Word;
use super::manifest_file::{self, Manifest};
use super::profile::Profile;
use super::render::problem::Problem;
use super::render::{self, say};
use super::until_ready::{last_event, wait};
use files::{Files, MANIFEST, News};
use notices::Notices;
use sandhog_protocol::control::{Change, ChangeKind, VerbResult};
use sandhog_protocol::exit_code;
use sandhog_protocol::plan::Wall;
use sandhog_spec::text::escape;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::{Path, PathBuf};

/// Brings the jobs up and goes on with them until Ctrl-C. `file` and `profile` are what the manifest was read with; `may_miss`
/// as for [`hand_over`].
///
/// # Errors
/// They could not be brought up, or nothing tells of changes.
pub(super) fn run(
    file: Option<&Path>,
    profile: &Profile,
    manifest: Manifest,
    may_miss: &[Wall],
) -> Result<u8, Failure> {
    let mut watch = Watch::new(file, profile, &manifest)?;
    // A job that is not ready now may be mended.
    hand_over(
        apply(manifest, false),
        may_miss,
        Some(Word { what: "not watched any more: the jobs stay up", hint: DOWN }),
        false,
    )?;
    say(&format!("watching {}; Ctrl-C ends that, and the jobs stay up", watch.files.summary()));
    match watch.go_on()? {}
}

struct Watch<'a> {
    file: Option<&'a Path>,
    profile: &'a Profile,
    files: Files,
    notices: Notices,
    /// The manifest says something that could not be brought up so far.
    is_behind: bool,
    /// Folders that nobody hears of, and that was said.
    unheard: BTreeSet<PathBuf>,
}

impl<'a> Watch<'a> {
    fn new(file: Option<&'a Path>, profile: &'a Profile, manifest: &Manifest) -> Result<Self, Failure> {
        let (files, notices) = (Files::of(manifest), Notices::new().map_err(|error| failed(&error))?);
        let mut watch = Self { file, profile, files, notices, is_behind: false, unheard: BTreeSet::new() };
        watch.listen()?;
        watch.files.read();
        Ok(watch)
    }

    /// Hears of the files from here on, so that bytes that are read afterwards are never too old.
    fn listen(&mut self) -> Result<(), Failure> {
        let unheard = self.notices.look_at(&self.files.paths()).map_err(|error| failed(&error))?;
        for folder in unheard.difference(&self.unheard) {
            say(&format!("warning: changes in {folder:?} are not noticed: it may not be read"));
        }
        self.unheard = unheard;
        Ok(())
    }

    fn go_on(&mut self) -> Result<Infallible, Failure> {
        loop {
            let touched = self.notices.next().map_err(|error| failed(&error))?;
            self.listen()?;
            self.take(&touched)?;
        }
    }

    fn take(&mut self, touched: &BTreeSet<usize>) -> Result<(), Failure> {
        let News { changed, gone } = self.files.look(touched);
        for file in gone {
            say(&format!("{} is gone: what runs goes on", self.files.name(file)));
        }
        if changed.contains(&MANIFEST) || (self.is_behind && !changed.is_empty()) {
            match self.bring_up(&self.files.names(&changed)) {
                Ok(()) => return Ok(()),
                Err(Failure { problem, .. }) => render::report(&problem.with_hint("nothing was changed")),
            }
            self.is_behind = true;
            // A module that it names may come later.
            self.listen()?;
        }
        reload::all(&self.files.jobs_of(&changed));
        Ok(())
    }

    /// All of the manifest, as it is now, modules that have changed with it.
    fn bring_up(&mut self, names: &str) -> Result<(), Failure> {
        let manifest = manifest_file::load(self.file, self.profile)?;
        if let Err(failure) = manifest_file::check_files(self.file, &manifest) {
            self.files.add(&manifest);
            return Err(failure);
        }
        let old = std::mem::replace(&mut self.files, Files::of(&manifest));
        self.listen()?;
        self.files.read();
        let outcome = send(manifest, names);
        if outcome.is_err() {
            let new = std::mem::replace(&mut self.files, old);
            self.files.join(new);
        }
        self.is_behind = outcome.is_err();
        outcome
    }
}

/// Hands a manifest that has changed to the daemon, and waits until all are ready.
fn send(manifest: Manifest, names: &str) -> Result<(), Failure> {
    let mut client = Client::connect()?;
    let since = last_event(&mut client)?;
    let done: VerbResult = client.post("/v1/apply", &apply(manifest, false))?;
    render::warn(&done.warnings);
    let lines: Vec<_> = done.changes.iter().filter_map(line).collect();
    if lines.is_empty() {
        say(&format!("{names} changed: the jobs stay as they are"));
    }
    // It is done by now, be it waited for or not.
    let failed = match wait(since, &done.changes, &done.instances) {
        Ok(outcome) => outcome.problems,
        Err(Failure { problem, .. }) => vec![problem.what().to_owned()],
    };
    lines.iter().for_each(|line| say(&format!("{names} changed: {line}")));
    let problems: Vec<_> = done.problems.into_iter().chain(failed).collect();
    if !problems.is_empty() {
        render::report(&render::done::problems(
            "not all are ready",
            &problems,
            "sandhog logs NAME says what they wrote",
        ));
    }
    Ok(())
}

/// What was done to a job, where it was anything.
fn line(change: &Change) -> Option<String> {
    let what = match change.change {
        ChangeKind::Keep => return None,
        ChangeKind::Create => "created",
        ChangeKind::Change => "changed",
        ChangeKind::Delete => "deleted",
        ChangeKind::Unknown(word) => &word.to_string(),
    };
    let keys = if change.keys.is_empty() { String::new() } else { format!(" ({})", change.keys.join(", ")) };
    Some(escape(&format!("{} {what}{keys}", change.job)).into_owned())
}

fn failed(error: &notices::Error) -> Failure {
    let problem = error.hint().into_iter().fold(Problem::of(error), Problem::with_hint);
    Failure { problem, code: exit_code::SANDHOG_FAILED }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_is_kept_has_no_line() {
        let change = |change, keys: &[&str]| Change {
            job: "web".into(),
            change,
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        };
        assert_eq!(line(&change(ChangeKind::Keep, &[])), None);
        assert_eq!(line(&change(ChangeKind::Create, &[])).as_deref(), Some("web created"));
        assert_eq!(line(&change(ChangeKind::Change, &["memory", "env"])).as_deref(), Some("web changed (memory, env)"));
    }
}
