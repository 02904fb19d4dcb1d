//! A job is a job, whatever it has of instances: it is there without one, and each verb says what it did, or that there was
//! nothing to do.

use sandhog_harness::{Daemon, kinds, module, quick, told};
use sandhog_protocol::control::Phase;
use serde_json::{Value, json};

/// Starts a job that does as it is told, and is ready when it says so.
fn start(daemon: &Daemon, name: &str, flags: &[&str], words: &[&str]) {
    daemon.start_job(name, "does_as_told", &[&["--ready=notify"], flags, &["--"], words].concat());
}

/// `web`, in the group `shop`, without an instance.
fn scaled_to_none() -> Daemon {
    let daemon = Daemon::start();
    start(&daemon, "web", &["--group=shop"], &["listen", "ready"]);
    daemon.well(&["scale", "web", "0"]);
    daemon
}

fn says(daemon: &Daemon, words: &[&str], text: &str) {
    assert_eq!(daemon.well(words).text(), text, "{words:?}");
}

fn row_of_none() -> Value {
    json!([{"id": null, "job": "web", "group": "shop", "instance": null, "phase": "none"}])
}

#[test]
fn a_job_that_is_scaled_to_none_is_shown_also_by_the_next_daemon() {
    let mut daemon = scaled_to_none();
    for _ in 0..2 {
        for words in [&["ps"][..], &["ps", "web"], &["ps", "shop"], &["ps", "all"], &["monit"]] {
            assert_eq!(daemon.json(words), row_of_none(), "{words:?}");
        }
        let text = daemon.well(&["ps"]).text().to_owned();
        assert_eq!(text.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>()[..4], ["-", "web", "-", "none"]);
        assert!(daemon.well(&["show", "web"]).text().contains("It has no instance: sandhog start web"));
        let show = daemon.json(&["show", "shop"]);
        assert_eq!((&show["spec"]["instances"], &show["instances"]), (&json!(0), &json!([])));
        let lines: Value = serde_json::from_str(&daemon.get("/v1/jobs").expect(200)).unwrap();
        assert_eq!(lines, json!([{"job": "web", "group": "shop", "instances": 0}]));
        assert!(!daemon.json_lines(&["logs", "web"]).is_empty());
        daemon.stop();
        daemon.start_again();
    }
}

#[test]
fn a_job_without_an_instance_gets_one_by_start_restart_and_reload_by_its_name_its_group_or_all() {
    let daemon = scaled_to_none();
    for verb in ["start", "restart", "reload"] {
        for word in ["web", "shop", "all"] {
            says(&daemon, &[verb, word], "web: changed: instances\nweb/0: running\n");
            let says = daemon.well(&["scale", "web", "0"]);
            assert_eq!(says.text(), "web: has no instance now, and stays: sandhog start web brings it up again\n");
        }
    }
    daemon.well(&["scale", "web", "2"]);
    assert!(daemon.instances().iter().all(|it| it.phase == Phase::Running) && daemon.instances().len() == 2);
}

#[test]
fn a_job_without_an_instance_is_deleted_by_its_name_its_group_or_all() {
    for words in [["delete", "web"], ["delete", "shop"], ["delete", "all"], ["down", "web"], ["down", "all"]] {
        let daemon = scaled_to_none();
        says(&daemon, &words, "web: deleted\n");
        assert_eq!(daemon.json(&["ps"]), json!([]));
        says(&daemon, &["delete", "all"], "nothing to do: there is no job\n");
    }
}

#[test]
fn up_brings_a_job_to_what_the_manifest_says_and_down_takes_one_without_an_instance() {
    let daemon = Daemon::start();
    let manifest = quick("", &[told("web", &["listen", "ready"], "instances = 2")]);
    daemon.up_well(&manifest);
    daemon.well(&["scale", "web", "0"]);
    assert_eq!(daemon.up_well(&manifest).text(), "web: changed: instances\nready: 2 instances\n");
    daemon.well(&["scale", "web", "0"]);
    says(&daemon, &["down"], "web: deleted\n");
    says(&daemon, &["down"], "nothing to do: there is no job of this manifest\n");
}

