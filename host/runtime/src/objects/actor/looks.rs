//! Looking at a group's objects: for people, and for circles of waiting.

use super::Actor;
use crate::objects::asked::{Deadlock, Link, Who};
use crate::objects::book::Entry;
use crate::objects::deadlock::Locks;
use crate::objects::expected::Owed;
use crate::objects::message::Answer;
use crate::objects::row::Row;
use crate::objects::survey::{Purpose, Survey};
use rustix::time::{ClockId, clock_gettime};
use sandhog_protocol::objects::{Kind, Member, ObjectId, ObjectState, ToKeeper};
use sandhog_spec::objects::print_kind;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// So long a member has to have waited, in milliseconds. It does nothing meanwhile, so that what it holds is what it held then:
/// objects are looked at one after the other.
const SETTLED: u64 = 500;

/// Looks of people at the same time; another one waits for nobody and sees no states.
const SURVEYS: usize = 64;

/// Whether somebody holds it alone.
fn is_lock(kind: Kind) -> bool {
    match kind {
        Kind::Lock | Kind::Rlock | Kind::Condition | Kind::Value { .. } | Kind::Array { .. } => true,
        Kind::Semaphore { .. } | Kind::BoundedSemaphore { .. } | Kind::Event | Kind::Barrier { .. } => false,
        Kind::Memory { .. } | Kind::Queue { .. } | Kind::Pipe => false,
    }
}

impl Actor {
    pub(super) fn somebody_waits(&mut self, object: ObjectId) {
        if self.book.entry(object).is_some_and(|entry| is_lock(entry.kind)) {
            let now = self.now();
            self.watch.somebody_waits(object, now, monotonic_ms());
        }
    }

    pub(super) fn look_for_deadlocks(&mut self) {
        let now = self.now();
        let objects = self.watch.look(now);
        self.begin(Purpose::Deadlocks, objects);
    }

    pub(super) fn show(&mut self, answer: Answer<Vec<Row>>) {
        let is_seen = |entry: &Entry| entry.has_memory() && entry.is_made;
        let objects = self.book.objects().filter(|(_, entry)| is_seen(entry)).map(|(object, _)| object);
        let most = if self.surveys.len() < SURVEYS { usize::MAX } else { 0 };
        let objects = objects.take(most).collect();
        self.begin(Purpose::Show(answer), objects);
    }

    fn begin(&mut self, purpose: Purpose, objects: Vec<ObjectId>) {
        let objects = if self.has_keeper() { objects } else { Vec::new() };
        for object in &objects {
            if self.expected.ask(Owed::State(*object), self.now()) {
                self.tell_keeper(ToKeeper::Look(*object));
            }
        }
        self.surveys.push(Survey::new(purpose, monotonic_ms(), objects));
        self.finish_surveys();
    }

    pub(super) fn finish_surveys(&mut self) {
        for survey in self.surveys.extract_if(.., |survey| survey.is_over()).collect::<Vec<_>>() {
            self.finish(survey);
        }
    }

    /// Nobody says more.
    pub(super) fn end_surveys(&mut self) {
        for survey in std::mem::take(&mut self.surveys) {
            self.finish(survey);
        }
    }

    fn finish(&mut self, survey: Survey) {
        let Survey { purpose, begun_ms, mut seen, .. } = survey;
        match purpose {
            Purpose::Show(answer) => {
                let people = self.book.people();
                let rows =
                    self.book.objects().map(|(object, entry)| self.row(object, entry, seen.remove(&object), &people));
                let _ = answer.send(rows.collect());
            }
            Purpose::Deadlocks => {
                for (object, state) in &seen {
                    if state.waiters.is_empty() {
                        self.watch.nobody_waits(*object, begun_ms);
                    }
                }
                let now = self.now();
                self.watch.looked(now);
                let found = self.deadlocks(&seen, begun_ms);
                for deadlock in found.difference(&self.watch.told) {
                    (self.teller)(deadlock);
                }
                self.watch.told = found;
            }
        }
    }

    fn row(
        &self,
        object: ObjectId,
        entry: &Entry,
        state: Option<ObjectState>,
        people: &HashMap<Member, Arc<Who>>,
    ) -> Row {
        let now = monotonic_ms();
        let who = |member: &Member| people.get(member).cloned();
        let (holders, waiters) = state.as_ref().map_or_else(Default::default, |state| {
            let waits = |waiter: &sandhog_protocol::objects::Waiter| {
                Some((who(&waiter.member)?, Duration::from_millis(now.saturating_sub(waiter.since_ms))))
            };
            (state.holders.iter().filter_map(who).collect(), state.waiters.iter().filter_map(waits).collect())
        });
        Row {
            object,
            name: entry.name.clone(),
            kind: print_kind(entry.kind),
            bytes: entry.bytes,
            users: entry.users(),
            age: self.now().saturating_sub(entry.since),
            holders,
            waiters,
            state,
        }
    }

    /// All circles among what was seen, as people are told of them.
    fn deadlocks(&self, seen: &std::collections::BTreeMap<ObjectId, ObjectState>, begun_ms: u64) -> BTreeSet<Deadlock> {
        let mut locks = Locks::default();
        for (object, state) in seen {
            if let Some(holder) = state.holders.first() {
                locks.holds(*object, *holder);
            }
            for waiter in &state.waiters {
                if waiter.since_ms.saturating_add(SETTLED) <= begun_ms {
                    locks.waits(waiter.member, *object);
                }
            }
        }
        let people = self.book.people();
        let link = |(member, object): (Member, ObjectId)| {
            let who = people.get(&member)?;
            let (job, attempt, instance) = (who.job.clone(), who.attempt.clone(), who.instance);
            Some(Link { job, instance, attempt, waits_for: self.book.name(object) })
        };
        // Of members that nobody knows a hostile keeper speaks.
        let deadlock = |circle: Vec<_>| circle.into_iter().map(link).collect::<Option<Vec<_>>>().map(Deadlock);
        locks.circles().into_iter().filter_map(deadlock).collect()
    }
}

/// As members note since when they wait.
fn monotonic_ms() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1000 + now.tv_nsec.unsigned_abs() / 1_000_000
}
