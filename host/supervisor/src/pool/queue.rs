//! Chooses the next task: tasks that have come back from a worker first, then the queues of the clients, which take
//! turns.
//!
//! Every task that waits and every client of one is in an ordered map by the number of its place, so whoever leaves from the
//! middle leaves nothing behind.
//!
//! Must not: know a worker, or the time.

use super::message::{ClientId, TaskId};
use std::collections::BTreeMap;

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Among those that have had their turn.
    Returned(i64),
    /// In its client's line.
    InLine(u64),
}

/// All that waits.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// The last one that came back is the first.
    returned: BTreeMap<i64, TaskId>,
    /// Of clients of which a task waits.
    lines: BTreeMap<ClientId, Line>,
    /// Whose turn is next.
    turns: BTreeMap<u64, ClientId>,
    /// Of places and turns.
    next: u64,
    length: usize,
}

/// The tasks of one client, the oldest first; never empty.
#[derive(Debug)]
struct Line {
    turn: u64,
    tasks: BTreeMap<u64, TaskId>,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.length
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// To the end of its client's line.
    pub(super) fn join(&mut self, client: ClientId, task: TaskId) -> Place {
        let (place, turn) = (self.number(), self.number());
        let turns = &mut self.turns;
        let line = self.lines.entry(client).or_insert_with(|| {
            turns.insert(turn, client);
            Line { turn, tasks: BTreeMap::new() }
        });
        line.tasks.insert(place, task);
        self.length += 1;
        Place::InLine(place)
    }

    /// Before all others.
    pub(super) fn come_back(&mut self, task: TaskId) -> Place {
        let place = self.returned.first_key_value().map_or(0, |(first, _)| first - 1);
        self.returned.insert(place, task);
        self.length += 1;
        Place::Returned(place)
    }

    pub(super) fn first(&self) -> Option<TaskId> {
        let returned = self.returned.first_key_value().map(|(_, task)| *task);
        returned.or_else(|| {
            let (_, client) = self.turns.first_key_value()?;
            self.lines.get(client)?.tasks.first_key_value().map(|(_, task)| *task)
        })
    }

    /// The first one leaves. If its client's turn made it so, that client is the last of all that have a task.
    pub(super) fn take(&mut self) -> Option<TaskId> {
        let task = match self.returned.pop_first() {
            Some((_, task)) => task,
            None => self.take_turn()?,
        };
        self.length -= 1;
        Some(task)
    }

    fn take_turn(&mut self) -> Option<TaskId> {
        let next = self.number();
        let (_, client) = self.turns.pop_first()?;
        let line = self.lines.get_mut(&client)?;
        let (_, task) = line.tasks.pop_first()?;
        if line.tasks.is_empty() {
            self.lines.remove(&client);
        } else {
            line.turn = next;
            self.turns.insert(next, client);
        }
        Some(task)
    }

    /// One leaves that is not served.
    pub(super) fn leave(&mut self, client: ClientId, place: Place) {
        let left = match place {
            Place::Returned(place) => self.returned.remove(&place),
            Place::InLine(place) => self.leave_line(client, place),
        };
        self.length -= usize::from(left.is_some());
    }

    fn leave_line(&mut self, client: ClientId, place: u64) -> Option<TaskId> {
        let line = self.lines.get_mut(&client)?;
        let task = line.tasks.remove(&place);
        if line.tasks.is_empty() {
            self.turns.remove(&line.turn);
            self.lines.remove(&client);
        }
        task
    }

    /// Entries of all maps: what a queue of this length keeps.
    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        let in_lines: usize = self.lines.values().map(|line| line.tasks.len()).sum();
        assert_eq!((self.lines.len(), self.length), (self.turns.len(), in_lines + self.returned.len()));
        self.length + self.lines.len() + self.turns.len()
    }
}
