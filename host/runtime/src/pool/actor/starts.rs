//! Executes the starts that the policy wants, after all work that others wait for.
//!
//! Must not: decide when something starts.

use super::{Actor, Slot, Worker, Zygote};
use crate::pool::command::Command;
use crate::pool::handler::Handler;
use crate::pool::happening::StartFailure;
use crate::pool::server::Server;
use crate::pool::settings::WorkerKind;
use crate::pool::starts::Start;
use crate::pool::worker::Place;
use crate::pool::zygote;
use crate::stop::StopRequest;
use sandhog_supervisor::pool::{Event, SlotId, ZygoteId};
use std::time::Instant;

impl Actor {
    pub(super) fn start_all(&mut self) -> bool {
        let mut is_over = false;
        while let Some(start) = self.starts.next() {
            match start {
                Start::Zygote(id) => self.start_zygote(id),
                Start::Worker(slot, zygote) => is_over |= self.start_worker(slot, zygote),
            }
        }
        is_over
    }

    /// What is to end has begun before: its end is heard of like any other.
    pub(super) fn start_now(&mut self, id: SlotId) -> bool {
        self.starts.take(id).is_some_and(|zygote| self.start_worker(id, zygote))
    }

    fn start_zygote(&mut self, id: ZygoteId) {
        let handle = zygote::begin(&self.shared, id);
        self.zygotes.insert(id, Zygote { _handle: handle, number: None });
    }

    fn start_worker(&mut self, id: SlotId, zygote: ZygoteId) -> bool {
        let number = self.zygotes.get(&zygote).and_then(|zygote| zygote.number);
        let begun = number.map(|number| self.begin(Place { slot: id, zygote: number }));
        match begun {
            Some(Ok(worker)) => {
                if let Some(reason) = self.stop {
                    worker.control().stop(StopRequest::Stop(reason));
                }
                let asked = Instant::now();
                let tasks = std::collections::VecDeque::new();
                self.slots.insert(
                    id,
                    Slot { worker, asked, is_ready: false, tasks, answer: None, ended: None, leaving: Vec::new() },
                );
                false
            }
            Some(Err(failure)) => {
                let is_final = self.failed(Some(failure));
                self.step(Event::WorkerRefused { slot: id, is_final })
            }
            // Its zygote has just ended.
            None => self.step(Event::WorkerRefused { slot: id, is_final: false }),
        }
    }

    fn begin(&self, place: Place) -> Result<Worker, StartFailure> {
        if self.shared.job.http.is_some() {
            return Server::begin(&self.shared, place)
                .map(Worker::Server)
                .map_err(|error| StartFailure::of_start(&error));
        }
        let begun = match self.shared.kind.get() {
            Some(WorkerKind::Handler) => Handler::begin(&self.shared, place).map(Worker::Handler),
            Some(WorkerKind::Command) | None => Command::begin(&self.shared, place).map(Worker::Command),
        };
        begun.map_err(|error| StartFailure::of_start(&error))
    }
}
