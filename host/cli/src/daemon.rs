//! `sandhog daemon`: keeps jobs up, in the foreground. `sandhog up` starts it in the background.

use super::args::DaemonArgs;
use super::embedded::{Failure, with_coordinator_that};
use super::render;
use super::render::problem::Problem;
use super::render::screen::Screen;
use super::run::refusal;
use super::surroundings;
use sandhog_daemon::control::{self, Patience};
use sandhog_daemon::directories;
use sandhog_daemon::fleet::{self, End, Handle, Paths, Reserved};
use sandhog_protocol::exit_code;
use sandhog_runtime::coordinator::Coordinator;
use sandhog_runtime::own_limits;
use sandhog_runtime::shed::shed;
use sandhog_runtime::terms::Terms;
use sandhog_serve::listener::{Listener, inherited};
use sandhog_spec::text::escape;
use sandhog_sys::descriptors;
use sandhog_sys::process::SingleThreaded;
use std::cell::Cell;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use tokio::signal::unix::SignalKind;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Keeps jobs up until it is told to end; returns the exit code.
pub fn run(token: SingleThreaded, args: DaemonArgs) -> u8 {
    let starter = match args.ready_fd.map(Starter::new).transpose() {
        Ok(starter) => starter,
        Err(failure) => return failed(&failure, None),
    };
    if starter.is_some() {
        say_what_stays(&shed(&token));
    }
    if let Err(error) = own_limits::check_for_daemon() {
        return failed(&refusal(&error), starter);
    }
    let sockets = match Sockets::take(&args) {
        Ok(sockets) => sockets,
        Err(problem) => return failed(&Failure { problem, code: exit_code::REFUSED }, starter),
    };
    let view = Arc::new(Screen::new(None));
    // Whatever fails before it is ready, whoever waits for it is told.
    let starter = Cell::new(starter);
    let kept = with_coordinator_that(
        token,
        &Terms::of_daemon(args.allow_missing.into_iter().collect()),
        view,
        |_| Ok(()),
        |coordinator| {
            let starter = &starter;
            let is_ready = move || starter.take().into_iter().for_each(|starter| starter.say("ready\n"));
            async move { keep_up(&coordinator, sockets, is_ready).await }
        },
    );
    match kept {
        Ok(()) => 0,
        Err(failure) => failed(&failure, starter.take()),
    }
}

fn failed(failure: &Failure, starter: Option<Starter>) -> u8 {
    if let Some(starter) = starter {
        starter.say(&failure.problem.to_text(false));
    }
    render::report(&failure.problem);
    failure.code
}

/// The first line of the log of a daemon in the background.
fn say_what_stays(kept: &[String]) {
    if !kept.is_empty() {
        // Where nobody reads it there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "sandhog: kept from whoever started this: {}", escape(&kept.join("; ")));
    }
}

/// Whoever has started this in the background waits at the other end.
struct Starter(File);

impl Starter {
    fn new(number: i32) -> Result<Self, Failure> {
        let not_open = || Failure {
            problem: Problem::new(format!("--ready-fd: file descriptor {number} is not open")),
            code: exit_code::REFUSED,
        };
        let fd = descriptors::inherited(number).ok_or_else(not_open)?;
        Ok(Self(fd.into()))
    }

    fn say(mut self, text: &str) {
        // Where nobody hears it any more, it goes without.
        let _ = self.0.write_all(text.as_bytes());
    }
}

/// Sockets that are there before privilege goes.
struct Sockets {
    reserved: Reserved,
    metrics: Option<Listener>,
}

impl Sockets {
    /// # Errors
    /// The first one that can't be had.
    fn take(args: &DaemonArgs) -> Result<Self, Problem> {
        let mut reserved = Reserved::default();
        let passed = inherited::of_this_process().map_err(|error| Problem::of(&error))?;
        for socket in passed.filter_map(descriptors::inherited) {
            reserved.pass(socket).map_err(|error| Problem::of(&error))?;
        }
        for address in &args.listen {
            reserved.bind(*address).map_err(|error| Problem::of(&error))?;
        }
        let metrics = args.metrics.map(Listener::bind);
        Ok(Self { reserved, metrics: metrics.transpose().map_err(|error| Problem::of(&error))? })
    }
}

async fn keep_up(coordinator: &Arc<Coordinator>, sockets: Sockets, is_ready: impl FnOnce()) -> Result<(), Failure> {
    let directories = directories::take(coordinator).await.map_err(|error| Failure {
        problem: error.hint().into_iter().fold(Problem::of(&error), Problem::with_hint),
        code: if error.is_refusal() { exit_code::REFUSED } else { exit_code::SANDHOG_FAILED },
    })?;
    let listener = control::bind(&directories.socket).map_err(|error| refusal(&error))?;
    let paths = Paths { state: directories.state.clone(), socket: directories.socket.clone() };
    let (handle, daemon) = fleet::start(coordinator, paths, sockets.reserved).map_err(|error| refusal(&error))?;
    listen_for_signals(&handle).map_err(|error| Failure::of(&error))?;
    let (over, is_over) = watch::channel(false);
    let uid = directories.uid;
    let farewell = move || {
        let mut is_over = is_over.clone();
        // The sender lives until it has said so.
        async move { drop(is_over.wait_for(|over| *over).await) }
    };
    let (patience, mut served) = (Patience::default(), JoinSet::new());
    served.spawn(control::serve(listener, uid, handle.clone(), patience, farewell()));
    // Where nobody reads it there is nobody to tell.
    let say = |text: &str| drop(writeln!(std::io::stderr(), "sandhog: {text}"));
    if let Some(address) = sockets.metrics {
        say(&format!("metrics at http://{}/metrics", address.address()));
        let numbers = control::serve_metrics(address.into_socket(), handle.clone(), patience, farewell());
        served.spawn(numbers.map_err(|error| Failure::of(&error))?);
    }
    say(&format!("ready, at {}", escape(&directories.socket.to_string_lossy())));
    is_ready();
    directories::tell_service_manager("READY=1");
    let end = daemon.run().await;
    directories::tell_service_manager("STOPPING=1");
    over.send_replace(true);
    while served.join_next().await.is_some() {}
    match end {
        End::ShutDown => Ok(()),
        End::SpawnerLost => Err(Failure {
            problem: Problem::new("the spawner has ended, and every job with it")
                .with_hint("start the daemon again: what was up is up again"),
            code: exit_code::SANDHOG_FAILED,
        }),
    }
}

/// The first one stops everything in reverse order, the second one at once, the third one ends this process, and the spawner
/// clears away behind it. One that the daemon was started to ignore does none of it.
fn listen_for_signals(handle: &Handle) -> std::io::Result<()> {
    let (count, _) = watch::channel(0_u32);
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let Some(mut signals) = surroundings::hear(kind)? else { continue };
        let (handle, count) = (handle.clone(), count.clone());
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                count.send_modify(|count| *count += 1);
                let count = *count.borrow();
                match count {
                    1 => drop(handle.shut_down().await),
                    2 => handle.shut_down_now(),
                    _ => std::process::exit(exit_code::TERMINATED.into()),
                }
            }
        });
    }
    Ok(())
}
