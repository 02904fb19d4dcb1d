//! What the dispatcher of one job tells: requests that have ended, and workers that break the rules. It is told in the dispatcher's
//! own task, which must not wait.

use super::failures::{Failure, Failures};
use crate::fleet::logs::{Logs, Origin};
use crate::fleet::message::{FailedProcess, FailedRequest, Inbox, Message};
use sandhog_protocol::control::Requests;
use sandhog_protocol::http::{Request, RequestEnd};
use sandhog_protocol::request::Level;
use sandhog_protocol::verdict::Verdict;
use sandhog_protocol::worker::Report;
use sandhog_runtime::observer::Life;
use sandhog_serve::access::{self, Entry};
use sandhog_serve::dispatcher;
use sandhog_serve::numbers::{Counter, Numbers};
use sandhog_spec::http::Http;
use sandhog_spec::job::Job;
use sandhog_spec::service::LogRules;
use sandhog_spec::units::micros;
use sandhog_spec::units::{print_duration, print_size};
use sandhog_supervisor::outcome::{self, Cause, Facts, Limits};
use sandhog_supervisor::state::AttemptNumber;
use sandhog_sys::clock::now_ms;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Attempts that have ended and are still known: what they said last may come later than their end.
const ENDED: usize = 256;

/// Of one job.
pub(super) struct Told {
    job: String,
    access: Logs,
    inbox: Inbox,
    begun: Instant,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    servers: HashMap<String, Server>,
    /// Attempts of single connections, and whose place each has.
    alone: HashMap<String, String>,
    /// Their names, oldest first.
    ended: VecDeque<String>,
    failures: Failures,
}

/// An attempt that serves.
struct Server {
    number: AttemptNumber,
    origin: Origin,
    rules: LogRules,
    limits: Limits,
    counter: Counter,
}

impl Known {
    /// The attempt itself, or the one whose place it has.
    fn server(&mut self, attempt: &str) -> Option<&mut Server> {
        let place = self.alone.get(attempt).map_or(attempt, String::as_str);
        self.servers.get_mut(place)
    }
}

