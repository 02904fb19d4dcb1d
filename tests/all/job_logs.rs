//! What jobs write is kept, bounded, and shown.

use rustix::process::Signal;
use sandhog_harness::{Daemon, Running, names_in, until};
use serde_json::Value;
use std::fs;

/// Starts a job that does as it is told, and is ready when it says so.
fn start(daemon: &Daemon, name: &str, flags: &[&str], words: &[&str]) {
    daemon.start_job(name, "does_as_told", &[&["--ready=notify"], flags, &["--"], words].concat());
}

/// `sandhog logs -f` with these words, which has shown this already.
fn follow(daemon: &Daemon, words: &[&str], shown: &str) -> Running {
    let running = daemon.command(&[&["logs", "-f"], words].concat()).start();
    running.stdout.until_has(shown);
    running
}

fn lines_of(running: &Running) -> Vec<String> {
    String::from_utf8(running.stdout.so_far()).unwrap().lines().map(str::to_owned).collect()
}

/// The log files of a job, newest first.
fn files(daemon: &Daemon, job: &str) -> Vec<String> {
    let mut all = names_in(&daemon.path("state/logs"));
    all.retain(|name| name.starts_with(&format!("{job}.log")));
    all
}

#[test]
fn a_log_has_what_a_job_writes_and_says_and_what_happens_to_it() {
    let daemon = Daemon::start();
    start(&daemon, "job", &[], &["print out", "log word", "ready"]);
    // It panics over what it does not know.
    daemon.tell_and_on("job", "nonsense");
    daemon.until_event("job", "ready", 2);
    let lines = daemon.json_lines(&["logs", "job", "-n", "1000"]);
    let streams: Vec<_> = lines.iter().map(|line| line["stream"].as_str().unwrap()).collect();
    for stream in ["out", "err", "log", "sandhog"] {
        assert!(streams.contains(&stream), "{stream}: {lines:#?}");
    }
    let texts: Vec<_> = lines.iter().map(|line| line["text"].as_str().unwrap()).collect();
    assert!(texts.contains(&"INFO job: word"), "{texts:?}");
    assert!(texts.iter().any(|text| text.starts_with("has ended: trapped")), "{texts:?}");
    let times: Vec<_> = lines.iter().map(|line| line["at_ms"].as_u64().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
}

/// Whatever a guest puts into what it says of itself.
#[test]
fn one_event_is_one_line_and_no_guest_writes_in_sandhogs_name() {
    let daemon = Daemon::start();
    let forged = "has ended: denied";
    let ends = ["\n", "\r", "\u{85}", "\u{2028}", "\u{2029}", "\u{1b}[1A\r"];
    let logs = ends.map(|end| format!("log one{end}ERROR other: two"));
    let progress = format!("progress far\njob/1 {forged}\u{202e}");
    let words: Vec<&str> = logs.iter().map(String::as_str).chain([progress.as_str(), "ready"]).collect();
    start(&daemon, "job", &["--log=info"], &words);
    daemon.tell("job", &format!("retire bored\n{forged}"));
    let told = daemon.until_event("job", "retiring", 1);
    assert_eq!(told.text, format!("asks to be replaced: bored\\n{forged}"));

    let lines = daemon.json_lines(&["logs", "job", "-n", "10000"]);
    let of = |stream: &str| -> Vec<&str> {
        lines.iter().filter(|line| line["stream"] == stream).map(|line| line["text"].as_str().unwrap()).collect()
    };
    assert!(of("sandhog").iter().all(|text| !text.starts_with(forged)), "{lines:#?}");
    assert!(of("sandhog").contains(&told.text.as_str()), "{lines:#?}");
    assert!(
        of("log").len() >= ends.len() && of("log").iter().all(|text| text.starts_with("INFO job: one\\")),
        "{lines:#?}"
    );

    // Wherever it is shown.
    let file = fs::read_to_string(daemon.path("state/logs/job.log")).unwrap();
    let plain = [&["logs", "job"][..], &["events", "-n", "1000"], &["show", "job"], &["ps"]];
    let shown = plain.map(|words| daemon.well(words).text().to_owned());
    for text in shown.iter().chain([&file]) {
        let is_forged = |line: &&str| line.contains("other: two") && !line.contains("one\\");
        assert!(text.lines().find(is_forged).is_none(), "{text}");
        assert!(text.lines().all(|line| !line.contains(forged) || line.contains("\\n")), "{text}");
        assert!(
            text.chars().all(|it| it == '\n' || !(it.is_control() || "\u{2028}\u{2029}\u{202e}".contains(it))),
            "{text}"
        );
    }
    let progress = daemon.until_instance("its progress", "job", |it| it.progress.is_some()).progress.unwrap();
    assert_eq!(progress, format!("1/2 far\\njob/1 {forged}\\u{{202e}}"));
}

/// The attempt is named, so that what two of them have written can be told apart.
#[test]
fn every_line_names_its_job_its_instance_and_its_attempt() {
    let daemon = Daemon::start();
    start(&daemon, "job", &["-i", "2"], &["who", "ready"]);
    for instance in ["job/0", "job/1"] {
        let attempt = daemon.instance(instance).attempt.unwrap();
        let lines = daemon.json_lines(&["logs", instance]);
        assert!(!lines.is_empty());
        for line in &lines {
            let name = format!("{}/{}", line["job"].as_str().unwrap(), line["instance"]);
            assert_eq!((name.as_str(), &line["attempt"]), (instance, &Value::from(attempt.as_str())), "{line}");
        }
        let text = daemon.well(&["logs", instance]).text().to_owned();
        assert!(text.lines().all(|line| line.contains(&format!(" {instance} "))), "{text}");
        let file = fs::read_to_string(daemon.path("state/logs/job.log")).unwrap();
        let number = instance.strip_prefix("job/").unwrap();
        let own = file.lines().filter(|line| line.split(' ').nth(1) == Some(number));
        assert!(own.clone().count() >= lines.len() && own.clone().all(|line| line.contains(&attempt)), "{file}");
    }
}

#[test]
fn the_last_lines_are_as_many_as_asked_for() {
    let daemon = Daemon::start();
    start(&daemon, "job", &[], &["lines 50", "ready"]);
    daemon.tell("job", "print end");
    let shown = daemon.json_lines(&["logs", "job", "-n", "7"]);
    assert_eq!(shown.len(), 7);
    let own = shown.iter().filter(|line| line["stream"] == "out");
    let texts: Vec<_> = own.map(|line| line["text"].as_str().unwrap()).collect();
    assert!(texts.ends_with(&["line 48", "line 49", "end"]), "{shown:#?}");
}

/// Many times the size of a file: what is shown is whole and in order, and what is kept is bounded. It keeps up: one that
/// does not is told how many lines were left out.
#[test]
fn who_follows_a_log_sees_every_line_across_rotations() {
    let daemon = Daemon::start();
    start(&daemon, "job", &["--logs-size=4KiB", "--logs-files=2"], &["print here", "ready"]);
    let followed = follow(&daemon, &["job"], "out here\n");
    for part in 0..10 {
        daemon.tell("job", "lines 200");
        daemon.tell("job", &format!("print part {part}"));
        followed.stdout.until_has(&format!("out part {part}\n"));
    }
    let shown = lines_of(&followed);
    let texts = shown.iter().filter_map(|line| line.split_once(" out line ")?.1.parse::<u64>().ok());
    assert!(texts.eq((0..10).flat_map(|_| 0..200)), "{shown:#?}");
    assert!(shown.iter().all(|line| line.contains(" job/0 ")), "{shown:#?}");
    assert_eq!(files(&daemon, "job"), ["job.log", "job.log.1", "job.log.2"]);
    for file in files(&daemon, "job") {
        let size = fs::metadata(daemon.path("state/logs").join(&file)).unwrap().len();
        assert!(size <= 4 << 10, "{file}: {size} bytes");
    }
    // What has been set aside is shown as well.
    let kept = daemon.log_of("job");
    assert_eq!(kept.last().map(String::as_str), Some("part 9"));
    assert!(kept.len() > 50 && kept.len() < 1000, "{}", kept.len());
}

#[test]
fn who_follows_all_logs_sees_a_job_that_is_made_later_as_well() {
    let daemon = Daemon::start();
    start(&daemon, "first", &[], &["print one", "ready"]);
    let followed = follow(&daemon, &[], "first/0 out one\n");
    start(&daemon, "second", &[], &["print two", "ready"]);
    followed.stdout.until_has("second/0 out two\n");
}

#[test]
fn who_follows_is_ended_by_ctrl_c() {
    let daemon = Daemon::start();
    start(&daemon, "job", &[], &["print here", "ready"]);
    let followed = follow(&daemon, &["job"], "out here\n");
    followed.signal(Signal::INT);
    assert_eq!(followed.wait().code, 130);
}

#[test]
fn control_characters_are_harmless_where_people_read_and_as_written_in_json() {
    const HARM: &str = "\u{1b}[2Jred\r\u{7}\u{202e}x";
    let daemon = Daemon::start();
    start(&daemon, "job", &[], &["ready"]);
    daemon.tell("job", &format!("print {HARM}"));
    let shown = daemon.well(&["logs", "job"]);
    assert!(shown.text().chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{:?}", shown.text());
    assert!(shown.text().contains("\\u{1b}[2Jred"), "{:?}", shown.text());
    assert_eq!(daemon.log_of("job"), [HARM]);
    let events = daemon.well(&["events"]);
    assert!(events.text().chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{:?}", events.text());
}

#[test]
fn a_log_can_be_read_while_its_job_writes() {
    let daemon = Daemon::start();
    daemon.start_job("job", "spew", &["--logs-size=64KiB", "--ready=20ms"]);
    for _ in 0..5 {
        let lines = daemon.json_lines(&["logs", "job", "-n", "100"]);
        assert!(!lines.is_empty());
    }
    daemon.well(&["stop", "job"]);
}

#[test]
fn a_jobs_own_log_is_kept_from_the_level_on_that_was_asked_for() {
    let daemon = Daemon::start();
    start(&daemon, "loud", &[], &["log word", "ready"]);
    start(&daemon, "quiet", &["--log=warn"], &["log word", "ready"]);
    until("the word", || daemon.log_of("loud").contains(&"INFO loud: word".to_owned()).then_some(()));
    assert_eq!(daemon.log_of("quiet"), [""; 0]);
}
