use super::*;
use crate::restart::tests::usual_rules;
use sandhog_protocol::control::Phase;
use sandhog_protocol::verdict::{HealthCheck, MemoryWall, StopReason, Verdict, VerdictKind};
use sandhog_spec::service::{Boosts, HealthRequest, Intensity, Overlap, Ready, Restart, Retry, Rules};

const COMPLETED: Verdict = Verdict::Completed { code: 0 };
const FAILED: Verdict = Verdict::Failed { code: 3 };
const STOPPED: Verdict = Verdict::Stopped { graceful: true, reason: StopReason::Operator };

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A service that says when it is ready.
fn notify() -> Rules {
    Rules { ready: Ready::Notify, ..usual_rules() }
}

fn scheduled(overlap: Overlap) -> Rules {
    Rules { overlap: Some(overlap), restart: Restart::Never, ..notify() }
}

/// A fleet, its time, and what it has said.
struct Kit {
    fleet: Fleet,
    now: Duration,
    notices: Vec<(InstanceId, Notice)>,
    saves: Vec<InstanceId>,
    next_id: InstanceId,
}

impl Kit {
    fn new() -> Self {
        Self { fleet: Fleet::new(1), now: Duration::ZERO, notices: Vec::new(), saves: Vec::new(), next_id: 1 }
    }

    /// What is to be done because of an event; what is told and saved is set aside.
    fn step(&mut self, event: Event) -> Vec<Action> {
        let mut effects = self.fleet.step(event, self.now);
        effects.retain(|action| match action {
            Action::Tell { id, notice } => {
                self.notices.push((*id, notice.clone()));
                false
            }
            Action::Save { id } => {
                self.saves.push(*id);
                false
            }
            Action::Spawn { .. }
            | Action::Stop { .. }
            | Action::Kill { .. }
            | Action::Check { .. }
            | Action::Removed { .. }
            | Action::Over => true,
        });
        effects
    }

    /// Lets time pass.
    fn pass(&mut self, time: Duration) -> Vec<Action> {
        let (end, mut effects) = (self.now + time, Vec::new());
        while let Some(wake) = self.fleet.next_wake().filter(|wake| *wake <= end) {
            self.now = self.now.max(wake);
            effects.extend(self.step(Event::Tick));
        }
        self.now = end;
        effects
    }

    fn define(&mut self, job: &str, after: &[&str], rules: Rules, instances: Vec<KnownInstance>) -> Vec<Action> {
        let after = after.iter().map(|after| (*after).into()).collect();
        let definition = Definition { job: job.into(), group: "group".into(), after, rules: Arc::new(rules) };
        self.step(Event::Define { definition, instances })
    }

    /// So many instances of a job, all of them wanted.
    fn job(&mut self, job: &str, after: &[&str], count: u64, rules: Rules) -> Vec<InstanceId> {
        let ids: Vec<_> = (self.next_id..self.next_id + count).collect();
        self.next_id += count;
        self.define(job, after, rules, ids.iter().map(|id| wanted(*id)).collect());
        ids
    }

    /// One instance, ready.
    fn up(&mut self, job: &str, after: &[&str], rules: Rules) -> InstanceId {
        let id = self.job(job, after, 1, rules)[0];
        self.ready(id);
        id
    }

    fn see(&self, id: InstanceId) -> Seen {
        self.fleet.see(id).unwrap()
    }

    fn phase(&self, id: InstanceId) -> Phase {
        self.see(id).phase
    }

    fn attempt(&self, id: InstanceId) -> AttemptNumber {
        self.see(id).attempt.unwrap()
    }

    fn ready(&mut self, id: InstanceId) -> Vec<Action> {
        let attempt = self.attempt(id);
        self.step(Event::Ready { attempt })
    }

    fn end(&mut self, id: InstanceId, verdict: Verdict) -> Vec<Action> {
        let attempt = self.attempt(id);
        self.step(Event::Ended { attempt, verdict })
    }

    fn ended(&mut self, attempt: AttemptNumber) -> Vec<Action> {
        self.step(Event::Ended { attempt, verdict: STOPPED })
    }

    fn told(&self, id: InstanceId) -> Vec<&Notice> {
        self.notices.iter().filter(|(told, _)| *told == id).map(|(_, notice)| notice).collect()
    }
}

fn wanted(id: InstanceId) -> KnownInstance {
    KnownInstance { id, wanted: true, failed: None, finished: false, restarts: 0 }
}

fn spawn(id: InstanceId, attempt: AttemptNumber) -> Action {
    Action::Spawn { id, attempt, boosts: Boosts::default() }
}

fn stop(attempt: AttemptNumber) -> Action {
    Action::Stop { attempt, reason: End::Operator }
}

fn replaced(attempt: AttemptNumber) -> Action {
    Action::Stop { attempt, reason: End::Replaced }
}

#[test]
fn an_instance_starts_is_ready_and_stops() {
    let mut kit = Kit::new();
    assert_eq!(kit.define("web", &[], notify(), vec![wanted(1)]), [spawn(1, 1)]);
    assert_eq!(kit.phase(1), Phase::Starting);
    assert_eq!(kit.step(Event::Ready { attempt: 1 }), []);
    assert_eq!(kit.phase(1), Phase::Running);
    assert_eq!(kit.step(Event::Stop { ids: vec![1] }), [stop(1)]);
    assert_eq!((kit.phase(1), kit.see(1).wanted), (Phase::Stopping, false));
    assert_eq!(kit.ended(1), []);
    assert_eq!((kit.phase(1), kit.see(1).attempt), (Phase::Stopped, None));
    assert_eq!(kit.saves, [1]);
    assert_eq!(kit.pass(seconds(1000)), [], "one that was stopped stays down");
    assert_eq!(kit.step(Event::Start { ids: vec![1] }), [spawn(1, 2)]);
}

#[test]
fn one_that_has_lived_is_ready_and_compiling_is_not_living() {
    let mut kit = Kit::new();
    let id = kit.job("web", &[], 1, usual_rules())[0];
    kit.pass(seconds(100));
    assert_eq!(kit.phase(id), Phase::Starting);
    kit.step(Event::Began { attempt: 1 });
    kit.pass(Duration::from_millis(999));
    assert_eq!(kit.phase(id), Phase::Starting);
    kit.pass(Duration::from_millis(1));
    assert_eq!(kit.phase(id), Phase::Running);
}

