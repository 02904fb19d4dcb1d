//! Workers that stand still: by the operator's word one, and all of them while the command itself is stopped (Ctrl-Z).
//!
//! A worker that goes on is told how long it stood still, so that its limit of time does not count that.

use super::{Spawner, Worker};
use rustix::process::{Signal, pidfd_send_signal};
use sandhog_protocol::spawn::WorkerId;
use sandhog_sys::signal;
use std::os::fd::AsFd;
use std::time::Instant;

impl Worker {
    fn stand_still(&mut self) {
        if self.pause.since.is_none() {
            self.pause.since = Some(Instant::now());
            // One that has ended needs no signal.
            let _ = pidfd_send_signal(&self.pidfd, Signal::STOP);
        }
    }

    fn go_on(&mut self) {
        if let Some(since) = self.pause.since.take() {
            // 585 years fit.
            let stood = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
            let _ = signal::queue(self.pidfd.as_fd(), libc::SIGCONT, stood);
        }
    }
}

impl Spawner {
    /// Unknown or ended: nothing; the same for [`Self::resume_one`].
    pub(super) fn pause_one(&mut self, worker: WorkerId) {
        if let Some(worker) = self.workers.get_mut(&worker) {
            worker.pause.alone = true;
            worker.stand_still();
        }
    }

    pub(super) fn resume_one(&mut self, worker: WorkerId) {
        let are_halted = self.are_halted;
        if let Some(worker) = self.workers.get_mut(&worker) {
            worker.pause.alone = false;
            if !are_halted {
                worker.go_on();
            }
        }
    }

    pub(super) fn pause_all(&mut self) {
        self.are_halted = true;
        self.workers.values_mut().for_each(Worker::stand_still);
    }

    /// But for those that stand still by somebody's word.
    pub(super) fn resume_all(&mut self) {
        self.are_halted = false;
        self.workers.values_mut().filter(|worker| !worker.pause.alone).for_each(Worker::go_on);
    }

    /// A new one, which stands still with the others.
    pub(super) fn keep_worker(&mut self, id: WorkerId, mut worker: Worker) {
        if self.are_halted {
            worker.stand_still();
        }
        self.workers.insert(id, worker);
    }
}
