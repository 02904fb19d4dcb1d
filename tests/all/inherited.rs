//! Facts about what a command has inherited of whoever started it, and what it makes of that.

use rustix::process::Signal;
use sandhog_harness::{
    Command, Daemon, Folder, Need, Outcome, Running, guest, is_root, missing, module, process, root_or_missing, until,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// SIGPIPE and SIGXFSZ, as /proc shows a set of signals.
const OUR_OWN: u64 = 1 << 12 | 1 << 24;

/// A line of /proc/PID/status.
fn status(pid: u32, name: &str) -> String {
    line_of(&fs::read_to_string(format!("/proc/{pid}/status")).unwrap(), name)
}

fn line_of(status: &str, name: &str) -> String {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap().trim().to_owned()
}

/// Without the two that are the C library's own: it starts programs with them ignored.
fn signals(pid: u32, name: &str) -> u64 {
    signals_of(&status(pid, name))
}

fn signals_of(line: &str) -> u64 {
    u64::from_str_radix(line, 16).unwrap() & !(0b11 << 31)
}

/// The worker of a command, once it has sealed itself.
fn worker_of(command: &Running) -> u32 {
    until("the worker", || process::worker_of(command.pid))
}

#[test]
fn whoever_ignores_its_children_gets_the_verdict_all_the_same() {
    let outcome = Command::guest("hello").under(&["env", "--ignore-signal=CHLD"]).run();
    assert_eq!((outcome.code, outcome.text(), outcome.stderr.as_str()), (0, "hello\n", ""), "{outcome:#?}");
    // The daemon outlives its workers.
    let daemon = Daemon::start_under(&["env", "--ignore-signal=CHLD"]);
    daemon.start_job("job", "hello", &["--restart", "never"]);
    daemon.until_event("job", "ended", 1);
    assert_eq!(daemon.instances().len(), 1);
}

#[test]
fn blocked_signals_are_heard() {
    let running = Command::guest("sleep_forever").under(&["env", "--block-signal"]).start();
    worker_of(&running);
    running.signal(Signal::TERM);
    let outcome = running.wait();
    assert_eq!(outcome.code, 143, "{outcome:#?}");
    assert_eq!(outcome.verdict["verdict"], "stopped", "{outcome:#?}");
}

#[test]
fn a_signal_that_is_to_be_ignored_stops_nothing_and_another_one_does() {
    let running = Command::guest("sleep_forever").under(&["env", "--ignore-signal=HUP,INT"]).start();
    worker_of(&running);
    for _ in 0..2 {
        running.signal(Signal::HUP);
        running.signal(Signal::INT);
    }
    running.signal(Signal::TERM);
    let outcome = running.wait();
    // By any of the first two it would be 130, and by the second one it would have gone at once.
    assert_eq!((outcome.code, outcome.verdict["reason"].as_str()), (143, Some("terminate")), "{outcome:#?}");
    assert!(outcome.stderr.contains("stopped: by SIGTERM"), "{outcome:#?}");
}

#[test]
fn a_daemon_behind_nohup_lives_on_when_its_terminal_goes() {
    let mut daemon = Daemon::start_under(&["nohup"]);
    daemon.start_job("job", "sleep_forever", &[]);
    assert_eq!(signals(daemon.pid(), "SigIgn") & 1, 1, "SIGHUP is not ignored");
    for _ in 0..3 {
        daemon.signal(Signal::HUP);
    }
    daemon.start_job("another", "sleep_forever", &[]);
    let outcome = daemon.stop();
    assert_eq!(outcome.code, 0, "{outcome:#?}");
}

#[test]
fn neither_spawner_nor_worker_inherits_what_the_command_was_to_ignore_or_had_blocked() {
    let running = Command::guest("sleep_forever").under(&["env", "--ignore-signal", "--block-signal"]).start();
    worker_of(&running);
    let mut seen = BTreeSet::new();
    for pid in process::descendants(running.pid) {
        // The zygote, and those that made the namespaces, end about now.
        let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { continue };
        let [ignored, blocked] = ["SigIgn", "SigBlk"].map(|name| signals_of(&line_of(&status, name)));
        let name = line_of(&status, "Name");
        assert_eq!((ignored, blocked), (OUR_OWN, 0), "{name}");
        seen.insert(name);
    }
    let lasting = ["sandhog-spawner", "sandhog-worker"].map(str::to_owned);
    assert!(seen.is_superset(&lasting.into()), "{seen:?}");
    assert_eq!(signals(running.pid, "SigBlk"), 0);
}

/// A daemon in the background, of a folder's own. Dropping it takes it down.
struct Background {
    folder: Folder,
}

impl Background {
    /// `sandhog start` of a sleeper by this program, which starts the daemon.
    fn start(under: &[&str]) -> Self {
        let background = Self { folder: Folder::new() };
        let words = ["start", &module("sleep_forever"), "--name", "job", "--ready", "10ms"];
        let outcome = background.command(&words).under(under).env("SECRET", "of whoever called").run();
        assert_eq!(outcome.code, 0, "{outcome:#?}\n{}", background.log());
        background
    }

    fn command(&self, words: &[&str]) -> Command {
        let path = |name: &str| self.folder.join(name).to_str().unwrap().to_owned();
        let run = Command::sandhog(words).current_dir(self.folder.path());
        run.env("SANDHOG_STATE_DIR", path("state")).env("SANDHOG_RUNTIME_DIR", path("runtime"))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("state/daemon.log")).unwrap_or_default()
    }

    /// Its first line says what it keeps of whoever started it, where it keeps anything.
    fn kept(&self) -> String {
        let log = self.log();
        let line = log.lines().next().unwrap_or_default();
        line.strip_prefix("sandhog: kept from whoever started this: ").unwrap_or_default().to_owned()
    }

    fn pid(&self) -> u32 {
        let lock = fs::read_to_string(self.folder.join("state/daemon.lock")).unwrap();
        lock.strip_prefix("process ").and_then(|rest| rest.split(',').next()).unwrap().parse().unwrap()
    }

    fn proc(&self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.pid().to_string()).join(name)
    }

    fn down(&self) -> Outcome {
        self.command(&["down", "all", "--daemon"]).run()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.down();
    }
}

