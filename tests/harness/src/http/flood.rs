//! Thousands of connections in one thread: opened, each with the same bytes, and left open.
//!
//! Must not: have a thread for each.

use super::answer::Reader;
use crate::waiting::DEADLINE;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Instant;

/// Connections for each address of ours: far fewer than it has ports.
const FOR_EACH_ADDRESS: usize = 5000;

/// How many are on their way at once: fewer than a listening socket lets wait.
const AT_ONCE: usize = 256;

/// Connections that stay open.
pub struct Flood(Vec<TcpStream>);

impl Flood {
    /// Opens so many, and sends these bytes over each.
    pub fn open(to: SocketAddr, count: usize, bytes: &[u8]) -> io::Result<Self> {
        let mut all = Vec::with_capacity(count);
        while all.len() < count {
            let batch = AT_ONCE.min(count - all.len());
            let opening = (0..batch).map(|index| begin(to, all.len() + index)).collect::<io::Result<Vec<_>>>()?;
            wait(&opening, PollFlags::OUT)?;
            for mut stream in opening {
                stream.take_error()?.map_or(Ok(()), Err)?;
                if !bytes.is_empty() {
                    stream.write_all(bytes)?;
                }
                all.push(stream);
            }
        }
        Ok(Self(all))
    }

    /// Sends more over each, where it is still open.
    pub fn send(&mut self, bytes: &[u8]) -> usize {
        self.0.iter_mut().filter_map(|stream| stream.write_all(bytes).ok()).count()
    }

    /// How many are answered with each status; 0 stands for a connection that was closed without an answer.
    pub fn statuses(&mut self) -> io::Result<std::collections::BTreeMap<u16, usize>> {
        wait(&self.0, PollFlags::IN)?;
        let mut counts = std::collections::BTreeMap::new();
        for stream in &mut self.0 {
            stream.set_nonblocking(false)?;
            stream.set_read_timeout(Some(DEADLINE))?;
            let status = Reader::default().answer(stream, false).map_or(0, |answer| answer.status);
            *counts.entry(status).or_default() += 1;
        }
        Ok(counts)
    }
}

fn begin(to: SocketAddr, index: usize) -> io::Result<TcpStream> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    let ours = Ipv4Addr::new(127, 0, 1, u8::try_from(index / FOR_EACH_ADDRESS + 1).map_err(io::Error::other)?);
    bind(&socket, &SocketAddr::new(IpAddr::V4(ours), 0))?;
    match connect(&socket, &to) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(TcpStream::from(socket)),
        Err(error) => Err(error.into()),
    }
}

/// Until each of them is ready.
fn wait(all: &[TcpStream], what: PollFlags) -> io::Result<()> {
    let deadline = Instant::now() + DEADLINE;
    let mut waiting: Vec<&TcpStream> = all.iter().collect();
    while !waiting.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut polled: Vec<_> = waiting.iter().map(|stream| PollFd::new(*stream, what)).collect();
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        if poll(&mut polled, Some(&left))? == 0 {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("{} are not ready", waiting.len())));
        }
        let ready: Vec<bool> = polled.iter().map(|polled| !polled.revents().is_empty()).collect();
        let mut ready = ready.into_iter();
        waiting.retain(|_| !ready.next().unwrap_or(false));
    }
    Ok(())
}
