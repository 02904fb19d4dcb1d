//! From the words of a command line to a command, or to what is to be shown instead. No I/O.

use super::called;
use super::commands::{Cli, Command, Topic};
use super::run::RunArgs;
use super::tools::DoctorArgs;
use crate::render::problem::Problem;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Parser, ValueEnum};
use sandhog_spec::text::escape;
use std::ffi::OsString;

/// Why there is no command to carry out.
#[derive(Debug)]
pub enum Stop {
    /// The answer is a text: help, or the version.
    Answered(StyledStr),
    /// No command was given at all: the help, as an error.
    NothingAsked(StyledStr),
    Misused(Problem),
}

/// The command in the arguments; the program's own name comes first. `version`: what `--version` says; `-V` says the package's.
///
/// # Errors
/// What to show instead.
pub fn parse(args: impl IntoIterator<Item = OsString>, version: &'static str) -> Result<Cli, Stop> {
    let args: Vec<OsString> = args.into_iter().collect();
    try_parse(&args, version).map_err(|error| {
        if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
            return Stop::Answered(error.render());
        }
        if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            return Stop::NothingAsked(error.render());
        }
        Stop::Misused(explain(&parse_harmless(&args).unwrap_or(error), &verb(&args)))
    })
}

fn try_parse(args: &[OsString], version: &'static str) -> Result<Cli, clap::Error> {
    if let Some(command) = called::command(args) {
        return Ok(Cli { command });
    }
    let found = Cli::command().long_version(version).try_get_matches_from(args);
    found.and_then(|found| Cli::from_arg_matches(&found)).or_else(|error| {
        if error.kind() != ErrorKind::MissingRequiredArgument {
            return Err(error);
        }
        module_behind_dashes(args).and_then(|args| Cli::try_parse_from(args).ok()).ok_or(error)
    })
}

/// `run [FLAGS] -- FILE ARGS` as `run [FLAGS] FILE -- ARGS`: cargo puts the file and its arguments behind what `runner` says,
/// and nothing between them.
fn module_behind_dashes(args: &[OsString]) -> Option<Vec<OsString>> {
    let dashes = args.iter().position(|arg| arg == "--")?;
    let has_module = args.get(1)? == "run" && args.len() > dashes + 1;
    let mut args = args.to_vec();
    has_module.then(|| {
        args.swap(dashes, dashes + 1);
        args
    })
}

/// The same error with everything that people gave made harmless, so that it can be read line by line.
fn parse_harmless(args: &[OsString]) -> Option<clap::Error> {
    let harmless = args.iter().map(|arg| escape(&arg.to_string_lossy()).into_owned());
    Cli::try_parse_from(harmless).err().filter(clap::Error::use_stderr)
}

/// clap's error in our form: its first paragraph, its tips, and what we know better.
fn explain(error: &clap::Error, verb: &str) -> Problem {
    let text = error.render().to_string();
    let paragraph = text.trim_start_matches("error: ").lines().take_while(|line| !line.is_empty());
    let what = paragraph.map(str::trim).collect::<Vec<_>>().join(" ");
    // Where a flag was mistyped, nobody wanted to pass it as a value.
    let is_mistyped = error.get(ContextKind::SuggestedArg).is_some();
    let tips = text.lines().filter_map(|line| line.strip_prefix("  tip: ")).map(str::to_owned);
    let tips = tips.filter(|tip| !(is_mistyped && tip.starts_with("to pass ")));
    let problem = tips.chain(advice(error, verb)).fold(Problem::new(what), Problem::with_hint);
    problem.with_hint(format!("sandhog help {verb} shows every flag with examples"))
}

/// The verb that was asked for, by its own name; where there is none such, the one that most people look for.
fn verb(args: &[OsString]) -> String {
    let cli = Cli::command();
    let known = args.get(1).and_then(|word| cli.find_subcommand(word));
    known.map_or("run", clap::Command::get_name).to_owned()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library has more errors from release to release")]
fn advice(error: &clap::Error, verb: &str) -> Option<String> {
    let given = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::UnknownArgument => {
            let argument = given(ContextKind::InvalidArg)?;
            let takes_arguments = !argument.starts_with('-') && ["run", "map"].contains(&verb);
            takes_arguments
                .then(|| format!("what the guest gets as arguments goes after --: sandhog {verb} FILE -- {argument}"))
        }
        ErrorKind::InvalidSubcommand => {
            let word = given(ContextKind::InvalidSubcommand)?;
            let is_module = word.ends_with(".wasm") || word.ends_with(".wat");
            if is_module {
                return Some(format!("to run a module: sandhog run {word}"));
            }
            let is_near = error.get(ContextKind::SuggestedSubcommand).is_some();
            (!is_near).then(|| "sandhog --help lists the commands".into())
        }
        _ => None,
    }
}

