//! The state of a pool's tasks, and the partly received frames.
//!
//! Must not: read or write.

use crate::Error;
use sandhog_protocol::frame::HEADER;
use sandhog_protocol::pool::{self, FromPool, Id, Statistics};
use std::collections::{HashMap, VecDeque};

/// Tasks under way, and what has come that nobody has asked for yet.
#[derive(Debug)]
pub(super) struct State {
    tasks: HashMap<i64, Slot>,
    next: i64,
    /// Tasks that have no answer, and bytes of them.
    under_way: u64,
    under_way_bytes: u64,
    window: u64,
    window_bytes: u64,
    pub statistics: VecDeque<Statistics>,
    /// Why nothing more will come.
    over: Option<String>,
}

#[derive(Debug)]
struct Slot {
    bytes: u64,
    answer: Option<FromPool>,
    /// Nobody will ask for it.
    is_abandoned: bool,
}

impl State {
    pub(super) fn new(window: u64, window_bytes: u64) -> Self {
        Self {
            tasks: HashMap::new(),
            next: 1,
            under_way: 0,
            under_way_bytes: 0,
            window,
            window_bytes,
            statistics: VecDeque::new(),
            over: None,
        }
    }

    /// A place for a task of so many bytes, by its id; None where there is no room.
    pub(super) fn admit(&mut self, bytes: u64) -> Option<i64> {
        let fits = self.under_way < self.window && self.under_way_bytes.saturating_add(bytes) <= self.window_bytes;
        if !fits && self.under_way > 0 {
            return None;
        }
        let id = self.next;
        self.next += 1;
        self.under_way += 1;
        self.under_way_bytes += bytes;
        self.tasks.insert(id, Slot { bytes, answer: None, is_abandoned: false });
        Some(id)
    }

    /// One that was not sent.
    pub(super) fn take_back(&mut self, id: i64) {
        if let Some(slot) = self.tasks.remove(&id) {
            self.under_way -= 1;
            self.under_way_bytes -= slot.bytes;
        }
    }

    /// Its answer, where that has come.
    pub(super) fn answer(&mut self, id: i64) -> Option<FromPool> {
        let answer = self.tasks.get_mut(&id)?.answer.take()?;
        self.tasks.remove(&id);
        Some(answer)
    }

    /// Nobody will ask for its answer. True: it has none yet.
    pub(super) fn abandon(&mut self, id: i64) -> bool {
        match self.tasks.get_mut(&id) {
            Some(slot) if slot.answer.is_none() => {
                slot.is_abandoned = true;
                true
            }
            Some(_) => {
                self.tasks.remove(&id);
                false
            }
            None => false,
        }
    }

    /// Why nothing more will come.
    pub(super) fn over(&self) -> Option<Error> {
        self.over.clone().map(Error::PoolEnded)
    }

    /// The first reason counts.
    pub(super) fn end(&mut self, why: impl Into<String>) {
        self.over.get_or_insert(why.into());
    }

    /// Takes in what the pool said.
    pub(super) fn hear(&mut self, message: FromPool) {
        match message {
            FromPool::Statistics(statistics) => self.statistics.push_back(statistics),
            FromPool::Error { text } => self.end(text),
            FromPool::Ended { reason } => self.end(format!("its conversation is over ({reason})")),
            FromPool::Hello { .. } => self.end("it said hello twice"),
            FromPool::Answer { .. }
            | FromPool::Failure { .. }
            | FromPool::Verdict { .. }
            | FromPool::Invalid { .. }
            | FromPool::NotRun { .. }
            | FromPool::Refused { .. } => {
                let Some(Id::Number(id)) = message.id() else { return };
                let id = *id;
                let Some(slot) = self.tasks.get_mut(&id).filter(|slot| slot.answer.is_none()) else { return };
                self.under_way -= 1;
                self.under_way_bytes -= slot.bytes;
                if slot.is_abandoned {
                    self.tasks.remove(&id);
                } else {
                    slot.answer = Some(message);
                }
            }
        }
    }
}

