//! Translates the inputs of an attempt into events.
//!
//! Must not: decide what follows from an event.

use super::{Begin, Driver};
use crate::assigned::Assigned;
use crate::note::Note;
use crate::{output, suspension};
use sandhog_protocol::request::Reply;
use sandhog_protocol::worker::{FromWorker, ToWorker};
use sandhog_supervisor::attempt::Event;
use sandhog_supervisor::pause::Due;
use sandhog_sys::stamps;
use std::time::{Duration, Instant};

impl Driver<'_> {
    /// A note as the event that it means, if it means one; what it carries stays here.
    pub(super) fn take_in(&mut self, note: Note) -> Option<Event> {
        let event = match note {
            Note::Tell(reply, fds) => {
                if let Err(error) = self.tell(&ToWorker::Tells(reply), fds) {
                    self.note_failure(&error);
                }
                return None;
            }
            Note::Keep(message, fds) => {
                if let Err(error) = self.tell(&ToWorker::Keeper(message), fds) {
                    self.note_failure(&error);
                }
                return None;
            }
            Note::InputFailed(errno, held) => {
                self.held = held;
                if let Err(error) =
                    self.tell(&ToWorker::Tells(Reply::InputFailed { errno: errno.raw_os_error() }), Vec::new())
                {
                    self.note_failure(&error);
                }
                return None;
            }
            Note::Paused(true) => {
                self.pause.begin(self.asked.elapsed());
                return None;
            }
            Note::Paused(false) => {
                if let Some(more) = self.pause.end(self.asked.elapsed()) {
                    self.note_after(more, Event::DeadlinePassed);
                }
                return None;
            }
            Note::Event(Event::DeadlinePassed) => match self.pause.due() {
                Due::Now => Event::DeadlinePassed,
                Due::Later => return None,
                Due::In(more) => {
                    self.note_after(more, Event::DeadlinePassed);
                    return None;
                }
            },
            Note::Assigned(assigned) => {
                let Assigned { work, hard_deadline } = *assigned;
                (self.asked, self.order.begin) = (Instant::now(), Begin::AtOnce(work));
                self.order.hard_deadline = hard_deadline;
                Event::Assigned
            }
            Note::Event(event) => event,
            Note::Output(end, from) => {
                // A guest that still writes waits for its end, and prints nothing of a broken pipe.
                if end != output::End::Finished {
                    self.unread.push(from);
                }
                Event::OutputEnded(end.into())
            }
            Note::Module(Ok(module)) => {
                self.module = Some(module);
                Event::ModuleReady
            }
            Note::Module(Err(cause)) => Event::ModuleFailed(cause),
        };
        self.account(&event);
        Some(event)
    }

    /// Notes what an event says of what the attempt has used.
    fn account(&mut self, event: &Event) {
        if let Event::WorkerEnded(exit) = event {
            stamps::note("worker has ended");
            let stood = suspension::total().saturating_sub(self.stood) + self.pause.total(self.asked.elapsed());
            let ran = self.gone.map_or(Duration::ZERO, |gone| gone.elapsed().saturating_sub(stood));
            self.usage.wall_ms = sandhog_spec::units::millis(ran);
            (self.usage.cpu_ms, self.usage.peak_rss_bytes) = (exit.cpu_us.div_ceil(1000), exit.peak_rss_bytes);
        }
        if let Event::Message(FromWorker::Ended(report)) = event {
            stamps::note("report is there");
            self.usage.peak_memory_bytes = report.peak_memory_bytes;
            let written = report.written_bytes.as_deref();
            self.usage.stdout_bytes = written.map(|[stdout, _]| *stdout);
            self.usage.stderr_bytes = written.map(|[_, stderr]| *stderr);
            self.usage.messages_received = report.messages_received;
            self.usage.messages_sent = report.messages_sent;
        }
    }
}
