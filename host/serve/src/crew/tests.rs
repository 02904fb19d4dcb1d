//! The crew with attempts that are played here: who is started when, and what each is told.

use super::handle::{begin, stopped};
use super::message::{Inbox, Message};
use super::opened::Opened;
use super::runner::{Runner, Running};
use super::settings::{Keep, rules};
use super::{CrewTold, Notice};
use crate::dispatcher::{DispatchSettings, Dispatcher, Told};
use crate::status::{Status, up};
use sandhog_protocol::control::LogStream;
use sandhog_protocol::frame;
use sandhog_protocol::http::{FromServer, ToServer};
use sandhog_protocol::verdict::{StopReason, Verdict};
use sandhog_runtime::error::Error;
use sandhog_runtime::granted::{Granted, Input};
use sandhog_runtime::module::Module;
use sandhog_runtime::observer::{Life, Observer};
use sandhog_runtime::output::Sink;
use sandhog_runtime::record::VerdictRecord;
use sandhog_runtime::run::Kept;
use sandhog_runtime::stop::{StopRequest, StopRequests};
use sandhog_spec::job::{Job, Settings, Surroundings};
use sandhog_spec::service::{Backoff, Intensity, Rules};
use sandhog_supervisor::scale;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// An attempt that runs.
struct Attempt {
    instance: u32,
    name: String,
    module: Arc<Module>,
    connection: OwnedFd,
    observer: Arc<dyn Observer>,
    stop_requests: StopRequests,
    /// How it ends.
    end: oneshot::Sender<Verdict>,
}

impl Attempt {
    async fn ready(&self) {
        self.observer.began(&self.name);
        self.observer.life("served", &self.name, Life::Ready).await;
    }

    async fn is_asked(&mut self) -> StopRequest {
        self.stop_requests.wait_for(Option::is_some).await.unwrap().unwrap()
    }

    fn say(&self, bytes: &[u8]) {
        rustix::net::send(&self.connection, bytes, rustix::net::SendFlags::NOSIGNAL).unwrap();
    }

    /// The next packet of its connection, for which a thread waits.
    async fn hear(&self) -> ToServer {
        let socket = self.connection.try_clone().unwrap();
        let received = tokio::task::spawn_blocking(move || {
            let mut body = vec![0; 4096];
            let (bytes, _) = rustix::net::recv(&socket, &mut body[..], rustix::net::RecvFlags::empty()).unwrap();
            body.truncate(bytes);
            body
        });
        frame::decode_body(&received.await.unwrap()).unwrap()
    }

    fn end(self, verdict: Verdict) {
        self.end.send(verdict).unwrap();
    }
}

/// Hands attempts to the test.
struct Played(mpsc::UnboundedSender<Attempt>);

impl Runner for Played {
    fn run(&self, kept: Kept, stop_requests: StopRequests) -> Running<'_, Result<VerdictRecord, Error>> {
        let (end, ends) = oneshot::channel();
        let Kept { job, granted, identity, connection, observer, .. } = kept;
        let attempt = Attempt {
            instance: identity.instance,
            name: identity.attempt.clone(),
            module: granted.module,
            connection: connection.unwrap(),
            observer,
            stop_requests,
            end,
        };
        self.0.send(attempt).ok().unwrap();
        Box::pin(async move {
            // One that the test forgets runs on.
            let Ok(verdict) = ends.await else { return std::future::pending().await };
            Ok(VerdictRecord::new(verdict, identity.attempt, job.name))
        })
    }

    fn is_lost(&self) -> Running<'_, ()> {
        Box::pin(std::future::pending())
    }
}

/// Notices, as their names.
#[derive(Default)]
struct Hears(Mutex<Vec<(u32, String)>>);

impl CrewTold for Hears {
    fn notice(&self, instance: u32, _attempt: Option<&str>, notice: &Notice) {
        let name = format!("{notice:?}");
        let name = name.split([' ', '{']).next().unwrap_or_default();
        self.0.lock().unwrap().push((instance, name.into()));
    }

    fn sink(&self, _instance: u32, _attempt: &str, _stream: LogStream) -> Box<dyn Sink> {
        unreachable!("nobody writes")
    }
}

struct Deaf;

impl Told for Deaf {}

struct World {
    inbox: Inbox,
    status: watch::Receiver<Status>,
    attempts: mpsc::UnboundedReceiver<Attempt>,
    hears: Arc<Hears>,
    dispatcher: Dispatcher,
}

