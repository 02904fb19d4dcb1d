//! Ids for new instances: taken where they are reserved, waited for where they are not.

use super::actor::Daemon;
use super::message::Message;
use super::parked::Asked;
use super::refusal::{Refusal, RefusalKind};
use super::store;
use sandhog_protocol::causes;
use sandhog_supervisor::state::InstanceId;
use std::ops::Range;

/// Instances of one daemon: each is two processes and some ten descriptors, and a machine has some ten thousands of either.
const INSTANCES: u64 = 20_000;

impl Daemon {
    /// As many ids as are needed, the smallest one last; None: they are not reserved, or others wait for theirs, and the
    /// request is to be [parked](Self::park).
    ///
    /// # Errors
    /// There would be too many instances.
    pub(super) fn new_ids(&mut self, count: u64) -> Result<Option<Vec<InstanceId>>, Refusal> {
        let have = u64::try_from(self.index.members.len()).unwrap_or(u64::MAX);
        if have.saturating_add(count) > INSTANCES {
            let sentence = format!("more than {INSTANCES} instances, the most that one daemon keeps up");
            return Err(Refusal::new(RefusalKind::Invalid, sentence));
        }
        if count == 0 {
            return Ok(Some(Vec::new()));
        }
        let free = self.parked.waiting.is_empty().then(|| self.store.take_ids(count)).flatten();
        Ok(free.map(|ids: Range<InstanceId>| ids.rev().collect()))
    }

    /// Puts a request aside that needs so many ids. It goes on when they are on disk.
    pub(super) fn park(&mut self, asked: Asked, ids: u64) {
        self.parked.waiting.retain(|(asked, _)| !asked.reply().is_closed());
        self.parked.waiting.push_back((asked, ids));
        self.ask_for_ids();
    }

    fn ask_for_ids(&mut self) {
        if self.parked.waiting.is_empty() || std::mem::replace(&mut self.parked.is_asked, true) {
            return;
        }
        let needed = self.parked.waiting.iter().fold(0_u64, |sum, (_, ids)| sum.saturating_add(*ids));
        self.store.reserve_ids(needed);
        let (kept, inbox) = (self.store.kept(), self.inbox.clone());
        tokio::spawn(async move {
            // Where nobody hears it the daemon has ended.
            let _ = inbox.send(Message::Reserved(kept.await));
        });
    }

    /// The disk has the ids, or it has failed: then nobody gets one, for it could be given twice.
    pub(super) fn reserved(&mut self, outcome: Result<(), store::Error>) {
        self.parked.is_asked = false;
        let waiting = std::mem::take(&mut self.parked.waiting);
        // Who has gone was promised nothing.
        let waiting = waiting.into_iter().filter(|(asked, _)| !asked.reply().is_closed());
        match outcome {
            Ok(()) => waiting.for_each(|(asked, _)| self.go_on(asked)),
            Err(error) => {
                let refusal = Refusal::new(RefusalKind::Unavailable, causes::one_line(&error));
                waiting.for_each(|(asked, _)| asked.refuse(refusal.clone()));
            }
        }
        // For those that came while the disk was busy.
        self.ask_for_ids();
    }

    fn go_on(&mut self, asked: Asked) {
        match asked {
            Asked::Apply(prepared, reply) => self.apply(prepared, reply),
            Asked::Scale(scale, reply) => self.scale(scale, reply),
            Asked::Ask(verb, ask, opened, reply) => self.ask(verb, ask, opened, reply),
        }
    }
}