#[test]
fn one_that_does_not_become_ready_in_time_is_unhealthy() {
    let mut kit = Kit::new();
    kit.job("web", &[], 1, Rules { start_timeout: seconds(7), ..notify() });
    // Its wait for its turn is no fault of its own.
    assert_eq!(kit.pass(seconds(1000)), []);
    kit.step(Event::Launched { attempt: 1 });
    assert_eq!(kit.pass(Duration::from_millis(6999)), []);
    assert_eq!(kit.pass(seconds(1)), [Action::Kill { attempt: 1, reason: End::Unhealthy(HealthCheck::Ready) }]);
    assert_eq!(kit.pass(seconds(100)), [], "once");
}

#[test]
fn a_crash_is_followed_by_a_pause_and_another_try() {
    let mut kit = Kit::new();
    let id = kit.up("web", &[], notify());
    assert_eq!(kit.end(id, FAILED), []);
    assert_eq!((kit.phase(id), kit.see(id).restarts), (Phase::Backoff, 1));
    assert!(kit.see(id).next.unwrap() <= Duration::from_millis(100));
    assert_eq!(kit.pass(Duration::from_millis(100)), [spawn(id, 2)]);
    assert_eq!(kit.saves, [id]);
}

#[test]
fn one_that_completes_has_finished_and_does_not_run_again_with_the_next_daemon() {
    let mut kit = Kit::new();
    let id = kit.up("migrate", &[], notify());
    kit.end(id, COMPLETED);
    let seen = kit.see(id);
    assert_eq!((seen.phase, seen.wanted, seen.finished), (Phase::Idle, false, true));
    let known = KnownInstance { wanted: false, finished: true, ..wanted(7) };
    assert_eq!(kit.define("other", &[], notify(), vec![known]), []);
    assert!(kit.see(7).finished);
}

#[test]
fn what_is_not_tried_again_has_failed() {
    let mut kit = Kit::new();
    let id = kit.up("task", &[], Rules { restart: Restart::Never, ..notify() });
    kit.end(id, FAILED);
    let seen = kit.see(id);
    assert_eq!(seen.failed.as_deref(), Some("the attempt failed with code 3, and its rules don't start it again"));
    assert_eq!((seen.phase, seen.reason), (Phase::Failed, seen.failed));
}

#[test]
fn too_many_restarts_are_a_failure_until_somebody_asks() {
    let mut kit = Kit::new();
    let id = kit.job("web", &[], 1, notify())[0];
    for _ in 0..5 {
        kit.end(id, FAILED);
        kit.pass(seconds(2));
    }
    kit.end(id, FAILED);
    let seen = kit.see(id);
    assert_eq!(seen.failed.as_deref(), Some("5 restarts in 1m; the last attempt failed with code 3"));
    assert_eq!((seen.phase, seen.restarts, seen.wanted), (Phase::Failed, 5, true));
    assert_eq!(kit.pass(seconds(10_000)), []);
    assert_eq!(kit.step(Event::Start { ids: vec![id] }), [spawn(id, 7)]);
    assert_eq!(kit.see(id).failed, None);
    kit.end(id, FAILED);
    assert_eq!(kit.phase(id), Phase::Backoff, "what was before is forgotten");
}

#[test]
fn one_that_was_ready_for_a_while_has_the_first_pause_again() {
    let mut kit = Kit::new();
    let id =
        kit.job("web", &[], 1, Rules { intensity: Intensity { restarts: 100, within: seconds(1) }, ..notify() })[0];
    for _ in 0..10 {
        kit.end(id, FAILED);
        kit.pass(seconds(30));
    }
    let longest = kit
        .told(id)
        .iter()
        .filter_map(|notice| if let Notice::Backoff { pause, .. } = notice { Some(*pause) } else { None })
        .max();
    assert!(longest > Some(seconds(1)), "{longest:?}");
    kit.ready(id);
    kit.pass(seconds(10));
    kit.end(id, FAILED);
    assert!(kit.see(id).next.unwrap() - kit.now <= Duration::from_millis(100));
}

#[test]
fn what_completes_for_ever_is_started_for_ever_with_a_pause() {
    let mut kit = Kit::new();
    let id = kit.job("batch", &[], 1, Rules { restart: Restart::Always, ..notify() })[0];
    for attempt in 1..100 {
        assert_eq!(kit.attempt(id), attempt);
        kit.end(id, COMPLETED);
        assert_eq!(kit.phase(id), Phase::Backoff);
        assert_eq!(kit.pass(seconds(30)), [spawn(id, attempt + 1)]);
    }
    assert!(kit.now > seconds(60), "never ready: the pauses grow");
}

#[test]
fn a_retry_has_twice_the_memory_until_one_has_proved_itself() {
    let retry = Retry { on: VerdictKind::Memory, factor: Some(2), max: Some(300) };
    let limits = Boosts { memory_bytes: Some(100), ..Boosts::default() };
    let mut kit = Kit::new();
    let id = kit.job("web", &[], 1, Rules { retry_on: vec![retry], limits, ..notify() })[0];
    let memory = || Verdict::Memory { limit: "100B".into(), wall: MemoryWall::Engine };
    for (attempt, bytes) in [(2, Some(200)), (3, Some(300)), (4, Some(300))] {
        kit.end(id, memory());
        let boosts = Boosts { memory_bytes: bytes, ..Boosts::default() };
        assert_eq!(kit.pass(seconds(2)), [Action::Spawn { id, attempt, boosts }]);
    }
    kit.ready(id);
    kit.pass(seconds(10));
    kit.end(id, FAILED);
    assert_eq!(kit.pass(seconds(2)), [spawn(id, 5)], "the job's own again");
}

#[test]
fn one_that_was_stopped_by_a_signal_of_ours_is_no_failure() {
    let mut kit = Kit::new();
    let id = kit.up("web", &[], notify());
    kit.end(id, STOPPED);
    assert_eq!((kit.phase(id), kit.see(id).failed), (Phase::Stopped, None));
    assert_eq!(kit.told(id).iter().filter(|notice| ***notice == Notice::Stopped).count(), 1);
}

