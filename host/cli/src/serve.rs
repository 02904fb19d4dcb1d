//! `sandhog serve`: workers that answer HTTP behind one address, in the foreground and without a daemon.
//!
//! | file | what it does |
//! | --- | --- |
//! | `listening` | sockets: bound before privilege goes, or passed by systemd |
//! | `workers` | a crew that lives, or a process for each connection: one way to both |
//! | `told`, `lines` | who is told what, and a thread for each stream |
//! | `status` | the line for `sandhog ps --all` |
//!
//! Must not: read what clients send. The workers do.

mod lines;
mod listening;
mod status;
mod told;
mod workers;

use super::args::ServeArgs;
use super::embedded::{Failure, with_coordinator_that};
use super::ending;
use super::render::problem::Problem;
use super::render::screen::Screen;
use super::run::{bound_by_own_limits, checked, refusal};
use super::surroundings;
use lines::{Lines, Writer};
use sandhog_daemon::directories::tell_service_manager;
use sandhog_http::{Patience, numbers};
use sandhog_protocol::exit_code;
use sandhog_protocol::plan::Isolation;
use sandhog_protocol::request::Level;
use sandhog_runtime::coordinator::Coordinator;
use sandhog_runtime::terms::Terms;
use sandhog_serve::dispatcher::{DispatchSettings, Dispatcher, Told};
use sandhog_serve::listener::Listener;
use sandhog_serve::prometheus;
use sandhog_spec::http::Http;
use sandhog_spec::job::Job;
use sandhog_spec::service::Rules;
use sandhog_sys::descriptors::StandardStream;
use sandhog_sys::process::SingleThreaded;
use std::fs::File;
use std::future::{pending, ready};
use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind};
use tokio::sync::watch;
use told::Teller;
use workers::{Kept, Workers};

/// How long a connection may wait for a worker: as long as people wait.
const WAIT: Duration = Duration::from_secs(10);

/// Asked to end by a signal: the exit code where it had not begun to serve.
type Stop = watch::Receiver<Option<u8>>;

/// Serves until it is asked to end, and returns the exit code.
pub(super) fn run(token: SingleThreaded, args: &ServeArgs) -> u8 {
    ending::report(try_run(token, args))
}

/// What is settled before anything runs.
struct Order {
    job: Job,
    http: Http,
    rules: Rules,
    listeners: Vec<Listener>,
    metrics: Option<Listener>,
    level: Option<Level>,
}

fn try_run(token: SingleThreaded, args: &ServeArgs) -> Result<u8, Failure> {
    // By their numbers, so before anything else is opened.
    let passed = listening::passed()?;
    let order = order(args, passed)?;
    let is_process = order.http.isolation == Some(Isolation::Process);
    let terms = Terms::of_serve(&order.job, args.instances.max, is_process);
    let (ask, stop) = watch::channel(None);
    let listen = |_: &Arc<Coordinator>| listen_for_signals(&ask);
    let view = Arc::new(Screen::new(order.level));
    with_coordinator_that(token, &terms, view, listen, |coordinator| async move {
        let (out, out_writer) = lines_to(StandardStream::Stdout, "the access log")?;
        let (err, err_writer) = lines_to(StandardStream::Stderr, "stderr")?;
        let served = serve(&coordinator, order, args, (out, err), stop).await;
        for writer in [out_writer, err_writer] {
            writer.finish().await;
        }
        served
    })
}

fn order(args: &ServeArgs, passed: Vec<Listener>) -> Result<Order, Failure> {
    let level = args.job.log().map_err(|error| refusal(&error))?;
    listening::check(args, &passed)?;
    let mut job = checked(args.settings(passed.first().map(Listener::address)))?;
    bound_by_own_limits(&mut job);
    let http = job.http.clone().ok_or_else(listening::nowhere)?;
    let rules = args.rules().map_err(|error| refusal(&error))?;
    if http.isolation == Some(Isolation::Process) && !args.instances.is_fixed() {
        let what = "--instances: with --isolation process it is how many connections are served at once, one number";
        return Err(refused(
            Problem::new(what).with_hint("write the larger one: a process is there only for its connection"),
        ));
    }
    let metrics = args.metrics.map(Listener::bind).transpose().map_err(|error| refusal(&error))?;
    let listeners = match passed.is_empty() {
        true => vec![Listener::bind(http.listen).map_err(|error| refusal(&error))?],
        false => passed,
    };
    Ok(Order { job, http, rules, listeners, metrics, level })
}

fn refused(problem: Problem) -> Failure {
    Failure { problem, code: exit_code::REFUSED }
}

fn lines_to(stream: StandardStream, what: &'static str) -> Result<(Lines, Writer), Failure> {
    Lines::to(stream, what).map_err(|error| Failure::of(&error))
}

