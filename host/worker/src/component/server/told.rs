//! What the owner is told: of connections at once, of requests that have ended some at a time.
//!
//! Must not: lose anything, or keep more than [`UNTOLD`] of it: where the owner does not listen, no request begins.

use super::link::{Gone, Link, encoded};
use sandhog_protocol::http::{FromServer, REQUESTS, Request, RequestEnd};
use sandhog_protocol::worker::End;
use std::mem;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Most requests that have ended and are not told of. Beyond it none begins.
const UNTOLD: usize = 1024;

/// How long an end may wait for others to be told together with it. A packet costs its sender and its receiver some 5 µs each.
const TOGETHER: Duration = Duration::from_millis(2);

/// See the module.
pub(super) struct Told {
    link: Link,
    ended: Mutex<Vec<Request>>,
    /// Whoever sends: the end of a request is told before that of its connection.
    sends: tokio::sync::Mutex<()>,
    in_flight: AtomicU32,
    came: Notify,
    room: Notify,
}

impl Told {
    pub(super) fn new(link: Link) -> Self {
        Self {
            link,
            ended: Mutex::default(),
            sends: tokio::sync::Mutex::default(),
            in_flight: AtomicU32::new(0),
            came: Notify::new(),
            room: Notify::new(),
        }
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    fn ended(&self) -> MutexGuard<'_, Vec<Request>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says it, behind all requests that have ended before.
    ///
    /// # Errors
    /// [`Gone`].
    pub(super) async fn say(&self, what: FromServer) -> Result<(), Gone> {
        let _sends = self.sends.lock().await;
        self.flush_in_turn().await?;
        // One that names a connection takes few bytes.
        let packet = encoded(&what).ok_or(Gone)?;
        self.link.send(&packet).await
    }

    /// Waits until one more request may begin.
    pub(super) async fn room(&self) {
        loop {
            let room = self.room.notified();
            if self.ended().len() < UNTOLD {
                return;
            }
            room.await;
        }
    }

    pub(super) fn begins(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// A request has ended.
    pub(super) fn ends(&self, request: Request) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.ended().push(request);
        self.came.notify_one();
    }

    /// Tells of requests while there are any. Comes back when the owner has gone.
    pub(super) async fn keep_telling(&self) {
        loop {
            self.came.notified().await;
            tokio::time::sleep(TOGETHER).await;
            if self.flush().await.is_err() {
                return;
            }
        }
    }

    /// Tells of all requests that have ended.
    ///
    /// # Errors
    /// [`Gone`].
    pub(super) async fn flush(&self) -> Result<(), Gone> {
        let _sends = self.sends.lock().await;
        self.flush_in_turn().await
    }

    async fn flush_in_turn(&self) -> Result<(), Gone> {
        loop {
            let mut ended = mem::take(&mut *self.ended());
            if ended.is_empty() {
                return Ok(());
            }
            self.room.notify_waiters();
            while !ended.is_empty() {
                let rest = ended.split_off(ended.len().min(REQUESTS));
                self.tell(mem::replace(&mut ended, rest)).await?;
            }
        }
    }

    /// Of these, in as few packets as hold them.
    async fn tell(&self, ended: Vec<Request>) -> Result<(), Gone> {
        let mut parts = vec![ended];
        while let Some(mut ended) = parts.pop() {
            let told = FromServer::Requests { ended: ended.clone(), in_flight: self.in_flight() };
            match (encoded(&told), ended.len()) {
                (Some(packet), _) => self.link.send(&packet).await?,
                (None, 0 | 1) => {
                    ended.iter_mut().for_each(shorten);
                    let told = FromServer::Requests { ended, in_flight: self.in_flight() };
                    self.link.send(&encoded(&told).ok_or(Gone)?).await?;
                }
                (None, count) => {
                    let rest = ended.split_off(count / 2);
                    parts.extend([rest, ended]);
                }
            }
        }
        Ok(())
    }
}

/// What does not fit into a packet alone has a long backtrace.
fn shorten(request: &mut Request) {
    if let RequestEnd::Failed(end) = &mut request.end
        && let End::Trapped { backtrace, .. } = end.as_mut()
    {
        backtrace.clear();
    }
}
