//! A worker whose guest is a program: it waits, sealed, until it is given arguments and input, runs once, and ends.
//!
//! Must not: begin a guest before its task is there.

use super::happening::{Happening, WorkerNews};
use super::shared::Shared;
use super::worker::{self, Control, Place};
use crate::assigned::Assigned;
use crate::driver::Begin;
use crate::error::Error;
use crate::note::Note;
use crate::plan;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use sandhog_protocol::plan::{GuestPlan, Identity, Work};
use sandhog_spec::job::Limits;
use sandhog_sys::ready;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

/// The way to one.
pub(super) struct Command {
    pub(super) control: Control,
    identity: Identity,
    /// Our end of its stdin, until its task is there.
    input: Option<OwnedFd>,
}

impl Command {
    /// # Errors
    /// This process is at its limits. Nothing was begun.
    pub(super) fn begin(shared: &Arc<Shared>, place: Place) -> Result<Self, Error> {
        let (reader, input) = pipe_with(PipeFlags::CLOEXEC).map_err(std::io::Error::from)?;
        let identity = worker::identity(shared, place.slot)?;
        let (slot, ready, over) = (place.slot, Arc::clone(shared), Arc::clone(shared));
        let tell_ready = move || ready.tell(Happening::Worker(slot, WorkerNews::Ready));
        let plan = worker::Plan {
            input: reader,
            connection: None,
            begin: Begin::Assigned { ready: Box::new(tell_ready) },
            began: None,
            identity: identity.clone(),
        };
        let control = worker::begin(shared, place, plan, move |ended| {
            over.tell(Happening::Worker(slot, WorkerNews::Ended(Box::new(ended))));
        })?;
        Ok(Self { control, identity, input: Some(input) })
    }

    /// Lets it run, with these arguments behind the job's own, and with this input.
    pub(super) fn assign(
        &mut self,
        shared: &Shared,
        arguments: Vec<String>,
        stdin: Vec<u8>,
        timeout: Option<Duration>,
    ) {
        let job = &shared.job;
        let limits = Limits { timeout: timeout.or(job.limits.timeout), ..job.limits };
        let mut plan = plan::guest(job, self.identity.clone(), None);
        plan.args.extend(arguments);
        let plan = GuestPlan { timeout_ms: limits.timeout.map(plan::millis), ..plan };
        self.control.set_timeout(timeout);
        let hard_deadline = plan::hard_deadline(&limits);
        if let Some(input) = self.input.take() {
            feed(input, stdin);
        }
        self.control.note(Note::Assigned(Box::new(Assigned { work: Work::Guest(Box::new(plan)), hard_deadline })));
    }

    pub(super) fn attempt(&self) -> &str {
        &self.identity.attempt
    }
}

/// Writes a task's input into the pipe. What fits goes at once; the rest, beside.
fn feed(input: OwnedFd, bytes: Vec<u8>) {
    if rustix::io::ioctl_fionbio(&input, true).is_err() {
        return;
    }
    let mut written = 0;
    match write_some(&input, &bytes, &mut written) {
        Ok(true) | Err(_) => return,
        Ok(false) => {}
    }
    tokio::spawn(async move {
        let Ok(input) = ready::watch(input) else { return };
        loop {
            // It ends when all its readers have gone: the worker, and children that inherited it.
            let Ok(mut writable) = input.writable().await else { return };
            match write_some(input.get_ref(), &bytes, &mut written) {
                Ok(true) | Err(_) => return,
                Ok(false) => writable.clear_ready(),
            }
        }
    });
}

/// As much as there is room for; whether that was all.
fn write_some(input: &OwnedFd, bytes: &[u8], written: &mut usize) -> Result<bool, Errno> {
    while *written < bytes.len() {
        match rustix::io::write(input, &bytes[*written..]) {
            Ok(more) => *written += more,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(false),
            Err(errno) => return Err(errno),
        }
    }
    Ok(true)
}
