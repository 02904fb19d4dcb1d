//! What requests came to: counts, times, how many at once. Pure: the time comes in, as the time since a beginning.
//!
//! Must not: grow with the requests.

mod histogram;
mod window;

pub use histogram::BOUNDS;
use histogram::{Cumulative, Histogram};
use sandhog_protocol::http::{Request, RequestEnd};
use std::time::Duration;
use window::Window;

/// p50 and p99 are of requests that ended within this time; what is as old as that less [`SLOT`] may be left out already.
pub const LOOK_BACK: Duration = Duration::from_secs(60);

/// The step in which old times are forgotten.
const SLOT: Duration = Duration::from_secs(5);

/// Requests a second are counted over so many seconds, of which the last one is not over.
pub const RATE_SECONDS: u64 = 10;

/// Of one job, at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Numbers {
    /// Workers that take connections.
    pub workers: u32,
    /// Connections that a worker has.
    pub connections: u64,
    /// Connections that no worker has taken.
    pub waiting: u64,
    /// Requests that have not ended, as workers said last.
    pub in_flight: u64,

    /// So far, each of the following.
    pub accepted: u64,
    /// Connections that no worker took: answered with 503 by the owner of the socket.
    pub refused_connections: u64,
    /// Connections whose worker died.
    pub lost_connections: u64,
    pub requests: u64,
    /// By the first digit of the status. 0: no answer was sent.
    pub by_class: [u64; 6],
    /// By how they ended; the rest was answered.
    pub abandoned: u64,
    pub refused: u64,
    pub overloaded: u64,
    pub late: u64,
    pub failed: u64,
    /// Bytes of bodies.
    pub received_bytes: u64,
    pub sent_bytes: u64,
    /// How many took no longer than each of [`BOUNDS`], and how long all took together.
    pub within: [u64; BOUNDS.len()],
    pub total: Duration,

    /// Half of the requests of the last minute took no longer; None: there were none. Up to 7 % off either way.
    pub p50: Option<Duration>,
    /// The same of 99 in 100.
    pub p99: Option<Duration>,
    /// Requests a second, over the last 10 seconds.
    pub per_second: f64,
}

/// Counts what happens.
pub struct Counter {
    numbers: Numbers,
    durations: Cumulative,
    recent: Window<Histogram>,
    ended: Window<u64>,
}

impl Default for Counter {
    fn default() -> Self {
        Self::new()
    }
}

impl Counter {
    /// Of nothing so far.
    #[must_use]
    pub fn new() -> Self {
        let (slot, slots) = (SLOT, LOOK_BACK.as_secs() / SLOT.as_secs());
        Self {
            numbers: Numbers::default(),
            durations: Cumulative::default(),
            recent: Window::new(slot, slots),
            ended: Window::new(Duration::from_secs(1), RATE_SECONDS),
        }
    }

    pub(crate) fn accepted(&mut self) {
        self.numbers.accepted += 1;
    }

    pub(crate) fn refused_connection(&mut self) {
        self.numbers.refused_connections += 1;
    }

    pub(crate) fn lost_connection(&mut self) {
        self.numbers.lost_connections += 1;
    }

    /// What is there now.
    pub(crate) fn set_gauges(&mut self, workers: usize, connections: usize, waiting: usize, in_flight: u64) {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        self.numbers.workers = u32::try_from(workers).unwrap_or(u32::MAX);
        (self.numbers.connections, self.numbers.waiting) = (count(connections), count(waiting));
        self.numbers.in_flight = in_flight;
    }