#[test]
fn a_daemon_in_the_background_has_no_descriptor_directory_umask_or_variable_of_its_starter() {
    let lock = Folder::new();
    let file = lock.join("lock");
    let script = "umask 027; exec 9>\"$0\"; flock 9; \"$@\"";
    let daemon = Background::start(&["sh", "-c", script, file.to_str().unwrap()]);
    let open = fs::read_dir(daemon.proc("fd")).unwrap().filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    assert!(open.into_iter().all(|path| path != file), "the lock is open");
    let free = Command::sandhog(["--version"]).under(&["flock", "--nonblock", file.to_str().unwrap()]).run();
    assert_eq!(free.code, 0, "somebody keeps the lock: {free:#?}");
    assert_eq!(fs::read_link(daemon.proc("cwd")).unwrap(), Path::new("/"));
    assert_eq!(status(daemon.pid(), "Umask"), "0022");
    let environment = fs::read_to_string(daemon.proc("environ")).unwrap();
    let names: Vec<_> = environment.split_terminator('\0').map(|line| line.split('=').next().unwrap()).collect();
    assert!(!names.contains(&"SECRET") && !names.contains(&"PATH"), "{names:?}");
    assert!(names.contains(&"HOME") && names.contains(&"SANDHOG_STATE_DIR"), "{names:?}");
    let name = |pid: &u32| status(*pid, "Name");
    let spawner = process::descendants(daemon.pid()).into_iter().find(|pid| name(pid) == "sandhog-spawner").unwrap();
    let open = fs::read_dir(format!("/proc/{spawner}/fd")).unwrap();
    assert!(open.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok()).all(|path| path != file));
}

