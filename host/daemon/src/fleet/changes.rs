//! What is different between two descriptions of a job.

use sandhog_protocol::control::{Change, ChangeKind, JobSpec};
use sandhog_spec::setting::{self, Setting};
use sandhog_spec::text::escape;

/// What becomes of a job that is to be as `new` says.
pub(super) fn change(old: Option<&JobSpec>, new: &JobSpec) -> Change {
    let keys = old.map(|old| differing(old, new)).unwrap_or_default();
    let change = match (old, keys.is_empty()) {
        (None, _) => ChangeKind::Create,
        (Some(_), true) => ChangeKind::Keep,
        (Some(_), false) => ChangeKind::Change,
    };
    Change { job: new.name.clone(), change, keys }
}

/// The key under which a change of the profile is told.
const PROFILE: &str = "profile";

/// Whether what runs has to be replaced for the change to be true of it.
pub(super) fn needs_reload(change: &Change) -> bool {
    let needs = |setting: Setting| setting.facts().change == setting::Change::Attempt;
    change.keys.iter().filter(|key| *key != PROFILE).any(|key| Setting::find(key).is_none_or(needs))
}

fn differing(old: &JobSpec, new: &JobSpec) -> Vec<String> {
    let differing = Setting::ALL.iter().filter(|setting| !setting.takes().is_same(old, new));
    let profile = (old.profile != new.profile).then(|| PROFILE.to_owned());
    differing.map(|setting| setting.key().to_owned()).chain(profile).collect()
}

/// Of jobs that were up with a profile and are to be up without one, a sentence that says so. Each is what it was and what it
/// is to be.
pub(super) fn left_profiles<'a>(jobs: impl Iterator<Item = (&'a JobSpec, &'a JobSpec)>) -> Option<String> {
    /// Most jobs that are named: a line.
    const NAMED: usize = 5;
    let left = jobs.filter(|(_, new)| new.profile.is_none());
    let left: Vec<_> = left.filter_map(|(old, new)| Some((old.profile.as_deref()?, new.name.as_str()))).collect();
    let (profile, _) = left.first()?;
    let mut named: Vec<_> = left.iter().take(NAMED).map(|(_, job)| *job).collect();
    named.extend((left.len() > NAMED).then_some("…"));
    let (profile, named) = (escape(profile), escape(&named.join(", ")).into_owned());
    Some(format!(
        "up without a profile: until now {named} had the profile {profile}; --profile {profile} brings it back"
    ))
}

/// A job that has another number of instances.
pub(super) fn changed(job: String) -> Change {
    Change { job, change: ChangeKind::Change, keys: vec!["instances".into()] }
}

/// A job that is there no more.
pub(super) fn deleted(job: String) -> Change {
    Change { job, change: ChangeKind::Delete, keys: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_new_the_same_or_differs_in_keys() {
        let old = JobSpec { name: "a".into(), memory: Some("1MiB".into()), ..JobSpec::default() };
        assert_eq!(change(None, &old).change, ChangeKind::Create);
        assert_eq!(change(Some(&old), &old).change, ChangeKind::Keep);
        let new = JobSpec { memory: None, grace: Some("1s".into()), ..old.clone() };
        let changed = change(Some(&old), &new);
        assert_eq!((changed.change, &*changed.keys), (ChangeKind::Change, &["memory".to_owned(), "grace".into()][..]));
        assert!(needs_reload(&changed));
    }

    #[test]
    fn what_only_says_how_it_is_kept_up_needs_no_other_attempt() {
        let old = JobSpec::default();
        let new = JobSpec { instances: Some(3), restart: Some("always".into()), ..JobSpec::default() };
        assert!(!needs_reload(&change(Some(&old), &new)));
        let new = JobSpec { max_files: Some(3), ..old.clone() };
        assert!(needs_reload(&change(Some(&old), &new)));
    }

    #[test]
    fn another_profile_alone_is_a_change_and_no_reason_for_another_attempt() {
        let old = JobSpec { profile: Some("production".into()), ..JobSpec::default() };
        let changed = change(Some(&old), &JobSpec::default());
        assert_eq!((changed.change, &*changed.keys), (ChangeKind::Change, &["profile".to_owned()][..]));
        assert!(!needs_reload(&changed));
        let new = JobSpec { fresh: true, ..JobSpec::default() };
        assert!(needs_reload(&change(Some(&old), &new)));
    }

    #[test]
    fn jobs_that_lose_their_profile_are_named() {
        let job = |name: &str, profile: Option<&str>| JobSpec {
            name: name.into(),
            profile: profile.map(str::to_owned),
            ..JobSpec::default()
        };
        let with = |name| job(name, Some("production"));
        let without = |name| job(name, None);
        let pairs = [(with("web"), without("web")), (without("db"), without("db")), (with("api"), without("api"))];
        let left = left_profiles(pairs.iter().map(|(old, new)| (old, new))).unwrap();
        assert!(left.contains("until now web, api had the profile production"), "{left}");
        let pairs = [(with("web"), job("web", Some("staging"))), (without("db"), with("db"))];
        assert_eq!(left_profiles(pairs.iter().map(|(old, new)| (old, new))), None);
    }
}