#[test]
fn what_ends_while_it_is_stopped_never_counts_as_a_crash() {
    let mut kit = Kit::new();
    let id = kit.up("web", &[], notify());
    kit.step(Event::Stop { ids: vec![id] });
    kit.end(id, FAILED);
    assert_eq!((kit.phase(id), kit.see(id).restarts), (Phase::Stopped, 0));
}

#[test]
fn the_second_stop_kills() {
    let mut kit = Kit::new();
    let id = kit.up("web", &[], notify());
    assert_eq!(kit.step(Event::Stop { ids: vec![id] }), [stop(1)]);
    assert_eq!(kit.step(Event::Stop { ids: vec![id] }), [Action::Kill { attempt: 1, reason: End::Operator }]);
    assert_eq!(kit.step(Event::Stop { ids: vec![id] }), [], "once");
}

#[test]
fn one_that_is_started_while_it_stops_comes_back() {
    let mut kit = Kit::new();
    let id = kit.up("web", &[], notify());
    kit.step(Event::Stop { ids: vec![id] });
    assert_eq!(kit.step(Event::Start { ids: vec![id] }), []);
    assert_eq!(kit.ended(1), [spawn(id, 2)]);
}

#[test]
fn it_starts_when_all_that_it_comes_after_is_ready() {
    let mut kit = Kit::new();
    let web = kit.job("web", &["db", "cache"], 1, notify())[0];
    assert_eq!((kit.phase(web), kit.see(web).reason.as_deref()), (Phase::Waiting, Some("for cache, db")));
    let db = kit.job("db", &[], 2, notify());
    let cache = kit.up("cache", &[], notify());
    assert_eq!(kit.see(web).reason.as_deref(), Some("for db"));
    assert_eq!(kit.ready(db[0]), []);
    assert_eq!(kit.ready(db[1]), [spawn(web, 4)]);
    kit.end(cache, FAILED);
    assert_eq!(kit.phase(web), Phase::Starting, "what goes down later takes nothing with it");
}

#[test]
fn work_that_is_done_is_as_good_as_ready_and_a_failure_is_not() {
    let mut kit = Kit::new();
    let migrate = kit.job("migrate", &[], 1, Rules { restart: Restart::Never, ..notify() })[0];
    let web = kit.job("web", &["migrate"], 1, notify())[0];
    kit.end(migrate, FAILED);
    assert_eq!(kit.phase(web), Phase::Waiting);
    assert_eq!(kit.step(Event::Start { ids: vec![migrate] }), [spawn(migrate, 2)]);
    assert_eq!(kit.end(migrate, COMPLETED), [spawn(web, 3)]);
}

#[test]
fn work_that_was_done_before_the_daemon_began_is_done() {
    let mut kit = Kit::new();
    kit.define("migrate", &[], notify(), vec![KnownInstance { wanted: false, finished: true, ..wanted(1) }]);
    assert_eq!(kit.define("web", &["migrate"], notify(), vec![wanted(2)]), [spawn(2, 1)]);
}

#[test]
fn what_comes_after_others_is_stopped_before_them() {
    let mut kit = Kit::new();
    let db = kit.up("db", &[], notify());
    let api = kit.up("api", &["db"], notify());
    let web = kit.up("web", &["api"], notify());
    assert_eq!(kit.step(Event::Stop { ids: vec![db, web] }), [stop(3)], "over the one between them as well");
    assert_eq!(kit.ended(3), [stop(1)]);
    assert_eq!(kit.phase(api), Phase::Running);
}

#[test]
fn a_restart_goes_down_in_reverse_and_up_in_order() {
    let mut kit = Kit::new();
    let db = kit.up("db", &[], notify());
    let web = kit.up("web", &["db"], notify());
    assert_eq!(kit.step(Event::Restart { ids: vec![db, web] }), [stop(2)]);
    assert_eq!(kit.ended(2), [stop(1)]);
    assert_eq!(kit.ended(1), [spawn(db, 3)]);
    assert_eq!(kit.ready(db), [spawn(web, 4)]);
    assert_eq!(kit.see(db).restarts, 0, "a restart that was asked for is no crash");
}

#[test]
fn a_restart_starts_what_is_down_behind_what_it_stops() {
    let mut kit = Kit::new();
    let db = kit.up("db", &[], notify());
    kit.define("web", &["db"], notify(), vec![KnownInstance { wanted: false, ..wanted(9) }]);
    assert_eq!(kit.step(Event::Restart { ids: vec![9, db] }), [stop(1)]);
    assert_eq!(kit.phase(9), Phase::Waiting);
}

#[test]
fn the_end_comes_in_reverse_order_and_is_said_once() {
    let mut kit = Kit::new();
    let db = kit.up("db", &[], notify());
    let web = kit.up("web", &["db"], notify());
    assert_eq!(kit.step(Event::Shutdown), [stop(2)]);
    assert_eq!(kit.step(Event::Start { ids: vec![web] }), []);
    assert_eq!(kit.ended(2), [stop(1)]);
    assert_eq!(kit.ended(1), [Action::Over]);
    assert!(kit.see(db).wanted && kit.see(web).wanted, "what is wanted stays wanted");
    assert_eq!(kit.step(Event::Shutdown), []);
    assert_eq!(Kit::new().step(Event::Shutdown), [Action::Over]);
}

#[test]
fn the_end_can_be_hurried() {
    let mut kit = Kit::new();
    kit.up("db", &[], notify());
    kit.up("web", &["db"], notify());
    kit.step(Event::Shutdown);
    let kill = |attempt| Action::Kill { attempt, reason: End::Operator };
    assert_eq!(kit.step(Event::ShutdownNow), [kill(1), kill(2)]);
    assert_eq!(kit.ended(1), []);
    assert_eq!(kit.ended(2), [Action::Over]);
}

#[test]
fn a_heartbeat_that_is_missed_too_often_is_the_end() {
    let mut kit = Kit::new();
    let id = kit.up("web", &[], Rules { heartbeat: Some(seconds(10)), failure_threshold: 2, ..notify() });
    kit.pass(seconds(15));
    kit.step(Event::Heartbeat { attempt: 1 });
    assert_eq!(kit.pass(seconds(19)), []);
    assert_eq!(kit.pass(seconds(1)), [Action::Kill { attempt: 1, reason: End::Unhealthy(HealthCheck::Heartbeat) }]);
    kit.end(id, Verdict::Unhealthy { check: HealthCheck::Heartbeat });
    assert_eq!(kit.phase(id), Phase::Backoff);
}