impl DoctorArgs {
    /// The job whose guest's place the probe takes; `None` where it takes none.
    ///
    /// # Errors
    /// As [`parse`].
    pub fn job(&self) -> Result<Option<RunArgs>, Stop> {
        if self.run.is_empty() {
            return Ok(None);
        }
        let words = ["sandhog", "run"].map(OsString::from).into_iter().chain(self.run.iter().cloned());
        let Command::Run(args) = parse(words, env!("CARGO_PKG_VERSION"))?.command else { return Ok(None) };
        Ok(Some(*args))
    }
}

/// The long help of a command, or of Sandhog itself; `None` where the topic is not a command.
pub fn long_help(topic: Option<Topic>) -> Option<StyledStr> {
    long_help_in(Cli::command(), topic)
}

fn long_help_in(mut command: clap::Command, topic: Option<Topic>) -> Option<StyledStr> {
    // Else the usage of a command lacks the program's name.
    command.build();
    let Some(topic) = topic else { return Some(command.render_long_help()) };
    let name = topic.to_possible_value()?;
    command.find_subcommand_mut(name.get_name()).map(clap::Command::render_long_help)
}

#[cfg(test)]
mod tests {
    use super::super::commands::WIDEST;
    use super::*;
    use crate::snapshot::shows;
    use sandhog_protocol::plan::Wall;
    use sandhog_spec::units::{self, Size, Time};
    use std::path::PathBuf;

    fn parsed(words: &[&str]) -> Result<Cli, Stop> {
        parse(["sandhog"].iter().chain(words).map(OsString::from), "1.2.3 (build 45)")
    }

    fn run(words: &[&str]) -> RunArgs {
        match parsed(words).unwrap().command {
            Command::Run(args) => *args,
            other => panic!("{other:?}"),
        }
    }

    fn misuse(words: &[&str]) -> String {
        match parsed(words).unwrap_err() {
            Stop::Misused(problem) => problem.to_text(false),
            other => panic!("{other:?}"),
        }
    }

