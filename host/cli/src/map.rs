//! `sandhog map`: a run for each task of an input, many at the same time, in the foreground.
//!
//! Must not: move tasks or decide what becomes of them (`sandhog_runtime::map` does).

use super::args::{Halt, Input, MapArgs};
use super::embedded::{Failure, with_coordinator};
use super::pool_status;
use super::render;
use super::render::map_screen::MapScreen;
use super::run;
use sandhog_protocol::limits;
use sandhog_protocol::pool_status::Command as Holder;
use sandhog_runtime::coordinator::Coordinator;
use sandhog_runtime::map::answers::Answers;
use sandhog_runtime::map::drive::{Order, drive};
use sandhog_runtime::map::ended::Of;
use sandhog_runtime::map::joblog::Resume;
use sandhog_runtime::map::log_file::LogFile;
use sandhog_runtime::map::numbers::Numbers;
use sandhog_runtime::map::placeholders::Template;
use sandhog_runtime::map::printer::{Output, Outputs};
use sandhog_runtime::map::reading::{Reading, Source};
use sandhog_runtime::map::recipe::{ARGUMENT_OVERHEAD, Cut, For, Recipe};
use sandhog_runtime::map::report::Report;
use sandhog_runtime::map::tally;
use sandhog_runtime::map::workers::Watcher;
use sandhog_runtime::pool::{Pool, Settings, WorkerKind};
use sandhog_runtime::terms::Terms;
use sandhog_spec::job::Job;
use sandhog_sys::descriptors::StandardStream;
use sandhog_sys::process::SingleThreaded;
use std::io::{self, IsTerminal};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

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
    let input = sources(&args).and_then(|sources| Ok((cut(&args)?, sources)));
    let (cut, sources) = input.map_err(|error| refused(&error))?;
    let command = Command::parted(&mut job);
    let settings = pool_settings(&args);
    let screen = Arc::new(MapScreen::new(level, !args.no_progress));
    let view = Arc::clone(&screen);
    with_coordinator(token, &Terms::of_pool(&job, &settings), view, |coordinator| async move {
        let pool = run::given(Pool::open(&coordinator, &job, settings).await)?;
        let listening = pool_status::listen(&pool, Holder::Map, &job);
        let mapped = map(&coordinator, &pool, &args, &command, (cut, sources), &screen).await;
        drop(listening);
        pool.close().await;
        screen.end();
        mapped
    })
}

async fn map(
    coordinator: &Arc<Coordinator>,
    pool: &Pool,
    args: &MapArgs,
    command: &Command,
    input: (Cut, Vec<Source>),
    screen: &Arc<MapScreen>,
) -> Result<Report, Failure> {
    check(args, command, pool.kind()).map_err(|error| refused(&error))?;
    // With the person's identity, and before any task runs: what can't be written is better known before than after.
    let (log, passed) = job_log(args)?;
    let outputs = Outputs { out: output(StandardStream::Stdout)?, err: output(StandardStream::Stderr)?, log };
    if input.1.contains(&Source::Stdin) && io::stdin().is_terminal() {
        render::aside("sandhog: tasks are read from the terminal; Ctrl-D ends them\n");
    }
    let order = order(args, command, pool.kind(), input, passed);
    let watcher: Arc<dyn Watcher> = Arc::<MapScreen>::clone(screen);
    screen.begin();
    Ok(drive(order, outputs, pool.clone(), coordinator.stopped(), watcher).await)
}

/// A job log and the tasks that are passed over by it.
fn job_log(args: &MapArgs) -> Result<(Option<LogFile>, Numbers), Failure> {
    let Some(path) = &args.joblog else { return Ok((None, Numbers::default())) };
    let resume = match (args.resume, args.resume_failed) {
        (_, true) => Resume::Succeeded,
        (true, false) => Resume::Done,
        (false, false) => Resume::No,
    };
    let (log, passed) = LogFile::open(path, resume).map_err(|error| run::refusal(&error))?;
    Ok((Some(log), passed))
}

/// A worker for each task at the same time, and as many that are ready for the next ones, where each is there for one.
fn pool_settings(args: &MapArgs) -> Settings {
    let jobs = jobs(args);
    Settings {
        busy_max: jobs,
        ready: if args.reuse.is_none() { jobs } else { 1 },
        tasks_per_worker: Some(args.reuse.unwrap_or(1).into()),
        in_flight: args.chunk,
        together: args.chunk > 1,
        spawn: args.spawn.into(),
        ..Settings::default()
    }
}

