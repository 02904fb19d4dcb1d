//! Help, version, completions, and what is said to a command that is no command.

use crate::support::{Run, guest};
use std::fs::File;
use std::io;

fn answer(words: &[&str]) -> String {
    let outcome = Run::command(words).run();
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
fn help_names_every_command_and_has_examples() {
    for words in [&["--help"] as &[&str], &["-h"], &["help"]] {
        let help = answer(words);
        for word in ["run", "doctor", "completions", "help", "Usage: sandhog", "Examples:", "SANDHOG_CACHE_DIR"] {
            assert!(help.contains(word), "{words:?} does not say {word}");
        }
    }
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

#[test]
fn help_on_run_names_every_flag() {
    let help = answer(&["help", "run"]);
    for flag in [
        "dir",
        "env",
        "memory",
        "timeout",
        "cpu",
        "fuel",
        "max-output",
        "max-file",
        "max-files",
        "stdin",
        "argv0",
        "user",
        "compile-timeout",
        "compile-memory",
        "net",
        "verdict",
        "allow-missing",
    ] {
        assert!(help.contains(&format!("--{flag} <")), "--{flag} is missing");
    }
}

#[test]
fn lines_of_help_fit_a_terminal() {
    for words in
        [&["help"] as &[&str], &["help", "run"], &["help", "map"], &["help", "doctor"], &["help", "completions"]]
    {
        for line in answer(words).lines() {
            assert!(line.chars().count() <= 120, "{words:?}: {line}");
        }
    }
}

#[test]
fn help_on_exit_codes_is_this_table() {
    assert_eq!(
        answer(&["help", "exit-codes"]),
        "\
The exit code of sandhog run is the guest's own, except where Sandhog ended it:

CODE  VERDICT          MEANING
0     completed        the guest ended with code 0
124   deadline, cpu    it ran longer than --timeout, or used more than --cpu or --fuel
125   lost, unhealthy  Sandhog itself failed, lost the worker, or a check failed
126   refused          it never started: bad flag, module or grant, or a wall that can't be built
127   -                there is no such module
130   stopped          stopped by Ctrl-C
134   trapped          the engine ended the guest: it did what WebAssembly forbids
137   memory, killed   it needed more memory than it has, or a signal ended it
141   stopped          the reader of its output went away
143   stopped          stopped by SIGTERM or SIGHUP
153   output           it wrote more than --max-output
159   denied           it made a system call that no guest needs

Every other code is the guest's (verdict: failed). One above 255 becomes 255.
A guest may use the same numbers. To know for certain: sandhog run --verdict FILE

The exit code of sandhog map:

CODE   MEANING
0      every task succeeded
1-100  so many tasks failed
101    more than 100 tasks failed
125    Sandhog itself failed: there are no workers any more
126    no task ran: bad flag, module or grant, or a wall that can't be built
127    there is no such module
130    stopped by Ctrl-C
141    the reader of its output went away
143    stopped by SIGTERM or SIGHUP
255    the input broke off, or the output or the job log could not be written

With --halt soon or now it is that of the first task that failed, as of sandhog run.
"
    );
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
    use std::process::{Command, Stdio};
    let mut bash = match Command::new("bash").args(["-n"]).stdin(Stdio::piped()).spawn() {
        Ok(bash) => bash,
        Err(error) => return println!("not tried: bash: {error}"),
    };
    io::Write::write_all(&mut bash.stdin.take().unwrap(), answer(&["completions", "bash"]).as_bytes()).unwrap();
    assert!(bash.wait().unwrap().success());
}

#[test]
fn nothing_asked_is_answered_with_the_help_as_an_error() {
    let outcome = Run::command([] as [&str; 0]).run();
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
        Run::command(words).run().reported(126, &format!("sandhog: {said}{help}"));
    }
    let outcome = Run::command(["run", "--memry=1MiB"]).flag(module).run();
    assert_eq!(outcome.code, 126);
    assert!(outcome.stderr.contains("'--memory'"), "{outcome:?}");
}

#[test]
fn help_into_a_closed_pipe_is_quiet() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    Run::command(["help", "run"]).stdout_to(writer).run().reported(0, "");
}

#[test]
fn help_onto_a_full_disk_is_an_error() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    Run::command(["help"])
        .stdout_to(full)
        .run()
        .reported(125, "sandhog: failed to write to stdout: No space left on device (os error 28)\n");
}

#[test]
fn nothing_is_coloured_where_there_is_no_terminal() {
    for words in [&["help", "run"] as &[&str], &["--help"], &["run", "--bogus"], &[]] {
        let outcome = Run::command(words).env("TERM", "xterm-256color").run();
        assert!(!outcome.text().contains('\x1b') && !outcome.stderr.contains('\x1b'), "{words:?}");
    }
}

#[test]
fn flags_come_before_and_after_the_module() {
    Run::command(["run"]).flag(guest("hello")).flag("--memory=64MiB").run().reported(0, "");
}
