//! What a connection is at, and since when: for clients that are slow, and connections that nobody uses.
//!
//! Must not: end anything itself.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often a connection with a request is looked at: only a limit that nothing else keeps waits for this.
const LOOK: Duration = Duration::from_secs(1);

/// The limits of a connection.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    pub(super) head: Duration,
    pub(super) idle: Duration,
}

/// What is to be done with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing before then.
    Later(Instant),
    /// It is idle.
    Idle,
    /// The head of a request does not come to its end.
    Head,
    /// The client takes nothing of what it is sent.
    Stuck,
}

/// Times are in microseconds from its making on, and one more: 0 is none.
pub(super) struct Watch {
    start: Instant,
    patience: Patience,
    /// Requests that are not over.
    requests: AtomicU32,
    /// Since when there is none.
    free: AtomicU64,
    /// Since when there is a part of a head.
    head: AtomicU64,
    /// Since when the client takes nothing.
    stuck: AtomicU64,
    /// Heads are not looked at any more: the protocol has frames.
    framed: AtomicBool,
}

impl Watch {
    pub(super) fn new(patience: Patience) -> Self {
        Self {
            start: Instant::now(),
            patience,
            requests: AtomicU32::new(0),
            free: AtomicU64::new(1),
            head: AtomicU64::new(0),
            stuck: AtomicU64::new(0),
            framed: AtomicBool::new(false),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn after(&self, since: u64, patience: Duration) -> Instant {
        self.start + Duration::from_micros(since) + patience
    }

    /// Bytes have come.
    pub(super) fn came(&self) {
        if self.requests.load(Ordering::Relaxed) > 0 {
            return;
        }
        if self.framed.load(Ordering::Relaxed) {
            self.free.store(self.now(), Ordering::Relaxed);
        } else if self.head.load(Ordering::Relaxed) == 0 {
            self.head.store(self.now(), Ordering::Relaxed);
        }
    }

    /// The client has taken some of what it is sent, or not.
    pub(super) fn sent(&self, some: bool) {
        let is_stuck = self.stuck.load(Ordering::Relaxed) != 0;
        match (some, is_stuck) {
            (true, true) => self.stuck.store(0, Ordering::Relaxed),
            (false, false) => self.stuck.store(self.now(), Ordering::Relaxed),
            (true, false) | (false, true) => {}
        }
    }

    /// It speaks HTTP/2.
    pub(super) fn is_framed(&self) {
        self.framed.store(true, Ordering::Relaxed);
    }

    /// A request's head is there.
    pub(super) fn begins(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.head.store(0, Ordering::Relaxed);
    }

    /// Whether a part of a head is there, and no request.
    pub(super) fn is_in_head(&self) -> bool {
        let unframed = !self.framed.load(Ordering::Relaxed);
        unframed && self.requests.load(Ordering::Relaxed) == 0 && self.head.load(Ordering::Relaxed) != 0
    }

    pub(super) fn ends(&self) {
        self.free.store(self.now(), Ordering::Relaxed);
        self.requests.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn due(&self) -> Due {
        let now = Instant::now();
        let stuck = self.stuck.load(Ordering::Relaxed);
        let head = self.head.load(Ordering::Relaxed);
        let (end, due) = if stuck != 0 {
            (self.after(stuck, self.patience.idle), Due::Stuck)
        } else if self.requests.load(Ordering::Relaxed) > 0 {
            return Due::Later(now + LOOK);
        } else if head != 0 && !self.framed.load(Ordering::Relaxed) {
            (self.after(head, self.patience.head), Due::Head)
        } else {
            (self.after(self.free.load(Ordering::Relaxed), self.patience.idle), Due::Idle)
        };
        if end <= now { due } else { Due::Later(end.min(now + self.patience.head.min(self.patience.idle))) }
    }
}
