//! Lies: a worker that keeps to no protocol. What most of them say comes from their stdin, so that whoever tests makes it
//! up, and no hostile message is part of the executable.

use super::zygotes::{self, live_on};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, Shutdown, recv, send, sendmsg};
use sandhog_sys::descriptors::StandardStream;
use sandhog_sys::process;
use std::fmt;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

/// Most descriptors beside one message: the kernel's own limit (SCM_MAX_FD, include/net/scm.h).
const MAX_FDS: usize = 253;
/// Bytes that are moved at once.
const PIECE: usize = 64 << 10;

/// In brackets the name behind `lie:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lie {
    /// `relay`: its stdin goes to the channel, what comes from there to stdout. At the end of stdin it exits, without a word.
    Relay,
    /// `deaf`: the same, but it reads nothing from the channel.
    Deaf,
    /// `shutdown`: closes its channel and lives on.
    Shutdown,
    /// `fds:N`: copies of its stdin beside a byte. Needs a call that is not on the list.
    Fds(usize),
    /// `zygote:STEPS`: it is the zygote that lies (see [`super::zygotes`]); a worker that it makes all the same does as `relay`.
    Zygote(String),
}

impl Lie {
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name.split_once(':') {
            None => [Self::Relay, Self::Deaf, Self::Shutdown].into_iter().find(|lie| lie.to_string() == name),
            Some(("zygote", steps)) => zygotes::parse(steps).map(|_| Self::Zygote(steps.into())),
            Some(("fds", count)) => count.parse().ok().filter(|count| (1..=MAX_FDS).contains(count)).map(Self::Fds),
            Some(_) => None,
        }
    }
}

impl fmt::Display for Lie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relay => f.write_str("relay"),
            Self::Deaf => f.write_str("deaf"),
            Self::Shutdown => f.write_str("shutdown"),
            Self::Fds(count) => write!(f, "fds:{count}"),
            Self::Zygote(steps) => write!(f, "zygote:{steps}"),
        }
    }
}

/// Tells it on the worker's channel. Comes back only where nothing came of it.
pub(super) fn tell(lie: &Lie, channel: BorrowedFd<'_>) -> Result<String, Errno> {
    match lie {
        Lie::Relay | Lie::Zygote(_) => relay(channel, true),
        Lie::Deaf => relay(channel, false),
        Lie::Shutdown => {
            rustix::net::shutdown(channel, Shutdown::Both)?;
            live_on()
        }
        Lie::Fds(count) => {
            pass(channel, *count)?;
            live_on()
        }
    }
}

/// Until whoever feeds stdin closes it.
fn relay(channel: BorrowedFd<'_>, listens: bool) -> Result<String, Errno> {
    let (stdin, stdout) = (StandardStream::Stdin.borrow(), StandardStream::Stdout.borrow());
    let (mut out, mut sent, mut piece) = (Vec::new(), 0, vec![0; PIECE]);
    loop {
        let wanted = if listens { PollFlags::IN } else { PollFlags::empty() };
        let room = if out.len() > sent { PollFlags::OUT } else { PollFlags::empty() };
        let mut fds =
            [PollFd::from_borrowed_fd(channel, wanted | room), PollFd::from_borrowed_fd(stdin, PollFlags::IN)];
        let asked = if room.is_empty() { 2 } else { 1 };
        rustix::io::retry_on_intr(|| poll(&mut fds[..asked], None))?;
        let (heard, fed) = (fds[0].revents(), asked == 2 && !fds[1].revents().is_empty());
        if heard.contains(PollFlags::IN) {
            let (bytes, _) = recv(channel, &mut piece[..], RecvFlags::empty())?;
            if bytes == 0 {
                process::exit_now(0);
            }
            write_all(stdout, &piece[..bytes])?;
        }
        if heard.contains(PollFlags::OUT) {
            sent += match send(channel, &out[sent..], SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Err(Errno::AGAIN) => 0,
                answer => answer?,
            };
        }
        if fed {
            let bytes = rustix::io::read(stdin, &mut piece)?;
            if bytes == 0 {
                process::exit_now(0);
            }
            (out, sent) = (piece[..bytes].to_vec(), 0);
        } else if heard.intersects(PollFlags::HUP | PollFlags::ERR) && !heard.contains(PollFlags::IN) {
            process::exit_now(0);
        }
    }
}

fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        let written = rustix::io::retry_on_intr(|| rustix::io::write(to, bytes))?;
        bytes = &bytes[written..];
    }
    Ok(())
}

fn pass(channel: BorrowedFd<'_>, count: usize) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = vec![StandardStream::Stdin.borrow(); count];
    if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(Errno::INVAL);
    }
    sendmsg(channel, &[IoSlice::new(&[0])], &mut control, SendFlags::NOSIGNAL).map(drop)
}
