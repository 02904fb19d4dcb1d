//! What has happened, for those who watch: the last ones are kept, new ones are handed to everybody who listens.

use sandhog_protocol::control::{Event, EventKind};
use std::collections::VecDeque;
use tokio::sync::broadcast;

/// Events that are kept for those who ask later.
const KEPT: usize = 10_000;

/// Of those, what jobs have sent, and requests that have failed: a job that talks or fails without end must not push out what
/// happens to the others.
const MESSAGES_KEPT: usize = 1_000;
const REQUESTS_KEPT: usize = 1_000;

/// Events that may wait for a slow listener; it misses the oldest ones then, and sees that by their numbers.
const WAITING: usize = 4096;

pub(super) struct Events {
    last: u64,
    kept: VecDeque<Event>,
    messages: VecDeque<Event>,
    requests: VecDeque<Event>,
    sender: broadcast::Sender<Event>,
}

impl Events {
    pub(super) fn new() -> Self {
        Self {
            last: 0,
            kept: VecDeque::new(),
            messages: VecDeque::new(),
            requests: VecDeque::new(),
            sender: broadcast::Sender::new(WAITING),
        }
    }

    /// Numbers it and tells everybody.
    pub(super) fn add(&mut self, mut event: Event) {
        self.last += 1;
        event.number = self.last;
        let (kept, max) = if event.kind == EventKind::Message {
            (&mut self.messages, MESSAGES_KEPT)
        } else if event.kind == EventKind::RequestFailed {
            (&mut self.requests, REQUESTS_KEPT)
        } else {
            (&mut self.kept, KEPT)
        };
        if kept.len() == max {
            kept.pop_front();
        }
        kept.push_back(event.clone());
        // Nobody may be listening.
        let _ = self.sender.send(event);
    }

    /// Those behind number `since`, or where that is 0 the last `last`; and those that come.
    pub(super) fn listen(&self, since: u64, last: usize) -> (Vec<Event>, broadcast::Receiver<Event>) {
        let mut events: Vec<&Event> = [&self.kept, &self.messages, &self.requests]
            .into_iter()
            .flat_map(|kept| kept.iter().skip(kept.partition_point(|event| event.number <= since)))
            .collect();
        events.sort_unstable_by_key(|event| event.number);
        let skipped = if since == 0 { events.len().saturating_sub(last) } else { 0 };
        (events.into_iter().skip(skipped).cloned().collect(), self.sender.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        Event {
            number: 0,
            at_ms: 0,
            job: None,
            instance: None,
            id: None,
            attempt: None,
            kind: EventKind::Ready,
            text: String::new(),
            verdict: None,
            message: None,
        }
    }

    #[test]
    fn the_last_ones_are_kept_and_numbered_without_gaps() {
        let mut events = Events::new();
        (0..KEPT + 5).for_each(|_| events.add(event()));
        let numbers = |since, last| events.listen(since, last).0.iter().map(|event| event.number).collect::<Vec<_>>();
        let max = KEPT as u64 + 5;
        assert_eq!(numbers(0, 3), [max - 2, max - 1, max]);
        assert_eq!(numbers(max - 1, 0), [max]);
        assert_eq!(numbers(1, 0).len(), KEPT);
        assert!(numbers(0, 0).is_empty());
    }

    #[test]
    fn what_one_job_says_without_end_pushes_nothing_else_out() {
        let mut events = Events::new();
        events.add(event());
        for kind in [EventKind::Message, EventKind::RequestFailed] {
            (0..MESSAGES_KEPT + 5).for_each(|_| events.add(Event { kind, ..event() }));
        }
        let (kept, _) = events.listen(0, KEPT);
        assert_eq!((kept.len(), kept[0].number, kept[1].number), (2 * MESSAGES_KEPT + 1, 1, 7));
    }

    #[test]
    fn who_listens_hears_what_comes() {
        let mut events = Events::new();
        let (_, mut receiver) = events.listen(0, 0);
        events.add(event());
        assert_eq!(receiver.try_recv().unwrap().number, 1);
    }
}
