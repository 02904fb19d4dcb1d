//! Ends children, and waits for those that end at once.
//!
//! Must not: know what a child is for.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, pidfd_send_signal};
use sandhog_sys::process::{self, Child};
use std::os::fd::{AsFd, BorrowedFd};

pub(super) fn end_now(child: &Child) {
    let _ = pidfd_send_signal(&child.pidfd, Signal::KILL);
    reap_now(child.pidfd.as_fd());
}

/// Waits for a child that ends by itself at once, and reaps it: how it ended.
pub(super) fn reap_now(pidfd: BorrowedFd<'_>) -> Option<process::How> {
    loop {
        match process::reap(pidfd) {
            Ok(None) => wait_for_end(pidfd),
            Ok(Some(reaped)) => return Some(reaped.how),
            Err(_) => return None,
        }
    }
}

pub(super) fn wait_for_end(pidfd: BorrowedFd<'_>) {
    let _ = poll(&mut [PollFd::from_borrowed_fd(pidfd, PollFlags::IN)], None);
}