/// What all tasks have in common, and the rest.
struct Command {
    /// The module and the arguments before the first with a place for a task, as a job log calls them.
    own: Vec<String>,
    rest: Vec<String>,
    /// Bytes that the rest may have.
    room: usize,
}

impl Command {
    /// Leaves to the job the arguments that all of its runs have.
    fn parted(job: &mut Job) -> Self {
        let is_fixed = |argument: &String| Template::new(std::slice::from_ref(argument)).is_fixed();
        let count = job.args.iter().take_while(|argument| is_fixed(argument)).count();
        let rest = job.args.split_off(count);
        let variables = job.grants.env.iter().flat_map(|(name, value)| [name, value]);
        let texts = variables.chain(&job.args).chain([&job.argv0]);
        let taken: usize = texts.map(|text| text.len() + ARGUMENT_OVERHEAD).sum();
        let own = [&job.argv0].into_iter().chain(&job.args).cloned().collect();
        Self { own, rest, room: limits::ARGUMENTS.saturating_sub(taken) }
    }
}

fn order(
    args: &MapArgs,
    command: &Command,
    kind: WorkerKind,
    (cut, sources): (Cut, Vec<Source>),
    passed: Numbers,
) -> Order {
    let template = Template::new(&command.rest);
    let slots = template.takes_slot().then_some(jobs(args) as usize);
    let (of, recipients) = match kind {
        WorkerKind::Handler => (Of::Handler(answers(args)), For::Handler { bytes: args.bytes }),
        WorkerKind::Command => (Of::Command, For::Command { template, room: command.room }),
    };
    let chunk = if kind == WorkerKind::Handler { 1 } else { args.chunk as usize };
    let recipe = Recipe { cut, of: recipients, command: command.own.clone() };
    Order {
        reading: Reading { sources, recipe, chunk, passed },
        of,
        at_once: at_once(args, kind, slots.is_some()),
        slots,
        tries: args.retries.into(),
        wait: args.wait_timeout,
        halt: match args.halt {
            Halt::Never => tally::Halt::Never,
            Halt::Soon => tally::Halt::Soon,
            Halt::Now => tally::Halt::Now,
        },
        in_order: !args.unordered,
    }
}

/// How many tasks the pool may have: one more for each worker, so that none waits for its next. Not where that would be a task
/// too many after a failure, or where each has a slot.
fn at_once(args: &MapArgs, kind: WorkerKind, has_slots: bool) -> usize {
    let each = match kind {
        WorkerKind::Handler if args.reuse.is_some() => args.chunk as usize,
        WorkerKind::Handler | WorkerKind::Command => 1,
    };
    let jobs = jobs(args) as usize;
    let ahead = if args.halt == Halt::Never && !has_slots { jobs } else { 0 };
    jobs.saturating_mul(each).saturating_add(ahead)
}

/// Tasks at the same time: processors that this command may use, where nothing is said.
fn jobs(args: &MapArgs) -> u32 {
    let processors = || thread::available_parallelism().ok().and_then(|count| u32::try_from(count.get()).ok());
    args.jobs.or_else(processors).unwrap_or(1)
}

fn check(args: &MapArgs, command: &Command, kind: WorkerKind) -> Result<(), Error> {
    if kind == WorkerKind::Handler {
        return command.rest.first().map_or(Ok(()), |argument| Err(Error::Placeholder(argument.clone())));
    }
    if let Some(count) = args.reuse {
        return Err(Error::Reuse(count));
    }
    let of_handlers = [(args.bytes, "--bytes"), (args.json, "--json")];
    of_handlers.into_iter().find(|(given, _)| *given).map_or(Ok(()), |(_, flag)| Err(Error::HandlersOnly(flag)))
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
    let file = |path: &PathBuf| if path == Path::new("-") { Source::Stdin } else { Source::File(path.clone()) };
    match (words, args.arg_file.as_slice()) {
        (Some(words), []) => Ok(words.iter().map(|word| Source::Word(word.as_bytes().to_vec())).collect()),
        (Some(_), [_, ..]) => Err(Error::Twice),
        (None, []) => Ok(vec![Source::Stdin]),
        (None, files) => Ok(files.iter().map(file).collect()),
    }
}

/// One of the command's own streams. One that was closed takes nothing: the standard library opens /dev/null in its place.
fn output(stream: StandardStream) -> Result<Output, Failure> {
    let is_terminal = rustix::termios::isatty(stream.borrow());
    let fd = stream.borrow().try_clone_to_owned().map_err(|error| Failure::of(&error))?;
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
