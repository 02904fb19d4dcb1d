use super::*;
use crate::render::samples::instance;

fn event(number: u64, id: u64, kind: EventKind) -> Event {
    Event {
        number,
        at_ms: 0,
        job: Some("web".into()),
        instance: Some(0),
        id: Some(id),
        attempt: None,
        kind,
        text: format!("text of {kind}"),
        verdict: None,
        message: None,
    }
}

fn change(job: &str, change: ChangeKind) -> Change {
    Change { job: job.into(), change, keys: Vec::new() }
}

#[test]
fn what_runs_already_is_not_waited_for() {
    let awaited = Awaited::new(7, &[], &[instance(1, "web", Phase::Running), instance(2, "cron", Phase::Scheduled)]);
    assert!(awaited.is_over());
    assert_eq!(awaited.end(), Outcome { ready: 2, problems: Vec::new() });
}

#[test]
fn it_is_over_when_the_last_one_says_that_it_is_ready() {
    let mut awaited = Awaited::new(7, &[], &[instance(1, "db", Phase::Starting), instance(2, "web", Phase::Waiting)]);
    assert_eq!(awaited.text(), "0 of 2 ready; waiting for db/0, web/0");
    assert_eq!(awaited.hear(&event(8, 1, EventKind::Ready)), Next::Wait);
    assert!(!awaited.is_over());
    awaited.hear(&event(9, 2, EventKind::Starting));
    awaited.hear(&event(10, 2, EventKind::Ready));
    assert!(awaited.is_over());
    assert_eq!(awaited.end().ready, 2);
}

#[test]
fn an_event_of_the_past_says_nothing() {
    let mut awaited = Awaited::new(7, &[], &[instance(1, "db", Phase::Starting)]);
    assert_eq!(awaited.hear(&event(7, 1, EventKind::Ready)), Next::Wait);
    assert!(!awaited.is_over());
}

#[test]
fn an_event_that_was_missed_is_made_up_for_by_a_look_at_all() {
    let mut awaited = Awaited::new(7, &[], &[instance(1, "db", Phase::Starting)]);
    assert_eq!(awaited.hear(&event(9, 5, EventKind::Ready)), Next::LookAtAll);
    awaited.see(&[instance(1, "db", Phase::Running)]);
    assert!(awaited.is_over());
}

#[test]
fn one_that_waits_for_one_that_failed_is_not_waited_for() {
    let mut awaited = Awaited::new(7, &[], &[instance(1, "db", Phase::Starting), instance(2, "web", Phase::Waiting)]);
    assert_eq!(awaited.hear(&event(8, 1, EventKind::Failed)), Next::Look(1));
    awaited.see(&[Instance { reason: Some("6 restarts".into()), ..instance(1, "db", Phase::Failed) }]);
    assert!(awaited.is_over());
    assert_eq!(awaited.end().problems, ["db/0: 6 restarts", "web/0: waits for a job that is not ready"]);
}

#[test]
fn a_job_that_is_reloaded_is_waited_for_though_its_old_attempt_runs() {
    let running = [1, 2].map(|id| Instance { reloading: true, ..instance(id, "web", Phase::Running) });
    let mut awaited = Awaited::new(7, &[change("web", ChangeKind::Change)], &running);
    assert!(!awaited.is_over());
    awaited.hear(&event(8, 1, EventKind::Ready));
    assert!(!awaited.is_over(), "that is the new attempt, but it does not count yet");
    awaited.hear(&event(9, 1, EventKind::Reloaded));
    awaited.hear(&event(10, 2, EventKind::ReloadFailed));
    assert!(awaited.is_over());
    assert_eq!(awaited.end(), Outcome { ready: 1, problems: vec!["web/0: text of reload-failed".into()] });
}

#[test]
fn a_reload_that_fails_is_over_for_all_instances() {
    let running = [1, 2].map(|id| Instance { reloading: true, ..instance(id, "web", Phase::Running) });
    let mut awaited = Awaited::new(7, &[change("web", ChangeKind::Change)], &running);
    awaited.hear(&event(8, 1, EventKind::ReloadFailed));
    assert!(awaited.is_over());
    assert_eq!(awaited.end().problems.len(), 2);
}

#[test]
fn what_is_deleted_is_not_waited_for() {
    let awaited = Awaited::new(7, &[change("old", ChangeKind::Delete)], &[instance(1, "old", Phase::Stopping)]);
    assert!(awaited.is_over());
    assert_eq!(awaited.end(), Outcome::default());
}