    /// A request has ended. What a worker says of it may be anything.
    pub fn ended(&mut self, request: &Request, now: Duration) {
        let numbers = &mut self.numbers;
        numbers.requests += 1;
        numbers.by_class[class(request.status)] += 1;
        match request.end {
            RequestEnd::Answered => {}
            RequestEnd::Abandoned => numbers.abandoned += 1,
            RequestEnd::Refused => numbers.refused += 1,
            RequestEnd::Overloaded => numbers.overloaded += 1,
            RequestEnd::Late => numbers.late += 1,
            RequestEnd::Failed(_) => numbers.failed += 1,
        }
        numbers.received_bytes = numbers.received_bytes.saturating_add(request.received_bytes);
        numbers.sent_bytes = numbers.sent_bytes.saturating_add(request.sent_bytes);
        self.durations.add(request.micros);
        self.recent.at(now).add(request.micros);
        *self.ended.at(now) += 1;
    }

    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "2^53 requests do not end within seconds")]
    pub fn look(&self, now: Duration) -> Numbers {
        let mut recent = Histogram::default();
        self.recent.within(now).for_each(|slot| recent.merge(slot));
        let ended: u64 = self.ended.within(now).sum();
        // At first there are no 10 seconds; and never less than one, in which a single request would be a thousand a second.
        let seconds = now.as_secs_f64().clamp(1.0, RATE_SECONDS as f64);
        Numbers {
            within: self.durations.within(),
            total: Duration::from_micros(self.durations.total_micros()),
            p50: recent.quantile(1, 2),
            p99: recent.quantile(99, 100),
            per_second: ended as f64 / seconds,
            ..self.numbers.clone()
        }
    }
}

fn class(status: u16) -> usize {
    match status {
        100..=599 => usize::from(status / 100),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::tests::request;

    const SECOND: Duration = Duration::from_secs(1);

    fn took(micros: u64) -> Request {
        Request { micros, ..request() }
    }

    #[test]
    fn requests_are_counted_by_status_and_end() {
        let mut counter = Counter::new();
        for (status, end) in [
            (200, RequestEnd::Answered),
            (404, RequestEnd::Answered),
            (503, RequestEnd::Overloaded),
            (504, RequestEnd::Late),
            (0, RequestEnd::Abandoned),
            (400, RequestEnd::Refused),
            (999, RequestEnd::Answered),
        ] {
            counter.ended(&Request { status, end, ..request() }, SECOND);
        }
        let numbers = counter.look(SECOND);
        assert_eq!((numbers.requests, numbers.by_class), (7, [2, 0, 1, 0, 2, 2]));
        assert_eq!(
            [numbers.abandoned, numbers.refused, numbers.overloaded, numbers.late, numbers.failed],
            [1, 1, 1, 1, 0]
        );
        assert_eq!((numbers.received_bytes, numbers.sent_bytes), (7 * 17, 7 * 1234));
    }

    #[test]
    fn times_of_the_last_minute_count_and_older_ones_do_not() {
        let mut counter = Counter::new();
        (0..100).for_each(|_| counter.ended(&took(1_000_000), SECOND));
        (0..98).for_each(|_| counter.ended(&took(1000), 40 * SECOND));
        let numbers = counter.look(40 * SECOND);
        assert!(numbers.p50.unwrap() > SECOND / 2);
        let numbers = counter.look(70 * SECOND);
        assert!(numbers.p99.unwrap() < Duration::from_micros(1100), "{numbers:?}");
        assert_eq!(counter.look(200 * SECOND).p50, None);
        assert_eq!(numbers.requests, 198);
        assert_eq!(numbers.total, Duration::from_millis(100_098));
    }

    #[test]
    fn requests_a_second_are_those_of_the_last_ten() {
        let mut counter = Counter::new();
        for second in 0..30 {
            (0..20).for_each(|_| counter.ended(&took(1), second * SECOND));
        }
        assert!((counter.look(29 * SECOND).per_second - 20.0).abs() < 0.01);
        assert!((counter.look(34 * SECOND).per_second - 10.0).abs() < 0.01);
        assert!(counter.look(60 * SECOND).per_second < 0.01);
    }

    #[test]
    fn what_a_worker_makes_up_breaks_no_sum() {
        let mut counter = Counter::new();
        let huge = Request { micros: u64::MAX, received_bytes: u64::MAX, sent_bytes: u64::MAX, ..request() };
        (0..3).for_each(|_| counter.ended(&huge, SECOND));
        let numbers = counter.look(SECOND);
        assert_eq!((numbers.received_bytes, numbers.sent_bytes), (u64::MAX, u64::MAX));
        assert!(numbers.p99.unwrap() > 3600 * SECOND);
    }
}