fn opened() -> Opened {
    let module = Module::of_file("served.wasm".as_ref(), File::open("/dev/null").unwrap());
    let granted =
        Granted { module: Arc::new(module), directories: Vec::new(), modules: BTreeMap::new(), input: Input::None };
    Opened { granted, zygotes: Arc::default() }
}

impl World {
    fn with(workers: u32) -> Self {
        Self::between(scale::Config::between(workers, workers))
    }

    fn between(scale: scale::Config) -> Self {
        let settings = Settings { module: "served.wasm".into(), ..Settings::default() };
        let job = Arc::new(Job::new(settings, Surroundings { is_root: false, variable: &|_| None }).unwrap());
        let millisecond = Duration::from_millis(1);
        let rules = Rules {
            backoff: Backoff { first: millisecond, max: millisecond, reset_after: Duration::from_secs(1) },
            intensity: Intensity { restarts: 3, within: Duration::from_secs(3600) },
            ..rules().unwrap()
        };
        let settings = DispatchSettings {
            connections_per_worker: 9,
            requests_per_worker: 1000,
            connections_in_all: None,
            waiting_max: 9,
            waiting_for: Duration::from_secs(3600),
        };
        let dispatcher = Dispatcher::start(settings, Arc::new(Deaf));
        let (tell, attempts) = mpsc::unbounded_channel();
        let hears = Arc::new(Hears::default());
        let keep = Keep { job, rules, scale, opened: opened(), group: None };
        let (inbox, status) = begin(Arc::new(Played(tell)), keep, &dispatcher, hears.clone());
        Self { inbox, status, attempts, hears, dispatcher }
    }

    async fn next(&mut self) -> Attempt {
        self.attempts.recv().await.unwrap()
    }

    /// The next attempt, ready.
    async fn next_ready(&mut self) -> Attempt {
        let attempt = self.next().await;
        attempt.ready().await;
        attempt
    }

    async fn until(&self, notice: &str, instance: u32) {
        while !self.hears.0.lock().unwrap().iter().any(|(number, name)| *number == instance && name == notice) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn tell(&self, message: Message) {
        self.inbox.send(message).ok().unwrap();
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), test).await }).expect("it comes to an end");
}

fn crashed() -> Verdict {
    Verdict::Failed { code: 3 }
}

#[test]
fn it_is_up_with_the_first_worker_and_one_that_crashes_is_started_again() {
    run(async {
        let mut world = World::with(2);
        let (first, second) = (world.next().await, world.next().await);
        assert_eq!([first.instance, second.instance], [1, 2]);
        second.ready().await;
        up(world.status.clone()).await.unwrap();
        first.ready().await;
        world.until("Ready", 1).await;
        first.end(crashed());
        let again = world.next_ready().await;
        assert_eq!(again.instance, 1);
        assert_eq!(*world.status.borrow(), Status::Serving);
    });
}

#[test]
fn a_module_that_is_refused_is_known_by_the_first_worker() {
    run(async {
        let mut world = World::with(2);
        let (first, _second) = (world.next().await, world.next().await);
        let verdict = Verdict::Refused { reason: "it serves no HTTP".into() };
        let name = first.name.clone();
        first.end(verdict.clone());
        let Err(Status::Failed { reason, last: Some(last) }) = up(world.status.clone()).await else {
            panic!("it is up")
        };
        assert_eq!(reason, "it was refused: it serves no HTTP");
        assert_eq!((last.verdict, last.attempt), (verdict, name));
    });
}

#[test]
fn workers_that_crash_again_and_again_are_given_up() {
    run(async {
        let mut world = World::with(1);
        for _ in 0..4 {
            world.next().await.end(crashed());
        }
        let Err(Status::Failed { reason, last }) = up(world.status.clone()).await else { panic!("it is up") };
        assert_eq!(reason, "3 restarts in 1h; the last attempt failed with code 3");
        assert!(last.is_some());
        world.until("Failed", 1).await;
    });
}

