//! The one thread that writes: takes what has come in, writes it at once, tells those who follow.

use super::files::{Failure, Files, Identity};
use super::line;
use super::problem::Problem;
use cap_std::fs::Dir;
use sandhog_protocol::control::LogLine;
use sandhog_spec::service::LogRules;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};
use tokio::sync::{OwnedSemaphorePermit, broadcast, mpsc, oneshot};

/// Pieces that wait for the thread: 4 MiB of them, or 8 where lines are as long as they may be. Then guests wait.
pub(super) const QUEUE: usize = 64;

/// An order, and what it takes of the room that its sender has.
pub(super) struct Ordered {
    pub order: Order,
    pub permit: Option<OwnedSemaphorePermit>,
}

/// What the thread is to do; all in the order in which it came.
pub(super) enum Order {
    Write(Piece),
    /// Where the logs end now.
    Look {
        jobs: Vec<String>,
        follow: bool,
        answer: oneshot::Sender<io::Result<Look>>,
    },
    Remove {
        job: String,
    },
    Close {
        done: oneshot::Sender<()>,
    },
}

/// Whole lines of one job.
pub(super) struct Piece {
    pub job: Arc<str>,
    pub rules: LogRules,
    pub bytes: Vec<u8>,
}

/// Where the logs ended at one moment, and what came after it.
pub(super) struct Look {
    pub ends: Vec<End>,
    pub follow: Option<broadcast::Receiver<LogLine>>,
}

pub(super) struct End {
    pub job: String,
    pub file: Identity,
    pub length: u64,
}

pub(super) struct Writer {
    files: Files,
    lines: broadcast::Sender<LogLine>,
    problem: Arc<Mutex<Option<Problem>>>,
    /// What is to be written, put together for each job.
    waiting: HashMap<Arc<str>, (LogRules, Vec<u8>)>,
}

impl Writer {
    pub(super) fn new(directory: Arc<Dir>, late_lines: usize, problem: Arc<Mutex<Option<Problem>>>) -> Self {
        let lines = broadcast::Sender::new(late_lines.max(1));
        Self { files: Files::new(directory), lines, problem, waiting: HashMap::new() }
    }

    pub(super) fn run(mut self, mut received: mpsc::UnboundedReceiver<Ordered>) {
        let mut orders = Vec::new();
        while received.blocking_recv_many(&mut orders, QUEUE) > 0 {
            for Ordered { order, permit: _permit } in orders.drain(..) {
                if let Some(done) = self.execute(order) {
                    // Who waited for it may have gone.
                    let _ = done.send(());
                    return;
                }
            }
            self.write();
        }
    }

    /// Returns whom to tell where it was the last order. Those who wait for an answer may have gone.
    #[must_use]
    fn execute(&mut self, order: Order) -> Option<oneshot::Sender<()>> {
        match order {
            Order::Write(piece) => self.put(piece),
            Order::Look { jobs, follow, answer } => {
                self.write();
                let _ = answer.send(self.look(jobs, follow));
            }
            Order::Remove { job } => {
                self.write();
                if let Err(cause) = self.files.remove(&job) {
                    self.report(&job, Failure { lines: 0, cause });
                }
            }
            Order::Close { done } => {
                self.write();
                return Some(done);
            }
        }
        None
    }

    fn put(&mut self, piece: Piece) {
        let waiting = self.waiting.entry(piece.job).or_insert_with(|| (piece.rules, Vec::new()));
        waiting.0 = piece.rules;
        if waiting.1.is_empty() {
            waiting.1 = piece.bytes;
        } else {
            waiting.1.extend_from_slice(&piece.bytes);
        }
    }

    fn write(&mut self) {
        for (job, (rules, lines)) in std::mem::take(&mut self.waiting) {
            if let Err(failure) = self.files.append(&job, rules, &lines) {
                self.report(&job, failure);
            }
            self.tell(&job, &lines);
        }
    }

    /// Those who follow see what could not be kept, too.
    fn tell(&self, job: &str, lines: &[u8]) {
        if self.lines.receiver_count() == 0 {
            return;
        }
        let ends = lines.strip_suffix(b"\n").unwrap_or(lines).split(|byte| *byte == b'\n');
        for line in ends.filter_map(|text| line::parse(job, text)) {
            // The last of them may have gone this moment.
            let _ = self.lines.send(line);
        }
    }

    fn look(&self, jobs: Vec<String>, follow: bool) -> io::Result<Look> {
        let mut ends = Vec::with_capacity(jobs.len());
        for job in jobs {
            if let Some((file, length)) = self.files.end(&job)? {
                ends.push(End { job, file, length });
            }
        }
        Ok(Look { ends, follow: follow.then(|| self.lines.subscribe()) })
    }

    fn report(&self, job: &str, failure: Failure) {
        Problem::add(&self.problem, failure.lines, job, failure.cause.to_string());
    }
}
