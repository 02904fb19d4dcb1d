//! The one end of each task, with what is known of it.
//!
//! Must not: decide when a task ends.

use super::{Actor, CLOSED, Slot, Waiting};
use crate::note::Note;
use crate::pool::captured::Captured;
use crate::pool::happening::Answer;
use crate::pool::task::{Finished, Outcome};
use sandhog_protocol::verdict::Usage;
use sandhog_supervisor::attempt::Event as AttemptEvent;
use sandhog_supervisor::outcome;
use sandhog_supervisor::pool::{How, TaskId};
use sandhog_supervisor::verdict_text;
use std::time::{Duration, Instant};

impl Actor {
    /// Its limit of time is over. Before anything else ends it, for the first cause is the one that counts.
    pub(super) fn is_overdue(&self, task: TaskId) {
        let slot = self.tasks.get(&task).and_then(|waiting| self.slots.get(&waiting.slot?));
        if let Some(slot) = slot {
            slot.worker.control().note(Note::Event(AttemptEvent::DeadlinePassed));
        }
    }

    /// `gone`: the worker whose end this is about.
    pub(super) fn finish(&mut self, task: TaskId, how: How, gone: &mut Option<Slot>) {
        let Some(waiting) = self.tasks.remove(&task) else { return };
        self.queued.remove(&task);
        let outcome = match how {
            How::Done => return self.done(waiting, gone),
            How::Died => return self.died(waiting, gone),
            How::Cancelled | How::Overdue | How::Closed if waiting.began.is_some() => {
                return self.leave(waiting, gone);
            }
            How::Cancelled => Outcome::Cancelled,
            How::Expired => Outcome::Expired,
            How::Overdue | How::Closed => Outcome::Closed(CLOSED.to_owned()),
            How::Unstartable => Outcome::Closed(self.why_unstartable()),
            How::Full => Outcome::Closed("there is no room for more tasks".to_owned()),
        };
        waiting.finish(outcome, None);
    }

    fn why_unstartable(&self) -> String {
        let clause = self.failure.as_ref().map(|failure| verdict_text::clause(&failure.verdict));
        clause.unwrap_or_else(|| "no worker can be started".to_owned())
    }

    /// Its worker has answered, and lives on or has ended.
    fn done(&mut self, waiting: Waiting, gone: &mut Option<Slot>) {
        let slot = match gone {
            Some(gone) => Some(gone),
            None => waiting.slot.and_then(|id| self.slots.get_mut(&id)),
        };
        let Some(slot) = slot else { return waiting.finish(Outcome::Closed(CLOSED.to_owned()), None) };
        let outcome = match slot.answer.take() {
            Some(Answer::Message(message)) => Outcome::Answer(message),
            Some(Answer::Failure(text)) => Outcome::Failure(text),
            None => Outcome::Closed(CLOSED.to_owned()),
        };
        waiting.finish(outcome, Some(slot));
    }

    /// Its worker has ended without an answer: for a command the usual end.
    pub(super) fn died(&mut self, waiting: Waiting, gone: &mut Option<Slot>) {
        let verdict = gone.as_ref().and_then(|slot| slot.ended.as_ref()).map(|ended| ended.verdict.clone());
        let verdict = verdict.unwrap_or_else(|| outcome::never_began(None));
        waiting.finish(Outcome::Ended(verdict), gone.as_mut());
    }

    /// It is over, and the worker that has it ends for it: what became of that is known then.
    fn leave(&mut self, waiting: Waiting, gone: &mut Option<Slot>) {
        match waiting.slot.and_then(|id| self.slots.get_mut(&id)) {
            Some(slot) if gone.is_none() => slot.leaving.push(waiting),
            Some(_) | None => self.died(waiting, gone),
        }
    }
}

impl Waiting {
    fn finish(self, outcome: Outcome, slot: Option<&mut Slot>) {
        let began = self.began;
        let ran = began.map_or(Duration::ZERO, |began| began.elapsed());
        let (mut stdout, mut stderr) = (Captured::default(), Captured::default());
        let mut usage = Usage { wall_ms: sandhog_spec::units::millis(ran), ..Usage::default() };
        let attempt = slot.as_ref().map(|slot| slot.worker.attempt().to_owned());
        if let Some(ended) = slot.and_then(|slot| slot.ended.as_mut()) {
            usage = ended.usage;
            (stdout, stderr) = (std::mem::take(&mut ended.stdout), std::mem::take(&mut ended.stderr));
        }
        let waited = began.unwrap_or_else(Instant::now).saturating_duration_since(self.submitted);
        // Whoever waited may have gone.
        let _ = self.answer.send(Finished { outcome, attempt, stdout, stderr, usage, waited, ran });
    }
}
