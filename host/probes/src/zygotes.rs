//! Lies of zygotes: steps that a test makes up, and packets of its own, so that no hostile message is part of the executable.
//!
//! Steps are separated by commas, and packets are written in hexadecimal digits; `+N` appends N letters. After its last step
//! a zygote lives until it is ended.

use rustix::event::poll;
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

/// The name of a process that nobody reports.
const STRAY: &std::ffi::CStr = c"sandhog-stray";

/// In brackets how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// `clone`: a process such as a worker is, which nobody reports, and which holds all that a worker is given.
    Clone,
    /// `fork`: a child of its own. Needs a call that is not on the list.
    Fork,
    /// `worker`: what was asked for.
    Worker,
    /// `send:PACKET`
    Send(Vec<u8>),
    /// `pidfd:PACKET`, with the pidfd of what it made last.
    Pidfd(Vec<u8>),
    /// `file:PACKET`, with a descriptor that is no pidfd.
    File(Vec<u8>),
    /// `flood:PACKET`, for as long as somebody takes it.
    Flood(Vec<u8>),
    /// `leave`: ends.
    Leave,
}

/// `None` where it is not of this form.
pub fn parse(steps: &str) -> Option<Vec<Step>> {
    steps.split(',').map(parse_step).collect()
}

fn parse_step(step: &str) -> Option<Step> {
    match step.split_once(':') {
        None => match step {
            "clone" => Some(Step::Clone),
            "fork" => Some(Step::Fork),
            "worker" => Some(Step::Worker),
            "leave" => Some(Step::Leave),
            _ => None,
        },
        Some((word, packet)) => {
            let packet = parse_packet(packet)?;
            match word {
                "send" => Some(Step::Send(packet)),
                "pidfd" => Some(Step::Pidfd(packet)),
                "file" => Some(Step::File(packet)),
                "flood" => Some(Step::Flood(packet)),
                _ => None,
            }
        }
    }
}

fn parse_packet(packet: &str) -> Option<Vec<u8>> {
    let (digits, letters) = packet.split_once('+').unwrap_or((packet, "0"));
    let digits = digits.as_bytes().chunks(2).map(|pair| match pair {
        [_, _] => u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok(),
        _ => None,
    });
    let mut bytes: Vec<u8> = digits.collect::<Option<_>>()?;
    bytes.resize(bytes.len() + letters.parse::<usize>().ok()?, b'x');
    Some(bytes)
}

/// Sends a packet as it is.
pub fn send(socket: BorrowedFd<'_>, packet: &[u8], fd: Option<BorrowedFd<'_>>) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds: Vec<BorrowedFd<'_>> = fd.into_iter().collect();
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(Errno::INVAL);
    }
    sendmsg(socket, &[IoSlice::new(packet)], &mut control, SendFlags::NOSIGNAL).map(drop)
}

/// What nobody reports: holds what it has until it is ended.
pub fn stray() -> ! {
    let _ = rustix::thread::set_name(STRAY);
    stay()
}

/// Until it is ended.
pub fn stay() -> ! {
    loop {
        let _ = live_on();
    }
}

/// The same; comes back only where that can't be.
pub(super) fn live_on() -> Result<String, Errno> {
    loop {
        poll(&mut [], None)?;
    }
}