#[test]
fn a_look_that_comes_late_is_one_miss() {
    let mut kit = Kit::new();
    kit.up("web", &[], Rules { heartbeat: Some(seconds(1)), failure_threshold: 3, ..notify() });
    kit.now = seconds(1000);
    assert_eq!(kit.step(Event::Tick), []);
    assert_eq!(kit.fleet.next_wake(), Some(seconds(1001)));
}

#[test]
fn a_check_runs_alone_and_its_misses_count_in_a_row() {
    let mut kit = Kit::new();
    kit.up("web", &[], Rules { check_interval: Some(seconds(10)), failure_threshold: 2, ..notify() });
    let check = Action::Check { attempt: 1 };
    let mut answers = |healthy: &[bool]| -> Vec<Action> {
        let mut actions = Vec::new();
        for healthy in healthy {
            assert_eq!(kit.pass(seconds(10)), std::slice::from_ref(&check));
            actions = kit.step(Event::Checked { attempt: 1, healthy: *healthy });
        }
        actions
    };
    assert_eq!(answers(&[false, true, false]), []);
    assert_eq!(answers(&[false]), [Action::Kill { attempt: 1, reason: End::Unhealthy(HealthCheck::Command) }]);
}

#[test]
fn a_verdict_says_whether_it_was_the_command_or_the_request_that_failed() {
    let request = HealthRequest { path: "/healthz".into(), timeout: seconds(5) };
    let mut kit = Kit::new();
    let checked = Rules { check_interval: Some(seconds(10)), failure_threshold: 1, ..notify() };
    kit.up("web", &[], Rules { health_request: Some(request), ..checked });
    assert_eq!(kit.pass(seconds(10)), [Action::Check { attempt: 1 }]);
    let actions = kit.step(Event::Checked { attempt: 1, healthy: false });
    assert_eq!(actions, [Action::Kill { attempt: 1, reason: End::Unhealthy(HealthCheck::Request) }]);
}

#[test]
fn no_other_check_runs_before_the_first_has_answered() {
    let mut kit = Kit::new();
    kit.up("web", &[], Rules { check_interval: Some(seconds(10)), ..notify() });
    assert_eq!(kit.pass(seconds(1000)), [Action::Check { attempt: 1 }]);
    kit.step(Event::Checked { attempt: 1, healthy: true });
    kit.step(Event::Checked { attempt: 1, healthy: false });
    assert_eq!(kit.pass(Duration::ZERO), [Action::Check { attempt: 1 }], "it is overdue");
}

#[test]
fn a_reload_tells_the_old_one_to_go_when_the_new_one_is_ready() {
    let mut kit = Kit::new();
    let ids = kit.job("web", &[], 2, notify());
    ids.iter().for_each(|id| drop(kit.ready(*id)));
    assert_eq!(kit.step(Event::Reload { ids: ids.clone() }), [spawn(ids[0], 3)]);
    assert_eq!(kit.attempt(ids[0]), 1, "the old one counts");
    assert_eq!(kit.step(Event::Ready { attempt: 3 }), [replaced(1)]);
    assert_eq!((kit.attempt(ids[0]), kit.see(ids[0]).reloading, kit.see(ids[1]).reloading), (3, true, true));
    assert_eq!(kit.ended(1), [spawn(ids[1], 4)], "one at a time");
    assert_eq!(kit.step(Event::Ready { attempt: 4 }), [replaced(2)]);
    assert_eq!(kit.ended(2), []);
    assert!(!kit.see(ids[0]).reloading && !kit.see(ids[1]).reloading);
    assert_eq!(kit.see(ids[0]).restarts, 0);
    assert!(kit.told(ids[1]).contains(&&Notice::Reloaded { old: 2, new: 4 }));
}

#[test]
fn where_the_new_one_fails_the_old_one_stays_and_the_reload_is_over() {
    let mut kit = Kit::new();
    let ids = kit.job("web", &[], 2, notify());
    ids.iter().for_each(|id| drop(kit.ready(*id)));
    kit.step(Event::Reload { ids: ids.clone() });
    assert_eq!(kit.step(Event::Ended { attempt: 3, verdict: FAILED }), []);
    let reason = "the new attempt failed with code 3 before it was ready".into();
    assert_eq!(kit.notices.last(), Some(&(ids[0], Notice::ReloadFailed { reason })));
    assert_eq!(kit.pass(seconds(1000)), []);
    for (id, attempt) in [(ids[0], 1), (ids[1], 2)] {
        assert_eq!((kit.phase(id), kit.attempt(id), kit.see(id).reloading), (Phase::Running, attempt, false));
    }
}

#[test]
fn a_new_one_that_does_not_become_ready_in_time_fails_the_reload() {
    let mut kit = Kit::new();
    let id = kit.up("web", &[], Rules { start_timeout: seconds(5), ..notify() });
    kit.step(Event::Reload { ids: vec![id] });
    kit.step(Event::Launched { attempt: 2 });
    assert_eq!(kit.pass(seconds(5)), [Action::Kill { attempt: 2, reason: End::Unhealthy(HealthCheck::Ready) }]);
    kit.step(Event::Ended { attempt: 2, verdict: Verdict::Unhealthy { check: HealthCheck::Ready } });
    assert!(matches!(kit.notices.last(), Some((_, Notice::ReloadFailed { .. }))));
    assert_eq!(kit.phase(id), Phase::Running);
}

#[test]
fn where_the_old_one_ends_first_the_new_one_takes_its_place() {
    let mut kit = Kit::new();
    let id = kit.up("web", &[], notify());
    kit.step(Event::Reload { ids: vec![id] });
    assert_eq!(kit.step(Event::Ended { attempt: 1, verdict: FAILED }), []);
    let seen = kit.see(id);
    assert_eq!((seen.phase, seen.attempt, seen.restarts, seen.reloading), (Phase::Starting, Some(2), 0, true));
    kit.step(Event::Ready { attempt: 2 });
    assert!(!kit.see(id).reloading);
    assert_eq!(kit.notices.last(), Some(&(id, Notice::Reloaded { old: 1, new: 2 })));
}

