//! Many clients at once, each with one request at a time, and exact counts of what became of each request.
//!
//! A request that was sent over a connection that had answered before, and got not a byte, may have crossed with the server's
//! farewell: HTTP allows that (RFC 9112, 9.3.1) and lets a client send it again. It is counted as `crossed`, apart from those
//! that failed.
//!
//! Must not: leave a request uncounted.

use super::answer::Broken;
use super::client::Client;
use crate::waiting::until;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

/// What became of the requests of some clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Answered with 200, whole.
    pub ok: u64,
    /// Answered with another status, by status.
    pub other: BTreeMap<u16, u64>,
    /// Sent behind an answer over the same connection, and closed before a byte came.
    pub crossed: u64,
    /// The first of its connection, or not the first but torn: it failed, each with how.
    pub failed: Vec<String>,
    /// Connections that were not taken.
    pub refused: u64,
    /// Connections that were taken.
    pub connections: u64,
}

impl Counts {
    fn add(&mut self, more: Self) {
        self.ok += more.ok;
        more.other.into_iter().for_each(|(status, count)| *self.other.entry(status).or_default() += count);
        self.crossed += more.crossed;
        self.failed.extend(more.failed);
        self.refused += more.refused;
        self.connections += more.connections;
    }

    /// No request was lost, nor answered with anything but 200.
    #[track_caller]
    pub fn all_ok(&self) {
        assert!(self.failed.is_empty() && self.refused == 0 && self.other.is_empty(), "{self:?}");
    }
}

/// How they ask.
#[derive(Clone, Debug)]
pub struct Load {
    /// Whom they ask.
    pub to: SocketAddr,
    /// How many there are.
    pub clients: usize,
    /// What they ask for.
    pub target: String,
    /// Else one connection for each request.
    pub keep_alive: bool,
}

/// Clients that ask until they are told to stop.
pub struct Asking {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Counts>>,
}

impl Load {
    /// Begins.
    pub fn start(&self) -> Asking {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let client = || {
            let (load, stop, done) = (self.clone(), Arc::clone(&stop), Arc::clone(&done));
            std::thread::spawn(move || load.ask_until(&stop, &done))
        };
        let threads = (0..self.clients).map(|_| client()).collect();
        Asking { stop, done, threads }
    }

    fn ask_until(&self, stop: &AtomicBool, done: &AtomicU64) -> Counts {
        let (mut counts, mut client) = (Counts::default(), None);
        while !stop.load(Ordering::Relaxed) {
            client = self.ask_once(client, &mut counts);
            done.fetch_add(1, Ordering::Relaxed);
        }
        counts
    }

    /// One request; the connection for the next one.
    fn ask_once(&self, kept: Option<Client>, counts: &mut Counts) -> Option<Client> {
        let is_first = kept.is_none();
        let Some(mut client) = kept.or_else(|| Client::connect(self.to).ok()) else {
            counts.refused += 1;
            return None;
        };
        counts.connections += u64::from(is_first);
        let headers: &[(&str, &str)] = if self.keep_alive { &[] } else { &[("Connection", "close")] };
        match client.ask("GET", &self.target, headers, b"") {
            Ok(answer) => {
                let count =
                    if answer.status == 200 { &mut counts.ok } else { counts.other.entry(answer.status).or_default() };
                *count += 1;
                (self.keep_alive && answer.keeps_open()).then_some(client)
            }
            Err(Broken::Unanswered(_)) if !is_first => {
                counts.crossed += 1;
                None
            }
            Err(broken) => {
                counts.failed.push(broken.to_string());
                None
            }
        }
    }
}

impl Asking {
    /// How many requests have ended.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Waits until so many more requests have ended.
    pub fn goes_on(&self, requests: u64) {
        let before = self.done();
        until("requests to be answered", || (self.done() >= before + requests).then_some(()));
    }

    /// Ends, and says what became of all.
    pub fn stop(mut self) -> Counts {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.drain(..).fold(Counts::default(), |mut all, thread| {
            all.add(thread.join().unwrap());
            all
        })
    }
}

/// A test that fails leaves nobody who asks on, at whoever has the port next.
impl Drop for Asking {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
