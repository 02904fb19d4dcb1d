//! `sandhog run`: one job, in the foreground.

use super::args::RunArgs;
use super::coredump_file::CoredumpFile;
use super::embedded::{Failure, with_coordinator};
use super::ipc::{self, Bridge, Other};
use super::listeners;
use super::render;
use super::render::problem::Problem;
use super::render::screen::Screen;
use super::trace;
use super::usage_socket::UsageSocket;
use super::verdict_file::VerdictFile;
use sandhog_protocol::causes;
use sandhog_protocol::exit_code;
use sandhog_protocol::plan::Walls;
use sandhog_protocol::verdict::{CpuLimit, Verdict};
use sandhog_runtime::attempt_id;
use sandhog_runtime::coordinator::Coordinator;
use sandhog_runtime::error;
use sandhog_runtime::module;
use sandhog_runtime::own_limits;
use sandhog_runtime::privilege::{self, Start};
use sandhog_runtime::record::VerdictRecord;
use sandhog_runtime::run::{Beside, Instead};

use sandhog_runtime::terms::Terms;
use sandhog_runtime::worker_process::AttemptWorker;
use sandhog_serve::listener::Listener;
use sandhog_spec::job::{self, Job, Settings, Surroundings};
use sandhog_sys::stamps;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Runs the job and returns the exit code: the guest's own, or what `exit_code` says of the verdict.
pub fn run(start: Start, args: RunArgs) -> u8 {
    run_or_instead(start, args, None, |_| None)
}

/// As [`run`], but with what `instead` says in the guest's place; `probes`: the walls that have to stand around that.
pub(super) fn run_or_instead(
    start: impl Into<Start>,
    args: RunArgs,
    probes: Option<Walls>,
    instead: impl FnOnce(&Coordinator) -> Option<Instead>,
) -> u8 {
    let tried = try_run(start.into(), args, probes, instead);
    trace::show();
    match tried {
        Ok(record) => {
            if let Some(problem) = render::verdict::sentence(&record.verdict) {
                let limit = if let Verdict::Cpu { limit, exceeded: CpuLimit::Time } = &record.verdict {
                    own_limits::cpu_in_words(limit)
                } else {
                    None
                };
                let hints = render::verdict::about_coredump(&record).into_iter().chain(limit);
                render::report(&hints.fold(problem, Problem::with_hint));
            }
            exit_code::of(&record.verdict)
        }
        Err(failure) => {
            render::report(&failure.problem);
            failure.code
        }
    }
}

fn try_run(
    start: Start,
    args: RunArgs,
    probes: Option<Walls>,
    instead: impl FnOnce(&Coordinator) -> Option<Instead>,
) -> Result<VerdictRecord, Failure> {
    let level = args.job.log().map_err(|error| refusal(&error))?;
    let usage = args.usage;
    let settings = args.settings();
    stamps::note("settings are made");
    let mut job = checked(settings)?;
    stamps::note("job is made");
    bound_by_own_limits(&mut job);
    let terms = Terms::of_run(&job, probes);
    stamps::note("job is checked");
    // By its numbers, so before anything else is opened.
    let other = Other::open(job.connection).map_err(|error| no_descriptor(&error))?;
    let usage = usage.map(UsageSocket::open).transpose().map_err(|error| no_descriptor(&error))?;
    let listeners = listeners::open(&job.grants.net)?;
    with_coordinator(start, &terms, Arc::new(Screen::new(level)), |coordinator| async move {
        run_job(&coordinator, &job, (other, usage, listeners), instead(&coordinator)).await
    })
}

