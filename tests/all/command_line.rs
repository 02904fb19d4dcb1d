//! Help, version, completions, and what is said to a command that is no command.

use sandhog_harness::{Command, guest, names_in};
use std::fs::{self, File};
use std::io;
use std::path::Path;

fn answer(words: &[&str]) -> String {
    let outcome = Command::sandhog(words).run();
    outcome.reported(0, "");
    outcome.text().to_owned()
}

#[test]
fn the_version_is_one_line() {
    assert_eq!(answer(&["-V"]), concat!("sandhog ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn the_long_version_names_the_build() {
    let version = answer(&["--version"]);
    let build = version.strip_prefix(concat!("sandhog ", env!("CARGO_PKG_VERSION"), " (build "));
    let build = build.and_then(|rest| rest.strip_suffix(")\n")).unwrap_or_else(|| panic!("{version}"));
    assert!(build.len() == 16 && build.bytes().all(|digit| digit.is_ascii_hexdigit()), "{version}");
}

#[test]
fn the_help_is_asked_for_in_three_ways_one_of_which_is_shorter() {
    let (help, short) = (answer(&["help"]), answer(&["-h"]));
    assert_eq!(answer(&["--help"]), help);
    assert!(short.len() < help.len() && short.contains("Usage: sandhog <COMMAND>"), "{short}");
}

#[test]
fn help_on_a_command_is_asked_for_in_three_ways() {
    for command in ["run", "map", "doctor", "completions"] {
        for words in [["help", command], [command, "--help"], [command, "-h"]] {
            let help = answer(&words);
            assert!(help.contains(&format!("Usage: sandhog {command} ")) && help.contains("Examples:"), "{help}");
        }
    }
}

/// What is below the head of a snapshot.
fn pinned(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let (_, body) = text.split_once("\n---\n").unwrap();
    body.to_owned()
}

/// They are made in `host/cli`, where each has a test.
#[test]
fn the_executable_says_the_help_texts_that_are_pinned() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/cli/snapshots");
    let mut topics = 0;
    for name in names_in(&folder) {
        let Some(topic) = name.strip_suffix(".snap").and_then(|name| name.strip_prefix("help")) else { continue };
        let words: Vec<_> =
            ["help", topic.trim_start_matches('-')].into_iter().filter(|word| !word.is_empty()).collect();
        let (said, pinned) = (answer(&words), pinned(&folder.join(&name)));
        for (line, expected) in said.lines().zip(pinned.lines()) {
            assert_eq!(line, expected, "{name}");
        }
        assert_eq!(said.trim_end().lines().count(), pinned.trim_end().lines().count(), "{name}");
        topics += 1;
    }
    assert!(topics > 20, "{topics}");
}

#[test]
fn every_shell_has_completions() {
    for (shell, mark) in [
        ("bash", "complete -F _sandhog"),
        ("zsh", "#compdef sandhog"),
        ("fish", "complete -c sandhog"),
        ("elvish", "edit:completion:arg-completer[sandhog]"),
    ] {
        let script = answer(&["completions", shell]);
        assert!(script.contains(mark) && script.contains("max-output"), "{shell}: {script}");
    }
}

#[test]
fn the_completions_for_bash_are_a_script() {
    use std::process::Stdio;
    let mut bash = match std::process::Command::new("bash").args(["-n"]).stdin(Stdio::piped()).spawn() {
        Ok(bash) => bash,
        Err(error) => return println!("not tried: bash: {error}"),
    };
    io::Write::write_all(&mut bash.stdin.take().unwrap(), answer(&["completions", "bash"]).as_bytes()).unwrap();
    assert!(bash.wait().unwrap().success());
}

#[test]
fn nothing_asked_is_answered_with_the_help_as_an_error() {
    let outcome = Command::sandhog([] as [&str; 0]).run();
    assert_eq!((outcome.code, outcome.text()), (126, ""));
    assert!(outcome.stderr.contains("Usage: sandhog <COMMAND>"), "{outcome:?}");
}

#[test]
fn a_mistyped_word_is_told_the_right_one() {
    let module = guest("hello");
    for (words, said) in [
        (&["runn"] as &[&str], "unrecognized subcommand 'runn'\n  hint: a similar subcommand exists: 'run'\n"),
        (&["hello.wasm"], "unrecognized subcommand 'hello.wasm'\n  hint: to run a module: sandhog run hello.wasm\n"),
        (
            &["completions", "tcsh"],
            "invalid value 'tcsh' for '<SHELL>' [possible values: bash, zsh, fish, elvish]\n  \
             hint: a similar value exists: 'zsh'\n",
        ),
        (
            &["run", "hello.wasm", "argument"],
            "unexpected argument 'argument' found\n  \
             hint: what the guest gets as arguments goes after --: sandhog run FILE -- argument\n",
        ),
    ] {
        // Of the verb that was asked for; where there is none such, of the one that most people look for.
        let verb = if words[0] == "completions" { "completions" } else { "run" };
        let help = format!("  hint: sandhog help {verb} shows every flag with examples\n");
        Command::sandhog(words).run().reported(126, &format!("sandhog: {said}{help}"));
    }
    let outcome = Command::sandhog(["run", "--memry=1MiB"]).flag(module).run();
    assert_eq!(outcome.code, 126);
    assert!(outcome.stderr.contains("'--memory'"), "{outcome:?}");
}

#[test]
fn help_into_a_closed_pipe_is_quiet() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    Command::sandhog(["help", "run"]).stdout_to(writer).run().reported(0, "");
}

#[test]
fn help_onto_a_full_disk_is_an_error() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    Command::sandhog(["help"])
        .stdout_to(full)
        .run()
        .reported(125, "sandhog: failed to write to stdout: No space left on device (os error 28)\n");
}

#[test]
fn nothing_is_coloured_where_there_is_no_terminal() {
    for words in [&["help", "run"] as &[&str], &["--help"], &["run", "--bogus"], &[]] {
        let outcome = Command::sandhog(words).env("TERM", "xterm-256color").run();
        assert!(!outcome.text().contains('\x1b') && !outcome.stderr.contains('\x1b'), "{words:?}");
    }
}

#[test]
fn flags_come_before_and_after_the_module() {
    Command::sandhog(["run"]).flag(guest("hello")).flag("--memory=64MiB").run().reported(0, "");
}
