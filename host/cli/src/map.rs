//! `sandhog map`: a run for each task of an input, many at the same time, in the foreground.
//!
//! Must not: move tasks or decide what becomes of them (`sandhog_runtime::map` does).

use super::args::{Halt, Input, MapArgs};
use super::embedded::{Failure, with_coordinator};
use super::render;
use super::render::map_screen::MapScreen;
use super::render::problem::Problem;
use super::run;
use sandhog_protocol::exit_code;
use sandhog_protocol::inspect::World;
use sandhog_protocol::limits;
use sandhog_runtime::coordinator::Coordinator;
use sandhog_runtime::map::answers::Answers;
use sandhog_runtime::map::attempts::Attempts;
use sandhog_runtime::map::drive::{Order, Report, drive};
use sandhog_runtime::map::ended::Of;
use sandhog_runtime::map::joblog::Resume;
use sandhog_runtime::map::log_file::LogFile;
use sandhog_runtime::map::numbers::Numbers;
use sandhog_runtime::map::placeholders::Template;
use sandhog_runtime::map::printer::{Output, Outputs};
use sandhog_runtime::map::reading::{Reading, Source};
use sandhog_runtime::map::recipe::{Cut, For, Recipe};
use sandhog_runtime::map::tally;
use sandhog_runtime::terms::Terms;
use sandhog_spec::job::Job;
use sandhog_sys::process::{self, SingleThreaded};
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// Why what was asked for can't be done with this module.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("--reuse {0}: a program ends with its task; only a handler can do more than one")]
    Reuse(u32),
    #[error("{0} is about a handler's messages, and this module is a program")]
    HandlersOnly(&'static str),
    #[error("{0:?} has a place for a task, and this module is a handler, which gets it as a message")]
    Placeholder(String),
    #[error("the tasks are given twice: by --arg-file and behind :::")]
    Twice,
    #[error("-0 and --input json: a value of JSON ends by itself")]
    NullJson,
}

/// Runs the tasks and returns the exit code.
pub fn run(token: SingleThreaded, args: MapArgs) -> u8 {
    let has_log = args.joblog.is_some();
    match try_map(token, args) {
        Ok(report) => {
            render::map::report(&report, has_log).iter().for_each(render::report);
            tally::exit_code(&report.tally, report.over)
        }
        Err(failure) => {
            render::report(&failure.problem);
            failure.code
        }
    }
}

fn try_map(token: SingleThreaded, args: MapArgs) -> Result<Report, Failure> {
    let level = args.job.log().map_err(|error| run::refusal(&error))?;
    let mut job = run::checked(args.settings())?;
    run::bound_by_own_limits(&mut job);
    // Said before anything is started.
    let (cut, sources) = (cut(&args), sources(&args));
    let (cut, sources) = (cut.map_err(|error| refused(&error))?, sources.map_err(|error| refused(&error))?);
    let screen = Arc::new(MapScreen::new(level, !args.no_progress));
    let view = Arc::clone(&screen);
    with_coordinator(token, &Terms::of(&job), view, |coordinator| async move {
        let mapped = map(&coordinator, &job, &args, (cut, sources), &screen).await;
        screen.end();
        mapped
    })
}

async fn map(
    coordinator: &Arc<Coordinator>,
    job: &Job,
    args: &MapArgs,
    (cut, sources): (Cut, Vec<Source>),
    screen: &Arc<MapScreen>,
) -> Result<Report, Failure> {
    // With the person's identity, and before anything runs: what can't be written is better known before than after.
    let (log, passed) = match &args.joblog {
        Some(path) => LogFile::open(path, resume(args)).map(|(log, passed)| (Some(log), passed)),
        None => Ok((None, Numbers::default())),
    }
    .map_err(|error| run::refusal(&error))?;
    let is_handler = is_handler(coordinator, job).await?;
    check(args, job, is_handler).map_err(|error| refused(&error))?;
    let recipe = Recipe { cut, of: recipients(args, job, is_handler), module: job.argv0.clone() };
    let jobs = args.jobs.map_or_else(processors, |jobs| jobs as usize);
    let outputs = Outputs { out: output(1)?, err: output(2)?, log };
    let order = Order {
        outputs,
        of: if is_handler { Of::Handler(answers(args)) } else { Of::Command },
        at_once: at_once(args, jobs, is_handler, &recipe),
        slots: takes_slot(&recipe).then_some(jobs),
        tries: args.retries.into(),
        wait: args.wait_timeout,
        halt: match args.halt {
            Halt::Never => tally::Halt::Never,
            Halt::Soon => tally::Halt::Soon,
            Halt::Now => tally::Halt::Now,
        },
        in_order: !args.unordered,
        reading: Reading { sources, chunk: if is_handler { 1 } else { args.chunk as usize }, passed, recipe },
    };
    screen.begin();
    run_tasks(coordinator, job, args, jobs, order, screen).await
}

/// How many tasks workers may have: one more for each, so that none waits for its next. Not where that would be a task too many
/// after a failure, or where each has a slot.
fn at_once(args: &MapArgs, jobs: usize, is_handler: bool, recipe: &Recipe) -> usize {
    let each = if is_handler { args.chunk as usize } else { 1 };
    let ahead = if args.halt == Halt::Never && !takes_slot(recipe) { jobs } else { 0 };
    jobs.saturating_mul(each).saturating_add(ahead)
}

