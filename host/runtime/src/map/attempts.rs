//! Workers that are started one by one, as by `sandhog run`: a zygote and a worker for each task.
//!
//! Must not: be used where there is a pool.

use super::drive::stop as stop_of;
use super::workers::{Wanted, Workers};
use crate::attempt_id;
use crate::coordinator::Coordinator;
use crate::driver::GRACE;
use crate::error::Error;
use crate::granted::{Granted, Input as Stdin, Opener};
use crate::observer::Keeper;
use crate::output::Sink;
use crate::pool::captured::{Kept as KeptStream, keep};
use crate::pool::task::{Finished, Input, Outcome, Task};
use crate::run::Kept;
use crate::stop::StopRequest;
use rustix::fs::{MemfdFlags, memfd_create};
use sandhog_protocol::causes;
use sandhog_protocol::control::LogStream;
use sandhog_protocol::plan::Identity;
use sandhog_protocol::verdict::{StopReason, Usage};
use sandhog_spec::job::Job;
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};

/// Starts attempts of one job.
#[derive(Clone)]
pub struct Attempts {
    coordinator: Arc<Coordinator>,
    job: Arc<Job>,
    granted: Granted,
    room: Arc<Semaphore>,
}

impl Attempts {
    /// `count`: at the same time.
    ///
    /// # Errors
    /// What the job is granted is not there.
    pub fn new(coordinator: &Arc<Coordinator>, job: &Job, count: usize) -> Result<Self, Error> {
        let granted = Opener::now(coordinator.own_directories()).open(job)?;
        let (coordinator, job) = (Arc::clone(coordinator), Arc::new(job.clone()));
        Ok(Self { coordinator, job, granted, room: Arc::new(Semaphore::new(count)) })
    }

    async fn attempt(&self, task: Task, mut wanted: watch::Receiver<Wanted>) -> io::Result<Finished> {
        let Input::Command { arguments, stdin } = task.input else {
            return Err(io::Error::other("a handler needs a pool"));
        };
        let mut file = File::from(memfd_create("stdin", MemfdFlags::CLOEXEC)?);
        file.write_all(&stdin)?;
        let input = Stdin::File { path: "stdin".into(), file: Arc::new(file.into()) };
        let mut job = Job { args: arguments, ..(*self.job).clone() };
        job.limits.timeout = task.timeout.or(job.limits.timeout);
        let attempt = attempt_id::new_attempt_id()?;
        let (streams, kept) = Streams::new();
        let identity = Identity { attempt: attempt.clone(), job: job.name.clone(), number: 1, ..Identity::default() };
        let kept_job = Kept {
            job,
            granted: Granted { input, ..self.granted.clone() },
            identity,
            connection: None,
            observer: self.coordinator.screen(),
            keeper: Arc::new(streams),
            grace: GRACE,
        };
        let (stop, stops) = watch::channel(None);
        let began = Instant::now();
        let mut all = self.coordinator.stopped();
        let running = self.coordinator.run_kept(kept_job, stops);
        tokio::pin!(running);
        let mut is_stopped = false;
        let record = loop {
            tokio::select! {
                record = &mut running => break record,
                reason = stop_of(&mut all), if !is_stopped => {
                    is_stopped = true;
                    stop.send_replace(Some(StopRequest::Stop(reason)));
                }
                () = recalled(&mut wanted, |wanted| wanted == Wanted::No), if !is_stopped => {
                    is_stopped = true;
                    stop.send_replace(Some(StopRequest::Kill(StopReason::Operator)));
                }
            }
        };
        let ran = began.elapsed();
        let [stdout, stderr] = kept;
        let (stdout, stderr) = (stdout.captured().await, stderr.captured().await);
        let (outcome, usage) = match record {
            Ok(record) => (Outcome::Ended(record.verdict), record.usage),
            Err(error) => (Outcome::Closed(causes::one_line(&error)), Usage::default()),
        };
        Ok(Finished { outcome, attempt: Some(attempt), stdout, stderr, usage, waited: Duration::ZERO, ran })
    }
}

impl Workers for Attempts {
    async fn work(&self, task: Task, mut wanted: watch::Receiver<Wanted>) -> Finished {
        let nothing = |outcome| Finished {
            outcome,
            attempt: None,
            stdout: Default::default(),
            stderr: Default::default(),
            usage: Usage::default(),
            waited: Duration::ZERO,
            ran: Duration::ZERO,
        };
        let _place = tokio::select! {
            biased;
            () = recalled(&mut wanted, |wanted| wanted != Wanted::Yes) => return nothing(Outcome::Cancelled),
            place = self.room.acquire() => place,
        };
        let attempted = self.attempt(task, wanted.clone()).await;
        attempted.unwrap_or_else(|error| nothing(Outcome::Closed(causes::one_line(&error))))
    }
}

async fn recalled(wanted: &mut watch::Receiver<Wanted>, is: impl Fn(Wanted) -> bool) {
    let told = wanted.wait_for(|wanted| is(*wanted)).await.is_ok();
    if !told {
        std::future::pending::<()>().await;
    }
}

/// Where an attempt's streams are kept.
struct Streams([Mutex<Option<Box<dyn Sink>>>; 2]);

impl Streams {
    fn new() -> (Self, [KeptStream; 2]) {
        let ((out, kept_out), (err, kept_err)) = (keep(), keep());
        (Self([Mutex::new(Some(out)), Mutex::new(Some(err))]), [kept_out, kept_err])
    }
}

impl Keeper for Streams {
    fn sink(&self, stream: LogStream) -> Box<dyn Sink> {
        let place = match stream {
            LogStream::Out => Some(&self.0[0]),
            LogStream::Err => Some(&self.0[1]),
            LogStream::Log | LogStream::Sandhog | LogStream::Unknown(_) => None,
        };
        let sink = place.and_then(|place| place.lock().unwrap_or_else(PoisonError::into_inner).take());
        // A second try of one start begins with nothing.
        sink.unwrap_or_else(|| keep().0)
    }
}
