//! How a job serves HTTP: where it listens, how far requests are kept apart, and what each of them may take.

use super::error::Error;
use super::listen::parse_listen;
use super::setting::words::{ISOLATIONS, meaning};
use super::setting::{self, Setting, Wrong, count, plain_size, plain_time, time};
use super::units::{Size, Time, duration};
use sandhog_protocol::control::JobSpec;
use sandhog_protocol::plan::{HttpPlan, Isolation};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// In the place of an address where none is needed.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What stands for no limit of time.
const UNLIMITED: &str = "none";

/// What people have set, as they wrote it. `None`: the default; without `listen` the job does not serve HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpSettings {
    pub listen: Option<String>,
    pub isolation: Option<String>,
    pub concurrency: Option<u64>,
    pub queue: Option<u64>,
    pub max_connections: Option<u64>,
    pub max_requests: Option<u64>,
    pub request_timeout: Option<String>,
    pub request_memory: Option<Size>,
    pub max_body: Option<Size>,
    pub max_headers: Option<Size>,
    pub header_timeout: Option<Time>,
    pub idle_timeout: Option<Time>,
}

impl HttpSettings {
    /// Those of a job.
    ///
    /// # Errors
    /// The first one that can't be read.
    pub fn of(spec: &JobSpec) -> Result<Self, setting::Error> {
        Ok(Self {
            listen: spec.listen.clone(),
            isolation: spec.isolation.clone(),
            concurrency: spec.concurrency,
            queue: spec.queue,
            max_connections: spec.max_connections,
            max_requests: spec.max_requests,
            request_timeout: spec.request_timeout.clone(),
            request_memory: setting::size(Setting::RequestMemory, spec.request_memory.as_ref())?,
            max_body: setting::size(Setting::MaxBody, spec.max_body.as_ref())?,
            max_headers: setting::size(Setting::MaxHeaders, spec.max_headers.as_ref())?,
            header_timeout: time(Setting::HeaderTimeout, spec.header_timeout.as_ref())?,
            idle_timeout: time(Setting::IdleTimeout, spec.idle_timeout.as_ref())?,
        })
    }
}

/// The settings of a job that serves HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Where clients connect. Port 0: any that is free.
    pub listen: SocketAddr,
    /// None: as fits the module's world, see [`HttpPlan::isolation`].
    pub isolation: Option<Isolation>,
    /// Requests at the same time in one worker.
    pub concurrency: u32,
    /// Requests that wait in one worker beyond those.
    pub waiting: u32,
    /// Connections of one worker at the same time.
    pub connections: u32,
    /// Requests of one worker until another takes its place. None: no bound.
    pub max_requests: Option<u64>,
    /// From the end of a request's head to the end of its answer. None: unlimited.
    pub request: Option<Duration>,
    /// Linear memories of one instance, in bytes. None: as much as the worker has.
    pub request_memory_bytes: Option<u64>,
    /// Of a request, in bytes.
    pub body_bytes: u64,
    /// Of a request, all headers together, in bytes.
    pub header_bytes: u32,
    /// How long a client may take for a request's head.
    pub header: Duration,
    /// How long a connection may be idle.
    pub idle: Duration,
}

/// How much of what a worker has beside its guest's memory goes with requests and connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Serving {
    /// Requests at the same time.
    pub concurrency: u32,
    /// Connections at the same time.
    pub connections: u32,
    /// Of the largest head, in bytes.
    pub header_bytes: u32,
}

/// A setting's largest value as a worker is told of it; one that does not fit is an error of the compiler.
#[expect(clippy::cast_possible_truncation, reason = "the line above refuses what would be cut off")]
const fn most(value: u64) -> u32 {
    assert!(value <= u32::MAX as u64);
    value as u32
}

impl Serving {
    /// What no job goes beyond.
    pub const MOST: Self = Self {
        concurrency: most(setting::CONCURRENCY_MAX),
        connections: most(setting::CONNECTIONS_MAX),
        header_bytes: most(setting::HEADERS_MAX),
    };
}

impl Http {
    /// What the settings say; None: the job does not serve HTTP.
    ///
    /// # Errors
    /// The first setting that can't be met.
    pub fn new(settings: &HttpSettings) -> Result<Option<Self>, Error> {
        let parse = |text: &String| parse_listen(text).map_err(|reason| Wrong::text(Setting::Listen, text, reason));
        let listen = settings.listen.as_ref().map(parse).transpose()?;
        // What cannot be is refused whether or not it would be needed.
        let http = Self::of(listen.unwrap_or(NOWHERE), settings)?;
        Ok(listen.is_some().then_some(http))
    }

    /// Every usual value.
    #[must_use]
    pub fn at(listen: SocketAddr) -> Self {
        // The list's own values are within its bounds: held by a test.
        Self::of(listen, &HttpSettings::default()).unwrap_or_else(|_| Self::least(listen))
    }

