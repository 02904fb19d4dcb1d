//! The messages of zygotes, each of which may have been taken over. The first violation of the protocol ends the zygote.

use super::zygote_start::proc_pid;
use super::{Pause, Pending, Source, Spawner, Worker};
use rustix::event::epoll;
use rustix::process::{Signal, pidfd_send_signal};
use sandhog_ipc::{Closed, Received, recv_packet};
use sandhog_protocol::limits;
use sandhog_protocol::spawn::{FromSpawner, FromZygote, SpawnFailure, Stamp, WorkerId, ZygoteId};
use sandhog_protocol::worker::SealFailure;
use sandhog_sandbox::{failure, steps};
use sandhog_sys::{process, stamps};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

impl Spawner {
    /// One packet, if there is one.
    pub(super) fn hear_zygote(&mut self, id: ZygoteId) -> io::Result<()> {
        let Some(zygote) = self.zygotes.get_mut(&id).filter(|zygote| !zygote.silenced) else { return Ok(()) };
        match hear(&zygote.control) {
            Ok(Ok(Received { message: FromZygote::Cloned { worker }, fds }))
                if fds.len() == 1
                    && let Some(pending) = take(&mut zygote.pending, worker) =>
            {
                fds.into_iter().try_for_each(|pidfd| self.adopt(id, pending, pidfd))
            }
            Ok(Ok(Received { message: FromZygote::CloneFailed { worker, failure }, fds }))
                if fds.is_empty()
                    && let Some(pending) = take(&mut zygote.pending, worker) =>
            {
                zygote.vacate(pending.slot);
                let reason = SpawnFailure { wall: None, failure: shortened(failure) };
                self.tell(&FromSpawner::WorkerRefused { worker, reason }, &[])
            }
            Ok(Ok(Received { message: FromZygote::Stamps(zygote), fds })) if fds.is_empty() && stamps::is_on() => {
                let spawner = Stamp::bounded(Stamp::all(stamps::take()));
                self.tell(&FromSpawner::Stamps { spawner, zygote: Stamp::bounded(zygote) }, &[])
            }
            // It ends by itself, or is ended.
            Ok(Ok(Received { message: FromZygote::Unsealed(failure), fds })) if fds.is_empty() => {
                zygote.last_words = Some(steps::with_wall(shortened(failure)));
                self.silence(id);
                Ok(())
            }
            // Whoever holds its end now says nothing; the spawner waits for nobody.
            Err(error) if error.would_block() => Ok(()),
            // It has ended, or has nothing more to say: no worker comes from it any more.
            Ok(Err(Closed)) => {
                self.silence(id);
                Ok(())
            }
            Err(error) if error.is_gone() => {
                self.silence(id);
                Ok(())
            }
            Ok(Ok(_)) | Err(_) => {
                self.accuse(id);
                Ok(())
            }
        }
    }

    /// Ends a zygote that has broken the protocol: it has been taken over.
    fn accuse(&mut self, id: ZygoteId) {
        if let Some(zygote) = self.zygotes.get_mut(&id) {
            zygote.last_words = Some(breach());
        }
        self.silence(id);
    }

    /// Hears a zygote no more, and ends it.
    pub(super) fn silence(&mut self, id: ZygoteId) {
        if let Some(zygote) = self.zygotes.get_mut(&id) {
            zygote.silenced = true;
            // Not there where its start has not come so far.
            let _ = epoll::delete(&self.epoll, &zygote.control);
            let _ = pidfd_send_signal(&zygote.pidfd, Signal::KILL);
        }
    }

    /// A worker that its zygote reports. The pidfd is what a hostile zygote could lie with: it must be our child.
    fn adopt(&mut self, id: ZygoteId, Pending { worker, slot }: Pending, pidfd: OwnedFd) -> io::Result<()> {
        let Some(number) = self.new_child(pidfd.as_fd()) else {
            self.accuse(id);
            return self.tell(&FromSpawner::WorkerRefused { worker, reason: breach() }, &[]);
        };
        self.watch(pidfd.as_fd(), Source::WorkerEnd(worker))?;
        self.tell(&FromSpawner::WorkerStarted { worker }, &[pidfd.as_fd()])?;
        self.children.insert(number);
        self.keep_worker(worker, Worker { pidfd, number, zygote: id, slot, pause: Pause::default() });
        if let Some(zygote) = self.zygotes.get_mut(&id) {
            zygote.workers += 1;
        }
        Ok(())
    }

    /// The number of a child that is neither a zygote nor a worker that is known already: nothing else can be the
    /// worker that a zygote has just made.
    fn new_child(&self, pidfd: BorrowedFd<'_>) -> Option<i32> {
        let number = proc_pid(&self.files.proc, pidfd).ok()?;
        (process::is_child(pidfd) && !self.children.contains(&number)).then_some(number)
    }
}

/// One packet. A zygote that ends before it has read all that it was told resets its connection, and the kernel says so before
/// it gives what the zygote has said: that comes with the next call (unix(7), `ECONNRESET`).
fn hear(control: &OwnedFd) -> Result<Result<Received<FromZygote>, Closed>, sandhog_ipc::Error> {
    match recv_packet(control) {
        Err(error) if error.is_gone() => recv_packet(control),
        heard => heard,
    }
}

fn breach() -> SpawnFailure {
    let what = io::Error::other("what it said is not the protocol of a zygote");
    SpawnFailure { wall: None, failure: failure("hear a zygote", &what) }
}

/// Fits into a packet together with what is said around it. A zygote can make it as long as a packet.
fn shortened(failure: SealFailure) -> SealFailure {
    let cut = |mut text: String| {
        text.truncate(text.floor_char_boundary(limits::REPORT_TEXT));
        text
    };
    SealFailure { step: cut(failure.step), what: cut(failure.what), ..failure }
}

fn take(pending: &mut Vec<Pending>, worker: WorkerId) -> Option<Pending> {
    let index = pending.iter().position(|other| other.worker == worker);
    index.map(|index| pending.swap_remove(index))
}