impl Told {
    pub(super) fn new(job: &str, access: Logs, inbox: Inbox) -> Self {
        Self { job: job.into(), access, inbox, begun: Instant::now(), known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing panics while it holds the lock, and what it holds is whole after every statement.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since it begun: the time that counters know.
    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(super) fn enter(&self, number: AttemptNumber, origin: Origin, rules: LogRules, job: &Job, http: &Http) {
        let server =
            Server { number, rules, limits: limits(job, http), counter: Counter::new(), origin: origin.clone() };
        self.known().servers.insert(origin.attempt, server);
    }

    /// The attempt of a connection in the place of another one, by which people know it.
    pub(super) fn enter_alone(&self, attempt: &str, place: &str) {
        self.known().alone.insert(attempt.to_owned(), place.to_owned());
    }

    pub(super) fn leave(&self, attempt: &str) {
        let mut known = self.known();
        known.ended.push_back(attempt.to_owned());
        if known.ended.len() > ENDED
            && let Some(oldest) = known.ended.pop_front()
        {
            known.servers.remove(&oldest);
            known.alone.remove(&oldest);
        }
    }

    /// Of one attempt, but for what is in flight.
    pub(super) fn numbers(&self, attempt: &str) -> Option<Numbers> {
        let now = self.now();
        self.known().servers.get(attempt).map(|server| server.counter.look(now))
    }

    /// The process of a connection has ended as it should not.
    pub(super) fn failed_alone(&self, attempt: &str, verdict: Verdict) {
        let mut known = self.known();
        let Some((number, origin)) = known.server(attempt).map(|server| (server.number, server.origin.clone())) else {
            return;
        };
        let origin = Origin { attempt: attempt.to_owned(), ..origin };
        let failed = Box::new(FailedProcess { origin, verdict });
        self.tell_of(&mut known, || Message::ProcessFailed { attempt: number, failed });
    }

    fn tell_of(&self, known: &mut Known, message: impl FnOnce() -> Message) {
        match known.failures.add(Instant::now()) {
            // Where nobody hears it the daemon has ended.
            Failure::Tell => drop(self.inbox.send(message())),
            Failure::CountUntil(until) => {
                let (job, inbox) = (self.job.clone(), self.inbox.clone());
                tokio::spawn(async move {
                    tokio::time::sleep_until(until.into()).await;
                    let _ = inbox.send(Message::RequestsLeftOut { job });
                });
            }
            Failure::Count => {}
        }
    }

    /// Failed requests that were not told one by one.
    pub(super) fn take_left_out(&self) -> u64 {
        self.known().failures.take_left_out()
    }
}

impl dispatcher::Told for Told {
    fn request(&self, attempt: &str, request: &Request, peer: &str) {
        let now = self.now();
        let mut known = self.known();
        let Some(server) = known.server(attempt) else { return };
        server.counter.ended(request, now);
        let (level, verdict) = match &request.end {
            RequestEnd::Answered if request.status < 500 => (Level::Info, None),
            RequestEnd::Answered | RequestEnd::Overloaded => (Level::Warn, None),
            RequestEnd::Abandoned | RequestEnd::Refused => (Level::Info, None),
            RequestEnd::Late => (Level::Error, Some(Verdict::Deadline { limit: server.limits.timeout.clone() })),
            RequestEnd::Failed(end) => {
                let cause = Some(Cause::Reported(Report::of(end.as_ref().clone())));
                let facts = Facts { cause, ..Facts::default() };
                (Level::Error, Some(outcome::decide(&facts, &server.limits)))
            }
        };
        let (number, instance, rules) = (server.number, server.origin.instance, server.rules);
        let origin = Origin { job: self.job.clone(), instance, attempt: attempt.to_owned() };
        if let Some(verdict) = verdict {
            let Request { number: request_number, method, target, .. } = request;
            let (method, target, origin) = (method.clone(), target.clone(), origin.clone());
            let failed = Box::new(FailedRequest { origin, number: *request_number, method, target, verdict });
            self.tell_of(&mut known, || Message::RequestFailed { attempt: number, failed });
        }
        drop(known);
        if rules.level.is_some_and(|least| level >= least) {
            let (job, instance) = (self.job.as_str(), origin.instance);
            let entry = Entry { at_ms: now_ms(), peer, job, instance, attempt, request };
            self.access.access(&origin, rules, &access::common(&entry));
        }
    }

    fn retires(&self, attempt: &str) {
        if let Some(server) = self.known().servers.get(attempt) {
            let life = Life::Retire("it has served as many requests as it may, or its guest wants it".into());
            let _ = self.inbox.send(Message::Life { attempt: server.number, life });
        }
    }

    fn problem(&self, text: &str) {
        let _ = self.inbox.send(Message::ServingProblem { job: self.job.clone(), text: text.to_owned() });
    }

    fn breach(&self, attempt: &str, what: &'static str) {
        if let Some(server) = self.known().servers.get(attempt) {
            let _ = self.inbox.send(Message::Breach { attempt: server.number, what });
        }
    }
}

/// As a verdict on one request names them.
fn limits(job: &Job, http: &Http) -> Limits {
    let memory = http.request_memory_bytes.unwrap_or(job.limits.memory_bytes);
    Limits {
        memory: print_size(memory.min(job.limits.memory_bytes)),
        timeout: http.request.map(print_duration).unwrap_or_default(),
        cpu: job.limits.cpu.map(print_duration).unwrap_or_default(),
        fuel: job.limits.fuel.map(|fuel| fuel.to_string()).unwrap_or_default(),
        ..Limits::default()
    }
}

/// For people and their programs. `in_flight`: those of the worker that have not ended.
pub(super) fn requests(numbers: &Numbers, in_flight: u64) -> Requests {
    Requests {
        total: numbers.requests,
        rate_milli: numbers.rate_milli(),
        in_flight,
        errors: numbers.failed + numbers.late,
        p50_us: numbers.p50.map(micros),
        p99_us: numbers.p99.map(micros),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::settle::surroundings;
    use dispatcher::Told as _;
    use sandhog_protocol::control::JobSpec;
    use sandhog_protocol::http::Version;
    use sandhog_protocol::worker::End;
    use sandhog_spec::service::Service;
    use tokio::sync::mpsc;

    fn request(number: u64, status: u16, end: RequestEnd) -> Request {
        Request {
            number,
            connection: 1,
            method: "GET".into(),
            target: "/a".into(),
            version: Version::Http11,
            status,
            received_bytes: 0,
            sent_bytes: 0,
            micros: 1000,
            end,
        }
    }

    struct Heard {
        told: Told,
        access: Logs,
        inbox: mpsc::UnboundedReceiver<Message>,
        _directory: tempfile::TempDir,
    }

    /// Of the job `web` with the attempt `a-1`, which keeps what is at least of this level.
    fn heard(level: &str) -> Heard {
        let directory = tempfile::tempdir().unwrap();
        let access = Logs::open(directory.path(), 16).unwrap();
        let (sender, inbox) = mpsc::unbounded_channel();
        let told = Told::new("web", access.clone(), sender);
        let spec = JobSpec {
            name: "web".into(),
            module: "/web.wasm".into(),
            listen: Some("127.0.0.1:0".into()),
            log: Some(level.into()),
            ..JobSpec::default()
        };
        let Service { job, logs, .. } = Service::new(&spec, surroundings()).unwrap();
        let origin = Origin { job: "web".into(), instance: 2, attempt: "a-1".into() };
        told.enter(7, origin, logs, &job, job.http.as_ref().unwrap());
        Heard { told, access, inbox, _directory: directory }
    }

    impl Heard {
        async fn lines(&self) -> Vec<String> {
            let (lines, _) = self.access.tail(vec!["web".into()], 100, false).await.unwrap();
            lines.into_iter().map(|line| line.text).collect()
        }
    }

    #[tokio::test]
    async fn a_request_that_failed_is_told_with_its_verdict_and_each_is_a_line() {
        let mut heard = heard("info");
        heard.told.request("a-1", &request(1, 200, RequestEnd::Answered), "192.0.2.1:9");
        let broken = End::Broken { reason: "x".into() };
        heard.told.request("a-1", &request(2, 500, RequestEnd::Failed(Box::new(broken))), "192.0.2.1:9");
        heard.told.request("a-1", &request(3, 504, RequestEnd::Late), "192.0.2.1:9");
        heard.told.request("another", &request(4, 500, RequestEnd::Late), "192.0.2.1:9");
        for (number, kind) in [(2, "lost"), (3, "deadline")] {
            let Ok(Message::RequestFailed { attempt: 7, failed }) = heard.inbox.try_recv() else { panic!("{number}") };
            assert_eq!((failed.number, failed.verdict.kind().name()), (number, kind));
            assert_eq!((failed.origin.instance, failed.target.as_str()), (2, "/a"));
        }
        assert!(heard.inbox.try_recv().is_err());
        let lines = heard.lines().await;
        assert_eq!(lines.len(), 3);
        assert!(lines[0].contains("\"GET /a HTTP/1.1\" 200 ") && lines[0].starts_with("192.0.2.1 "), "{}", lines[0]);
        let numbers = heard.told.numbers("a-1").unwrap();
        assert_eq!((numbers.requests, numbers.failed, numbers.late), (3, 1, 1));
    }

    #[tokio::test]
    async fn the_level_of_a_jobs_log_decides_which_requests_are_lines() {
        for (level, count) in [("debug", 3), ("info", 3), ("warn", 2), ("error", 1), ("off", 0)] {
            let heard = heard(level);
            heard.told.request("a-1", &request(1, 404, RequestEnd::Answered), "192.0.2.1:9");
            heard.told.request("a-1", &request(2, 503, RequestEnd::Overloaded), "192.0.2.1:9");
            heard.told.request("a-1", &request(3, 504, RequestEnd::Late), "192.0.2.1:9");
            assert_eq!(heard.lines().await.len(), count, "{level}");
        }
    }

    #[tokio::test]
    async fn an_attempt_that_has_ended_is_known_for_what_it_said_last_and_then_forgotten() {
        let heard = heard("off");
        heard.told.leave("a-1");
        heard.told.request("a-1", &request(1, 200, RequestEnd::Answered), "192.0.2.1:9");
        assert_eq!(heard.told.numbers("a-1").unwrap().requests, 1);
        (0..ENDED).for_each(|number| heard.told.leave(&format!("b-{number}")));
        assert!(heard.told.numbers("a-1").is_none());
    }

    #[tokio::test]
    async fn a_worker_that_breaks_the_rules_and_one_that_retires_are_told_by_their_numbers() {
        let mut heard = heard("off");
        heard.told.breach("a-1", "nonsense");
        assert!(matches!(heard.inbox.try_recv(), Ok(Message::Breach { attempt: 7, what: "nonsense" })));
        heard.told.retires("a-1");
        assert!(matches!(heard.inbox.try_recv(), Ok(Message::Life { attempt: 7, life: Life::Retire(_) })));
        heard.told.breach("another", "nonsense");
        assert!(heard.inbox.try_recv().is_err());
    }
}