#[test]
fn a_reload_starts_what_is_down_and_reloads_jobs_side_by_side() {
    let mut kit = Kit::new();
    let web = kit.up("web", &[], notify());
    let api = kit.up("api", &[], notify());
    kit.define("down", &[], notify(), vec![KnownInstance { wanted: false, ..wanted(9) }]);
    assert_eq!(kit.step(Event::Reload { ids: vec![web, 9, api] }), [spawn(9, 3), spawn(api, 4), spawn(web, 5)]);
}

#[test]
fn a_stop_during_a_reload_stops_both() {
    let mut kit = Kit::new();
    let id = kit.up("web", &[], notify());
    kit.step(Event::Reload { ids: vec![id] });
    assert_eq!(kit.step(Event::Stop { ids: vec![id] }), [stop(2), stop(1)]);
    kit.ended(1);
    assert_eq!(kit.phase(id), Phase::Stopping);
    kit.ended(2);
    assert_eq!((kit.phase(id), kit.see(id).reloading), (Phase::Stopped, false));
}

#[test]
fn too_much_memory_is_answered_by_a_replacement() {
    let mut kit = Kit::new();
    let id = kit.up("leaky", &[], Rules { recycle_memory_bytes: Some(100), ..notify() });
    kit.pass(seconds(10));
    assert_eq!(kit.step(Event::Memory { attempt: 1, bytes: 99 }), []);
    assert_eq!(kit.step(Event::Memory { attempt: 1, bytes: 100 }), [spawn(id, 2)]);
    assert_eq!(kit.step(Event::Memory { attempt: 1, bytes: 200 }), [], "once");
    assert_eq!(kit.step(Event::Ready { attempt: 2 }), [replaced(1)]);
    assert_eq!(kit.see(id).restarts, 0);
}

#[test]
fn a_replacement_that_fails_is_tried_again_after_a_pause_and_the_old_one_stays() {
    let mut kit = Kit::new();
    let id = kit.up("leaky", &[], Rules { recycle_memory_bytes: Some(100), ..notify() });
    kit.pass(seconds(10));
    kit.step(Event::Memory { attempt: 1, bytes: 100 });
    assert_eq!(kit.step(Event::Ended { attempt: 2, verdict: FAILED }), []);
    assert_eq!((kit.phase(id), kit.attempt(id)), (Phase::Running, 1));
    assert!(matches!(kit.notices.last(), Some((_, Notice::Backoff { .. }))));
    assert_eq!(kit.pass(Duration::from_millis(100)), [spawn(id, 3)]);
}

#[test]
fn one_that_retires_has_its_replacement_before_it_goes() {
    let mut kit = Kit::new();
    let id = kit.up("web", &[], notify());
    kit.pass(seconds(10));
    assert_eq!(kit.step(Event::Retire { attempt: 1, reason: "full".into() }), [spawn(id, 2)]);
    assert_eq!(kit.step(Event::Ready { attempt: 2 }), [replaced(1)]);
    assert!(kit.told(id).contains(&&Notice::Retiring { attempt: 1, reason: "full".into() }));
}

#[test]
fn replacements_that_must_be_replaced_at_once_do_not_spin() {
    let mut kit = Kit::new();
    let id = kit.up("leaky", &[], Rules { recycle_memory_bytes: Some(0), ..notify() });
    let mut attempts = 0;
    while kit.now < seconds(600) {
        let attempt = kit.attempt(id);
        kit.step(Event::Memory { attempt, bytes: 1 });
        for action in kit.pass(seconds(1)) {
            let Action::Spawn { attempt: new, .. } = action else { panic!("{action:?}") };
            kit.step(Event::Ready { attempt: new });
            kit.ended(attempt);
            attempts += 1;
        }
    }
    assert!((10..240).contains(&attempts), "{attempts}");
}

#[test]
fn one_for_all_stops_and_starts_the_group() {
    let mut kit = Kit::new();
    kit.step(Event::Group { name: "group".into(), strategy: Strategy::OneForAll });
    let db = kit.up("db", &[], notify());
    let web = kit.up("web", &["db"], notify());
    let other = kit.up("other", &[], notify());
    assert_eq!(kit.end(other, FAILED), [replaced(2)]);
    assert_eq!(kit.ended(2), [replaced(1)], "in reverse order");
    assert_eq!(kit.ended(1), [spawn(db, 4)]);
    assert_eq!(kit.ready(db), [spawn(web, 5)]);
    assert_eq!(kit.pass(seconds(1)), [spawn(other, 6)]);
    let restarts = [db, web, other].map(|id| kit.see(id).restarts);
    assert_eq!(restarts, [0, 0, 1], "theirs are not their own");
}

#[test]
fn rest_for_one_concerns_those_that_come_after_it() {
    let mut kit = Kit::new();
    kit.step(Event::Group { name: "group".into(), strategy: Strategy::RestForOne });
    let db = kit.up("db", &[], notify());
    let api = kit.up("api", &["db"], notify());
    let web = kit.up("web", &["api"], notify());
    assert_eq!(kit.end(api, FAILED), [replaced(3)]);
    kit.ended(3);
    assert_eq!([db, api, web].map(|id| kit.phase(id)), [Phase::Running, Phase::Backoff, Phase::Waiting]);
}

#[test]
fn a_run_takes_place_when_it_is_due() {
    let mut kit = Kit::new();
    let id = kit.job("report", &[], 1, scheduled(Overlap::Skip))[0];
    assert_eq!(kit.phase(id), Phase::Scheduled);
    assert_eq!(kit.step(Event::Due { job: "report".into() }), [spawn(id, 1)]);
    kit.end(id, COMPLETED);
    assert_eq!((kit.phase(id), kit.see(id).wanted), (Phase::Scheduled, true));
    assert_eq!(kit.step(Event::Due { job: "report".into() }), [spawn(id, 2)]);
    kit.end(id, FAILED);
    let seen = kit.see(id);
    assert_eq!((seen.phase, seen.reason.as_deref()), (Phase::Scheduled, Some("the last run failed with code 3")));
    kit.step(Event::Stop { ids: vec![id] });
    assert_eq!(kit.step(Event::Due { job: "report".into() }), [], "it was stopped");
    kit.step(Event::Start { ids: vec![id] });
    assert_eq!(kit.see(id).restarts, 0, "a schedule is not a restart");
}