#[test]
fn a_verb_that_has_nothing_to_do_says_so() {
    let daemon = Daemon::start();
    start(&daemon, "web", &[], &["listen", "ready"]);
    says(&daemon, &["start", "web"], "web/0: nothing to do: it runs already\n");
    says(&daemon, &["scale", "web", "1"], "web: nothing to do: it has 1 instance already, which is up\n");
    let unchanged = json!([{"job": "web", "instance": 0, "reason": "it runs already"}]);
    assert_eq!(daemon.json(&["start", "all"])["unchanged"], unchanged);
    says(&daemon, &["stop", "web"], "web/0: stopped\n");
    says(&daemon, &["stop", "web"], "web/0: nothing to do: it is stopped already\n");
    daemon.well(&["scale", "web", "0"]);
    says(&daemon, &["scale", "web", "0"], "web: nothing to do: it has no instance already\n");
    for words in [&["stop", "web"][..], &["stop", "all"], &["signal", "web", "TERM"]] {
        says(&daemon, words, "web: nothing to do: it has no instance\n");
    }
    says(&daemon, &["send", "web", "1"], "nothing to do: there is no instance\n");
    daemon.well(&["delete", "web"]);
    for verb in ["start", "stop", "restart", "reload", "delete"] {
        says(&daemon, &[verb, "all"], "nothing to do: there is no job\n");
    }
    start(&daemon, "once", &["--restart=never"], &["exit 0"]);
    daemon.until_phase("once", Phase::Idle);
    says(&daemon, &["stop", "once"], "once/0: nothing to do: it has finished already\n");
}

/// One of them stopped, one failed, one finished, one in its pause: whatever it is, it is to be up.
#[test]
fn to_scale_a_job_starts_what_is_missing() {
    let daemon = Daemon::start();
    start(&daemon, "web", &["-i", "2"], &["listen", "ready"]);
    for word in ["web", "web/1"] {
        daemon.well(&["stop", word]);
        daemon.well(&["scale", "web", "2"]);
        assert!(daemon.instances().iter().all(|it| it.phase == Phase::Running), "{}", daemon.story());
    }
    daemon.tell_and_on("web/0", "exit 0");
    daemon.until_phase("web/0", Phase::Idle);
    says(&daemon, &["scale", "web", "2"], "web/0: running\nweb/1: running\n");
    let pause = ["--backoff-first=1h", "--backoff-max=1h"];
    start(&daemon, "slow", &pause, &["listen", "ready"]);
    daemon.tell_and_on("slow", "exit 3");
    daemon.until_instance("its pause", "slow", |it| it.phase == Phase::Backoff);
    says(&daemon, &["scale", "slow", "1"], "slow/0: running\n");
    start(&daemon, "once", &["--restart=never"], &["listen", "ready"]);
    daemon.tell_and_on("once", "exit 3");
    daemon.until_phase("once", Phase::Failed);
    says(&daemon, &["scale", "once", "1"], "once/0: running\n");
}

/// Each goes on while the old one takes its time to end.
#[test]
fn a_job_of_the_same_name_is_there_at_once_after_it_was_deleted() {
    let daemon = Daemon::start();
    let lingers = ["listen", "linger 400", "ready"];
    let manifest = quick("", &[told("web", &lingers, "ready = \"notify\"")]);
    daemon.up_well(&manifest);
    for words in [["delete", "web", "--no-wait"], ["down", "web", "--no-wait"], ["stop", "web", "--no-wait"]] {
        daemon.well(&words);
        daemon.up_well(&manifest);
        let up = daemon.instances().into_iter().filter(|it| it.phase == Phase::Running).count();
        assert_eq!(up, 1, "{words:?}: {}", daemon.story());
    }
    daemon.well(&["delete", "web", "--no-wait"]);
    start(&daemon, "web", &[], &lingers);
    daemon.well(&["stop", "web", "--no-wait"]);
    says(&daemon, &["start", "web"], "web/0: running\n");
    daemon.well(&["restart", "web", "--no-wait"]);
    says(&daemon, &["restart", "web"], "web/0: running\n");
    daemon.well(&["delete", "web"]);
    daemon.until("all to be gone", |_| daemon.instances().is_empty().then_some(()));
    // The log of the last one went with it.
    assert!(!daemon.path("state/logs/web.log").exists());
}

#[test]
fn a_job_that_is_being_deleted_is_waited_for_and_is_not_killed_by_a_second_word() {
    let daemon = Daemon::start();
    start(&daemon, "web", &["--grace=30s"], &["listen", "linger 1000", "ready"]);
    daemon.well(&["delete", "web", "--no-wait"]);
    let start = daemon.run(&["start", "web"]);
    assert_eq!((start.code, start.stderr.contains("\n    web/0: it is being removed\n")), (1, true), "{start:?}");
    says(&daemon, &["start", "all"], "nothing to do: there is no job\n");
    assert_eq!(daemon.well(&["stop", "all", "--no-wait"]).text(), "web/0: nothing to do: it stops for good already\n");
    says(&daemon, &["delete", "web"], "web: nothing to do: it is being deleted already\n");
    assert!(daemon.instances().is_empty());
    let ended = daemon.until_event("web", "ended", 1);
    assert_eq!(json!(ended.verdict)["graceful"], true, "{ended:?}");
}

