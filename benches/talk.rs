//! Two processes that exchange messages: a program and a sealed job, two native processes, or a helper with its child.

use super::Outcome;
use super::contestant::Helper;
use super::peers::Peers;
use sandhog_client::{Batch, Format, Job, Running, Timeout};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// The flag by which the benchmarks start the other of two native processes.
pub(crate) const ECHO: &str = "--echo";

/// What is exchanged, by the names that all of them know.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// There and back, one after the other.
    Echo,
    /// There, and one back at the end.
    Sink,
    SinkBatches,
    /// From the other process.
    Flood,
    FloodBatches,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Sink => "sink",
            Self::SinkBatches => "sink-batches",
            Self::Flood => "flood",
            Self::FloodBatches => "flood-batches",
        }
    }
}

pub(crate) enum Talker {
    Native(Native),
    Sealed(Sealed),
    Helper(Helper),
}

impl Talker {
    /// So many messages of so many bytes, in microseconds.
    pub(crate) fn talk(&mut self, kind: Kind, count: usize, bytes: usize) -> Outcome<f64> {
        match self {
            Self::Native(native) => native.talk(count, bytes),
            Self::Sealed(sealed) => sealed.talk(kind, count, bytes),
            Self::Helper(helper) => helper.ask(&format!("{} {count} {bytes}", kind.name())),
        }
    }

    /// Whether it has messages of that size.
    pub(crate) const fn can(&self, bytes: usize) -> bool {
        match self {
            Self::Native(_) => bytes <= PACKET,
            Self::Sealed(_) | Self::Helper(_) => true,
        }
    }
}

/// The largest packet that the two native processes exchange, in bytes.
const PACKET: usize = 64 << 10;

/// Two processes with nothing but a socket between them: what no sealed job can beat.
pub(crate) struct Native {
    child: Child,
    socket: File,
}

impl Native {
    pub(crate) fn start() -> Outcome<Self> {
        let (ours, theirs) = sandhog_channel::pair()?;
        let mut command = Command::new(std::env::current_exe()?);
        let child = command.arg(ECHO).stdin(Stdio::from(theirs)).spawn()?;
        Ok(Self { child, socket: ours.into() })
    }

    fn talk(&mut self, count: usize, bytes: usize) -> Outcome<f64> {
        let (body, mut back) = (vec![7; bytes], vec![0; PACKET]);
        let before = Instant::now();
        for _ in 0..count {
            self.socket.write_all(&body)?;
            if self.socket.read(&mut back)? != bytes {
                return Err("a packet came back in part".into());
            }
        }
        Ok(before.elapsed().as_secs_f64() * 1e6)
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The other one: its stdin is the socket.
pub(crate) fn echo() -> Outcome<()> {
    let mut socket = File::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let mut packet = vec![0; PACKET];
    loop {
        match socket.read(&mut packet)? {
            0 => return Ok(()),
            length => socket.write_all(&packet[..length])?,
        }
    }
}

/// The guest `traffic`.
pub(crate) struct Sealed(Box<Running>);

impl Sealed {
    pub(crate) fn start(peers: &Peers) -> Outcome<Self> {
        Ok(Self(Box::new(Job::new(peers.guest("traffic")).executable(&peers.sandhog).start()?)))
    }

    /// Nanoseconds that one call of the guest to its host takes, where it makes so many.
    pub(crate) fn host_call_ns(&mut self, count: usize) -> Outcome<f64> {
        self.0.send(&("host-calls", count, 0))?;
        let ns: u64 = self.0.recv()?;
        Ok(ns as f64 / count as f64)
    }

    fn talk(&mut self, kind: Kind, count: usize, bytes: usize) -> Outcome<f64> {
        let body = vec![7; bytes];
        let before = Instant::now();
        self.0.send(&(kind.name(), count, bytes))?;
        match kind {
            Kind::Echo => {
                for _ in 0..count {
                    self.0.send_bytes(&body)?;
                    self.0.recv_bytes()?;
                }
            }
            Kind::Sink => {
                for _ in 0..count {
                    self.0.send_bytes(&body)?;
                }
                self.0.recv::<u64>()?;
            }
            Kind::SinkBatches => {
                self.send_batched(count, &body)?;
                self.0.recv::<u64>()?;
            }
            Kind::Flood | Kind::FloodBatches => {
                for _ in 0..count {
                    self.0.recv_bytes()?;
                }
            }
        }
        Ok(before.elapsed().as_secs_f64() * 1e6)
    }

    fn send_batched(&mut self, count: usize, body: &[u8]) -> Outcome<()> {
        let mut batch = Batch::default();
        for _ in 0..count {
            if !batch.push(Format::Bytes, body) {
                self.0.send_batch(&mut batch, Timeout::Never)?;
                if !batch.push(Format::Bytes, body) {
                    return Err("a message is too large for any batch".into());
                }
            }
        }
        Ok(self.0.send_batch(&mut batch, Timeout::Never)?)
    }
}
