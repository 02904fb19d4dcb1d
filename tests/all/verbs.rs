//! What the verbs say, and whom they mean.

use sandhog_harness::{Daemon, module};
use sandhog_protocol::control::Phase;
use serde_json::Value;

/// Starts a job that does as it is told, and is ready when it says so.
fn start(daemon: &Daemon, name: &str, flags: &[&str], words: &[&str]) {
    daemon.start_job(name, "does_as_told", &[&["--ready=notify"], flags, &["--"], words].concat());
}

/// `api` with two instances and `worker` with one, both in the group `shop`, and `alone`.
fn shop() -> Daemon {
    let daemon = Daemon::start();
    start(&daemon, "api", &["--group=shop", "-i", "2"], &["listen", "ready"]);
    start(&daemon, "worker", &["--group=shop"], &["listen", "ready"]);
    start(&daemon, "alone", &[], &["listen", "ready"]);
    daemon
}

/// Those that `ps` shows with these words.
fn shown(daemon: &Daemon, words: &[&str]) -> Vec<String> {
    let all = daemon.json(&[&["ps"], words].concat());
    let name = |it: &Value| format!("{}/{}", it["job"].as_str().unwrap(), it["instance"]);
    all.as_array().unwrap().iter().map(name).collect()
}

fn running(daemon: &Daemon) -> Vec<String> {
    let up = daemon.instances().into_iter().filter(|it| it.phase == Phase::Running);
    up.map(|it| format!("{}/{}", it.job, it.instance)).collect()
}

/// Each of these keys is there.
fn has_keys(value: &Value, keys: &str) {
    let missing: Vec<_> = keys.split(' ').filter(|key| value.get(key).is_none()).collect();
    assert!(missing.is_empty(), "{missing:?} are missing in {value:#}");
}

const INSTANCE: &str = "id job group instance phase reason paused since_ms attempt pid started_ms \
                        cpu_permille cpu_ms memory_bytes peak_rss_bytes messages_received messages_sent \
                        restarts last next_ms progress";

#[test]
fn a_module_is_started_with_a_name_instances_variables_and_arguments_and_no_manifest() {
    let daemon = Daemon::start();
    let words = ["start", &module("print_env"), "--name", "shop", "-i", "4", "--env", "MODE=fast", "--restart=never"];
    daemon.well(&[&words[..], &["--ready=10s"]].concat());
    for number in 0..4 {
        assert_eq!(daemon.log_of(&format!("shop/{number}")), ["MODE=fast"]);
    }
    let show = daemon.json(&["show", "shop"]);
    assert_eq!((&show["spec"]["instances"], &show["spec"]["env"]["MODE"]), (&4.into(), &"fast".into()));
    // Without a name it is called as its file.
    daemon.well(&["start", &module("print_args"), "--restart=never", "--", "one", "--two"]);
    let log = daemon.log_of("print_args").join("\n");
    assert!(log.contains("one") && log.contains("--two"), "{log}");
}

#[test]
fn a_job_reads_the_file_that_is_its_stdin_and_its_last_line_needs_no_end() {
    let daemon = Daemon::start();
    let input = daemon.scratch().file("input", "one\ntwo");
    let stdin = format!("--stdin={}", input.display());
    daemon.start_job("job", "cat", &[&stdin, "--restart=never", "--ready=10s"]);
    assert_eq!(daemon.log_of("job"), ["one", "two"]);
}