#[test]
fn a_run_that_meets_another_one_is_skipped_queued_or_takes_its_place() {
    for overlap in [Overlap::Skip, Overlap::Queue, Overlap::Replace] {
        let mut kit = Kit::new();
        let id = kit.job("report", &[], 1, scheduled(overlap))[0];
        let due = || Event::Due { job: "report".into() };
        kit.step(due());
        let at_once = kit.step(due());
        kit.step(due());
        let afterwards = kit.end(id, COMPLETED);
        let skipped = kit.told(id).iter().filter(|notice| ***notice == Notice::Skipped).count();
        match overlap {
            Overlap::Skip => assert_eq!((at_once, afterwards, skipped), (vec![], vec![], 2)),
            Overlap::Queue => assert_eq!((at_once, afterwards, skipped), (vec![], vec![spawn(id, 2)], 1)),
            Overlap::Replace => {
                assert_eq!((at_once, afterwards, skipped), (vec![replaced(1)], vec![spawn(id, 2)], 1));
            }
        }
    }
}

#[test]
fn a_run_that_is_retried_too_often_ends_no_schedule() {
    let mut kit = Kit::new();
    let rules = Rules {
        restart: Restart::OnFailure,
        intensity: Intensity { restarts: 1, within: seconds(60) },
        ..scheduled(Overlap::Skip)
    };
    let id = kit.job("report", &[], 1, rules)[0];
    kit.step(Event::Due { job: "report".into() });
    kit.end(id, FAILED);
    kit.pass(seconds(1));
    kit.end(id, FAILED);
    let seen = kit.see(id);
    assert_eq!(seen.reason.as_deref(), Some("1 restart in 1m; the last attempt failed with code 3"));
    assert_eq!((seen.phase, seen.failed), (Phase::Scheduled, None));
    assert_eq!(kit.step(Event::Due { job: "report".into() }), [spawn(id, 3)]);
}

#[test]
fn places_that_vanish_are_stopped_and_then_removed() {
    let mut kit = Kit::new();
    let ids = kit.job("web", &[], 3, notify());
    kit.step(Event::Stop { ids: vec![ids[2]] });
    kit.ended(3);
    assert_eq!(kit.define("web", &[], notify(), vec![wanted(ids[0])]), [Action::Removed { id: ids[2] }, stop(2)]);
    assert_eq!(kit.fleet.ids_of("web"), [ids[0]]);
    assert_eq!(kit.ended(2), [Action::Removed { id: ids[1] }]);
    assert!(kit.fleet.see(ids[1]).is_none());
}

#[test]
fn a_job_that_is_deleted_can_come_back_while_its_old_instances_stop() {
    let mut kit = Kit::new();
    let old = kit.up("web", &[], notify());
    assert_eq!(kit.step(Event::Delete { job: "web".into() }), [stop(1)]);
    assert_eq!(kit.define("web", &[], notify(), vec![wanted(9)]), [spawn(9, 2)]);
    assert_eq!(kit.step(Event::Delete { job: "web".into() }), [stop(2)]);
    assert_eq!(kit.ended(1), [Action::Removed { id: old }]);
    assert_eq!(kit.ended(2), [Action::Removed { id: 9 }]);
    assert_eq!(kit.fleet.jobs.len(), 0);
}

#[test]
fn other_rules_count_from_the_next_attempt_on() {
    let mut kit = Kit::new();
    let id = kit.up("web", &[], notify());
    let rules = Rules { heartbeat: Some(seconds(1)), ..notify() };
    assert_eq!(kit.define("web", &[], rules, vec![wanted(id)]), []);
    assert_eq!(kit.pass(seconds(100)), []);
    kit.end(id, FAILED);
    kit.pass(seconds(1));
    kit.ready(id);
    assert_eq!(kit.pass(seconds(3)), [Action::Kill { attempt: 2, reason: End::Unhealthy(HealthCheck::Heartbeat) }]);
}

#[test]
fn what_comes_of_an_attempt_that_has_ended_changes_nothing() {
    let mut kit = Kit::new();
    let id = kit.up("web", &[], Rules { recycle_memory_bytes: Some(1), ..notify() });
    kit.end(id, FAILED);
    let before = kit.see(id);
    for attempt in [1, 77] {
        for event in [
            Event::Began { attempt },
            Event::Ready { attempt },
            Event::Heartbeat { attempt },
            Event::Checked { attempt, healthy: false },
            Event::Memory { attempt, bytes: 5 },
            Event::Retire { attempt, reason: String::new() },
            Event::Ended { attempt, verdict: COMPLETED },
        ] {
            assert_eq!(kit.step(event), []);
        }
    }
    assert_eq!(kit.see(id), before);
}

#[test]
fn what_had_failed_before_the_daemon_began_stays_so_until_somebody_asks() {
    let mut kit = Kit::new();
    let known = KnownInstance { failed: Some("5 restarts in 1m".into()), restarts: 5, ..wanted(1) };
    assert_eq!(kit.define("web", &[], notify(), vec![known]), []);
    assert_eq!((kit.phase(1), kit.see(1).restarts, kit.saves.len()), (Phase::Failed, 5, 0));
    assert_eq!(kit.step(Event::Restart { ids: vec![1] }), [spawn(1, 1)]);
}

/// By hand, for events in a second: `SANDHOG_THROUGHPUT=1 cargo test --release throughput -- --nocapture`.
#[test]
fn ten_thousand_instances_are_no_trouble() {
    let events: u64 = if std::env::var("SANDHOG_THROUGHPUT").is_ok() { 1_000_000 } else { 50_000 };
    let mut kit = Kit::new();
    for number in 0..1000 {
        let rules = Rules { heartbeat: Some(seconds(5)), ..usual_rules() };
        let ids = kit.job(&format!("job{number}"), &[], 10, rules);
        ids.iter().for_each(|id| drop(kit.ready(*id)));
    }
    for event in 0..events {
        kit.now += Duration::from_micros(100);
        let id = 1 + event * 7919 % 10_000;
        let Some(attempt) = kit.see(id).attempt else { continue };
        match event % 10 {
            0 => kit.step(Event::Ended { attempt, verdict: FAILED }),
            1..=4 => kit.step(Event::Ready { attempt }),
            5..=8 => kit.step(Event::Heartbeat { attempt }),
            _ => kit.step(Event::Tick),
        };
    }
    kit.step(Event::ShutdownNow);
    assert_eq!(kit.fleet.wakes.len(), 0);
}