#[test]
fn to_take_down_what_stops_already_leaves_it_its_grace() {
    let daemon = Daemon::start();
    start(&daemon, "web", &["--grace=30s"], &["listen", "linger 500", "ready"]);
    daemon.well(&["stop", "web", "--no-wait"]);
    daemon.well(&["down", "web"]);
    assert_eq!(json!(daemon.until_event("web", "ended", 1).verdict)["graceful"], true);
}

/// Of more than one instance before: what stops still is none of the job's any more.
#[test]
fn a_daemon_that_is_killed_does_not_bring_back_what_was_scaled_away() {
    let mut daemon = Daemon::start();
    start(&daemon, "web", &["-i", "3", "--grace=30s"], &["listen", "linger 20000", "ready"]);
    daemon.well(&["scale", "web", "1", "--no-wait"]);
    daemon.kill();
    daemon.start_again();
    daemon.until_phase("web/0", Phase::Running);
    assert_eq!(daemon.instances().len(), 1, "{}", daemon.story());
}

#[test]
fn a_module_that_is_refused_is_tried_once_and_says_why_at_once() {
    let daemon = Daemon::start();
    let bad = daemon.scratch().file("bad.wasm", "no module at all");
    let flags = ["start", bad.to_str().unwrap(), "--name", "bad", "--restart", "always", "--backoff-first", "1h"];
    let outcome = daemon.run(&flags);
    assert_eq!(outcome.code, 1, "{outcome:?}");
    let again = daemon.run(&["start", "bad"]);
    assert_eq!(again.code, 1, "{again:?}");
    let job = daemon.instance("bad");
    let reason = job.reason.unwrap();
    assert!(job.phase == Phase::Failed && reason.starts_with("it was refused: it is a text file"), "{reason}");
    assert_eq!((job.restarts, daemon.count("bad", "starting"), daemon.count("bad", "backoff")), (0, 2, 0));
    let kinds = kinds(&daemon.events_of("bad")).join(" ");
    assert_eq!(kinds, "created starting ended failed starting ended failed");
}

#[test]
fn a_run_that_is_refused_is_tried_anew_by_its_schedule_and_not_before() {
    let daemon = Daemon::start();
    let bad = daemon.scratch().file("bad.wasm", "no module at all");
    let job = format!("[job.bad]\nmodule = {bad:?}\nschedule = \"* * * * * *\"\nrestart = \"on-failure\"\n");
    daemon.up_well(&quick("", &[job]));
    daemon.until_event("bad", "ended", 2);
    assert_eq!(daemon.count("bad", "backoff"), 0, "{}", daemon.story());
    let reason = daemon.until_phase("bad", Phase::Scheduled).reason.unwrap();
    assert!(reason.starts_with("the last run was refused: "), "{reason}");
}

#[test]
fn another_try_after_a_refusal_is_no_rule() {
    let daemon = Daemon::start();
    let refused = daemon.run(&["start", &module("hello"), "--retry-on", "refused"]);
    refused
        .reported(126, "sandhog: retry_on refused: another try would be refused for the same reason; leave it out\n");
}

#[test]
fn a_limit_that_a_retry_has_raised_is_shown() {
    let daemon = Daemon::start();
    let flags = ["--memory=16MiB", "--restart=never", "--retry-on=memory:2", "--backoff-first=1ms"];
    start(&daemon, "job", &flags, &["before 2 take 20", "listen", "ready"]);
    let show = daemon.json(&["show", "job"]);
    let raised = json!([{"limit": "memory", "configured": "16MiB", "now": "32MiB"}]);
    assert_eq!(show["instances"][0]["raised"], raised);
    let text = daemon.well(&["show", "job"]).text().to_owned();
    assert!(text.contains("raised    memory 32MiB, by a retry; configured is 16MiB\n"), "{text}");
    let told = daemon.until_event("job", "backoff", 1).text;
    assert!(told.ends_with(", with memory 32MiB instead of 16MiB"), "{told}");
    daemon.well(&["restart", "job"]);
    // One that somebody starts anew has its own limits.
    assert_eq!(daemon.json(&["show", "job"])["instances"][0]["raised"], json!([]));
}