#[test]
fn ps_shows_what_a_job_is_how_it_ended_last_and_what_it_uses() {
    let daemon = Daemon::start();
    start(&daemon, "job", &["--backoff-first=1ms"], &["progress half", "before 2 exit 3", "ready"]);
    daemon.until_event("job", "ready", 1);
    let text = daemon.well(&["ps"]).text().to_owned();
    let [head, line] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
    let columns: Vec<_> = head.split_whitespace().collect();
    assert_eq!(columns, ["ID", "JOB", "INSTANCE", "STATE", "LAST", "RESTARTS", "UPTIME", "CPU", "MEMORY", "PID"]);
    let instance = daemon.instance("job");
    let cells: Vec<_> = line.split_whitespace().collect();
    assert_eq!(cells[..6], ["1", "job", "0", "running", "failed(3)", "1"], "{text}");
    assert_eq!(cells[9], instance.pid.unwrap().to_string(), "{text}");
    assert!(instance.memory_bytes.is_some_and(|bytes| bytes > 1 << 20), "{instance:?}");
    assert_eq!(instance.progress.as_deref(), Some("1/2 half"));
}

#[test]
fn json_of_every_verb_has_what_is_documented() {
    let daemon = Daemon::start();
    let words =
        ["start", &module("does_as_told"), "--name", "job", "--ready=notify", "--json", "--", "listen", "ready"];
    let started: Value = serde_json::from_slice(&daemon.well(&words).stdout).unwrap();
    assert_eq!(started["changes"][0]["change"], "create");
    for words in [
        &["stop", "job"][..],
        &["start", "job"],
        &["restart", "job"],
        &["reload", "job"],
        &["scale", "job", "2"],
        &["signal", "job/1", "CONT"],
    ] {
        let done = daemon.json(words);
        has_keys(&done, "changes instances problems");
        assert_eq!(done["problems"], Value::Array(Vec::new()), "{words:?}");
        has_keys(&done["instances"][0], INSTANCE);
    }
    let ps = daemon.json(&["ps"]);
    has_keys(&ps[0], INSTANCE);
    has_keys(&ps[0]["last"], "attempt at_ms text code verdict usage");
    has_keys(&daemon.json(&["show", "job"]), "spec source settings instances ended");
    has_keys(&daemon.json(&["send", "job/0", "1"])[0], "id job instance message error");
    has_keys(&daemon.json_lines(&["logs"])[0], "at_ms job instance attempt stream text");
    let events = daemon.json_lines(&["events", "-n", "1000"]);
    for (event, number) in events.iter().zip(1..) {
        has_keys(event, "number at_ms job instance id attempt kind text verdict message");
        assert_eq!(event["number"], number);
    }
    let deleted = daemon.json(&["delete", "job"]);
    has_keys(&deleted, "changes instances problems");
    assert_eq!(daemon.json(&["ps"]), Value::Array(Vec::new()));
}

/// What happens to an attempt names it, from its start on.
#[test]
fn every_event_of_an_attempt_names_it() {
    let daemon = Daemon::start();
    start(&daemon, "job", &[], &["listen", "ready"]);
    let attempt = daemon.instance("job").attempt;
    daemon.tell("job", "print x");
    daemon.well(&["stop", "job"]);
    for event in daemon.events_of("job").iter().filter(|event| !["created", "stopped"].contains(&event.kind.as_str())) {
        assert_eq!(event.attempt, attempt, "{event:?}");
    }
}

#[test]
fn words_are_names_ids_instances_groups_or_all() {
    let daemon = shop();
    let id = daemon.instance("api/1").id.to_string();
    for (words, names) in [
        (&["api"][..], &["api/0", "api/1"][..]),
        (&["api/1"], &["api/1"]),
        (&[&id], &["api/1"]),
        (&["shop"], &["api/0", "api/1", "worker/0"]),
        (&["default"], &["alone/0"]),
        (&["worker", "api/0", "worker/0"], &["api/0", "worker/0"]),
        (&["all"], &["api/0", "api/1", "worker/0", "alone/0"]),
        (&[], &["api/0", "api/1", "worker/0", "alone/0"]),
    ] {
        assert_eq!(shown(&daemon, words), names, "{words:?}");
    }
    daemon.well(&["stop", &id]);
    assert_eq!(running(&daemon), ["api/0", "worker/0", "alone/0"]);
    daemon.well(&["stop", "shop"]);
    assert_eq!(running(&daemon), ["alone/0"]);
    daemon.well(&["stop", "all"]);
    assert_eq!(running(&daemon), [""; 0]);
    daemon.well(&["start", "api/1", "worker"]);
    assert_eq!(running(&daemon), ["api/1", "worker/0"]);
}

