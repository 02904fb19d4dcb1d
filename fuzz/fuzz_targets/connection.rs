//! A peer that sends any packets, pieces among them, with any descriptors: each receive gives a message or an error, and after a breach the
//! connection is closed for both.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use sandhog_channel::{Endpoint, Error, Format, Timeout, pair};
use sandhog_protocol::limits;
use sandhog_protocol::message::Head;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

const FULL: &[u8] = &[b'x'; limits::INLINE_PAYLOAD];

/// The first byte of a packet says how long it is, the second what is beside it.
fn packet(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [length, beside, rest @ ..] = input else { return None };
    let (body, rest) = rest.split_at(rest.len().min(usize::from(*length)));
    Some((*beside, body, rest))
}

/// Memory of a length, sealed or not.
fn memory(beside: u8) -> OwnedFd {
    let memfd = memfd_create("fuzz", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    rustix::fs::ftruncate(&memfd, u64::from(beside >> 3) * 7).unwrap();
    if beside & 4 == 0 {
        fcntl_add_seals(&memfd, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE).unwrap();
    }
    memfd
}

fuzz_target!(|input: &[u8]| {
    let (here, there) = pair().unwrap();
    let [first, rest @ ..] = input else { return };
    // How much it takes, and whether it goes by steps.
    let (max, steps) = (usize::from(first >> 1) * 1000, first & 1 == 1);
    let mut endpoint = Endpoint::new(here, max);
    let mut rest = rest;
    while let Some((beside, body, after)) = packet(rest) {
        rest = after;
        let memfds: Vec<OwnedFd> = (0..beside & 3).map(|_| memory(beside)).collect();
        let fds: Vec<_> = memfds.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        }
        // The first piece of a message, and another one, are too long to be found by chance.
        let long;
        let body = match body {
            [0, kind, length] if kind % 2 == 0 => {
                long = [Head::begin(Format::Value, (usize::from(*length) + 257) << 8).as_bytes(), FULL].concat();
                &long[..]
            }
            [0, _, length] => {
                let length = usize::from(*length) << 8;
                long = [Head::piece(length).as_bytes(), &FULL[..length]].concat();
                &long[..]
            }
            _ => body,
        };
        let sent = sendmsg(&there, &[IoSlice::new(body)], &mut control, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        if sent.is_err() {
            return;
        }
        loop {
            let answer = if steps {
                match endpoint.step(usize::from(beside) << 6) {
                    Ok(Some(message)) => match message.read() {
                        Ok(_) => Ok(()),
                        Err(_) => return,
                    },
                    Ok(None) => Ok(()),
                    Err(error) => Err(error),
                }
            } else if beside & 128 == 0 {
                endpoint.recv(Timeout::Now).map(drop)
            } else {
                endpoint.recv_batch(Timeout::Now).map(drop)
            };
            match answer {
                Ok(()) => {}
                Err(Error::WouldBlock) => break,
                Err(_) => {
                    assert!(matches!(endpoint.recv(Timeout::Now), Err(Error::Closed)));
                    assert!(matches!(Endpoint::new(there, max).recv(Timeout::Now), Err(Error::Closed)));
                    return;
                }
            }
        }
    }
});
