//! `sandhog pool`: workers that are ready, for a program that sends tasks over a descriptor and gets their answers.
//! `docs/pool-protocol.md` describes what the two say to each other.
//!
//! | file | what it does |
//! | --- | --- |
//! | `messages` | lines and frames |
//! | `listen`, `answers` | a thread for each direction |
//! | `absence` | whether the program still reads |
//! | `conversation` | which message means what, and how much there is room for |
//! | `work` | one task |
//! | `outcome` | what is told of it |
//! | `serve`, `open` | as much of a pool as all of these need, and the real one |
//!
//! Must not: decide which worker has which task, or keep what it has no room for.

mod absence;
mod answers;
mod conversation;
mod listen;
mod messages;
mod open;
mod outcome;
mod serve;
mod work;

use super::args::PoolArgs;
use super::embedded::{Failure, with_coordinator_that};
use super::ending::{self, NOT_ALL};
use super::ipc::{self, Lines};
use super::pool_status;
use super::render::problem::Problem;
use super::render::screen::Screen;
use super::run::{bound_by_own_limits, checked, refusal};
use super::surroundings;
use answers::Told;
use conversation::{Around, End, Place, Window};
use outcome::Telling;
use rustix::io::fcntl_dupfd_cloexec;
use sandhog_protocol::exit_code;
use sandhog_protocol::pool::{self, Ended, FromPool};
use sandhog_protocol::pool_status::Command;
use sandhog_runtime::coordinator::Coordinator;
use sandhog_runtime::pool::Settings;
use sandhog_runtime::terms::Terms;
use sandhog_spec::job::Job;
use sandhog_spec::units;
use sandhog_sys::process::SingleThreaded;
use std::io;
use std::os::fd::AsFd;
use std::pin::pin;
use std::sync::Arc;
use tokio::signal::unix::SignalKind;
use tokio::sync::watch;

/// Bytes of stdout and stderr of one task, unless `--max-output` says something else.
const OUTPUT: u64 = 16 << 20;

/// Asked to end by a signal: the exit code for that.
type Stop = watch::Receiver<Option<u8>>;

/// Holds the pool until the conversation has ended, and returns the exit code.
pub(super) fn run(token: SingleThreaded, args: &PoolArgs) -> u8 {
    ending::report(try_run(token, args))
}

fn try_run(token: SingleThreaded, args: &PoolArgs) -> Result<u8, Failure> {
    let level = args.job.log().map_err(|error| refusal(&error))?;
    let mut job = bounded(checked(args.settings())?)?;
    bound_by_own_limits(&mut job);
    // By its numbers, so before anything else is opened.
    let lines = descriptors(args)?;
    let settings = open::settings(args);
    let (ask, stop) = watch::channel(None);
    let listen = |_: &Arc<Coordinator>| listen_for_signals(&ask);
    let terms = Terms::of_pool(&job, &settings);
    with_coordinator_that(token, &terms, Arc::new(Screen::new(level)), listen, |coordinator| async move {
        converse(&coordinator, &job, args, settings, lines, stop).await
    })
}

/// With a limit on what one task writes: it is told in one message.
fn bounded(mut job: Job) -> Result<Job, Failure> {
    let max = *job.limits.max_output_bytes.get_or_insert(OUTPUT);
    if max > pool::OUTPUT as u64 {
        let what = format!("--max-output {}: more than one message can hold", units::print_size(max));
        let hint =
            format!("the most is {}; let the guest write to a directory", units::print_size(pool::OUTPUT as u64));
        return Err(Failure { problem: Problem::new(what).with_hint(hint), code: exit_code::REFUSED });
    }
    Ok(job)
}

fn descriptors(args: &PoolArgs) -> Result<Lines, Failure> {
    let opened = match args.fd {
        Some(fd) => Lines::open("--fd", fd.input, fd.output),
        None => Lines::of_command(),
    };
    opened.map_err(|error: ipc::Error| Failure {
        problem: error.hint().into_iter().fold(Problem::of(&error), Problem::with_hint),
        code: exit_code::REFUSED,
    })
}

/// As [`surroundings::ask_to_stop`]: the first one lets end what was accepted.
fn listen_for_signals(ask: &watch::Sender<Option<u8>>) -> io::Result<()> {
    surroundings::ask_to_stop(ask, SignalKind::interrupt(), exit_code::INTERRUPTED)?;
    surroundings::ask_to_stop(ask, SignalKind::terminate(), exit_code::TERMINATED)?;
    surroundings::ask_to_stop(ask, SignalKind::hangup(), exit_code::TERMINATED)
}

async fn converse(
    coordinator: &Arc<Coordinator>,
    job: &Job,
    args: &PoolArgs,
    settings: Settings,
    lines: Lines,
    mut stop: Stop,
) -> Result<u8, Failure> {
    let failed = |error: io::Error| Failure::of(&error);
    let watched = fcntl_dupfd_cloexec(lines.output.as_fd(), 3).map_err(|errno| failed(errno.into()))?;
    let mut gone = pin!(absence::reader_gone(watched));
    let answers = answers::answers::<Option<Place>>(lines.output, args.protocol).map_err(failed)?;
    let opened = tokio::select! {
        opened = open::open(coordinator, job, settings) => opened,
        code = stopped(&mut stop) => return Ok(code),
        () = &mut gone => return Ok(exit_code::OUTPUT_CLOSED),
    };
    let (pool, kind) = match opened {
        Ok(opened) => opened,
        Err(failure) => {
            // Whoever has gone meanwhile reads it on stderr.
            let error =
                Telling::Message(FromPool::Error { text: failure.problem.to_text(false).trim_end().to_owned() });
            let _ = answers.tell.send(Told { telling: error, place: None }).await;
            drop(answers.tell);
            tokio::select! {
                _ = answers.written => {}
                () = gone => {}
            }
            return Err(failure);
        }
    };
    let listening = pool_status::listen(&pool, Command::Pool, job);
    let heard = listen::listen(lines.input, args.protocol).map_err(failed)?;
    let window = Window::new(kind, args, settings.busy_max);
    let around = Around { heard, answers, gone, stop: stop.clone() };
    let end = conversation::hold(pool.clone(), window, around).await;
    drop(listening);
    pool.close().await;
    code_of(end, *stop.borrow())
}

/// Waits until the command was asked to end.
async fn stopped(stop: &mut Stop) -> u8 {
    match stop.wait_for(Option::is_some).await.map(|code| *code) {
        Ok(Some(code)) => code,
        Ok(None) | Err(_) => std::future::pending().await,
    }
}

fn code_of(end: End, stopped: Option<u8>) -> Result<u8, Failure> {
    match end {
        End::Done(Ended::Closed) => Ok(exit_code::SUCCESS),
        End::Done(Ended::Error | Ended::Unknown(_)) => Ok(NOT_ALL),
        End::Done(Ended::Stopped) => Ok(stopped.unwrap_or(exit_code::TERMINATED)),
        End::Gone => Ok(exit_code::OUTPUT_CLOSED),
        End::Unwritable(error) => {
            let problem = Problem::new(format!("failed to write answers: {error}"));
            Err(Failure { problem, code: exit_code::SANDHOG_FAILED })
        }
    }
}