async fn serve(
    coordinator: &Arc<Coordinator>,
    order: Order,
    args: &ServeArgs,
    (out, err): (Lines, Lines),
    mut stop: Stop,
) -> Result<u8, Failure> {
    let failed = |error: io::Error| Failure::of(&error);
    let Order { job, http, rules, listeners, metrics, level } = order;
    let teller = Arc::new(Teller {
        job: job.name.clone(),
        several: args.instances.max > 1,
        level,
        access: args.access_log,
        terminal: io::stderr().is_terminal(),
        out,
        err,
        workers: Mutex::default(),
        serves: AtomicBool::new(false),
    });
    let told: Arc<dyn Told> = Arc::<Teller>::clone(&teller);
    let dispatcher = Dispatcher::start(dispatch_settings(&http, args), told);
    let mut reloads = surroundings::hear(SignalKind::hangup()).map_err(failed)?;
    let kept = Kept { job: job.clone(), rules, instances: args.instances };
    let mut workers = tokio::select! {
        opened = Workers::open(coordinator, kept, &dispatcher, &teller) => opened?,
        code = stopped(&mut stop) => return Ok(code),
    };
    let early = tokio::select! {
        up = workers.up() => up.map(|()| None)?,
        code = stopped(&mut stop) => Some(code),
    };
    if let Some(code) = early {
        workers.drain().await;
        return Ok(code);
    }
    teller.serves.store(true, Ordering::Relaxed);
    let addresses: Vec<_> = listeners.iter().map(Listener::address).collect();
    begin(&dispatcher, listeners, metrics, &teller)?;
    let asked = status::listen(&dispatcher, &job, &addresses);
    tell_service_manager("READY=1");
    let end = until_the_end(&mut workers, &mut stop, &mut reloads, &teller).await;
    tell_service_manager("STOPPING=1");
    drop(asked);
    end?;
    workers.drain().await;
    Ok(exit_code::SUCCESS)
}

/// Reloads when it is asked to. Comes back when it is to end.
///
/// # Errors
/// No worker is left.
async fn until_the_end(
    workers: &mut Workers,
    stop: &mut Stop,
    reloads: &mut Option<Signal>,
    teller: &Teller,
) -> Result<(), Failure> {
    let had_terminal = has_terminal();
    loop {
        tokio::select! {
            _ = stopped(stop) => return Ok(()),
            failure = workers.failed() => return Err(failure),
            Some(()) = surroundings::next(reloads) => {}
        }
        if had_terminal && !has_terminal() {
            return Ok(());
        }
        // One after the other: what comes meanwhile is one more, afterwards.
        let reloaded = tokio::select! {
            reloaded = workers.reload() => reloaded,
            _ = stopped(stop) => return Ok(()),
        };
        match reloaded {
            Ok(how) => teller.say(how),
            Err(Failure { problem, .. }) => {
                teller.say(&format!("not reloaded, all stays as it was: {}", problem.what()));
            }
        }
    }
}

/// Connections are taken from now on.
fn begin(
    dispatcher: &Dispatcher,
    listeners: Vec<Listener>,
    metrics: Option<Listener>,
    teller: &Arc<Teller>,
) -> Result<(), Failure> {
    for listener in listeners {
        let address = listener.address();
        dispatcher.listen(listener).map_err(|error| Failure::of(&error))?;
        teller.say(&format!("serving on http://{address}/"));
    }
    metrics.map_or(Ok(()), |listener| serve_numbers(dispatcher, listener, teller))
}

/// For Prometheus, on an address of their own, for as long as the process lives.
fn serve_numbers(dispatcher: &Dispatcher, listener: Listener, teller: &Teller) -> Result<(), Failure> {
    let (dispatcher, job, address) = (dispatcher.clone(), teller.job.clone(), listener.address());
    let page = move || ready(Ok(prometheus::text(&[(job.as_str(), dispatcher.numbers())])));
    let served = numbers::serve(listener.into_socket(), Patience::default(), page, pending());
    tokio::spawn(served.map_err(|error| Failure::of(&error))?);
    teller.say(&format!("numbers are at http://{address}{}", numbers::PATH));
    Ok(())
}

fn dispatch_settings(http: &Http, args: &ServeArgs) -> DispatchSettings {
    DispatchSettings {
        connections_per_worker: http.connections,
        requests_per_worker: http.concurrency.saturating_add(http.waiting),
        connections_in_all: (http.isolation == Some(Isolation::Process)).then_some(1),
        waiting_max: http.waiting.saturating_mul(args.instances.max) as usize,
        waiting_for: WAIT,
    }
}

/// As [`surroundings::ask_to_stop`]: the first one lets requests end.
fn listen_for_signals(ask: &watch::Sender<Option<u8>>) -> io::Result<()> {
    surroundings::ask_to_stop(ask, SignalKind::interrupt(), exit_code::INTERRUPTED)?;
    surroundings::ask_to_stop(ask, SignalKind::terminate(), exit_code::TERMINATED)
}

/// SIGHUP comes as well when the terminal goes, and then nobody is there to see a reload. There is no way back to it by then
/// (tty(4): ENXIO).
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// Waits until the command was asked to end.
async fn stopped(stop: &mut Stop) -> u8 {
    match stop.wait_for(Option::is_some).await.map(|code| *code) {
        Ok(Some(code)) => code,
        Ok(None) | Err(_) => std::future::pending().await,
    }
}
