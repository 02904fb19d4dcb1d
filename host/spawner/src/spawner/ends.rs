//! How zygotes and workers end, and in the end the spawner itself.

use super::early::Early;
use super::{Guard, Pending, Spawner, Zygote};
use super::{Source, cgroup};
use crate::ids::Lease;
use rustix::event::{PollFd, PollFlags, epoll, poll};
use rustix::fs::{AtFlags, FileType, statat, unlinkat};
use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use sandhog_protocol::spawn::{CONTROL_SOCKET, Exit, FromSpawner, How, SpawnFailure, WorkerId, ZygoteId};
use sandhog_sandbox::failure;
use sandhog_sys::process::{self, Reaped};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

impl Spawner {
    pub(super) fn reap_worker(&mut self, id: WorkerId) -> io::Result<()> {
        let Some(worker) = self.workers.get(&id) else { return Ok(()) };
        let reaped = match process::reap(worker.pidfd.as_fd()) {
            Ok(Some(reaped)) => reaped,
            Ok(None) => return Ok(()),
            // Nobody else reaps here, so this can't be; were it so, it would cost this worker only.
            Err(_) => Reaped { how: process::How::Exited(1), cpu_us: 0, peak_rss_bytes: 0 },
        };
        let _ = epoll::delete(&self.epoll, &worker.pidfd);
        let (zygote, number, slot) = (worker.zygote, worker.number, worker.slot);
        self.workers.remove(&id);
        self.children.remove(&number);
        // The kernel has no other way to end a process for memory; a look at the cgroup's files costs more than the rest of this.
        let out_of_memory = matches!(reaped.how, process::How::Signalled(libc::SIGKILL))
            && self.zygotes.get_mut(&zygote).is_some_and(|zygote| zygote.out_of_memory(slot));
        let how = match reaped.how {
            process::How::Exited(code) => How::Exited(code),
            process::How::Signalled(signal) => How::Signalled(signal),
        };
        let exit = Exit { how, cpu_us: reaped.cpu_us, peak_rss_bytes: reaped.peak_rss_bytes, out_of_memory };
        self.tell(&FromSpawner::WorkerEnded { worker: id, exit }, &[])?;
        if let Some(zygote) = self.zygotes.get_mut(&zygote) {
            zygote.workers -= 1;
            zygote.vacate(slot);
        }
        self.forget_if_empty(zygote);
        Ok(())
    }

    pub(super) fn reap_zygote(&mut self, id: ZygoteId) -> io::Result<()> {
        let Some(zygote) = self.zygotes.get(&id).filter(|zygote| !zygote.ended) else { return Ok(()) };
        // What it said last is worth more than how it died: a report of each worker that it was asked for, and one word more.
        for _ in 0..=zygote.pending.len() {
            self.hear_zygote(id)?;
        }
        let Some(zygote) = self.zygotes.get_mut(&id) else { return Ok(()) };
        let Some(reaped) = process::reap(zygote.pidfd.as_fd())? else { return Ok(()) };
        let _ = (epoll::delete(&self.epoll, &zygote.control), epoll::delete(&self.epoll, &zygote.pidfd));
        zygote.ended = true;
        self.children.remove(&zygote.number);
        // It can clone nothing any more; what it has cloned without a word is found now.
        self.strangers.look_soon();
        let reason = zygote.last_words.take().or_else(|| unexpected(&reaped.how));
        let pending = std::mem::take(&mut zygote.pending);
        for Pending { worker, .. } in pending {
            let reason = reason.clone().unwrap_or_else(|| SpawnFailure {
                wall: None,
                failure: failure("clone a worker", &io::Error::other("its zygote has ended")),
            });
            self.tell(&FromSpawner::WorkerRefused { worker, reason }, &[])?;
        }
        self.tell(&FromSpawner::ZygoteEnded { zygote: id, reason }, &[])?;
        self.forget_if_empty(id);
        Ok(())
    }

    /// The cgroup goes with the last process in it that is known; whoever else is in it goes with the cgroup.
    fn forget_if_empty(&mut self, id: ZygoteId) {
        if self.zygotes.get(&id).is_some_and(|zygote| zygote.ended && zygote.workers == 0)
            && let Some(zygote) = self.zygotes.remove(&id)
        {
            self.end_cgroups(zygote);
        }
    }

    /// Its own and those of its slots.
    fn end_cgroups(&mut self, Zygote { cgroup, lease, name, slots, .. }: Zygote) {
        let lease = lease.or(name);
        for slot in slots.into_values() {
            self.end_cgroup(slot.cgroup, lease.clone());
        }
        self.end_cgroup(cgroup, lease);
    }

    pub(super) fn end_cgroup(&mut self, cgroup: Option<cgroup::Cgroup>, lease: Option<Rc<Lease>>) {
        if let (Some(cgroup), Some(lease)) = (cgroup, lease) {
            self.leftovers.end(cgroup, lease);
        }
    }

    /// Ends a zygote whose start failed half-way, for this reason; its end tells the coordinator.
    pub(super) fn end_unstarted(&mut self, id: ZygoteId, reason: SpawnFailure) -> io::Result<()> {
        self.silence(id);
        let Some(zygote) = self.zygotes.get_mut(&id) else { return Ok(()) };
        zygote.last_words = Some(reason);
        match epoll::add(&self.epoll, &zygote.pidfd, Source::ZygoteEnd(id).data(), epoll::EventFlags::IN) {
            // The latter where its start came so far.
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(_) => {
                wait_for_end(zygote.pidfd.as_fd());
                self.reap_zygote(id)
            }
        }
    }

    /// Ends what is left, so that the cgroups can go: the kernel would end it, but after us. All of it: a zygote may just have
    /// cloned a worker that nobody here has heard of.
    pub(super) fn clear(&mut self) {
        // Fails only where there is nobody.
        let _ = process::kill_namespace(&self.token);
        while !matches!(waitid(WaitId::All, WaitIdOptions::EXITED), Err(Errno::CHILD)) {}
        self.early.take().into_iter().for_each(Early::end);
        if let Some(begun) = self.begun.take() {
            self.abandon(begun);
        }
        for (_, zygote) in std::mem::take(&mut self.zygotes) {
            self.end_cgroups(zygote);
        }
        std::mem::take(&mut self.leftovers).finish();
        if let Some(Guard { sockets, .. }) = self.guard.take() {
            remove_socket(&sockets);
        }
    }
}

/// Where the daemon ended by itself it has done so already. What is no socket is somebody else's.
fn remove_socket(directory: &OwnedFd) {
    let status = statat(directory, CONTROL_SOCKET, AtFlags::SYMLINK_NOFOLLOW);
    if status.is_ok_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::Socket) {
        let _ = unlinkat(directory, CONTROL_SOCKET, AtFlags::empty());
    }
}

/// A zygote that nobody ended and that said nothing.
fn unexpected(how: &process::How) -> Option<SpawnFailure> {
    let text = match how {
        process::How::Exited(0) | process::How::Signalled(libc::SIGKILL) => return None,
        process::How::Exited(code) => format!("it exited with code {code}"),
        process::How::Signalled(signal) => format!("signal {signal} ended it"),
    };
    Some(SpawnFailure { wall: None, failure: failure("run a zygote", &io::Error::other(text)) })
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

fn wait_for_end(pidfd: BorrowedFd<'_>) {
    let _ = poll(&mut [PollFd::from_borrowed_fd(pidfd, PollFlags::IN)], None);
}
