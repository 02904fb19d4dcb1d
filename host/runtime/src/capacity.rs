//! The capacity for attempts: each takes descriptors, here and in the spawner, and whoever has none left can't even
//! be told of it.

use rustix::process::{Resource, getrlimit};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// Descriptors that one attempt takes in this process while it starts, which is when it takes most: sockets to its zygote and
/// its worker, a module twice, pipes, its connection. Measured: 8 while it runs, 13 while
/// it starts; and one of its process.
const EACH: u64 = 14;

/// What this process needs for itself: its sockets, its log files, its clients. Of few files, a quarter.
const OWN: u64 = 192;

/// Descriptors of this process that jobs hold while nothing of them runs: what they were granted.
static HELD: AtomicU64 = AtomicU64::new(0);

/// So many of them, for as long as this lives.
pub(super) struct Held(u64);

impl Held {
    pub(super) fn new(descriptors: u64) -> Self {
        HELD.fetch_add(descriptors, Ordering::Relaxed);
        Self(descriptors)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// Attempts at the same time.
pub(super) struct Capacity {
    files: u64,
    taken: AtomicU64,
}

/// Given back when it is dropped.
pub(super) struct Permit<'a>(&'a Capacity);

impl Capacity {
    /// As many as this process's limit of open files leaves room for.
    pub(super) fn new() -> Self {
        Self::within(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
    }

    fn within(files: u64) -> Self {
        Self { files, taken: AtomicU64::new(0) }
    }

    /// Attempts that fit beside what is held.
    fn max(&self, held: u64) -> u64 {
        let own = OWN.min(self.files / 4).saturating_add(held);
        // A job and its compiler at the least: a limit that is too low for that says so by itself.
        (self.files.saturating_sub(own) / EACH).max(2)
    }

    /// # Errors
    /// There is none left.
    pub(super) fn take(&self) -> io::Result<Permit<'_>> {
        let max = self.max(HELD.load(Ordering::Relaxed));
        if self.taken.fetch_add(1, Ordering::Relaxed) < max {
            return Ok(Permit(self));
        }
        drop(Permit(self));
        let files = self.files;
        Err(io::Error::other(format!(
            "no room for more than {max} attempts at the same time: Sandhog may open {files} files; raise that \
             (ulimit -n, or LimitNOFILE= of its unit)"
        )))
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_as_much_room_as_descriptors_and_it_comes_back() {
        let capacity = Capacity::within(1024);
        let mut permits: Vec<_> = (0..59).map(|_| capacity.take().unwrap()).collect();
        let sentence = capacity.take().err().unwrap().to_string();
        assert!(
            sentence.starts_with("no room for more than 59 attempts at the same time: Sandhog may open 1024 files")
        );
        permits.pop();
        assert!(capacity.take().is_ok());
    }

    #[test]
    fn what_jobs_hold_while_they_rest_leaves_less_room() {
        let capacity = Capacity::within(1024);
        assert_eq!([0, 14, 140, 5000].map(|held| capacity.max(held)), [59, 58, 49, 2]);
    }

    #[test]
    fn a_job_and_its_compiler_are_always_tried() {
        let capacity = Capacity::within(0);
        assert!(matches!((capacity.take(), capacity.take(), capacity.take()), (Ok(_), Ok(_), Err(_))));
    }
}
