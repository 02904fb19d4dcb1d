//! A peer that sends any packets, with any descriptors: each receive gives a message or an error, and after a breach the
//! connection is closed for both.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use sandhog_channel::{Endpoint, Error, Timeout, pair};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

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
    let mut endpoint = Endpoint::new(here);
    let mut rest = input;
    while let Some((beside, body, after)) = packet(rest) {
        rest = after;
        let memfds: Vec<OwnedFd> = (0..beside & 3).map(|_| memory(beside)).collect();
        let fds: Vec<_> = memfds.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        }
        let sent = sendmsg(&there, &[IoSlice::new(body)], &mut control, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        if sent.is_err() {
            return;
        }
        loop {
            let answer = if beside & 128 == 0 {
                endpoint.recv(Timeout::Now).map(drop)
            } else {
                endpoint.recv_batch(Timeout::Now).map(drop)
            };
            match answer {
                Ok(()) => {}
                Err(Error::WouldBlock) => break,
                Err(_) => {
                    assert!(matches!(endpoint.recv(Timeout::Now), Err(Error::Closed)));
                    assert!(matches!(Endpoint::new(there).recv(Timeout::Now), Err(Error::Closed)));
                    return;
                }
            }
        }
    }
});
