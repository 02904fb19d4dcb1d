//! What is different between two descriptions of a job.

use sandhog_protocol::control::{Change, ChangeKind, JobSpec};
use sandhog_spec::setting::{self, Setting};

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

/// Whether what runs has to be replaced for the change to be true of it.
pub(super) fn needs_reload(change: &Change) -> bool {
    let needs = |setting: Setting| setting.facts().change == setting::Change::Attempt;
    change.keys.iter().any(|key| Setting::find(key).is_none_or(needs))
}

fn differing(old: &JobSpec, new: &JobSpec) -> Vec<String> {
    let differing = Setting::ALL.iter().filter(|setting| !setting.takes().is_same(old, new));
    differing.map(|setting| setting.key().to_owned()).collect()
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
}
