//! A job with every setting as it is in the end: what was not written has its usual value, and what depends on other
//! settings is settled.

use super::{Ready, Rules, retry};
use crate::grants::Directory;
use crate::job::{Job, Stdin};
use crate::objects::print_grant;
use crate::schedule::Schedule;
use crate::setting::words::{OVERLAPS, RESTARTS, word};
use crate::setting::{Setting, Takes, Usual};
use crate::units::{Time, print_duration};
use sandhog_protocol::control::{JobSpec, RetrySpec};
use sandhog_protocol::plan::Access;
use std::path::Path;

/// The settings of a job that has been checked.
pub(super) fn spec(written: &JobSpec, job: &Job, rules: &Rules, schedule: Option<&Schedule>) -> JobSpec {
    let mut spec = written.clone();
    Setting::ALL.iter().for_each(|setting| fill(*setting, &mut spec));
    if spec.group.is_empty() {
        spec.group = super::DEFAULT_GROUP.into();
    }
    spec.argv0 = Some(job.argv0.clone());
    spec.dir = job.grants.directories.iter().map(print_directory).collect();
    spec.objects = job.grants.objects.iter().map(print_grant).collect();
    spec.net = job.grants.net.print();
    spec.stdin = Some(print_stdin(&job.stdin));
    spec.restart = Some(word(rules.restart, &RESTARTS).into());
    spec.stop_on = rules.stop_on.iter().map(|kind| kind.name().into()).collect();
    spec.allow_missing = job.allow_missing.iter().map(|wall| wall.name().into()).collect();
    if let (Ready::Notify, true) = (rules.ready, job.http.is_some()) {
        spec.ready = Some("notify".into());
    }
    spec.listen = job.http.as_ref().map(|http| http.listen.to_string());
    spec.retry_on = rules.retry_on.iter().map(retry).collect();
    spec.backoff.first = Some(print_duration(rules.backoff.first).into());
    spec.backoff.max = Some(print_duration(rules.backoff.max).into());
    spec.backoff.reset_after = Some(print_duration(rules.backoff.reset_after).into());
    spec.time_zone = schedule.map(|schedule| schedule.time_zone_name().into());
    spec.overlap = rules.overlap.map(|overlap| word(overlap, &OVERLAPS).into());
    spec
}

/// The usual value where none is written, and one form for what can be written in several.
fn fill(setting: Setting, spec: &mut JobSpec) {
    let usual = setting.facts().usual;
    match setting.takes() {
        Takes::Size(field) => {
            let written = (field.get)(spec).as_ref().and_then(|size| size.read().ok());
            *(field.set)(spec) = written.or(usual.to_size()).map(Into::into);
        }
        Takes::Time(field) => {
            let written = (field.get)(spec).as_ref().and_then(|time| time.read().ok());
            *(field.set)(spec) = written.or(usual.to_time()).map(Into::into);
        }
        Takes::TimeOr(field, _) => {
            let written = (field.get)(spec).as_deref().map(|text| match text.parse::<Time>() {
                Ok(time) => time.to_string(),
                Err(_) => text.into(),
            });
            *(field.set)(spec) = written.or(usual.to_text());
        }
        Takes::Count(field) => {
            let count = (field.set)(spec);
            *count = count.or(usual.to_count());
        }
        Takes::Text(field) | Takes::GuestName(field) | Takes::Word(field, _) | Takes::Stdin(field) => {
            if let (text @ None, Usual::Word(word)) = ((field.set)(spec), usual) {
                *text = Some(word.into());
            }
        }
        Takes::Name(_) | Takes::Module(_) | Takes::Group(_) | Takes::Flag(_) | Takes::Texts(_) => {}
        Takes::Words(..) | Takes::Directories(_) | Takes::Children(_) | Takes::Command(_) => {}
        Takes::Objects(_) | Takes::Environment(_) | Takes::Retries(_) => {}
    }
}

fn retry(retry: &super::Retry) -> RetrySpec {
    RetrySpec {
        verdict: retry.on.name().into(),
        factor: retry.factor.map(u64::from),
        max: retry.max.map(|max| retry::print_max(retry.on, max)),
    }
}

fn print_directory(directory: &Directory) -> String {
    let access = match directory.access {
        Access::ReadOnly => "ro",
        Access::ReadWrite => "rw",
    };
    format!("{}::{}:{access}", shown(&directory.host), directory.guest)
}

fn print_stdin(stdin: &Stdin) -> String {
    match stdin {
        Stdin::Inherit => "-".into(),
        Stdin::File(file) => shown(file),
        Stdin::None => "none".into(),
    }
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