#[test]
fn a_pipe_of_whoever_calls_for_a_daemon_is_closed_when_the_call_is_over() {
    let folder = Folder::new();
    let background = Background { folder };
    let words = ["start", &module("sleep_forever"), "--name", "job", "--ready", "10ms"];
    // `cat` ends when nobody has the pipe open any more.
    let script = "{ \"$@\" 3>&1 >/dev/null; } | cat";
    let running = background.command(&words).under(&["sh", "-c", script, "sh"]).start();
    let outcome = running.wait();
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert_eq!(background.down().code, 0);
}

#[test]
fn a_daemon_in_the_background_ignores_no_signal_that_its_starter_ignored() {
    let daemon = Background::start(&["env", "--ignore-signal", "--block-signal"]);
    let pid = daemon.pid();
    assert_eq!((signals(pid, "SigIgn"), signals(pid, "SigBlk")), (OUR_OWN, 0));
    process::send(pid, Signal::HUP);
    until("the daemon being gone", || (!daemon.folder.join("runtime/control.sock").exists()).then_some(()));
}

#[test]
fn a_daemon_in_the_background_sheds_priorities_or_says_which_it_keeps() {
    let script = "echo 300 > /proc/self/oom_score_adj; exec nice -n 7 ionice -c 3 taskset -c 0 \"$@\"";
    let daemon = Background::start(&["sh", "-c", script, "sh"]);
    let stat = fs::read_to_string(daemon.proc("stat")).unwrap();
    let nice = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(16).unwrap().to_owned();
    let kept = daemon.kept();
    assert_eq!(nice != "0", kept.contains("nice value 7 ("), "nice value {nice}; {kept}");
    assert_eq!(fs::read_to_string(daemon.proc("oom_score_adj")).unwrap().trim(), "0");
    assert_eq!(
        status(daemon.pid(), "Cpus_allowed_list"),
        status(std::process::id(), "Cpus_allowed_list"),
        "the processors of whoever started it: {kept}"
    );
    if is_root() {
        assert_eq!(nice, "0", "{kept}");
    }
}

/// A cgroup of version 2, without limits.
struct Cgroup(PathBuf);

