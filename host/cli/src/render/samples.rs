//! Instances, lines and events for tests.

use sandhog_protocol::control::{EndedAttempt, Event, EventKind, Instance, LogLine, LogStream, Phase, Requests};
use sandhog_protocol::verdict::{Usage, Verdict};

/// 2026-11-21 12:00:00 UTC.
pub const NOON: u64 = 1_795_262_400_000;

pub fn instance(id: u64, job: &str, phase: Phase) -> Instance {
    Instance {
        id,
        job: job.into(),
        group: "default".into(),
        instance: 0,
        phase,
        reason: None,
        reloading: false,
        paused: false,
        since_ms: NOON,
        attempt: None,
        pid: None,
        started_ms: None,
        cpu_permille: None,
        cpu_ms: None,
        memory_bytes: None,
        peak_rss_bytes: None,
        messages_received: None,
        messages_sent: None,
        restarts: 0,
        last: None,
        next_ms: None,
        progress: None,
        raised: Vec::new(),
        requests: None,
        profile: None,
    }
}

pub fn running(id: u64, job: &str) -> Instance {
    Instance {
        attempt: Some(format!("a-{id}")),
        pid: Some(4242),
        started_ms: Some(NOON - 7_380_000),
        cpu_permille: Some(123),
        cpu_ms: Some(61_010),
        memory_bytes: Some(13_000_000),
        peak_rss_bytes: Some(26_000_000),
        messages_received: Some(3),
        messages_sent: Some(14),
        ..instance(id, job, Phase::Running)
    }
}

/// One that serves HTTP.
pub fn serving(id: u64, job: &str) -> Instance {
    let requests = Requests {
        total: 9000,
        rate_milli: 1_234_500,
        in_flight: 7,
        errors: 2,
        p50_us: Some(870),
        p99_us: Some(31_400),
    };
    Instance { requests: Some(requests), messages_received: None, messages_sent: None, ..running(id, job) }
}

pub fn ended(verdict: Verdict, code: u8, text: &str) -> EndedAttempt {
    EndedAttempt {
        attempt: "a-1".into(),
        at_ms: NOON - 60_000,
        text: text.into(),
        code,
        verdict,
        usage: Usage::default(),
    }
}

pub fn line(job: &str, stream: LogStream, text: &str) -> LogLine {
    LogLine { at_ms: NOON + 123, job: job.into(), instance: 0, attempt: "a-1".into(), stream, text: text.into() }
}

pub fn event(kind: EventKind, text: &str) -> Event {
    Event {
        number: 1,
        at_ms: NOON + 5,
        job: Some("web".into()),
        instance: Some(0),
        id: Some(1),
        attempt: None,
        kind,
        text: text.into(),
        verdict: None,
        message: None,
    }
}