#[test]
fn in_a_reload_the_old_one_goes_when_the_new_one_is_ready() {
    run(async {
        let mut world = World::with(1);
        let mut old = world.next_ready().await;
        up(world.status.clone()).await.unwrap();
        let opened = opened();
        let module = Arc::clone(&opened.granted.module);
        world.tell(Message::Reload(Box::new(opened)));
        let new = world.next().await;
        assert!(Arc::ptr_eq(&new.module, &module) && old.stop_requests.borrow().is_none());
        new.ready().await;
        assert_eq!(old.is_asked().await, StopRequest::Stop(StopReason::Replaced));
        assert_eq!(old.hear().await, ToServer::Finish);
        old.end(Verdict::Completed { code: 0 });
        world.until("Reloaded", 1).await;
        new.end(crashed());
        assert!(Arc::ptr_eq(&world.next().await.module, &module));
    });
}

#[test]
fn after_a_reload_that_failed_what_served_before_is_started_again() {
    run(async {
        let mut world = World::with(1);
        let old = world.next_ready().await;
        up(world.status.clone()).await.unwrap();
        let before = Arc::clone(&old.module);
        world.tell(Message::Reload(Box::new(opened())));
        let new = world.next().await;
        assert!(!Arc::ptr_eq(&new.module, &before));
        new.end(Verdict::Refused { reason: "it is no module".into() });
        world.until("ReloadFailed", 1).await;
        assert!(old.stop_requests.borrow().is_none());
        old.end(crashed());
        assert!(Arc::ptr_eq(&world.next().await.module, &before));
    });
}

#[test]
fn one_that_takes_no_more_connections_has_a_successor() {
    run(async {
        let mut world = World::with(1);
        let mut old = world.next_ready().await;
        old.say(&frame::encode_body(&FromServer::Accepts).unwrap());
        old.say(&frame::encode_body(&FromServer::Retires).unwrap());
        assert_eq!(old.hear().await, ToServer::Finish);
        let new = world.next().await;
        assert_eq!(new.instance, 1);
        new.ready().await;
        assert_eq!(old.is_asked().await, StopRequest::Stop(StopReason::Replaced));
    });
}

#[test]
fn one_that_breaks_the_rules_is_killed_for_it() {
    run(async {
        let mut world = World::with(1);
        let mut attempt = world.next_ready().await;
        attempt.say(b"hello");
        let StopRequest::Breach(what) = attempt.is_asked().await else { panic!("it is asked for something else") };
        assert!(what.contains("no message of a server"), "{what}");
    });
}

#[test]
fn more_and_fewer_workers_are_those_with_the_highest_numbers() {
    run(async {
        let mut world = World::between(scale::Config::between(1, 3));
        let _first = world.next_ready().await;
        world.tell(Message::Scale(9));
        let (second, mut third) = (world.next_ready().await, world.next_ready().await);
        assert_eq!([second.instance, third.instance], [2, 3], "no more than 3");
        world.tell(Message::Scale(2));
        assert_eq!(third.is_asked().await, StopRequest::Stop(StopReason::Operator));
        assert!(second.stop_requests.borrow().is_none());
        third.end(Verdict::Stopped { graceful: true, reason: StopReason::Operator });
        world.tell(Message::Scale(3));
        assert_eq!(world.next().await.instance, 3);
    });
}

#[test]
fn at_the_end_all_are_asked_to_stop_and_killed_at_a_second_word() {
    run(async {
        let mut world = World::with(2);
        let (mut first, mut second) = (world.next_ready().await, world.next_ready().await);
        up(world.status.clone()).await.unwrap();
        let over = tokio::spawn(stopped_of(&world));
        assert_eq!(first.is_asked().await, StopRequest::Stop(StopReason::Operator));
        assert_eq!(first.hear().await, ToServer::Finish);
        first.end(Verdict::Completed { code: 0 });
        assert_eq!(second.is_asked().await, StopRequest::Stop(StopReason::Operator));
        world.tell(Message::ShutDownNow);
        let kill = StopRequest::Kill(StopReason::Operator);
        second.stop_requests.wait_for(|request| *request == Some(kill)).await.unwrap();
        assert!(!over.is_finished());
        second.end(Verdict::Stopped { graceful: false, reason: StopReason::Operator });
        over.await.unwrap();
        world.dispatcher.drain().await;
        assert!(world.attempts.try_recv().is_err(), "nobody is started any more");
    });
}

fn stopped_of(world: &World) -> impl Future<Output = ()> + Send + use<> {
    let (inbox, status) = (world.inbox.clone(), world.status.clone());
    async move { stopped(&inbox, status).await }
}
