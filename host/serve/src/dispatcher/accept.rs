//! Accepts from one listener, in a task of its own.
//!
//! Must not: spin. Where as many wait here as may, or this process or machine is short of something, nobody is accepted for a
//! while: clients wait in the kernel's queue meanwhile.

use super::message::{Accepted, News};
use super::room::Room;
use super::told::Told;
use crate::listener::Listener;
use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with, sockopt};
use sandhog_sys::{ready, tcp};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::Instant;

/// Accepted before others have their turn.
const AT_ONCE: usize = 64;

/// Where something is missing nobody is accepted for so long.
const PAUSE: Duration = Duration::from_millis(100);

/// Between two words about that.
const SILENCE: Duration = Duration::from_secs(60);

/// What a listener works with.
pub(super) struct Around {
    pub(super) news: mpsc::Sender<News>,
    pub(super) told: Arc<dyn Told>,
    pub(super) room: Arc<Room>,
}

/// Accepts until `closes` says so, or `until` is over.
pub(super) fn begin(
    listener: Listener,
    around: Around,
    closes: watch::Receiver<bool>,
    until: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let address = listener.address();
    let socket = ready::watch_reading(listener.into_socket())?;
    let accepting = Accepting { socket, address, around, is_behind: false, said: None };
    tokio::spawn(accepting.run(closes, until));
    Ok(())
}

struct Accepting {
    socket: AsyncFd<OwnedFd>,
    address: SocketAddr,
    around: Around,
    /// Clients may have waited in the kernel's queue.
    is_behind: bool,
    /// When it last said that something is missing.
    said: Option<Instant>,
}

/// Why no more were accepted.
enum Stop {
    /// There are enough for one turn.
    Enough,
    /// Nobody else has connected.
    Nobody,
    /// As many wait here as may.
    Full,
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
                () = self.around.news.closed() => return,
                turn = self.turn() => match turn {
                    Some(turn) => turn,
                    None => return,
                },
            };
            self.is_behind = match stop {
                Stop::Nobody => false,
                Stop::Full | Stop::Problem(_) => true,
                Stop::Enough => self.is_behind,
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
            let (accepted, stop) = accept_some(self.socket.get_ref(), self.is_behind, || Some(None));
            if self.pass_on(accepted).await.is_none() || !matches!(stop, Stop::Enough) {
                break;
            }
        }
        // Whoever waits for the end of this waits for as long as somebody holds it.
        drop(closes);
    }

    /// Waits for a client and a place for it, and accepts what is there. None: the socket is of no more use.
    async fn turn(&self) -> Option<(Vec<Accepted>, Stop)> {
        let room = &self.around.room;
        let mut ready = self.socket.readable().await.ok()?;
        // Others may listen as well: a place is taken when somebody has come.
        let mut first = room.try_take();
        let is_behind = self.is_behind || first.is_none();
        if first.is_none() {
            first = room.take().await;
        }
        let (accepted, stop) =
            accept_some(self.socket.get_ref(), is_behind, || first.take().or_else(|| room.try_take()).map(Some));
        if let Stop::Nobody = stop {
            ready.clear_ready();
        }
        Some((accepted, stop))
    }

    /// None: nobody wants connections any more.
    async fn pass_on(&self, accepted: Vec<Accepted>) -> Option<()> {
        if accepted.is_empty() {
            return Some(());
        }
        self.around.news.send(News::Accepted(accepted)).await.ok()
    }

    fn tell(&mut self, errno: Errno) {
        let now = Instant::now();
        if self.said.is_none_or(|said| now.duration_since(said) >= SILENCE) {
            self.said = Some(now);
            self.around.told.problem(&problem(self.address, errno));
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

/// `is_behind`: they may have waited in the kernel's queue. `place`: one for each, as long as there are some.
fn accept_some(
    listener: &OwnedFd,
    is_behind: bool,
    mut place: impl FnMut() -> Option<Option<OwnedSemaphorePermit>>,
) -> (Vec<Accepted>, Stop) {
    let mut accepted = Vec::new();
    for _ in 0..AT_ONCE {
        let Some(place) = place() else { return (accepted, Stop::Full) };
        match acceptfrom_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok((client, peer)) => {
                // A client that has gone already is known by its worker.
                let _ = sockopt::set_tcp_nodelay(&client, true);
                // A kernel that does not say so says nothing worse than that it has just come.
                let waited = if is_behind { tcp::quiet_for(&client).unwrap_or_default() } else { Duration::ZERO };
                let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
                accepted.extend(peer.map(|peer| {
                    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                    Accepted { socket: client, peer, waited, place }
                }));
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
