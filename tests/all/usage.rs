//! What an attempt that lives uses: told to its parent, to whoever asks a daemon, and to the program that started it.

use sandhog_client::{Error, Job, Running, Timeout};
use sandhog_harness::{Command, DEADLINE, Daemon, Folder, Person, guest, process, sandhog, until};

/// What a guest finds out about its child, whoever runs it.
fn told(case: &str, stdout: &str) {
    let (module, child) = (
        sandhog_harness::module("watches_its_child"),
        format!("--child=child={}", sandhog_harness::module("does_as_told")),
    );
    for who in Person::all() {
        let ran = Folder::of(who).run(&[&child, &module, "--", case]);
        assert_eq!((ran.is(0, "completed").text(), who), (stdout, who));
    }
}

fn with_child(run: Command, name: &str, module: &str) -> Command {
    let mut grant = std::ffi::OsString::from(format!("--child={name}="));
    grant.push(guest(module));
    run.flag(grant)
}

#[test]
fn a_child_that_computes_is_on_the_cpu_for_longer_and_longer() {
    told("computes", "busy true\nmessages true\nthreads true\n");
}

#[test]
fn a_child_that_takes_memory_has_it() {
    told("takes", "less than 64 MiB before true\nmore after true\npeak true\n");
}

#[test]
fn a_child_that_hangs_is_seen_and_one_that_has_ended_is_not() {
    told("hangs", "seen true\nended Err(Closed)\nand ever after Err(Closed)\n");
}

#[test]
fn a_child_is_seen_from_its_start_on_and_with_no_connection_to_its_end() {
    told("starts", "first true\nthen true\n");
    told("alone", "no messages true\nbegins true\nends true\nstopped: it was ended\n");
}

#[test]
fn a_guest_that_asks_and_asks_ends_by_its_limit_like_any_other() {
    let run = with_child(Command::guest("watches_its_child").arg("often"), "child", "does_as_told");
    let (run, mut peak) = (run.flag("--timeout=2s").start(), 0);
    until("its end", || {
        peak = peak.max(process::peak_bytes(run.pid).unwrap_or(0));
        run.has_ended().then_some(())
    });
    run.wait().is(124, "deadline");
    assert!(peak < 64 << 20, "{peak} bytes");
}

#[test]
fn a_monitor_ends_what_uses_too_much_and_lets_the_rest_be() {
    let run =
        ["96", "300", "spin_forever", "hoarder:200", "hello"].iter().fold(Command::guest("monitor"), Command::arg);
    let run = ["spin_forever", "hoarder", "hello"].iter().fold(run, |run, name| with_child(run, name, name));
    let outcome = run.run();
    outcome.is(0, "completed");
    let mut lines: Vec<_> = outcome.text().lines().collect();
    lines.sort_unstable();
    let ended = "stopped: it was ended";
    assert_eq!(
        lines,
        ["hello", "hello: completed", &format!("hoarder: {ended}"), &format!("spin_forever: {ended}")],
        "{outcome:#?}"
    );
    for why in
        ["child=spin_forever why=\"more than 300ms on the CPU\"", "child=hoarder why=\"more than 96 MiB of memory\""]
    {
        assert!(outcome.stderr.contains(why), "{outcome:#?}");
    }
}

#[test]
fn a_daemon_tells_what_its_jobs_have_used_so_far() {
    let daemon = Daemon::start();
    daemon.start_job("job", "does_as_told", &["--ready=notify", "--", "ready"]);
    daemon.until_event("job", "ready", 1);
    let first = daemon.instance("job");
    assert_eq!((first.messages_received, first.messages_sent), (Some(0), Some(0)), "{first:?}");
    daemon.tell("job", "take 64");
    let mut sent = 1;
    let busy = until("100 ms on the CPU", || {
        daemon.tell("job", "spin 20");
        sent += 1;
        let instance = daemon.instance("job");
        instance.cpu_ms.is_some_and(|ms| ms >= first.cpu_ms.unwrap() + 100).then_some(instance)
    });
    assert_eq!((busy.messages_received, busy.messages_sent), (Some(sent), Some(sent)), "{busy:?}");
    assert!(busy.memory_bytes.unwrap() >= 64 << 20 && busy.peak_rss_bytes >= busy.memory_bytes, "{busy:?}");
    let show = daemon.well(&["show", "job"]).text().to_owned();
    let line =
        |key: &str| show.lines().find(|line| line.trim_start().starts_with(key)).unwrap_or_else(|| panic!("{show}"));
    assert!(line("cpu ").ends_with(" so far"), "{show}");
    assert!(line("memory ").ends_with(" at its peak"), "{show}");
    assert!(line("messages ").ends_with(&format!("{sent} received, {sent} sent")), "{show}");
    daemon.well(&["stop", "job"]);
    let stopped = daemon.instance("job");
    let none = (stopped.cpu_ms, stopped.memory_bytes, stopped.peak_rss_bytes, stopped.messages_sent);
    assert_eq!(none, (None, None, None, None), "{stopped:?}");
}

fn does(job: &mut Running, words: &str) {
    job.send(words).unwrap();
    assert_eq!(job.recv_timeout::<String>(Timeout::After(DEADLINE)).unwrap(), format!("did {words}"));
}

#[test]
fn a_rust_program_sees_what_its_job_uses_also_when_that_hangs() {
    let mut job = Job::new(guest("does_as_told")).executable(sandhog()).start().unwrap();
    does(&mut job, "take 64");
    let first = job.usage().unwrap();
    assert!(first.rss_bytes >= 64 << 20 && first.peak_rss_bytes >= first.rss_bytes && first.threads > 0, "{first:?}");
    until("100 ms on the CPU", || {
        does(&mut job, "spin 20");
        (job.usage().unwrap().cpu_us >= first.cpu_us + 100_000).then_some(())
    });
    job.send("hang").unwrap();
    for _ in 0..100 {
        job.usage().unwrap();
    }
    job.stop().unwrap();
    job.wait().unwrap();
    assert!(matches!(job.usage(), Err(Error::Closed)));
}

#[test]
fn a_rust_program_sees_the_end_of_a_job_before_it_waits_for_it() {
    let mut job = Job::new(guest("hello")).stdout(std::process::Stdio::null()).executable(sandhog()).start().unwrap();
    // Zero before it begins; then something; then nobody is there.
    let end = until("its end", || job.usage().err());
    assert!(matches!(end, Error::Closed), "{end:?}");
    assert!(job.wait().unwrap().is_success());
}
