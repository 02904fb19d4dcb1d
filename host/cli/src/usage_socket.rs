//! `--usage`: a library that started this command asks by a socket of its own what the job uses, as often as it likes, and
//! each question has one answer (a `WorkerUsage`, in MessagePack). The socket is no part of the job's connection: a job
//! that hangs, or does not read, delays no answer.
//!
//! Must not: ask the worker, or end the command when the library has gone (its connection does that).

use super::ipc;
use sandhog_channel::{Endpoint, Format, Timeout};
use sandhog_protocol::frame;
use sandhog_runtime::worker_process::AttemptWorker;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;

/// Longest question, in bytes: its words don't matter.
const QUESTION: usize = 64;

/// Where questions come from.
#[derive(Debug)]
pub(super) struct UsageSocket(OwnedFd);

impl UsageSocket {
    /// Takes over the descriptor; at most once, and before anything else is opened.
    ///
    /// # Errors
    /// It is not what it should be.
    pub(super) fn open(number: u32) -> Result<Self, ipc::Error> {
        ipc::take_packets("--usage", number).map(Self)
    }

    /// Answers for this worker until nobody asks any more.
    ///
    /// # Errors
    /// No thread more.
    pub(super) fn serve(self, worker: Arc<AttemptWorker>) -> io::Result<()> {
        let endpoint = Endpoint::new(self.0, QUESTION);
        // It waits for questions until the command ends.
        thread::Builder::new().name("usage".into()).spawn(move || answer(endpoint, &worker)).map(drop)
    }
}

fn answer(mut endpoint: Endpoint, worker: &AttemptWorker) {
    while endpoint.recv(Timeout::Never).is_ok() {
        let Ok(usage) = frame::encode_body(&worker.usage()) else { return };
        if endpoint.send(Format::Value, &usage, Timeout::Never).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandhog_protocol::usage::{LiveUsage, WorkerUsage};

    #[test]
    fn each_question_has_one_answer_until_nobody_asks_or_one_is_too_long() {
        let (ours, theirs) = sandhog_channel::pair().unwrap();
        UsageSocket(theirs).serve(Arc::default()).unwrap();
        let mut library = Endpoint::new(ours, 1 << 10);
        for _ in 0..2 {
            library.send(Format::Value, b"\xc0", Timeout::Never).unwrap();
        }
        for _ in 0..2 {
            let answer = library.recv(Timeout::Never).unwrap();
            let usage = frame::decode_body::<WorkerUsage>(&answer.body).unwrap();
            assert_eq!(usage, WorkerUsage::Alive(LiveUsage::default()));
        }
        library.send(Format::Bytes, &[0; QUESTION + 1], Timeout::Never).unwrap();
        assert!(matches!(library.recv(Timeout::Never), Err(sandhog_channel::Error::Closed)));
    }
}