fn takes_slot(recipe: &Recipe) -> bool {
    match &recipe.of {
        For::Command { template, .. } => template.takes_slot(),
        For::Handler { .. } => false,
    }
}

/// Processors that this command may use.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Whether a module answers tasks. One that can't be run is refused when it is started, with the reason.
async fn is_handler(coordinator: &Arc<Coordinator>, job: &Job) -> Result<bool, Failure> {
    let inspection = run::given(coordinator.inspect(job).await)?;
    match (inspection.world, inspection.refused) {
        (Some(World::Handler), None) => Ok(true),
        (Some(World::Command) | None, None) => Ok(false),
        (_, Some(reason)) => {
            Err(Failure { problem: Problem::new(format!("refused: {reason}")), code: exit_code::REFUSED })
        }
    }
}

fn check(args: &MapArgs, job: &Job, is_handler: bool) -> Result<(), Error> {
    if is_handler {
        let with_place = |argument: &&String| Template::new(std::slice::from_ref(*argument)).takes_input();
        return job.args.iter().find(with_place).map_or(Ok(()), |argument| Err(Error::Placeholder(argument.clone())));
    }
    if let Some(count) = args.reuse {
        return Err(Error::Reuse(count));
    }
    let of_handlers = [(args.bytes, "--bytes"), (args.json, "--json")];
    of_handlers.into_iter().find(|(given, _)| *given).map_or(Ok(()), |(_, flag)| Err(Error::HandlersOnly(flag)))
}

fn recipients(args: &MapArgs, job: &Job, is_handler: bool) -> For {
    if is_handler {
        return For::Handler { bytes: args.bytes };
    }
    let environment: usize = job.grants.env.iter().map(|(name, value)| name.len() + value.len() + 2 * 5).sum();
    let room = limits::ARGUMENTS.saturating_sub(environment + job.argv0.len() + 5);
    For::Command { template: Template::new(&job.args), room }
}

fn answers(args: &MapArgs) -> Answers {
    Answers { raw_text: args.input != Input::Json && !args.json, raw_bytes: args.bytes }
}

fn cut(args: &MapArgs) -> Result<Cut, Error> {
    match (args.input, args.null) {
        (Input::Lines, false) => Ok(Cut::Lines),
        (Input::Null, _) | (Input::Lines, true) => Ok(Cut::Nulls),
        (Input::Files, null) => Ok(Cut::Files { end: if null { 0 } else { b'\n' } }),
        (Input::Json, false) => Ok(Cut::Json),
        (Input::Json, true) => Err(Error::NullJson),
    }
}

fn sources(args: &MapArgs) -> Result<Vec<Source>, Error> {
    let (_, words) = args.words();
    match (words, args.arg_file.as_slice()) {
        (Some(words), []) => Ok(words.iter().map(word).collect()),
        (Some(_), [_, ..]) => Err(Error::Twice),
        (None, []) => Ok(vec![Source::Stdin]),
        (None, files) => {
            let source = |path: &std::path::PathBuf| match path == Path::new("-") {
                true => Source::Stdin,
                false => Source::File(path.clone()),
            };
            Ok(files.iter().map(source).collect())
        }
    }
}

fn word(word: &OsString) -> Source {
    Source::Word(word.as_bytes().to_vec())
}

fn resume(args: &MapArgs) -> Resume {
    match (args.resume, args.resume_failed) {
        (_, true) => Resume::Succeeded,
        (true, false) => Resume::Done,
        (false, false) => Resume::No,
    }
}

/// One of the command's own streams. One that was closed takes nothing: the standard library opens /dev/null in its place.
fn output(number: i32) -> Result<Output, Failure> {
    let is_terminal = if number == 1 { io::stdout().is_terminal() } else { io::stderr().is_terminal() };
    let fd = process::borrow(number).try_clone_to_owned().map_err(|error| Failure::of(&error))?;
    Ok(Output { fd, is_terminal })
}

fn refused(error: &Error) -> Failure {
    let failure = run::refusal(error);
    let hint = match error {
        Error::Reuse(_) => "leave --reuse away: each task has a process of its own, which is warm all the same",
        Error::HandlersOnly(_) => "leave it away: a program reads and writes bytes",
        Error::Placeholder(_) => "leave it away, or build the module as a program",
        Error::Twice => "use one of them",
        Error::NullJson => "leave -0 away",
    };
    Failure { problem: failure.problem.with_hint(hint), ..failure }
}

async fn run_tasks(
    coordinator: &Arc<Coordinator>,
    job: &Job,
    _args: &MapArgs,
    jobs: usize,
    order: Order,
    screen: &Arc<MapScreen>,
) -> Result<Report, Failure> {
    let workers = Attempts::new(coordinator, job, jobs).map_err(|error| run::not_run(&error))?;
    Ok(drive(order, workers, coordinator.stopped(), Arc::clone(screen) as Arc<_>).await)
}