    fn of(listen: SocketAddr, settings: &HttpSettings) -> Result<Self, setting::Error> {
        let least = Self::least(listen);
        let isolation = match settings.isolation.as_deref() {
            Some(word) => meaning(Setting::Isolation, word, &ISOLATIONS)?,
            None => None,
        };
        let small = |of, given, least| Ok(count(of, given)?.map_or(least, narrow));
        let size = |of, given, least| Ok(plain_size(of, given)?.map_or(least, Size::to_bytes));
        let lasts = |of, given, least| Ok(plain_time(of, given)?.map_or(least, duration));
        Ok(Self {
            listen,
            isolation,
            concurrency: small(Setting::Concurrency, settings.concurrency, least.concurrency)?,
            waiting: small(Setting::Queue, settings.queue, least.waiting)?,
            connections: small(Setting::MaxConnections, settings.max_connections, least.connections)?,
            max_requests: count(Setting::MaxRequests, settings.max_requests)?,
            request: match settings.request_timeout.as_deref() {
                Some(UNLIMITED) => None,
                text => time(Setting::RequestTimeout, text.map(Into::into).as_ref())?.map(duration),
            },
            request_memory_bytes: plain_size(Setting::RequestMemory, settings.request_memory)?.map(Size::to_bytes),
            body_bytes: size(Setting::MaxBody, settings.max_body, least.body_bytes)?,
            header_bytes: narrow(size(Setting::MaxHeaders, settings.max_headers, u64::from(least.header_bytes))?),
            header: lasts(Setting::HeaderTimeout, settings.header_timeout, least.header)?,
            idle: lasts(Setting::IdleTimeout, settings.idle_timeout, least.idle)?,
        })
    }

    /// The least of everything: what there would be without the list's usual values.
    const fn least(listen: SocketAddr) -> Self {
        Self {
            listen,
            isolation: None,
            concurrency: 1,
            waiting: 0,
            connections: 1,
            max_requests: None,
            request: None,
            request_memory_bytes: None,
            body_bytes: 0,
            header_bytes: 8 << 10,
            header: Duration::from_secs(1),
            idle: Duration::from_secs(1),
        }
    }

    /// What each worker needs room for.
    #[must_use]
    pub const fn serving(&self) -> Serving {
        Serving { concurrency: self.concurrency, connections: self.connections, header_bytes: self.header_bytes }
    }

    /// What its workers are told. `memory_bytes`: linear memories of one worker.
    #[must_use]
    pub fn plan(&self, memory_bytes: u64) -> HttpPlan {
        let millis = |time: Duration| crate::units::millis(time).max(1);
        HttpPlan {
            isolation: self.isolation,
            concurrency: self.concurrency.max(1),
            waiting: self.waiting,
            // One more is for a question of whoever keeps it up: a health check is not to fail for want of room.
            connections: self.connections.max(1).saturating_add(1),
            max_requests: self.max_requests,
            request_ms: self.request.map(millis),
            request_memory_bytes: self.request_memory_bytes.map_or(memory_bytes, |bytes| bytes.min(memory_bytes)),
            body_bytes: self.body_bytes,
            header_bytes: self.header_bytes,
            header_ms: millis(self.header),
            idle_ms: millis(self.idle),
        }
    }
}

/// Bounds of the list keep all of them below 32 bits.
fn narrow(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_listens_has_the_usual_limits() {
        let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
        let expected = Http {
            listen: address,
            isolation: None,
            concurrency: 128,
            waiting: 128,
            connections: 1024,
            max_requests: None,
            request: Some(Duration::from_secs(30)),
            request_memory_bytes: None,
            body_bytes: 16 << 20,
            header_bytes: 64 << 10,
            header: Duration::from_secs(10),
            idle: Duration::from_secs(60),
        };
        assert_eq!(Http::at(address), expected);
        let settings = HttpSettings { listen: Some("127.0.0.1:1".into()), ..HttpSettings::default() };
        assert_eq!(Http::new(&settings), Ok(Some(expected)));
        assert_eq!(Http::new(&HttpSettings::default()), Ok(None));
    }

    #[test]
    fn what_is_written_is_in_the_place_of_the_usual_value() {
        let settings = HttpSettings {
            listen: Some("127.0.0.1:1".into()),
            isolation: Some("process".into()),
            concurrency: Some(1),
            queue: Some(0),
            max_connections: Some(2),
            max_requests: Some(3),
            request_timeout: Some("none".into()),
            request_memory: Some(Size::bytes(1 << 20)),
            max_body: Some(Size::bytes(0)),
            max_headers: Some(Size::bytes(8 << 10)),
            header_timeout: Some(Time::millis(1)),
            idle_timeout: Some(Time::millis(2)),
        };
        let http = Http::new(&settings).unwrap().unwrap();
        assert_eq!((http.isolation, http.concurrency, http.waiting), (Some(Isolation::Process), 1, 0));
        assert_eq!((http.connections, http.max_requests, http.request), (2, Some(3), None));
        assert_eq!((http.request_memory_bytes, http.body_bytes, http.header_bytes), (Some(1 << 20), 0, 8 << 10));
        assert_eq!((http.header, http.idle), (Duration::from_millis(1), Duration::from_millis(2)));
    }

    #[test]
    fn what_is_out_of_its_bounds_is_named_with_the_reason() {
        let with = |settings: HttpSettings| {
            let settings = HttpSettings { listen: Some("127.0.0.1:1".into()), ..settings };
            Http::new(&settings).unwrap_err().to_string()
        };
        for (settings, sentence) in [
            (
                HttpSettings { concurrency: Some(0), ..HttpSettings::default() },
                "--concurrency 0: a worker needs at least one",
            ),
            (
                HttpSettings { request_timeout: Some("0".into()), ..HttpSettings::default() },
                "--request-timeout 0: it has to be more than 0",
            ),
            (
                HttpSettings { max_headers: Some(Size::bytes(1)), ..HttpSettings::default() },
                "--max-headers 1B: less than 8KiB, which reading them takes",
            ),
            (
                HttpSettings { isolation: Some("reus".into()), ..HttpSettings::default() },
                "--isolation \"reus\": there is no such word; did you mean reuse?",
            ),
            (
                HttpSettings { listen: None, max_requests: Some(0), ..HttpSettings::default() },
                "--max-requests 0: it has to be more than 0",
            ),
        ] {
            assert_eq!(with(settings), sentence);
        }
    }
}
