//! What is still to be written: in order, and no more of it than there are things that it is about.

use super::file;
use super::rows::{ENDED, InstanceRow};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// A change of the state. Each is about rows that no other kind of `Put` or `Add` touches, so that a later one may take
/// the place of an earlier one; a `Delete` is about all rows of its job or instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    PutGroup { name: String, spec: String },
    DeleteGroup { name: String },
    PutJob { name: String, spec: String, source: Option<String>, order: u64 },
    DeleteJob { name: String },
    PutGranted { job: String, record: String },
    PutWasWritable { path: String, directory: String },
    DeleteWasWritable { path: String },
    PutDue { job: String, at_ms: u64 },
    PutInstance { job: String, row: InstanceRow },
    DeleteInstance { id: u64 },
    AddEnded { id: u64, ended: VecDeque<String> },
    PutNumber { key: &'static str, value: u64 },
}

/// What a change is about. Of two with one key only the later one counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Group(String),
    Job(String),
    NoJob(String),
    Granted(String),
    WasWritable(String),
    Due(String),
    Instance(u64),
    Ended(u64),
    Number(&'static str),
}

impl Change {
    fn key(&self) -> Key {
        match self {
            Self::PutGroup { name, .. } | Self::DeleteGroup { name } => Key::Group(name.clone()),
            Self::PutJob { name, .. } => Key::Job(name.clone()),
            // Not the job's: one that is deleted and put again loses its instances.
            Self::DeleteJob { name } => Key::NoJob(name.clone()),
            Self::PutGranted { job, .. } => Key::Granted(job.clone()),
            Self::PutWasWritable { path, .. } | Self::DeleteWasWritable { path } => Key::WasWritable(path.clone()),
            Self::PutDue { job, .. } => Key::Due(job.clone()),
            Self::PutInstance { row, .. } => Key::Instance(row.id),
            // An id is never used again.
            Self::DeleteInstance { id } => Key::Instance(*id),
            Self::AddEnded { id, .. } => Key::Ended(*id),
            Self::PutNumber { key, .. } => Key::Number(key),
        }
    }

    /// What is not worth writing any more before this.
    fn ends(&self) -> Vec<Key> {
        match self {
            Self::DeleteJob { name } => {
                vec![Key::Job(name.clone()), Key::Granted(name.clone()), Key::Due(name.clone())]
            }
            Self::DeleteInstance { id } => vec![Key::Ended(*id)],
            Self::PutGroup { .. }
            | Self::DeleteGroup { .. }
            | Self::PutJob { .. }
            | Self::PutGranted { .. }
            | Self::PutWasWritable { .. }
            | Self::DeleteWasWritable { .. }
            | Self::PutDue { .. }
            | Self::PutInstance { .. }
            | Self::AddEnded { .. }
            | Self::PutNumber { .. } => Vec::new(),
        }
    }

    /// Ended attempts add up; of everything else only the later one counts.
    fn after(self, earlier: Option<Self>) -> Self {
        match (self, earlier) {
            (Self::AddEnded { id, ended }, Some(Self::AddEnded { ended: mut all, .. })) => {
                all.extend(ended);
                all.drain(..all.len().saturating_sub(ENDED));
                Self::AddEnded { id, ended: all }
            }
            (later, _) => later,
        }
    }
}

/// Changes in their order.
#[derive(Debug, Default)]
pub(super) struct Pending {
    changes: BTreeMap<u64, Change>,
    numbers: HashMap<Key, u64>,
    next: u64,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    /// Ids are given when it is written.
    pub(super) fn reserves(&self) -> bool {
        self.numbers.contains_key(&Key::Number(file::NEXT_ID))
    }

    pub(super) fn changes(&self) -> impl Iterator<Item = &Change> {
        self.changes.values()
    }

    pub(super) fn put(&mut self, change: Change) {
        for key in change.ends() {
            self.take(&key);
        }
        let key = change.key();
        let change = change.after(self.take(&key));
        self.numbers.insert(key, self.next);
        self.changes.insert(self.next, change);
        self.next += 1;
    }

    /// These have come after it.
    pub(super) fn then(&mut self, later: Self) {
        for change in later.changes.into_values() {
            self.put(change);
        }
    }

    fn take(&mut self, key: &Key) -> Option<Change> {
        let number = self.numbers.remove(key)?;
        self.changes.remove(&number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(job: &str, at_ms: u64) -> Change {
        Change::PutDue { job: job.into(), at_ms }
    }

    fn instance(id: u64, restarts: u64) -> Change {
        Change::PutInstance { job: "a".into(), row: InstanceRow { id, restarts, ..InstanceRow::default() } }
    }

    fn job(name: &str) -> Change {
        Change::PutJob { name: name.into(), spec: "{}".into(), source: None, order: 0 }
    }

    fn ended(id: u64, numbers: impl Iterator<Item = u32>) -> Change {
        Change::AddEnded { id, ended: numbers.map(|number| number.to_string()).collect() }
    }

    fn of(changes: impl IntoIterator<Item = Change>) -> Pending {
        let mut pending = Pending::default();
        changes.into_iter().for_each(|change| pending.put(change));
        pending
    }

    fn all(pending: &Pending) -> Vec<Change> {
        pending.changes().cloned().collect()
    }

    #[test]
    fn of_what_is_put_twice_the_later_one_is_written() {
        let pending = of((0..10_000).flat_map(|round| [due("a", round), instance(round % 3, round)]));
        let last = [instance(1, 9_997), instance(2, 9_998), due("a", 9_999), instance(0, 9_999)];
        assert_eq!(all(&pending), last);
    }

    #[test]
    fn no_more_than_ten_ended_attempts_wait_for_an_instance() {
        let pending = of((0..10_000).map(|number| ended(7, number..number + 1)));
        assert_eq!(all(&pending), [ended(7, 9_990..10_000)]);
    }

    #[test]
    fn a_job_that_is_deleted_and_put_again_is_put_after_it_was_deleted() {
        let deleted = Change::DeleteJob { name: "a".into() };
        assert_eq!(all(&of([job("a"), due("a", 1), deleted.clone(), job("a")])), [deleted.clone(), job("a")]);
        assert_eq!(all(&of([job("a"), deleted.clone(), job("a"), deleted.clone()])), [deleted]);
    }

    #[test]
    fn what_could_not_be_written_comes_before_what_was_put_since() {
        let mut failed = of([instance(1, 1), ended(1, 0..9), job("a")]);
        failed.then(of([ended(1, 9..12), instance(1, 2), Change::DeleteInstance { id: 2 }]));
        assert_eq!(all(&failed), [job("a"), ended(1, 2..12), instance(1, 2), Change::DeleteInstance { id: 2 }]);
        assert_eq!(failed.len(), 4);
    }
}