#[test]
fn a_name_that_nothing_has_is_told_with_the_nearest_one_and_nothing_is_done() {
    let daemon = shop();
    for (word, said) in [
        ("wroker", "no job and no group is called \"wroker\"\n  hint: did you mean worker?\n"),
        ("shpo", "no job and no group is called \"shpo\"\n  hint: did you mean shop?\n"),
        ("api/7", "the job api has no instance \"7\"\n  hint: sandhog ps shows what there is\n"),
        ("99", "there is no instance 99\n  hint: sandhog ps shows what there is\n"),
    ] {
        for verb in ["stop", "start", "restart", "reload", "delete", "ps", "logs", "events"] {
            // The first word means something: nothing is done to it.
            let outcome = daemon.run(&[verb, "alone", word]);
            outcome.reported(126, &format!("sandhog: {said}"));
            assert!(outcome.stdout.is_empty(), "{verb}: {outcome:#?}");
        }
        daemon.run(&["signal", word, "KILL"]).reported(126, &format!("sandhog: {said}"));
        daemon.run(&["send", word, "1"]).reported(126, &format!("sandhog: {said}"));
    }
    for words in [&["scale", "wroker", "3"][..], &["show", "wroker"]] {
        let outcome = daemon.run(words);
        assert!(outcome.stderr.contains("did you mean worker?"), "{words:?}: {outcome:#?}");
    }
    assert_eq!(running(&daemon).len(), 4);
}

#[test]
fn a_second_job_of_one_name_is_refused_in_one_sentence() {
    let daemon = Daemon::start();
    start(&daemon, "job", &[], &["ready"]);
    let before = daemon.instance("job");
    let second = daemon.run(&["start", &module("sleep_forever"), "--name", "job"]);
    assert_ne!(second.code, 0, "{second:#?}");
    assert!(second.stderr.starts_with("sandhog: ") && second.stderr.contains("job"), "{second:#?}");
    assert_eq!(second.stderr.lines().filter(|line| !line.starts_with("  hint: ")).count(), 1, "{second:#?}");
    assert_eq!(daemon.instance("job").attempt, before.attempt);
    assert!(daemon.json(&["show", "job"])["spec"]["module"].as_str().unwrap().ends_with("does_as_told.wasm"));
}

#[test]
fn names_that_would_deceive_are_refused() {
    let daemon = Daemon::start();
    for name in ["a/b", "a\nb", "\u{1b}[2J", "аpi", "", "all", "7", "-x y"] {
        let outcome = daemon.run(&["start", &module("sleep_forever"), &format!("--name={name}")]);
        assert_ne!(outcome.code, 0, "{name:?}: {outcome:#?}");
        assert!(outcome.stderr.chars().all(|c| c == '\n' || !c.is_control()), "{name:?}: {outcome:#?}");
    }
    assert_eq!(daemon.instances(), []);
}

#[test]
fn a_message_reaches_each_instance_and_each_answers() {
    let daemon = Daemon::start();
    start(&daemon, "job", &["-i", "3"], &["ready"]);
    let answers = daemon.json(&["send", "job", "\"who\"", "--wait", "30s"]);
    let messages: Vec<_> = answers.as_array().unwrap().iter().map(|answer| answer["message"].as_str()).collect();
    assert_eq!(messages, [Some("\"did who\""); 3]);
    let shown = daemon.well(&["send", "job/1", "\"who\"", "--wait", "30s"]);
    assert_eq!(shown.text(), "job/1: \"did who\"\n");
    // Without waiting its answer is an event.
    daemon.well(&["send", "job/2", "\"print x\""]);
    let answered = daemon.until("its answer", |events| {
        events.iter().find(|event| event.message.as_deref() == Some("\"did print x\"")).cloned()
    });
    assert_eq!((answered.kind.as_str(), answered.instance), ("message", Some(2)));
}

