//! What is different between two descriptions of a job.

use sandhog_protocol::control::{Change, ChangeKind, JobSpec};
use serde_json::{Map, Value};

/// Keys that say how a job is kept up, not what runs: they change without another attempt.
const QUIET: &[&str] = &[
    "after",
    "backoff",
    "catch_up",
    "group",
    "grace",
    "health",
    "instances",
    "intensity",
    "overlap",
    "ready",
    "recycle",
    "restart",
    "retry_on",
    "schedule",
    "start_timeout",
    "stop_on",
    "time_zone",
];

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
    change.keys.iter().any(|key| !QUIET.contains(&key.as_str()))
}

fn differing(old: &JobSpec, new: &JobSpec) -> Vec<String> {
    let (old, new) = (fields(old), fields(new));
    new.into_iter().filter(|(key, value)| old.get(key) != Some(value)).map(|(key, _)| key).collect()
}

fn fields(spec: &JobSpec) -> Map<String, Value> {
    match serde_json::to_value(spec) {
        Ok(Value::Object(fields)) => fields,
        // Plain data is always an object; were it not so, nothing would be equal to it.
        Ok(_) | Err(_) => Map::new(),
    }
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
        assert_eq!((changed.change, &*changed.keys), (ChangeKind::Change, &["grace".to_owned(), "memory".into()][..]));
        assert!(needs_reload(&changed));
    }

    #[test]
    fn what_only_says_how_it_is_kept_up_needs_no_other_attempt() {
        let old = JobSpec::default();
        let new = JobSpec { instances: Some(3), restart: Some("always".into()), ..JobSpec::default() };
        assert!(!needs_reload(&change(Some(&old), &new)));
        let known: Vec<String> = fields(&old).keys().cloned().collect();
        assert!(QUIET.iter().all(|key| known.contains(&(*key).to_owned())), "{known:?}");
    }
}