#[test]
fn one_that_was_killed_for_its_health_has_no_successor_but_another_try() {
    let mut kit = Kit::new();
    let id = kit.up("web", &[], Rules { heartbeat: Some(seconds(1)), failure_threshold: 1, ..notify() });
    kit.pass(seconds(1));
    assert_eq!(kit.step(Event::Reload { ids: vec![id] }), []);
    assert_eq!(kit.step(Event::Retire { attempt: 1, reason: "late".into() }), []);
    kit.end(id, Verdict::Unhealthy { check: HealthCheck::Heartbeat });
    assert_eq!((kit.phase(id), kit.see(id).reloading), (Phase::Backoff, false));
    assert_eq!(kit.pass(seconds(1)), [spawn(id, 2)]);
}

#[test]
fn a_restart_waits_for_an_attempt_that_still_drains() {
    let mut kit = Kit::new();
    let id = kit.up("web", &[], notify());
    kit.step(Event::Reload { ids: vec![id] });
    kit.step(Event::Ready { attempt: 2 });
    kit.end(id, FAILED);
    assert_eq!((kit.phase(id), kit.attempt(id)), (Phase::Backoff, 1));
    assert_eq!(kit.step(Event::Restart { ids: vec![id] }), []);
    assert_eq!(kit.ended(1), [spawn(id, 3)]);
}

fn refused() -> Verdict {
    Verdict::Refused { reason: "it is no module".into() }
}

#[test]
fn what_was_refused_has_failed_at_once_and_is_tried_again_when_somebody_asks() {
    for restart in [Restart::OnFailure, Restart::Always] {
        let mut kit = Kit::new();
        let id = kit.job("web", &[], 1, Rules { restart, ..notify() })[0];
        assert_eq!(kit.end(id, refused()), []);
        let seen = kit.see(id);
        assert_eq!((seen.phase, seen.restarts), (Phase::Failed, 0));
        assert_eq!(seen.reason.as_deref(), Some("it was refused: it is no module"));
        assert_eq!(kit.pass(seconds(10_000)), []);
        assert_eq!(kit.step(Event::Start { ids: vec![id] }), [spawn(id, 2)]);
    }
}

#[test]
fn a_run_that_was_refused_is_over_and_the_next_one_is_tried() {
    let mut kit = Kit::new();
    let rules = Rules { restart: Restart::OnFailure, ..scheduled(Overlap::Skip) };
    let id = kit.job("report", &[], 1, rules)[0];
    for attempt in 1..3 {
        assert_eq!(kit.step(Event::Due { job: "report".into() }), [spawn(id, attempt)]);
        kit.end(id, refused());
        assert_eq!(kit.see(id).reason.as_deref(), Some("the last run was refused: it is no module"));
        assert_eq!((kit.phase(id), kit.pass(seconds(1000))), (Phase::Scheduled, Vec::new()));
    }
}

#[test]
fn a_successor_that_is_refused_has_no_other_one_behind_it() {
    let mut kit = Kit::new();
    let id = kit.up("web", &[], Rules { recycle_memory_bytes: Some(100), ..notify() });
    kit.pass(seconds(1000));
    assert_eq!(kit.step(Event::Memory { attempt: 1, bytes: 200 }), [spawn(id, 2)]);
    assert_eq!(kit.step(Event::Ended { attempt: 2, verdict: refused() }), []);
    let reason = "it was refused: it is no module".into();
    assert_eq!(kit.notices.last(), Some(&(id, Notice::ReloadFailed { reason })));
    assert_eq!(kit.pass(seconds(10_000)), []);
    assert_eq!(kit.step(Event::Memory { attempt: 1, bytes: 300 }), []);
    assert_eq!((kit.phase(id), kit.attempt(id)), (Phase::Running, 1), "the old one stays");
}

fn pause(attempt: AttemptNumber) -> Event {
    Event::Paused { attempt, paused: true }
}

fn resume(attempt: AttemptNumber) -> Event {
    Event::Paused { attempt, paused: false }
}

#[test]
fn nothing_is_expected_of_what_is_paused_and_its_misses_are_counted_anew() {
    let mut kit = Kit::new();
    let id = kit.up("web", &[], Rules { heartbeat: Some(seconds(10)), failure_threshold: 2, ..notify() });
    assert_eq!(kit.pass(seconds(15)), [], "one is missed");
    assert_eq!(kit.step(pause(1)), []);
    assert_eq!(kit.pass(seconds(10_000)), []);
    assert_eq!(kit.step(pause(1)), [], "once more");
    kit.step(resume(1));
    assert_eq!(kit.pass(seconds(19)), [], "the one before the pause is forgotten");
    let unhealthy = Action::Kill { attempt: 1, reason: End::Unhealthy(HealthCheck::Heartbeat) };
    assert_eq!(kit.pass(seconds(1)), [unhealthy]);
    assert_eq!(kit.phase(id), Phase::Stopping);
}

#[test]
fn a_check_that_ran_while_its_attempt_was_paused_counts_for_nothing() {
    let mut kit = Kit::new();
    kit.up("web", &[], Rules { check_interval: Some(seconds(5)), failure_threshold: 1, ..notify() });
    assert_eq!(kit.pass(seconds(5)), [Action::Check { attempt: 1 }]);
    kit.step(pause(1));
    assert_eq!(kit.pass(seconds(100)), []);
    kit.step(resume(1));
    assert_eq!(kit.step(Event::Checked { attempt: 1, healthy: false }), [], "it began before the pause");
    assert_eq!(kit.pass(seconds(4)), []);
    assert_eq!(kit.pass(seconds(1)), [Action::Check { attempt: 1 }]);
    kit.step(pause(1));
    assert_eq!(kit.step(Event::Checked { attempt: 1, healthy: false }), [], "it ended in the pause");
    kit.step(resume(1));
    assert_eq!(kit.pass(seconds(5)), [Action::Check { attempt: 1 }]);
    let unhealthy = Action::Kill { attempt: 1, reason: End::Unhealthy(HealthCheck::Command) };
    assert_eq!(kit.step(Event::Checked { attempt: 1, healthy: false }), [unhealthy]);
}