#[test]
fn a_handler_that_is_kept_up_answers_what_is_sent_to_it() {
    let daemon = Daemon::start();
    daemon.start_job("words", "word-handler", &["--ready=20ms"]);
    for (task, answer) in [
        ("\"one two one\"", "words/0: {\"words\":3,\"longest\":\"one\",\"tasks\":1}\n"),
        ("\"four\"", "words/0: {\"words\":1,\"longest\":\"four\",\"tasks\":2}\n"),
    ] {
        assert_eq!(daemon.well(&["send", "words", task, "--wait", "30s"]).text(), answer);
    }
}

#[test]
fn a_message_to_what_does_not_run_or_does_not_answer_says_so() {
    let daemon = Daemon::start();
    start(&daemon, "down", &[], &["listen", "ready"]);
    start(&daemon, "mute", &[], &["ready", "hang"]);
    daemon.well(&["stop", "down"]);
    let down = daemon.run(&["send", "down", "1", "--wait", "30s"]);
    assert_eq!((down.code, down.text()), (1, "down/0: not sent: it does not run\n"), "{down:#?}");
    let mute = daemon.run(&["send", "mute", "1", "--wait", "20ms"]);
    assert_eq!((mute.code, mute.text()), (1, "mute/0: sent, but it has not answered in time\n"), "{mute:#?}");
    let nonsense = daemon.run(&["send", "mute", "hello"]);
    assert_eq!(nonsense.code, 126);
    assert!(nonsense.stderr.contains("the message is not JSON"), "{nonsense:#?}");
}

#[test]
fn who_follows_events_sees_what_happens_as_it_does() {
    let daemon = Daemon::start();
    start(&daemon, "job", &[], &["listen", "ready"]);
    start(&daemon, "other", &[], &["listen", "ready"]);
    let followed = daemon.command(&["events", "-f", "job", "-n", "1"]).start();
    followed.stdout.until_has("job/0 is ready\n");
    daemon.well(&["stop", "all"]);
    followed.stdout.until_has("job/0 has stopped\n");
    let text = String::from_utf8(followed.stdout.so_far()).unwrap();
    assert!(!text.contains("other"), "{text}");
}

#[test]
fn a_start_that_is_not_waited_for_returns_before_the_job_is_ready() {
    let daemon = Daemon::start();
    start(&daemon, "job", &["--no-wait"], &["hang"]);
    let phase = daemon.instance("job").phase;
    assert_eq!(phase, Phase::Starting);
}

#[test]
fn a_start_of_what_does_not_come_up_fails_and_says_why() {
    let daemon = Daemon::start();
    let flags = ["--restart=never", "--ready=10s", "--", "exit 3"];
    let outcome = daemon.run(&[&["start", module("does_as_told").as_str(), "-n", "job"], &flags[..]].concat());
    assert_eq!(outcome.code, 1, "{outcome:#?}");
    assert!(outcome.stderr.contains("job/0") && outcome.stderr.contains("failed with code 3"), "{outcome:#?}");
    let missing = daemon.run(&["start", "./nowhere.wasm"]);
    assert!(missing.code != 0 && missing.stderr.contains("nowhere.wasm"), "{missing:#?}");
}

#[test]
fn without_a_daemon_nothing_is_up_and_verbs_say_what_to_do() {
    let mut daemon = Daemon::start();
    daemon.stop();
    assert_eq!(daemon.json(&["ps"]), Value::Array(Vec::new()));
    for words in [&["stop", "job"][..], &["logs"], &["events"], &["reload", "all"], &["send", "job", "1"]] {
        let outcome = daemon.run(words);
        assert_eq!(outcome.code, 125, "{words:?}: {outcome:#?}");
        assert!(outcome.stderr.starts_with("sandhog: no daemon is running"), "{words:?}: {outcome:#?}");
    }
}
