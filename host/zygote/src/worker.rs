//! The life of a worker from its first line on: it reports that it is sealed, waits for `go`, works, reports, and ends.

use crate::{Assignment, Workload};
use sandhog_channel::Large;
use sandhog_ipc::{FrameBuffer, recv_frame, recv_frame_with_fds, send_frame};
use sandhog_protocol::VERSION;
use sandhog_protocol::plan::{Access, Program};
use sandhog_protocol::spawn::Stamp;
use sandhog_protocol::worker::{FromWorker, SealFailure, ToWorker};
use sandhog_sys::{last_words, process, stamps};
use std::os::fd::{AsFd, OwnedFd};

/// A worker behind its walls.
pub(crate) struct Worker<M> {
    pub channel: OwnedFd,
    pub connection: Option<OwnedFd>,
    pub coredump: Option<OwnedFd>,
    pub program: Program,
    /// Whether a cgroup counts what it makes: see [`sandhog_protocol::plan::ZygotePlan::counts_memory`].
    pub memory_is_counted: bool,
    /// Whether all walls are up.
    pub sealed: Result<(), SealFailure>,
    /// TCP sockets that listen.
    pub listeners: Vec<OwnedFd>,
    pub directories: Vec<(OwnedFd, Access)>,
    pub module: Option<M>,
    /// It is there before its task is.
    pub waits: bool,
}

impl<M> Worker<M> {
    /// Does one attempt's work and ends the process.
    pub(crate) fn main<W: Workload<Module = M>>(self) -> ! {
        let code = if self.attempt::<W>().is_some() { 0 } else { 1 };
        process::exit_now(code)
    }

    /// `None` where the coordinator has gone or does not speak our protocol: there is nobody to tell.
    fn attempt<W: Workload<Module = M>>(self) -> Option<()> {
        let channel = self.channel;
        if let Err(failure) = self.sealed {
            return send_frame(&channel, &FromWorker::Unsealed(failure)).ok();
        }
        let (mut buffer, mut fds) = (FrameBuffer::default(), Vec::new());
        // What comes behind `go` may come with it, and to a keeper descriptors come.
        let mut next = || match self.program {
            Program::Keeper => recv_frame_with_fds(&channel, &mut buffer, &mut fds).ok()?.ok(),
            Program::Guest { .. } | Program::Compiler | Program::Probe => recv_frame(&channel, &mut buffer).ok()?.ok(),
        };
        let ToWorker::Hello { version: VERSION } = next()? else { return None };
        send_frame(&channel, &FromWorker::Hello { version: VERSION }).ok()?;
        if self.waits {
            self.module.iter().for_each(W::warm);
        }
        let ToWorker::Go(work) = next()? else { return None };
        stamps::note("go is there");
        let report = W::work(Assignment {
            program: self.program,
            work,
            channel: channel.as_fd(),
            buffer,
            fds,
            connection: self.connection,
            coredump: self.coredump,
            large: if self.memory_is_counted { Large::Memory } else { Large::Pieces },
            listeners: self.listeners,
            directories: self.directories,
            module: self.module,
        })?;
        last_words::disarm();
        if stamps::is_on() {
            stamps::note("work is done");
            send_frame(&channel, &FromWorker::Stamps(Stamp::all(stamps::take()))).ok()?;
        }
        send_frame(&channel, &report).ok()
    }
}
