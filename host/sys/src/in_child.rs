//! For tests of what belongs to a whole process: timers, streams, last words. They fork, as workers are forked.

#![allow(clippy::unwrap_used, reason = "for tests alone")]

use std::{
    fs::File,
    io::Read,
    os::fd::{AsRawFd, OwnedFd},
    panic::{self, AssertUnwindSafe},
};

/// What `work` wrote into the file that it was given, run in a child of this process.
pub fn in_child(work: impl FnOnce(&mut File)) -> Vec<u8> {
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    // SAFETY: the child has the forking thread alone. It runs the test's `work`, whose locks are the allocator's,
    // which the C library makes usable after a fork, and those of this thread.
    match unsafe { libc::fork() } {
        0 => {
            drop(reader);
            let mut file = File::from(writer);
            let _ = panic::catch_unwind(AssertUnwindSafe(|| work(&mut file)));
            // SAFETY: ends the child without running what belongs to its parent.
            unsafe { libc::_exit(0) }
        }
        child => {
            assert!(child > 0);
            drop(writer);
            let mut bytes = Vec::new();
            File::from(reader).read_to_end(&mut bytes).unwrap();
            // SAFETY: reaps the child made above, with no status wanted.
            unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
            bytes
        }
    }
}

/// In a child: makes `fd` one of the three streams.
pub fn become_stream(fd: OwnedFd, number: i32) {
    // SAFETY: replaces a stream of this process, which is the test's own child.
    assert!(unsafe { libc::dup2(fd.as_raw_fd(), number) } == number);
}

#[test]
fn what_a_child_writes_arrives() {
    use std::io::Write;
    assert_eq!(in_child(|file| file.write_all(b"hello").unwrap()), b"hello");
}