    fn answer(words: &[&str]) -> String {
        match parsed(words).unwrap_err() {
            Stop::Answered(text) => text.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn run_takes_the_module_behind_the_dashes_too_as_cargo_gives_it() {
        let args = run(&["run", "--memory=1MiB", "--", "a.wasm", "--exact", "--"]);
        assert_eq!(args.module, PathBuf::from("a.wasm"));
        assert_eq!(args.args, ["--exact", "--"]);
        assert!(run(&["run", "--", "a.wasm"]).args.is_empty());
        assert!(misuse(&["run", "--"]).contains("<FILE>"));
        assert!(misuse(&["run", "--", "--memory=1MiB"]).contains("<FILE>"));
    }

    #[test]
    fn every_flag_of_run_arrives_in_the_settings() {
        let words = [
            "run",
            "--dir",
            "a",
            "--dir=b::/b:rw",
            "--env",
            "A=1",
            "--env=HOME",
            "--net",
            "listen:127.0.0.1:0",
            "--net=passed",
            "--memory",
            "64MiB",
            "--timeout",
            "30s",
            "--cpu",
            "10s",
            "--fuel",
            "1_000",
            "--max-output",
            "16MiB",
            "--max-file",
            "1GiB",
            "--max-files",
            "64",
            "--stdin",
            "none",
            "--argv0",
            "me",
            "--user",
            "7:8",
            "--allow-missing",
            "cgroup,landlock",
            "--allow-missing",
            "root",
            "--compile-timeout",
            "1m",
            "--compile-memory",
            "1GiB",
            "--verdict",
            "v.json",
            "--ipc=4,5",
            "hello.wasm",
            "--",
            "x",
            "--y",
        ];
        let settings = run(&words).settings().unwrap();
        assert_eq!(settings.module, PathBuf::from("hello.wasm"));
        assert_eq!(settings.args, ["x", "--y"]);
        assert_eq!(settings.directories, ["a", "b::/b:rw"]);
        assert_eq!(settings.env, ["A=1", "HOME"]);
        assert_eq!(settings.net, ["listen:127.0.0.1:0", "passed"]);
        assert_eq!((settings.memory.map(Size::to_bytes), settings.fuel), (Some(64 << 20), Some(1000)));
        assert_eq!((settings.timeout, settings.cpu), (Some(Time::millis(30_000)), Some(Time::millis(10_000))));
        assert_eq!((settings.max_output, settings.max_file), (Some(Size::bytes(16 << 20)), Some(Size::bytes(1 << 30))));
        assert_eq!((settings.max_files, settings.stdin), (Some(64), Some("none".into())));
        assert_eq!((settings.argv0, settings.user), (Some("me".into()), Some("7:8".into())));
        assert_eq!(settings.allow_missing, [Wall::Root, Wall::Cgroup, Wall::Landlock].into());
        assert_eq!(settings.compile_timeout, Some(Time::millis(60_000)));
        assert_eq!(settings.compile_memory, Some(Size::bytes(1 << 30)));
        assert_eq!(settings.verdict_file, Some("v.json".into()));
        assert_eq!((settings.ipc, settings.channel), (Some("4,5".into()), None));
    }

    #[test]
    fn a_bad_value_names_its_flag_and_says_what_to_write() {
        for (words, sentence) in [
            (["--memory", "-1"], "invalid value '-1' for '--memory <SIZE>': below zero; write a number and a unit"),
            (["--memory", "64"], "invalid value '64' for '--memory <SIZE>': the unit is missing; write one of B, kB,"),
            (["--memory", "99999999TiB"], "invalid value '99999999TiB' for '--memory <SIZE>': more than 8191PiB"),
            (["--timeout", "NaN"], "invalid value 'NaN' for '--timeout <TIME>': not a number and a unit, such as 30s"),
            (["--max-files", "x"], "invalid value 'x' for '--max-files <COUNT>': not a whole number"),
            (
                ["--allow-missing", "moat"],
                "invalid value 'moat' for '--allow-missing <WALL>' [possible values: namespaces,",
            ),
        ] {
            let text = misuse(&["run", words[0], words[1], "hello.wasm"]);
            assert!(text.starts_with(&format!("sandhog: {sentence}")), "{text}");
        }
    }

    #[test]
    fn arguments_of_the_guest_before_the_dashes_are_told_where_to_go() {
        assert_eq!(
            misuse(&["run", "hello.wasm", "data.txt"]),
            "sandhog: unexpected argument 'data.txt' found\n  \
             hint: what the guest gets as arguments goes after --: sandhog run FILE -- data.txt\n  \
             hint: sandhog help run shows every flag with examples\n"
        );
        let text = misuse(&["run", "hello.wasm", "--verbose"]);
        assert!(text.contains("hint: to pass '--verbose' as a value, use '-- --verbose'"), "{text}");
    }

    #[test]
    fn a_module_without_run_is_told_about_run() {
        let text = misuse(&["hello.wasm"]);
        assert!(text.contains("hint: to run a module: sandhog run hello.wasm"), "{text}");
    }

    #[test]
    fn a_mistyped_flag_is_told_its_neighbour() {
        let text = misuse(&["run", "--memroy", "1GiB", "hello.wasm"]);
        assert!(text.contains("hint: a similar argument exists: '--memory'") && !text.contains("to pass"), "{text}");
    }

    #[test]
    fn nothing_that_was_given_can_write_to_the_terminal() {
        for word in ["--memory=1\n\n  tip: \x1b[2J", "--\x1b[31m", "\n\nerror: \u{202e}"] {
            let text = misuse(&["run", "hello.wasm", word]);
            assert!(text.lines().all(|line| line.starts_with("sandhog: ") || line.starts_with("  hint: ")), "{text}");
            assert!(!text.contains(['\x1b', '\u{202e}']), "{text:?}");
        }
    }

    #[test]
    fn every_command_has_a_help_with_examples() {
        for words in [&["--help"][..], &["run", "--help"], &["run", "-h"], &["doctor", "--help"], &["help", "--help"]] {
            assert!(answer(words).contains("Examples:\n  sandhog "), "{words:?}");
        }
        let topics = Topic::value_variants().iter().filter(|topic| **topic != Topic::ExitCodes);
        for topic in topics.map(|topic| Some(*topic)).chain([None]) {
            let text = long_help(topic).unwrap().to_string();
            assert!(text.contains("Examples:\n  s"), "{text}");
        }
        assert!(
            long_help(Some(Topic::Run))
                .unwrap()
                .to_string()
                .contains("Usage: sandhog run [OPTIONS] <FILE> [-- <ARGS>...]")
        );
        assert!(long_help(Some(Topic::ExitCodes)).is_none());
    }

    #[test]
    fn every_command_is_a_topic() {
        let topics: Vec<_> = Topic::value_variants().iter().filter_map(|topic| topic.to_possible_value()).collect();
        for command in Cli::command().get_subcommands().filter(|command| command.get_name() != "help") {
            assert!(topics.iter().any(|topic| topic.get_name() == command.get_name()), "{}", command.get_name());
        }
    }

    #[test]
    fn the_hint_names_the_verb_that_was_asked_for() {
        for (words, verb) in [(["stop", "--nonsense"], "stop"), (["ls", "--nonsense"], "ps"), (["x", "y"], "run")] {
            let hint = format!("hint: sandhog help {verb} shows every flag with examples\n");
            assert!(misuse(&words).ends_with(&hint), "{words:?}");
        }
    }

    #[test]
    fn every_help_text_reads_like_this() {
        // The terminal that the tests run in may be a narrow one.
        let text = |topic| long_help_in(Cli::command().term_width(WIDEST), topic);
        shows("help", &text(None).unwrap().to_string());
        for topic in Topic::value_variants() {
            let name = topic.to_possible_value().unwrap();
            // That of exit codes is no command's: see render/table.rs.
            if let Some(text) = text(Some(*topic)) {
                shows(&format!("help-{}", name.get_name()), &text.to_string());
            }
        }
    }

    /// clap would break a longer line in the middle of a sentence, and leave a word alone on the next one.
    #[test]
    fn no_line_below_a_help_text_is_broken() {
        let command = Cli::command();
        for command in std::iter::once(&command).chain(command.get_subcommands()) {
            let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let long: Vec<_> = text.lines().filter(|line| line.chars().count() > WIDEST).collect();
            assert!(long.is_empty(), "{}: {long:#?}", command.get_name());
        }
    }

    #[test]
    fn the_defaults_in_the_help_are_the_defaults_of_a_job() {
        use sandhog_spec::job::{CompileLimits, Limits};
        let text = long_help(Some(Topic::Run)).unwrap().to_string();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let (limits, compile) = (Limits::default(), CompileLimits::default());
        for (flag, default) in [
            ("--memory", units::print_size(limits.memory_bytes)),
            ("--max-file", units::print_size(limits.max_file_bytes)),
            ("--max-files", limits.max_files.to_string()),
            ("--compile-memory", units::print_size(compile.memory_bytes)),
            ("--compile-timeout", units::print_duration(compile.cpu)),
        ] {
            let after = text.split(&format!("{flag} <")).nth(1).unwrap();
            let described = after.split(" --").next().unwrap();
            assert!(described.contains(&format!("[default: {default}]")), "{flag}: {described}");
        }
        for none in [limits.timeout.is_none(), limits.cpu.is_none(), limits.fuel.is_none()] {
            assert!(none);
        }
    }

    #[test]
    fn help_exit_codes_is_a_topic_and_nonsense_is_not() {
        let Command::Help(help) = parsed(&["help", "exit-codes"]).unwrap().command else { panic!() };
        assert_eq!(help.topic, Some(Topic::ExitCodes));
        assert!(misuse(&["help", "nonsense"]).contains(
            "[possible values: run, map, pool, serve, up, down, start, stop, restart, reload, delete, scale, ps, objects,"
        ));
    }

    #[test]
    fn the_doctors_inner_flags_work_and_are_not_shown() {
        let words = ["doctor", "--json", "--probe", "read-outside", "--without", "landlock,root"];
        let Command::Doctor(doctor) = parsed(&words).unwrap().command else { panic!() };
        assert!(doctor.json);
        assert_eq!((doctor.probe.as_deref(), doctor.with), (Some("read-outside"), None));
        assert_eq!(doctor.without, Some(vec![Wall::Landlock, Wall::Root]));
        assert!(!answer(&["doctor", "--help"]).contains("--probe"));
    }

    #[test]
    fn the_version_is_the_packages_and_in_full_the_builds() {
        assert_eq!(answer(&["-V"]), format!("sandhog {}\n", env!("CARGO_PKG_VERSION")));
        assert_eq!(answer(&["--version"]), "sandhog 1.2.3 (build 45)\n");
    }

    /// Whole calls with and without what they need, and what is taken apart in another way.
    #[test]
    fn what_one_verb_takes_is_what_the_whole_takes() {
        let commands = Cli::command();
        let names = commands.get_subcommands().map(clap::Command::get_name).chain(["ls", "nonsense", "-V", "--"]);
        let ends = [
            &[][..],
            &["a"],
            &["a", "b"],
            &["a", "2"],
            &["a=2"],
            &["--json"],
            &["--json", "a"],
            &["--help"],
            &["-V"],
            &["--version"],
            &["--memory=64MiB", "a.wasm", "--", "--json"],
            &["--", "a.wasm", "x"],
            &["-n", "3", "-f"],
            &["bash"],
        ];
        for name in names {
            for end in ends {
                let args: Vec<OsString> = ["sandhog", name].iter().chain(end).map(OsString::from).collect();
                let whole = Cli::try_parse_from(&args);
                match called::command(&args) {
                    Some(command) => assert_eq!(format!("{command:?}"), format!("{:?}", whole.unwrap().command)),
                    None => assert!(whole.is_err() || name == "ls", "{args:?}"),
                }
            }
        }
    }

    #[test]
    fn no_command_at_all_shows_the_help() {
        assert!(matches!(parsed(&[]), Err(Stop::NothingAsked(_))));
    }
}
