//! Connections that wait for a worker.

use super::worker::Patience;
use sandhog_protocol::http::ConnectionId;
use std::collections::VecDeque;
use std::time::Duration;

/// Two lines, each with the one that has waited longest in front.
#[derive(Default)]
pub(super) struct Line {
    /// A worker had them and did not read them: they have had their turn.
    returned: VecDeque<(ConnectionId, Patience)>,
    fresh: VecDeque<(ConnectionId, Patience)>,
}

impl Line {
    pub(super) fn len(&self) -> usize {
        self.returned.len() + self.fresh.len()
    }

    /// Those that no worker has had.
    pub(super) fn fresh(&self) -> usize {
        self.fresh.len()
    }

    /// At the end of its line.
    pub(super) fn push(&mut self, connection: ConnectionId, patience: Patience) {
        self.of(patience).push_back((connection, patience));
    }

    /// At its place among those that have waited as long: one that was taken, as if it had not been, or one that has waited
    /// elsewhere.
    pub(super) fn put_back(&mut self, connection: ConnectionId, patience: Patience) {
        let line = self.of(patience);
        let place = line.partition_point(|(other, known)| (known.since, *other) < (patience.since, connection));
        line.insert(place, (connection, patience));
    }

    pub(super) fn take(&mut self) -> Option<(ConnectionId, Patience)> {
        self.returned.pop_front().or_else(|| self.fresh.pop_front())
    }

    /// One that has waited since then or longer.
    pub(super) fn take_older(&mut self, since: Duration) -> Option<ConnectionId> {
        let is_old =
            |line: &VecDeque<(ConnectionId, Patience)>| line.front().is_some_and(|(_, known)| known.since <= since);
        let line = [&mut self.returned, &mut self.fresh].into_iter().find(|line| is_old(line))?;
        line.pop_front().map(|(connection, _)| connection)
    }

    /// Since when the one has waited that has waited longest.
    pub(super) fn oldest(&self) -> Option<Duration> {
        [&self.returned, &self.fresh].into_iter().filter_map(|line| line.front()).map(|(_, known)| known.since).min()
    }

    fn of(&mut self, patience: Patience) -> &mut VecDeque<(ConnectionId, Patience)> {
        if patience.handed_over > 0 { &mut self.returned } else { &mut self.fresh }
    }
}
