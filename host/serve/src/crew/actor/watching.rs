//! Whether workers are well, and what they take: looked at for the supervisor, which decides what follows.
//!
//! Must not: decide anything.

use super::{Actor, Running};
use crate::crew::message::Message;
use crate::dispatcher::{Asker, Standing};
use crate::health;
use sandhog_spec::service::HealthRequest;
use sandhog_supervisor::state::{AttemptNumber, Event};
use tokio::sync::watch;

/// What a worker is asked, and by which way.
struct Question {
    asker: Asker,
    standing: watch::Receiver<Standing>,
    request: HealthRequest,
}

impl Actor {
    /// Where it decides over an attempt.
    pub(super) fn look_at_memory(&mut self) {
        if self.rules.recycle_memory_bytes.is_none() {
            return;
        }
        let memory = |(attempt, running): (&AttemptNumber, &Running)| Some((*attempt, running.witness.memory_bytes()?));
        for (attempt, bytes) in self.running.iter().filter_map(memory).collect::<Vec<_>>() {
            self.step(Event::Memory { attempt, bytes });
        }
    }

    /// Where its health is asked for, it is ready when it has answered well.
    pub(super) fn said_ready(&mut self, attempt: AttemptNumber) {
        let Some(Question { asker, standing, request }) = self.question(attempt) else {
            return self.step(Event::Ready { attempt });
        };
        let inbox = self.around.inbox.clone();
        tokio::spawn(async move {
            if health::admit(&asker, standing, &request).await {
                let _ = inbox.send(Message::Healthy(attempt));
            }
        });
    }

    pub(super) fn check(&self, attempt: AttemptNumber) {
        let Some(Question { asker, request, .. }) = self.question(attempt) else { return };
        let inbox = self.around.inbox.clone();
        tokio::spawn(async move {
            let healthy = health::is_well(&asker, &request).await;
            let _ = inbox.send(Message::Checked(attempt, healthy));
        });
    }

    fn question(&self, attempt: AttemptNumber) -> Option<Question> {
        let membership = self.running.get(&attempt)?.membership.as_ref()?;
        let (asker, standing) = (membership.asker(), membership.standing());
        Some(Question { asker, standing, request: self.rules.health_request.clone()? })
    }
}
