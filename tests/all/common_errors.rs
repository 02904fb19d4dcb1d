//! The errors that people meet most often, each as a whole: the words that were typed, the answer, and the exit code.
//!
//! A person who reads one of `tests/snapshots/error-*.snap` knows what to do next.

use sandhog_harness::{Command, Daemon, Folder, Outcome, guest, shows, told};
use std::fs;
use std::net::TcpListener;

/// A folder with the guests of these names, and the words for people instead of its path.
struct Place(Folder);

impl Place {
    fn with(guests: &[&str]) -> Self {
        let scratch = Folder::new();
        for name in guests {
            fs::copy(guest(name), scratch.join(format!("{name}.wasm"))).unwrap();
        }
        Self(scratch)
    }

    /// Of a command that is typed in it.
    fn shows(&self, name: &str, words: &[&str]) {
        let run = Command::sandhog(words).current_dir(self.0.path());
        let run = run.env("SANDHOG_RUNTIME_DIR", self.0.join("runtime").to_str().unwrap());
        shows_error(name, words, &run.run(), &[(self.0.path().to_str().unwrap(), "[folder]")]);
    }
}

fn shows_error(name: &str, words: &[&str], outcome: &Outcome, replaced: &[(&str, &str)]) {
    let typed = words.join(" ");
    let text = format!("$ sandhog {typed}\n{}{}exit code {}\n", outcome.text(), outcome.stderr, outcome.code);
    shows(&format!("error-{name}"), &text, replaced);
}

#[test]
fn a_mistake_in_what_is_run_is_told_like_this() {
    let place = Place::with(&["hello"]);
    place.0.file("notes.txt", "to buy: milk");
    place.shows("no-such-module", &["run", "helo.wasm"]);
    place.shows("no-module", &["run", "notes.txt"]);
    place.shows("argument-before-dashes", &["run", "hello.wasm", "data.txt"]);
    place.shows("unit-is-missing", &["run", "--memory", "64", "hello.wasm"]);
    place.shows("mistyped-flag", &["run", "--timout", "5s", "hello.wasm"]);
    place.shows("no-such-directory", &["run", "--dir", "data::/data", "hello.wasm"]);
    place.shows("no-such-variable", &["run", "--env", "NOT_SET_ANYWHERE", "hello.wasm"]);
    place.shows("nowhere-to-listen", &["serve", "hello.wasm"]);
    place.shows("does-not-serve", &["serve", "hello.wasm", "--listen", "127.0.0.1:0"]);
}

#[test]
fn a_limit_that_ends_a_guest_is_told_like_this() {
    let place = Place::with(&["spin_forever"]);
    // The names and places in a backtrace of a compiled guest are its compiler's.
    place.0.file(
        "gives-up.wat",
        "(module (memory (export \"memory\") 1) (func $work unreachable) (func (export \"_start\") call $work))",
    );
    fs::copy(guest("wants_memory_1gib.wat"), place.0.join("large.wat")).unwrap();
    fs::copy(guest("grow_and_give_up.wat"), place.0.join("grows.wat")).unwrap();
    place.shows("deadline", &["run", "--timeout", "50ms", "spin_forever.wasm"]);
    place.shows("cpu", &["run", "--cpu", "50ms", "spin_forever.wasm"]);
    place.shows("memory", &["run", "--memory", "16MiB", "grows.wat"]);
    place.shows("memory-of-the-module", &["run", "--memory", "64MiB", "large.wat"]);
    place.shows("trapped", &["run", "gives-up.wat"]);
}

#[test]
fn a_mistake_in_a_manifest_is_told_like_this() {
    let place = Place::with(&["hello"]);
    place.shows("no-manifest", &["check"]);
    for (name, manifest) in [
        ("manifest-mistyped-key", "[job.web]\nmodule = \"hello.wasm\"\nmemroy = \"64MiB\"\n"),
        ("manifest-bad-value", "[job.web]\nmodule = \"hello.wasm\"\ntimeout = \"soon\"\n"),
        ("manifest-no-module", "[job.web]\ntimeout = \"5s\"\n"),
        ("manifest-no-toml", "[job.web\nmodule = \"hello.wasm\"\n"),
    ] {
        place.0.file("sandhog.toml", manifest);
        place.shows(name, &["check"]);
    }
}

#[test]
fn a_verb_without_a_daemon_is_told_like_this() {
    let place = Place::with(&[]);
    place.shows("no-daemon", &["ps"]);
    place.shows("no-daemon-to-ask", &["restart", "web"]);
}

#[test]
fn a_mistake_in_a_verb_is_told_like_this() {
    let daemon = Daemon::start();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    daemon.up_well(&told("web", &[], ""));
    let folder = daemon.path("");
    let folder = folder.to_str().unwrap().trim_end_matches('/');
    let guests = guest("hello");
    let replaced =
        [(folder, "[folder]"), (guests.parent().unwrap().to_str().unwrap(), "[guests]"), (port.as_str(), "[port]")];
    let hello = guests.to_str().unwrap();
    let http = guest("http_by_path");
    let listen = format!("127.0.0.1:{port}");
    for (name, words) in [
        ("no-such-job", &["restart", "wbe"] as &[&str]),
        ("no-such-instance", &["stop", "web/7"]),
        ("name-is-taken", &["start", hello, "--name", "web"]),
        ("port-is-taken", &["start", http.to_str().unwrap(), "--name", "api", "--listen", &listen]),
        ("no-answer", &["send", "web", "not json", "--wait", "1s"]),
    ] {
        let outcome = daemon.run(words);
        let words: Vec<_> = words
            .iter()
            .map(|word| word.rsplit('/').next().filter(|_| word.starts_with('/')).unwrap_or(word))
            .collect();
        shows_error(name, &words, &outcome, &replaced);
    }
}
