//! `sandhog start`: a new job out of a module and flags, or jobs that were stopped.

use super::args::{JobFlags, OfStart, StartArgs};
use super::bring_up::bring_up;
use super::embedded::Failure;
use super::ending::report;
use super::manifest_file::not_a_module;
use super::render::problem::Problem;
use super::run::surroundings;
use super::words::{as_text, is_path};
use super::{ask, background};
use sandhog_daemon::fleet::Verb;
use sandhog_protocol::control::{ApplyRequest, JobSpec};
use sandhog_protocol::exit_code;
use sandhog_protocol::plan::Access;
use sandhog_spec::grants::{Directory, Grants};
use sandhog_spec::job;
use sandhog_spec::service::Service;
use sandhog_spec::setting::Setting;
use sandhog_spec::text::escape;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Starts them and returns the exit code.
pub(super) fn run(args: StartArgs) -> u8 {
    report(try_run(args))
}

fn try_run(args: StartArgs) -> Result<u8, Failure> {
    let (waits, json) = (ask::waits(args.wait), args.json);
    let may_miss = args.job.allow_missing();
    let is_module = |word: &OsString| is_path(word, &["wasm", "wat"], Path::is_file);
    if args.words.iter().any(is_module) {
        let group = args.group();
        let job = spec(args, &here()?)?;
        if let Some(reason) = not_a_module(Path::new(&job.module)) {
            let problem = Problem::new(format!("{:?}: {reason}", escape(&job.module)));
            return Err(Failure { problem, code: exit_code::MODULE_NOT_FOUND });
        }
        // Before a daemon is started for it.
        Service::new(&job, surroundings())
            .map_err(|error| refused(error.hint().into_iter().fold(Problem::of(&error), Problem::with_hint)))?;
        return bring_up(
            ApplyRequest { groups: vec![group], jobs: vec![job], create: true, ..ApplyRequest::default() },
            &may_miss,
            waits,
            json,
        );
    }
    start_again(args, waits, json)
}

/// Those that are there, as they are: their flags were given when they were new.
fn start_again(args: StartArgs, waits: bool, json: bool) -> Result<u8, Failure> {
    let names = as_text(&args.words)?;
    let described = spec(StartArgs { words: vec![OsString::new()], ..args }, Path::new("/"))?;
    if described != JobSpec::default() {
        let problem =
            Problem::new(format!("flags are for a module, and \"{}\" is the name of a job", escape(&names[0])));
        return Err(refused(problem.with_hint("for a new job: sandhog start FILE.wasm --name NAME")));
    }
    let mut client = background::daemon(&[])?;
    let done = ask::ask(&mut client, Verb::Start, names, waits)?;
    Ok(ask::end(Verb::Start, &done, json))
}

fn here() -> Result<PathBuf, Failure> {
    super::here::here().map_err(|error| Failure::of(&error))
}

fn refused(problem: Problem) -> Failure {
    Failure { problem, code: exit_code::REFUSED }
}

/// The job that the flags describe, with its paths made absolute: the daemon is somewhere else.
fn spec(args: StartArgs, here: &Path) -> Result<JobSpec, Failure> {
    let [module] = args.words.as_slice() else {
        let problem = Problem::new("a module is started alone, without names and other modules");
        return Err(refused(problem.with_hint("what the guest gets as arguments goes after --")));
    };
    let module = PathBuf::from(module);
    let stem = || module.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let mut spec = with_grants(&args.job, here)?;
    if let Some(command) = spec.health.command.first_mut() {
        *command = text("--health-command", here.join(&*command).as_os_str())?;
    }
    if spec.name.is_empty() {
        spec.name = stem();
    }
    spec.args = args.args.iter().map(|arg| text("an argument of the guest", arg)).collect::<Result<_, _>>()?;
    spec.stdin = args.job.texts(Setting::Stdin).last().map(|stdin| stdin_of(stdin, here)).transpose()?;
    spec.argv0 = args.job.texts(Setting::Argv0).last().map(|name| text("--argv0", name)).transpose()?;
    let module = if module.as_os_str().is_empty() { module } else { here.join(module) };
    spec.module = text("the module", module.as_os_str())?;
    Ok(spec)
}

/// A file, or `none`; there is no stdin of a command that a daemon could read.
fn stdin_of(stdin: &OsStr, here: &Path) -> Result<String, Failure> {
    match stdin.to_str() {
        Some("none") => Ok("none".into()),
        Some("-") => Err(refused(
            Problem::new("--stdin -: a job in the background has no stdin of this command's")
                .with_hint("name a file: --stdin FILE; sandhog run reads stdin"),
        )),
        Some(_) | None => text("--stdin", here.join(stdin).as_os_str()),
    }
}

/// What the flags say, with grants as the daemon takes them.
fn with_grants(flags: &JobFlags<OfStart>, here: &Path) -> Result<JobSpec, Failure> {
    let variable = |name: &str| std::env::var_os(name);
    let of = |setting| flags.texts(setting);
    let grants = Grants::new(of(Setting::Dir), of(Setting::Env), of(Setting::Child), &variable)
        .map_err(|error| refused(Problem::of(&job::Error::from(error))))?;
    let dir = grants.directories.iter().map(|directory| directory_of(directory, here)).collect::<Result<_, _>>()?;
    let child = |(name, file): &(String, PathBuf)| {
        text("--child", here.join(file).as_os_str()).map(|file| format!("{name}={file}"))
    };
    Ok(JobSpec {
        dir,
        env: grants.env.into_iter().collect::<BTreeMap<_, _>>(),
        child: grants.modules.iter().map(child).collect::<Result<_, _>>()?,
        ..flags.spec.clone()
    })
}

