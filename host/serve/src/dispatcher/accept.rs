//! Accepts from one listener, in a task of its own.
//!
//! Must not: spin. Where this process or machine is short of something, nobody is accepted for a while: clients wait in the
//! kernel's queue meanwhile.

use super::message::News;
use super::told::Told;
use crate::listener::Listener;
use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with, sockopt};
use sandhog_sys::ready;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Accepted before others have their turn.
const AT_ONCE: usize = 64;

/// Where something is missing nobody is accepted for so long.
const PAUSE: Duration = Duration::from_millis(100);

/// Between two words about that.
const SILENCE: Duration = Duration::from_secs(60);

/// Accepts until `closes` says so, or `until` is over.
pub(super) fn begin(
    listener: Listener,
    news: mpsc::Sender<News>,
    told: Arc<dyn Told>,
    closes: watch::Receiver<bool>,
    until: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let address = listener.address();
    let socket = ready::watch_reading(listener.into_socket())?;
    tokio::spawn(Accepting { socket, address, news, told, said: None }.run(closes, until));
    Ok(())
}

struct Accepting {
    socket: AsyncFd<OwnedFd>,
    address: SocketAddr,
    news: mpsc::Sender<News>,
    told: Arc<dyn Told>,
    /// When it last said that something is missing.
    said: Option<Instant>,
}

/// Why no more were accepted.
enum Stop {
    /// There are enough for one turn.
    Enough,
    /// Nobody else has connected.
    Nobody,
    Problem(Errno),
}

impl Accepting {
    async fn run(mut self, closes: watch::Receiver<bool>, until: impl Future<Output = ()>) {
        let mut closing = closes.clone();
        let is_closed = async move {
            tokio::select! {
                _ = closing.wait_for(|closes| *closes) => {}
                () = until => {}
            }
        };
        tokio::pin!(is_closed);
        loop {
            let (accepted, stop) = tokio::select! {
                () = &mut is_closed => break,
                () = self.news.closed() => return,
                ready = self.socket.readable() => {
                    let Ok(mut ready) = ready else { return };
                    let (accepted, stop) = accept_some(self.socket.get_ref());
                    if let Stop::Nobody = stop {
                        ready.clear_ready();
                    }
                    (accepted, stop)
                }
            };
            if self.pass_on(accepted).await.is_none() {
                return;
            }
            if let Stop::Problem(errno) = stop {
                self.tell(errno);
                tokio::select! {
                    () = &mut is_closed => break,
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
        }
        // Those that the kernel has shaken hands with already would be reset.
        loop {
            let (accepted, stop) = accept_some(self.socket.get_ref());
            if self.pass_on(accepted).await.is_none() || !matches!(stop, Stop::Enough) {
                break;
            }
        }
        // Whoever waits for the end of this waits for as long as somebody holds it.
        drop(closes);
    }

    /// None: nobody wants connections any more.
    async fn pass_on(&self, accepted: Vec<(OwnedFd, SocketAddr)>) -> Option<()> {
        if accepted.is_empty() {
            return Some(());
        }
        self.news.send(News::Accepted(accepted)).await.ok()
    }

    fn tell(&mut self, errno: Errno) {
        let now = Instant::now();
        if self.said.is_none_or(|said| now.duration_since(said) >= SILENCE) {
            self.said = Some(now);
            self.told.problem(&problem(self.address, errno));
        }
    }
}

fn problem(address: SocketAddr, errno: Errno) -> String {
    let what = match errno {
        Errno::MFILE => "this process has as many files open as it may (ulimit -n)".into(),
        Errno::NFILE => "this machine has as many files open as it may (fs.file-max)".into(),
        Errno::NOBUFS | Errno::NOMEM => "the kernel has no memory for another one".into(),
        errno => io::Error::from(errno).to_string(),
    };
    format!("new connections to {address} wait: {what}")
}

fn accept_some(listener: &OwnedFd) -> (Vec<(OwnedFd, SocketAddr)>, Stop) {
    let mut accepted = Vec::new();
    for _ in 0..AT_ONCE {
        match acceptfrom_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok((client, peer)) => {
                // A client that has gone already is known by its worker.
                let _ = sockopt::set_tcp_nodelay(&client, true);
                let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
                accepted.extend(peer.map(|peer| (client, SocketAddr::new(peer.ip().to_canonical(), peer.port()))));
            }
            Err(Errno::AGAIN) => return (accepted, Stop::Nobody),
            Err(errno) if is_about_one(errno) => {}
            Err(errno) => return (accepted, Stop::Problem(errno)),
        }
    }
    (accepted, Stop::Enough)
}

/// Whether it says something of the connection that would have been the next, and not of the listener (accept(2), "Error
/// handling").
fn is_about_one(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::INTR
            | Errno::CONNABORTED
            | Errno::PROTO
            | Errno::PERM
            | Errno::NETDOWN
            | Errno::NOPROTOOPT
            | Errno::HOSTDOWN
            | Errno::NONET
            | Errno::HOSTUNREACH
            | Errno::OPNOTSUPP
            | Errno::NETUNREACH
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_which_limit_to_raise() {
        let address = "127.0.0.1:8080".parse().unwrap();
        assert_eq!(
            problem(address, Errno::MFILE),
            "new connections to 127.0.0.1:8080 wait: this process has as many files open as it may (ulimit -n)"
        );
        assert!(problem(address, Errno::NFILE).ends_with("(fs.file-max)"));
    }

    #[test]
    fn a_client_that_has_gone_is_no_problem_of_the_listener() {
        assert!([Errno::CONNABORTED, Errno::INTR].into_iter().all(is_about_one));
        assert!(![Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::BADF].into_iter().any(is_about_one));
    }
}
