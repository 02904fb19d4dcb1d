//! `sandhog monit` in a pseudo-terminal, read as a person would see it.

use rustix::termios::{LocalModes, tcgetattr};
use sandhog_harness::{Daemon, Running, Terminal, module, until};
use sandhog_protocol::control::Phase;
use serde_json::json;

/// `sandhog monit` of a daemon, and what it shows.
struct Monit {
    running: Running,
    terminal: Terminal,
}

impl Monit {
    fn of(daemon: &Daemon, rows: u16, columns: u16) -> Self {
        let terminal = Terminal::new(rows, columns);
        let end = || terminal.end();
        let command = daemon.command(&["monit"]).env("TERM", "xterm-256color");
        let running = command.stdin_from(end()).stdout_to(end()).stderr_to(end()).start();
        let monit = Self { running, terminal };
        monit.shows("sandhog monit  ");
        monit
    }

    /// The screen, line by line.
    fn screen(&self) -> String {
        self.terminal.screen().contents()
    }

    /// Waits until this is to be seen.
    #[track_caller]
    fn shows(&self, text: &str) {
        self.until(text, |screen| screen.contains(text));
    }

    #[track_caller]
    fn until(&self, what: &str, is: impl Fn(&str) -> bool) {
        let deadline = std::time::Instant::now() + sandhog_harness::DEADLINE;
        while !is(&self.screen()) {
            assert!(std::time::Instant::now() < deadline, "no {what}:\n{}", self.screen());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    fn press(&self, keys: &str) {
        self.terminal.press(keys);
    }

    /// It ends with this key, and the terminal is as it was.
    fn quits(self, keys: &str) {
        self.press(keys);
        let Self { running, terminal } = self;
        let ended = running.wait();
        assert_eq!(ended.code, 0, "{ended:#?}");
        until("the screen from before", || {
            let screen = terminal.screen();
            let is_back = !screen.alternate_screen() && !screen.hide_cursor();
            (is_back && !screen.contents().contains("sandhog monit")).then_some(())
        });
        let modes = tcgetattr(terminal.end()).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG), "{modes:?}");
    }
}

/// Two sleepers and one that writes, up.
fn with_jobs() -> Daemon {
    let daemon = Daemon::start();
    let job = |name: &str, guest: &str, args: &[&str]| {
        json!({ "name": name, "module": module(guest), "args": args, "ready": "10ms", "restart": "always",
            "backoff": { "first": "50ms", "max": "200ms" }, "intensity": { "restarts": 10_000, "within": "1m" } })
    };
    let evil = "evil \u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m end";
    let jobs =
        [job("alpha", "sleep_forever", &[]), job("beta", "spin_forever", &[]), job("gamma", "print_args", &[evil])];
    daemon.post("/v1/apply", &json!({ "jobs": jobs })).expect(200);
    daemon.until_phase("alpha", Phase::Running);
    daemon.until_phase("beta", Phase::Running);
    daemon
}

#[test]
fn it_shows_the_jobs_live() {
    let daemon = with_jobs();
    let monit = Monit::of(&daemon, 30, 110);
    for text in ["3 instances", "alpha", "beta", "gamma", "running", "MiB", "q quit"] {
        monit.shows(text);
    }
    // The one that computes all the time has bars over time, and more of them as time goes.
    let bars = |screen: &str| screen.lines().any(|line| line.contains("beta") && line.contains('█'));
    monit.until("a sparkline", bars);
    daemon.well(&["stop", "beta"]);
    monit.until("that it is stopped", |screen| screen.lines().any(|it| it.contains("beta") && it.contains("stopped")));
    daemon.well(&["delete", "beta"]);
    monit.shows("2 instances");
    monit.quits("q");
}

#[test]
fn its_keys_select_stop_restart_and_delete() {
    let daemon = with_jobs();
    let monit = Monit::of(&daemon, 30, 110);
    monit.shows(" alpha/0 ───");
    monit.press("j");
    monit.shows(" beta/0 ───");
    monit.press("k");
    monit.shows(" alpha/0 ───");
    monit.press("s");
    daemon.until_phase("alpha", Phase::Stopped);
    monit.until("that it is stopped", |screen| screen.lines().any(|it| it.contains("alpha") && it.contains("stopped")));
    monit.press("r");
    daemon.until_phase("alpha", Phase::Running);
    monit.press("jx");
    monit.shows("delete beta with all its instances? y");
    monit.press("n");
    monit.shows("q quit");
    assert!(daemon.find("beta").is_some());
    monit.press("xy");
    until("its being deleted", || daemon.find("beta").is_none().then_some(()));
    monit.shows("2 instances");
    monit.press("?");
    monit.shows("by ten");
    monit.press(" ");
    monit.until("the help gone", |screen| !screen.contains("by ten"));
    monit.quits("q");
}

#[test]
fn a_guests_control_characters_are_written_out() {
    let daemon = with_jobs();
    let monit = Monit::of(&daemon, 30, 140);
    monit.shows("gamma/0");
    monit.press("G");
    monit.shows(" gamma/0 ───");
    monit.shows("evil \\u{1b}[2J");
    monit.press("f");
    monit.shows("log stands still");
    monit.press("f");
    monit.until("that the log goes on", |screen| !screen.contains("log stands still"));
    monit.shows("sandhog monit  3 instances");
    assert_eq!(monit.terminal.title(), "", "no guest gives the terminal a name");
    monit.quits("\u{3}");
}

#[test]
fn it_fits_any_size_of_terminal() {
    let daemon = with_jobs();
    let monit = Monit::of(&daemon, 24, 80);
    for (rows, columns) in [(50, 200), (10, 40), (3, 20), (1, 1), (24, 300), (200, 5), (24, 80)] {
        monit.terminal.resize(rows, columns);
        if rows >= 3 && columns >= 20 {
            monit.shows("sandhog monit");
        }
        assert!(!monit.running.has_ended());
    }
    monit.shows("q quit");
    monit.quits("q");
}

#[test]
fn without_a_terminal_it_says_what_there_is_instead() {
    let daemon = Daemon::start();
    daemon.run(&["monit"]).reported(
        126,
        "sandhog: monit draws on a terminal, and stdout is none\n  \
         hint: sandhog ps prints the same once, sandhog ps --json for scripts\n",
    );
    assert_eq!(daemon.json(&["monit"]), json!([]));
}

/// The daemon goes while somebody looks, and comes again.
#[test]
fn it_says_that_the_daemon_is_gone_and_goes_on_with_the_next_one() {
    let mut daemon = with_jobs();
    let monit = Monit::of(&daemon, 30, 110);
    monit.shows("alpha");
    daemon.kill();
    monit.shows("trying again");
    daemon.start_again();
    monit.until("that it goes on", |screen| !screen.contains("trying again") && screen.contains("alpha"));
    monit.quits("q");
}

/// A signal ends it as a key does.
#[test]
fn a_signal_leaves_the_terminal_as_it_was() {
    let daemon = with_jobs();
    let monit = Monit::of(&daemon, 30, 110);
    monit.running.signal(rustix::process::Signal::TERM);
    monit.quits("");
}