/// With all three parts, so that nothing in a path is taken for another part.
fn directory_of(directory: &Directory, here: &Path) -> Result<String, Failure> {
    let access = match directory.access {
        Access::ReadOnly => "ro",
        Access::ReadWrite => "rw",
    };
    let host = text("--dir", here.join(&directory.host).as_os_str())?;
    Ok(format!("{host}::{}:{access}", directory.guest))
}

/// What travels as JSON is UTF-8.
fn text(what: &str, value: &OsStr) -> Result<String, Failure> {
    value.to_str().map(str::to_owned).ok_or_else(|| {
        let shown = escape(&value.to_string_lossy()).into_owned();
        refused(
            Problem::new(format!("{what} is not UTF-8: \"{shown}\""))
                .with_hint("give the file a plain name, or a link"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Command, parse};
    use sandhog_protocol::control::RetrySpec;

    fn args(words: &[&str]) -> StartArgs {
        let words = ["sandhog", "start"].iter().chain(words).map(OsString::from);
        match parse(words, "").unwrap().command {
            Command::Start(args) => *args,
            other => panic!("{other:?}"),
        }
    }

    fn spec_of(words: &[&str]) -> JobSpec {
        spec(args(words), Path::new("/home/p")).ok().unwrap()
    }

    fn refusal(words: &[&str]) -> String {
        spec(args(words), Path::new("/home/p")).err().unwrap().problem.to_text(false)
    }

    #[test]
    fn a_module_alone_is_a_job_with_its_name() {
        let spec = spec_of(&["jobs/web.wasm"]);
        assert_eq!(spec, JobSpec { name: "web".into(), module: "/home/p/jobs/web.wasm".into(), ..JobSpec::default() });
    }

    #[test]
    fn paths_are_made_absolute_and_names_in_the_guest_stay() {
        let spec = spec_of(&[
            "/srv/web.wasm",
            "--dir=data",
            "--dir=../in::/in:rw",
            "--child=a=b.wasm",
            "--stdin=in.txt",
            "--health-command=probe.wasm",
            "--health-command=--fast",
        ]);
        assert_eq!(spec.module, "/srv/web.wasm");
        assert_eq!(spec.dir, ["/home/p/data::data:ro", "/home/p/../in::/in:rw"]);
        assert_eq!(spec.child, ["a=/home/p/b.wasm"]);
        assert_eq!(spec.stdin.as_deref(), Some("/home/p/in.txt"));
        assert_eq!(spec.health.command, ["/home/p/probe.wasm", "--fast"]);
    }

    #[test]
    fn flags_of_a_job_and_of_a_service_arrive_in_the_words_of_the_manifest() {
        let spec = spec_of(&[
            "web.wasm",
            "--name",
            "shop",
            "-i",
            "4",
            "--env",
            "MODE=fast",
            "--memory",
            "64MiB",
            "--timeout",
            "90s",
            "--restart",
            "always",
            "--retry-on",
            "memory:2:1GiB,trapped",
            "--stop-on",
            "failed",
            "--backoff-first",
            "50ms",
            "--grace",
            "2s",
            "--ready",
            "notify",
            "--recycle-memory",
            "100MiB",
            "--schedule",
            "*/5 * * * *",
            "--time-zone",
            "Europe/Berlin",
            "--overlap",
            "queue",
            "--catch-up",
            "--log",
            "off",
            "--",
            "--port",
            "80",
        ]);
        assert_eq!(
            (spec.name.as_str(), spec.instances, spec.args.as_slice()),
            ("shop", Some(4), &["--port".into(), "80".into()][..])
        );
        assert_eq!((spec.env["MODE"].as_str(), spec.memory.as_deref()), ("fast", Some("64MiB")));
        assert_eq!((spec.timeout.as_deref(), spec.restart.as_deref()), (Some("1m30s"), Some("always")));
        let memory = RetrySpec { verdict: "memory".into(), factor: Some(2), max: Some("1GiB".into()) };
        assert_eq!(spec.retry_on, [memory, RetrySpec { verdict: "trapped".into(), ..RetrySpec::default() }]);
        assert_eq!((spec.stop_on[0].as_str(), spec.backoff.first.as_deref()), ("failed", Some("50ms")));
        assert_eq!((spec.grace.as_deref(), spec.ready.as_deref()), (Some("2s"), Some("notify")));
        assert_eq!((spec.recycle.memory.as_deref(), spec.schedule.as_deref()), (Some("100MiB"), Some("*/5 * * * *")));
        assert_eq!((spec.time_zone.as_deref(), spec.overlap.as_deref()), (Some("Europe/Berlin"), Some("queue")));
        assert_eq!((spec.catch_up, spec.log.as_deref()), (true, Some("off")));
    }

    #[test]
    fn two_modules_and_the_commands_stdin_are_refused_in_a_sentence() {
        assert!(refusal(&["a.wasm", "b.wasm"]).contains("a module is started alone"));
        assert!(refusal(&["a.wasm", "--stdin=-"]).contains("a job in the background has no stdin"));
        assert!(refusal(&["a.wasm", "--env=NOT_SET_ANYWHERE"]).contains("hint: set it"));
    }

    #[test]
    fn flags_for_a_job_that_is_there_are_refused() {
        for flag in ["--memory=1GiB", "--name=x", "-i=2", "--restart=never", "--env=A=1"] {
            let failure = start_again(args(&["web", flag]), false, false).err().unwrap();
            let text = failure.problem.to_text(false);
            assert!(text.contains("flags are for a module, and \"web\" is the name of a job"), "{flag}: {text}");
        }
    }
}