async fn run_job(
    coordinator: &Arc<Coordinator>,
    job: &Job,
    (other, usage, listeners): (Other, Option<UsageSocket>, Vec<Listener>),
    instead: Option<Instead>,
) -> Result<VerdictRecord, Failure> {
    // Opened before the run: a verdict that can't be written is better known before than after.
    let file = job.verdict_file.as_deref().map(VerdictFile::open).transpose().map_err(|error| refusal(&error))?;
    let core = job.coredump_file.as_deref().map(CoredumpFile::open).transpose().map_err(|error| refusal(&error))?;
    let coredump = core.as_ref().map(CoredumpFile::for_worker).transpose().map_err(|error| Failure::of(&error))?;
    let attempt = attempt_id::new_attempt_id().map_err(|error| Failure::of(&error))?;
    let (connection, bridge) = connect(other).map_err(|error| Failure::of(&error))?;
    let worker = Arc::new(AttemptWorker::default());
    usage.map(|usage| usage.serve(Arc::clone(&worker))).transpose().map_err(|error| Failure::of(&error))?;
    // The port that was really taken, before anybody has to ask for it.
    listeners.iter().for_each(|listener| render::aside(&format!("sandhog: listening on {}\n", listener.address())));
    let listeners = listeners.into_iter().map(Listener::for_job).collect::<Result<_, _>>();
    let listeners = listeners.map_err(|error| Failure::of(&error))?;
    let beside = Beside { connection, coredump, listeners };
    let mut answer = coordinator.run(job, attempt.clone(), beside, instead, worker).await;
    if let Some(bridge) = bridge {
        bridge.finish().await;
    }
    if let (Ok(record), Some(core)) = (&mut answer, core) {
        record.coredump = Some(core.finish(record.dumped.take()));
    }
    let record = answer.as_ref().cloned().unwrap_or_else(|error| {
        VerdictRecord::new(Verdict::Refused { reason: causes::one_line(error) }, attempt, job.name.clone())
    });
    if let Some(file) = file {
        let line = render::verdict::json(&record).map_err(|error| Failure::of(&error))?;
        file.write(&line).map_err(|error| Failure::of(&error))?;
    }
    answer.map_err(|error| not_run(&error))
}

/// What the command was to be started with is not there.
fn no_descriptor(error: &ipc::Error) -> Failure {
    let problem = error.hint().into_iter().fold(Problem::of(error), Problem::with_hint);
    Failure { problem, code: exit_code::REFUSED }
}

/// The job's end of its connection, and the bridge where there is one.
fn connect(other: Other) -> std::io::Result<(Option<OwnedFd>, Option<Bridge>)> {
    match other {
        Other::None => Ok((None, None)),
        Other::Channel(end) => Ok((Some(end), None)),
        Other::Lines(lines) => {
            let (end, ours) = sandhog_channel::pair()?;
            Ok((Some(end), Some(ipc::bridge(lines, ours)?)))
        }
    }
}

/// The job that flags describe, or the refusal of what they say.
pub(super) fn checked(settings: Result<Settings, job::Error>) -> Result<Job, Failure> {
    let settings = settings.map_err(|error| refusal(&error))?;
    Job::new(settings, surroundings()).map_err(|error| refusal(&error))
}

/// What the kernel would end without a word, ends with one.
pub(super) fn bound_by_own_limits(job: &mut Job) {
    if let Some(max) = own_limits::cpu() {
        job.limits.cpu = Some(job.limits.cpu.map_or(max, |cpu| cpu.min(max)));
        job.compile.cpu = job.compile.cpu.min(max);
    }
}

/// What a job depends on beside its settings.
pub(super) fn surroundings() -> Surroundings<'static> {
    Surroundings { is_root: privilege::is_root(), variable: &|name| std::env::var_os(name) }
}

/// What a coordinator was asked for, or why there is none.
pub(super) fn given<T>(answer: Result<Result<T, Verdict>, error::Error>) -> Result<T, Failure> {
    match answer {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(verdict)) => {
            let problem = render::verdict::sentence(&verdict).unwrap_or_else(|| Problem::new("it came to nothing"));
            Err(Failure { problem, code: exit_code::of(&verdict) })
        }
        Err(error) => Err(not_run(&error)),
    }
}

/// Why there is nothing to run.
pub(super) fn not_run(error: &error::Error) -> Failure {
    failure_of(error, code_of(error))
}

pub(super) fn failure_of(error: &(dyn std::error::Error + 'static), code: u8) -> Failure {
    Failure { code, ..Failure::of(error) }
}

pub(super) fn refusal(error: &(dyn std::error::Error + 'static)) -> Failure {
    failure_of(error, exit_code::REFUSED)
}

/// What can't be started is refused; a module that is not there has a code of its own, as in a shell.
fn code_of(error: &error::Error) -> u8 {
    match error {
        error::Error::Module(module::Error::NotFound { .. }) => exit_code::MODULE_NOT_FOUND,
        error::Error::Module(
            module::Error::Directory { .. }
            | module::Error::NotAFile { .. }
            | module::Error::TooLarge { .. }
            | module::Error::Read { .. }
            | module::Error::Changed { .. },
        )
        | error::Error::Directory { .. }
        | error::Error::Own(_)
        | error::Error::Stdin { .. }
        | error::Error::Guarded(_)
        | error::Error::User { .. } => exit_code::REFUSED,
        error::Error::Start(_) => exit_code::SANDHOG_FAILED,
    }
}