#[test]
fn a_pause_is_no_part_of_the_time_to_be_ready_in() {
    let mut kit = Kit::new();
    kit.job("web", &[], 1, Rules { start_timeout: seconds(10), ..notify() });
    kit.step(Event::Launched { attempt: 1 });
    kit.pass(seconds(4));
    kit.step(pause(1));
    assert_eq!(kit.pass(seconds(1000)), []);
    kit.step(resume(1));
    assert_eq!(kit.pass(Duration::from_millis(5999)), []);
    assert_eq!(kit.pass(seconds(1)), [Action::Kill { attempt: 1, reason: End::Unhealthy(HealthCheck::Ready) }]);
    // Nor has it lived meanwhile.
    let id = kit.job("api", &[], 1, Rules { ready: Ready::Lived(seconds(3)), ..notify() })[0];
    kit.step(Event::Began { attempt: 2 });
    kit.pass(seconds(2));
    kit.step(pause(2));
    kit.pass(seconds(60));
    assert_eq!(kit.phase(id), Phase::Starting);
    kit.step(resume(2));
    kit.pass(seconds(1));
    assert_eq!(kit.phase(id), Phase::Running);
}

#[test]
fn what_is_paused_is_not_replaced_for_its_memory() {
    let mut kit = Kit::new();
    let id = kit.up("web", &[], Rules { recycle_memory_bytes: Some(100), ..notify() });
    kit.pass(seconds(1000));
    kit.step(pause(1));
    assert_eq!(kit.step(Event::Memory { attempt: 1, bytes: 200 }), []);
    kit.step(resume(1));
    assert_eq!(kit.step(Event::Memory { attempt: 1, bytes: 200 }), [spawn(id, 2)]);
}

#[test]
fn where_the_daemon_was_held_nobody_has_missed_anything() {
    let mut kit = Kit::new();
    kit.up("web", &[], Rules { heartbeat: Some(seconds(1)), failure_threshold: 1, ..notify() });
    kit.job("slow", &[], 1, Rules { start_timeout: seconds(10), ..notify() });
    kit.step(Event::Launched { attempt: 2 });
    kit.now += seconds(100);
    assert_eq!(kit.step(Event::Suspended { late: seconds(99) }), []);
    assert_eq!(kit.step(Event::Tick), []);
    assert_eq!(kit.step(Event::Heartbeat { attempt: 1 }), []);
    let unhealthy = |attempt, check| Action::Kill { attempt, reason: End::Unhealthy(check) };
    assert_eq!(kit.pass(seconds(1)), [unhealthy(1, HealthCheck::Heartbeat)]);
    assert_eq!(kit.pass(seconds(8)), [unhealthy(2, HealthCheck::Ready)]);
}

#[test]
fn a_job_with_a_schedule_runs_out_of_turn_and_its_schedule_goes_on() {
    let mut kit = Kit::new();
    let id = kit.job("report", &[], 1, scheduled(Overlap::Skip))[0];
    assert_eq!(kit.step(Event::Start { ids: vec![id] }), [], "it waits for its time");
    assert_eq!(kit.step(Event::Run { ids: vec![id] }), [spawn(id, 1)]);
    assert_eq!(kit.step(Event::Run { ids: vec![id] }), []);
    assert_eq!(kit.notices.last(), Some(&(id, Notice::Skipped)), "its rule for runs that meet holds");
    kit.end(id, COMPLETED);
    assert_eq!(kit.phase(id), Phase::Scheduled);
    assert_eq!(kit.step(Event::Due { job: "report".into() }), [spawn(id, 2)]);
    kit.end(id, COMPLETED);
    kit.step(Event::Stop { ids: vec![id] });
    assert_eq!(kit.step(Event::Run { ids: vec![id] }), [], "one that is stopped waits for its time again");
    assert_eq!(kit.phase(id), Phase::Scheduled);
}

#[test]
fn a_run_out_of_turn_waits_for_the_one_before_it_or_takes_its_place() {
    let mut kit = Kit::new();
    let id = kit.job("queue", &[], 1, scheduled(Overlap::Queue))[0];
    kit.step(Event::Run { ids: vec![id] });
    assert_eq!((kit.step(Event::Run { ids: vec![id] }), kit.see(id).queued), (Vec::new(), true));
    assert_eq!(kit.end(id, COMPLETED), [spawn(id, 2)]);
    let id = kit.job("replace", &[], 1, scheduled(Overlap::Replace))[0];
    assert_eq!(kit.step(Event::Run { ids: vec![id] }), [spawn(id, 3)]);
    assert_eq!(kit.step(Event::Run { ids: vec![id] }), [replaced(3)]);
    assert_eq!(kit.ended(3), [spawn(id, 4)]);
}

#[test]
fn limits_that_retries_have_changed_are_seen_and_told() {
    let limits = Boosts { memory_bytes: Some(100), ..Boosts::default() };
    let retry = Retry { on: VerdictKind::Memory, factor: Some(2), max: None };
    let mut kit = Kit::new();
    let id = kit.up("web", &[], Rules { retry_on: vec![retry], limits, ..notify() });
    let memory = Verdict::Memory { limit: "100B".into(), wall: MemoryWall::Engine };
    let raised = Boosts { memory_bytes: Some(200), ..Boosts::default() };
    assert_eq!(kit.see(id).raised, Boosts::default());
    kit.end(id, memory);
    assert!(matches!(kit.notices.last(), Some((_, Notice::Backoff { raised: told, .. })) if *told == raised));
    assert_eq!(kit.see(id).raised, raised, "of the next one");
    assert_eq!(kit.pass(seconds(1)), [Action::Spawn { id, attempt: 2, boosts: raised }]);
    kit.ready(id);
    // Whatever is forgotten for the next one: this one runs with them.
    kit.pass(seconds(100_000));
    assert_eq!(kit.see(id).raised, raised);
}