impl Cgroup {
    /// None: says what is missing.
    fn new(ending: &str) -> Option<Self> {
        if !root_or_missing("making a cgroup") {
            return None;
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let point = mounts.lines().find(|line| line.contains(" - cgroup2 ")).and_then(|line| line.split(' ').nth(4));
        let Some(point) = point else {
            missing(Need::Cgroup, "a cgroup file system of version 2");
            return None;
        };
        let path = Path::new(point).join(format!("sandhog-inherited-{}{ending}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Some(Self(path))
    }

    fn name(&self) -> &str {
        self.0.file_name().unwrap().to_str().unwrap()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::write(self.0.join("cgroup.kill"), "1");
        until("an empty cgroup", || {
            fs::remove_dir(&self.0).is_ok().then_some(()).or_else(|| (!self.0.exists()).then_some(()))
        });
    }
}

#[test]
fn a_daemon_in_the_background_leaves_the_cgroup_that_it_was_called_for_from() {
    let (Some(scope), Some(other)) = (Cgroup::new(".scope"), Cgroup::new("-limits")) else { return };
    for cgroup in [&scope, &other] {
        let script = "echo 0 > \"$0/cgroup.procs\"; exec \"$@\"";
        let daemon = Background::start(&["sh", "-c", script, cgroup.0.to_str().unwrap()]);
        let inside = fs::read_to_string(daemon.proc("cgroup")).unwrap().contains(cgroup.name());
        assert!(!inside && !daemon.kept().contains(cgroup.name()), "{}", daemon.kept());
        assert_eq!(daemon.down().code, 0);
        until("the daemon being gone", || (!daemon.folder.join("runtime/control.sock").exists()).then_some(()));
    }
}

#[test]
fn what_a_manifest_lets_through_is_read_by_the_command_that_brings_it_up() {
    let daemon = Background::start(&[]);
    let words = ["start", &module("print_env"), "--name", "env", "--env", "SECRET", "--restart", "never", "--no-wait"];
    let outcome = daemon.command(&words).env("SECRET", "word").run();
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    until("its words", || {
        let logs = daemon.command(&["logs", "env", "--json"]).run();
        let said = logs.text().lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        said.into_iter().any(|line| line["text"] == "SECRET=word").then_some(())
    });
}

/// `sandhog` by somebody whom no database of users knows, without any directory of Sandhog's being named.
fn by_nobody(words: &[&str], home: Option<&str>) -> Command {
    let mut under = vec!["env", "-u", "SANDHOG_CACHE_DIR", "-u", "SANDHOG_STATE_DIR"];
    if home.is_none() {
        under.extend(["-u", "HOME"]);
    }
    let run = Command::sandhog(words).under(&under).by_ordinary_user();
    home.into_iter().fold(run, |run, home| run.env("HOME", home))
}

/// A guest where others may read it.
fn readable(scratch: &Folder, name: &str) -> String {
    let path = scratch.join("module.wasm");
    fs::copy(guest(name), &path).unwrap();
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn whoever_has_no_place_for_a_cache_is_told_once_and_the_job_runs() {
    let scratch = Folder::new();
    let module = readable(&scratch, "hello");
    for (home, reason) in [
        (None, "no home directory to keep the cache in"),
        (Some("relative"), "no home directory to keep the cache in"),
        (Some("/nonexistent"), "failed to make the directory \"/nonexistent/.cache/sandhog\""),
        (Some("/proc"), "failed to make the directory \"/proc/.cache/sandhog\""),
    ] {
        let outcome = by_nobody(&["run", &module], home).run();
        assert_eq!((outcome.code, outcome.text()), (0, "hello\n"), "{home:?}: {outcome:#?}");
        let told = format!("sandhog: compiled modules are not kept: {reason}");
        assert!(outcome.stderr.starts_with(&told) && outcome.stderr.lines().count() == 1, "{home:?}: {outcome:#?}");
        let outcome = by_nobody(&["inspect", &module], home).run();
        assert_eq!(outcome.code, 0, "{home:?}: {outcome:#?}");
    }
}

#[test]
fn without_a_place_for_its_state_no_daemon_starts_and_that_is_a_refusal() {
    let scratch = Folder::new();
    let module = readable(&scratch, "hello");
    for words in [&["daemon"][..], &["start", &module]] {
        for (home, reason) in [
            (None, "no home directory to keep the state in: set SANDHOG_STATE_DIR"),
            (Some("/proc"), "failed to make the directory \"/proc/.local/state/sandhog\""),
        ] {
            let outcome = by_nobody(words, home).run();
            assert_eq!(outcome.code, 126, "{words:?}: {outcome:#?}");
            assert!(outcome.stderr.contains(reason) && !outcome.stderr.contains("report"), "{words:?}: {outcome:#?}");
        }
    }
}

#[test]
fn a_directory_of_sandhogs_that_is_no_absolute_path_is_refused_by_every_command() {
    let module = module("hello");
    for name in ["SANDHOG_CACHE_DIR", "SANDHOG_STATE_DIR", "SANDHOG_RUNTIME_DIR"] {
        for words in [&["run", module.as_str()][..], &["inspect", &module], &["daemon"], &["doctor"]] {
            let scratch = Folder::new();
            let outcome = Command::sandhog(words).current_dir(scratch.path()).env(name, "below").run();
            assert_eq!(outcome.code, 126, "{name} {words:?}: {outcome:#?}");
            let told = format!("sandhog: {name}=\"below\" is no absolute path: ");
            assert!(outcome.stderr.starts_with(&told), "{name} {words:?}: {outcome:#?}");
            assert!(scratch.names().is_empty(), "{name} {words:?}");
        }
    }
}

/// A run under `ulimit` with these words.
fn limited(guest: &str, limit: &str) -> Command {
    Command::guest(guest).under(&["bash", "-c", &format!("ulimit {limit}; exec \"$@\""), "bash"])
}

#[test]
fn a_hard_limit_that_is_too_low_is_named_and_a_soft_one_is_raised() {
    for (limit, told) in [
        ("-v 3000000", "sandhog: RLIMIT_AS (ulimit -v) is 3000000KiB, and Sandhog needs 6GiB: "),
        ("-n 64", "sandhog: RLIMIT_NOFILE (ulimit -n) is 64, and Sandhog needs 128: "),
        ("-s 64", "sandhog: RLIMIT_STACK (ulimit -s) is 64KiB, and Sandhog needs 1MiB: "),
        ("-d 10000", "sandhog: RLIMIT_DATA (ulimit -d) is 10000KiB, and Sandhog needs 64MiB: "),
    ] {
        let outcome = limited("hello", limit).run();
        assert_eq!(outcome.code, 126, "{limit}: {outcome:#?}");
        assert!(outcome.stderr.starts_with(told), "{limit}: {outcome:#?}");
        let soft = limited("hello", &format!("-S {limit}")).run();
        assert_eq!((soft.code, soft.text()), (0, "hello\n"), "soft {limit}: {soft:#?}");
    }
    limited("hello", "-n 128").run().printed("hello\n");
}

#[test]
fn a_limit_of_cpu_time_that_is_inherited_is_a_limit_of_the_job() {
    let outcome = limited("spin_forever", "-t 1").run();
    outcome.is(124, "cpu");
    assert!(outcome.stderr.contains("RLIMIT_CPU (ulimit -t) is "), "{outcome:?}");
    assert!(outcome.stderr.contains("900ms"), "{outcome:#?}");
    let daemon = Command::sandhog(["daemon"]).under(&["bash", "-c", "ulimit -t 100; exec \"$@\"", "bash"]).run();
    assert_eq!(daemon.code, 126, "{daemon:#?}");
    assert!(daemon.stderr.contains("RLIMIT_CPU (ulimit -t) is "), "{daemon:#?}");
}

#[test]
fn under_a_limit_on_files_a_daemon_sets_its_logs_aside_and_loses_nothing() {
    let daemon = Background::start(&["bash", "-c", "ulimit -f 2000; exec \"$@\"", "bash"]);
    let words = ["start", &module("floods_lines.wat"), "--name", "noisy", "--no-wait"];
    assert_eq!(daemon.command(&words).run().code, 0);
    until("logs that were set aside", || daemon.folder.join("state/logs/noisy.log.2").exists().then_some(()));
    let events = daemon.command(&["events"]).run();
    assert!(!events.text().contains("lost"), "{events:#?}");
    assert_eq!(daemon.down().code, 0);
}

#[test]
fn a_compiled_module_that_is_too_long_for_the_limit_on_files_is_refused() {
    let cache = Folder::new();
    let outcome = limited("hello", "-f 16").cache(cache.join("cache")).run();
    outcome.is(126, "refused");
    assert!(outcome.stderr.contains("RLIMIT_FSIZE (ulimit -f) is 16KiB"), "{outcome:#?}");
}

#[test]
fn a_count_of_the_past_beyond_its_limit_names_the_flag_and_the_limit() {
    for (words, flag) in [(["logs", "-n", "100000"], "'--lines "), (["events", "-n", "100000"], "'--last ")] {
        let outcome = Command::sandhog(words).run();
        assert_eq!(outcome.code, 126, "{outcome:#?}");
        assert!(outcome.stderr.contains(flag) && outcome.stderr.contains("more than 10000, "), "{outcome:#?}");
    }
}

#[test]
fn root_without_capabilities_or_in_a_chroot_is_told_what_is_missing() {
    if !root_or_missing("root that lacks something") {
        return;
    }
    let bare = Command::guest("hello").under(&["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"]).run();
    assert_eq!(bare.code, 126, "{bare:#?}");
    assert!(bare.stderr.contains("this root lacks capabilities") && bare.stderr.contains("CAP_SYS_ADMIN"), "{bare:#?}");
    let root = Folder::new();
    let script = "mount --make-rprivate / && mount --rbind / \"$0\" && exec chroot \"$0\" \"$@\"";
    let inside =
        Command::guest("hello").under(&["unshare", "-m", "sh", "-c", script, root.path().to_str().unwrap()]).run();
    assert_eq!(inside.code, 126, "{inside:#?}");
    assert!(inside.stderr.contains("start it outside of the chroot"), "{inside:#?}");
}