/// Frames as they come.
#[derive(Debug, Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
    /// How many of them have been taken.
    taken: usize,
}

impl Frames {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.taken == self.bytes.len() {
            self.bytes.clear();
            self.taken = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message that is there as a whole. One of a type that a newer version has is left out.
    ///
    /// # Errors
    /// In words: what came is no frame.
    pub(super) fn next(&mut self) -> Result<Option<FromPool>, String> {
        loop {
            let rest = &self.bytes[self.taken..];
            let Some(header) = rest.first_chunk::<HEADER>() else { return Ok(None) };
            let length = pool::frame_length(*header, pool::FROM_POOL).map_err(|error| error.to_string())?;
            let Some(body) = rest.get(HEADER..HEADER + length) else {
                self.shift();
                return Ok(None);
            };
            let decoded = FromPool::decode(body);
            self.taken += HEADER + length;
            match decoded {
                Ok(message) => return Ok(Some(message)),
                Err(pool::Error::Unknown(_)) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// What was taken makes room.
    fn shift(&mut self) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandhog_channel::{Format, Message};

    fn answer(id: i64) -> FromPool {
        FromPool::said(Id::Number(id), Message { format: Format::Value, body: b"\x01".to_vec() })
    }

    fn framed(message: &FromPool) -> Vec<u8> {
        pool::frame(&message.encode().unwrap()).unwrap()
    }

    #[test]
    fn no_more_tasks_are_under_way_than_there_is_room_for() {
        let mut state = State::new(2, 100);
        let one = state.admit(60).unwrap();
        assert_eq!(state.admit(50), None);
        let two = state.admit(40).unwrap();
        assert_eq!(state.admit(0), None);
        state.hear(answer(one));
        assert_eq!(state.answer(one), Some(answer(one)));
        assert_eq!(state.answer(one), None);
        assert!(state.admit(60).is_some());
        state.take_back(two);
        assert!(state.admit(40).is_some());
        // One that is larger than all is alone.
        let mut state = State::new(2, 100);
        assert!(state.admit(1000).is_some());
        assert_eq!(state.admit(0), None);
    }

    #[test]
    fn an_answer_that_nobody_wants_makes_room_all_the_same() {
        let mut state = State::new(1, 100);
        let one = state.admit(1).unwrap();
        assert!(state.abandon(one));
        state.hear(answer(one));
        let two = state.admit(1).unwrap();
        state.hear(answer(two));
        // A second one for the same task is none.
        state.hear(answer(two));
        assert!(!state.abandon(two));
        assert!(state.tasks.is_empty());
        assert_eq!((state.under_way, state.under_way_bytes), (0, 0));
    }

    #[test]
    fn the_first_reason_for_the_end_counts() {
        let mut state = State::new(1, 1);
        state.hear(FromPool::Error { text: "line 2".into() });
        state.hear(FromPool::Ended { reason: pool::Ended::Error });
        assert_eq!(state.over().unwrap().to_string(), "the pool has ended: line 2");
    }

    #[test]
    fn frames_come_in_any_pieces_and_what_is_unknown_is_left_out() {
        let newer = rmp_serde::to_vec_named(&serde_json::json!({"type": "weather", "sky": "blue"})).unwrap();
        let all = [framed(&answer(1)), pool::frame(&newer).unwrap(), framed(&answer(2))].concat();
        for size in [1, 3, 7, all.len()] {
            let (mut frames, mut found) = (Frames::default(), Vec::new());
            for piece in all.chunks(size) {
                frames.push(piece);
                while let Some(message) = frames.next().unwrap() {
                    found.push(message);
                }
            }
            assert_eq!(found, [answer(1), answer(2)], "{size}");
        }
        let mut frames = Frames::default();
        frames.push(b"\xff\xff\xff\xff");
        assert!(frames.next().is_err());
        let mut frames = Frames::default();
        frames.push(b"\x01\0\0\0\xc1");
        assert!(frames.next().is_err());
    }
}
