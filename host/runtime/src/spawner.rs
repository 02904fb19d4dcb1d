//! The coordinator's end of the spawner's socket: starts the spawner, sends requests, hears answers.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags, openat};
use rustix::net::SocketType;
use sandhog_ipc::{self as ipc, Closed, Received, pair, recv_packet, send_packet};
use sandhog_protocol::spawn::{FromSpawner, ToSpawner};
use sandhog_spawner::spawner::{self, Files};
use sandhog_spawner::{Executables, RootSetting, Setting};
use sandhog_sys::process::{self, Child, Forked, How, Reaped, SingleThreaded};
use sandhog_sys::ready::{watch_reading, watch_room};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use tokio::io::unix::AsyncFd;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("open {path}")]
    Open {
        path: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("make the spawner's socket")]
    Socket(#[source] io::Error),
    #[error("start the spawner in a pid namespace of its own")]
    Fork(#[source] io::Error),
    #[error("tell the spawner its setting")]
    Settle(#[source] ipc::Error),
}

/// A spawner that runs, before this process has threads.
pub struct Launched {
    socket: OwnedFd,
    child: Child,
}

/// Forks the spawner. Everything that this process has open and locked is its as well, up to its first step.
pub fn launch(token: SingleThreaded, setting: Setting) -> Result<(SingleThreaded, Launched), Error> {
    let (socket, files) = files()?;
    match process::fork(&token, libc::CLONE_NEWPID).map_err(Error::Fork)? {
        Forked::Child(newborn) => {
            drop(socket);
            spawner::main(newborn, token, setting, files)
        }
        Forked::Parent(child) => Ok((token, Launched { socket, child })),
    }
}

/// As [`launch`], of root's, before its setting is known: see [`Launched::settle`].
pub fn launch_early(token: SingleThreaded, executables: Executables) -> (SingleThreaded, Result<Launched, Error>) {
    let (socket, files) = match files() {
        Ok(files) => files,
        Err(error) => return (token, Err(error)),
    };
    match process::fork(&token, libc::CLONE_NEWPID) {
        Ok(Forked::Child(newborn)) => {
            drop(socket);
            spawner::main_early(newborn, token, executables, files)
        }
        Ok(Forked::Parent(child)) => (token, Ok(Launched { socket, child })),
        Err(error) => (token, Err(Error::Fork(error))),
    }
}

/// This process's end of the channel, and what the spawner has.
fn files() -> Result<(OwnedFd, Files), Error> {
    let open = |path: &'static str, flags: OFlags| {
        openat(rustix::fs::CWD, path, flags | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| Error::Open { path, source: errno.into() })
    };
    let (socket, theirs) = pair(SocketType::SEQPACKET).map_err(Error::Socket)?;
    let proc = open("/proc", OFlags::PATH | OFlags::DIRECTORY)?;
    Ok((socket, Files { coordinator: theirs, proc, null: open("/dev/null", OFlags::RDWR)? }))
}

impl Launched {
    /// Tells a spawner that was forked before its setting was known, once, and before anything untrusted is read.
    pub fn settle(&self, setting: &RootSetting, ids: BorrowedFd<'_>) -> Result<(), Error> {
        send_packet(&self.socket, setting, &[ids]).map_err(Error::Settle)
    }

    /// Ends one that is not needed after all, and waits until it has ended.
    pub fn end(self) {
        drop(self.socket);
        let pidfd = self.child.pidfd.as_fd();
        // It reads its end first, and then has little to clear away.
        let _ = rustix::io::retry_on_intr(|| poll(&mut [PollFd::from_borrowed_fd(pidfd, PollFlags::IN)], None));
        let _ = process::reap(pidfd);
    }

    /// Takes part in the event loop from here on.
    pub fn connect(self) -> io::Result<Client> {
        rustix::io::ioctl_fionbio(&self.socket, true)?;
        Ok(Client { socket: watch_reading(self.socket)?, pidfd: watch_reading(self.child.pidfd)? })
    }
}

/// The spawner, as the coordinator sees it.
pub struct Client {
    socket: AsyncFd<OwnedFd>,
    pidfd: AsyncFd<OwnedFd>,
}

impl Client {
    /// Sends one request with its descriptors.
    pub async fn send(&self, request: &ToSpawner, fds: &[BorrowedFd<'_>]) -> Result<(), ipc::Error> {
        loop {
            match send_packet(self.socket.get_ref(), request, fds) {
                Err(error) if error.would_block() => drop(watch_room(&self.socket)?.writable().await?),
                answer => return answer,
            }
        }
    }

    /// The next answer; `Closed` when the spawner has gone.
    pub async fn recv(&self) -> Result<Result<Received<FromSpawner>, Closed>, ipc::Error> {
        recv_ready(&self.socket).await
    }

    /// Tells the spawner to clear away and end, and waits until it has. False: somebody killed it before it could.
    pub async fn close(&self) -> bool {
        let _ = rustix::net::shutdown(self.socket.get_ref(), rustix::net::Shutdown::Both);
        let _ = self.pidfd.readable().await;
        let ended = process::reap(self.pidfd.get_ref().as_fd());
        !matches!(ended, Ok(Some(Reaped { how: How::Signalled(_), .. })))
    }
}

/// Waits for one packet on a socket that does not block.
pub async fn recv_ready<T: serde::de::DeserializeOwned>(
    socket: &AsyncFd<OwnedFd>,
) -> Result<Result<Received<T>, Closed>, ipc::Error> {
    loop {
        let mut ready = socket.readable().await?;
        match recv_packet(socket.get_ref()) {
            Err(error) if error.would_block() => ready.clear_ready(),
            answer => return answer,
        }
    }
}
