//! Hears a worker: frame by frame, until it closes its channel or has been gone for a while.

use super::output;
use sandhog_ipc::{self as ipc, Closed, FrameBuffer};
use sandhog_protocol::worker::FromWorker;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

/// The worker's channel, for whoever listens to it.
pub(super) struct Channel {
    socket: Arc<AsyncFd<OwnedFd>>,
    buffer: FrameBuffer,
    over: watch::Receiver<bool>,
    /// What is still read of it, in bytes; known once it is over.
    rest: Option<u64>,
}

impl Channel {
    pub(super) fn new(socket: Arc<AsyncFd<OwnedFd>>, over: watch::Receiver<bool>) -> Self {
        Self { socket, buffer: FrameBuffer::of_worker(), over, rest: None }
    }

    /// The next message; `Closed` at the end of all that the worker has said.
    pub(super) async fn next_frame(&mut self) -> Result<Result<FromWorker, Closed>, ipc::Error> {
        loop {
            if let Some(message) = self.buffer.take_frame()? {
                return Ok(Ok(message));
            }
            let ready = match self.rest {
                // The worker has gone: whose frame this is does not matter any more.
                Some(0) => return Ok(Err(Closed)),
                Some(_) => None,
                None => tokio::select! {
                    biased;
                    () = output::is_over(&mut self.over) => {
                        self.rest = Some(output::lies_in(self.socket.get_ref()));
                        continue;
                    }
                    ready = self.socket.readable() => Some(ready?),
                },
            };
            match self.buffer.fill(self.socket.get_ref()) {
                Ok(0) if self.buffer.is_empty() => return Ok(Err(Closed)),
                Ok(0) => return Err(ipc::Error::Torn),
                Ok(length) => self.rest = self.rest.map(|rest| rest.saturating_sub(length as u64)),
                Err(error) if error.would_block() => match ready {
                    Some(mut ready) => ready.clear_ready(),
                    None => return Ok(Err(Closed)),
                },
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::SocketType;
    use sandhog_ipc::{pair, send_frame};
    use sandhog_sys::ready;

    /// Somebody who was handed an end of it can keep nobody waiting.
    #[test]
    fn once_it_is_over_what_lies_in_a_channel_that_somebody_holds_is_heard_and_no_more() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (here, holds) = pair(SocketType::STREAM).unwrap();
            rustix::io::ioctl_fionbio(&here, true).unwrap();
            for version in [1, 2] {
                send_frame(&holds, &FromWorker::Hello { version }).unwrap();
            }
            let over = output::Over::new();
            let mut channel = Channel::new(Arc::new(ready::watch(here).unwrap()), over.hear());
            assert_eq!(channel.next_frame().await.unwrap().unwrap(), FromWorker::Hello { version: 1 });
            over.tell();
            assert_eq!(channel.next_frame().await.unwrap().unwrap(), FromWorker::Hello { version: 2 });
            assert!(matches!(channel.next_frame().await, Ok(Err(Closed))));
        });
    }
}
