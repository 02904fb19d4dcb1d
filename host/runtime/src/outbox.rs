//! The outstanding messages to a worker: frames in order, each with its descriptors.

use sandhog_ipc::{self as ipc, send_some};
use sandhog_protocol::frame;
use sandhog_protocol::worker::ToWorker;
use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Frames that may wait before nothing more of what the worker asks is taken in: a worker that does not read its answers
/// gets no further ones. What comes unasked (its children's ends) is bounded by what it has asked for.
const FULL: usize = 64;

#[derive(Default)]
pub(super) struct Outbox {
    frames: VecDeque<Frame>,
}

struct Frame {
    bytes: Vec<u8>,
    sent: usize,
    /// Go with the first byte.
    fds: Vec<OwnedFd>,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.frames.len() >= FULL
    }

    pub(super) fn put(&mut self, message: &ToWorker, fds: Vec<OwnedFd>) -> Result<(), frame::Error> {
        self.frames.push_back(Frame { bytes: frame::encode(message)?, sent: 0, fds });
        Ok(())
    }

    /// Sends as much as the socket takes.
    ///
    /// # Errors
    /// [`ipc::Error::would_block`]: the rest waits for room.
    pub(super) fn send(&mut self, socket: impl AsFd) -> Result<(), ipc::Error> {
        while let Some(frame) = self.frames.front_mut() {
            let fds: Vec<BorrowedFd<'_>> = frame.fds.iter().map(AsFd::as_fd).collect();
            frame.sent += send_some(&socket, &frame.bytes[frame.sent..], &fds)?;
            frame.fds.clear();
            if frame.sent == frame.bytes.len() {
                self.frames.pop_front();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::SocketType;
    use sandhog_ipc::{FrameBuffer, pair, recv_frame};

    #[test]
    fn what_does_not_fit_waits_and_keeps_its_order() {
        let (here, there) = pair(SocketType::STREAM).unwrap();
        rustix::io::ioctl_fionbio(&here, true).unwrap();
        let mut outbox = Outbox::default();
        for version in 0..20_000 {
            outbox.put(&ToWorker::Hello { version }, Vec::new()).unwrap();
        }
        assert!(outbox.is_full());
        let mut buffer = FrameBuffer::default();
        for expected in 0..20_000 {
            let answer = outbox.send(&here);
            assert!(answer.is_ok() || answer.is_err_and(|error| error.would_block()));
            let message = recv_frame::<ToWorker>(&there, &mut buffer).unwrap().unwrap();
            assert_eq!(message, ToWorker::Hello { version: expected });
        }
        assert!(outbox.is_empty());
    }
}
