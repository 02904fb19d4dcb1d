//! A daemon's state, its disk, and all that happens to them.

use super::asked::{Asked, Put};
use super::disk::{Disk, Loss};
use super::vfs::{self, SharedDisk, mount, of};
use crate::fleet::store::error::Error;
use crate::fleet::store::rows::InstanceRow;
use crate::fleet::store::writer::Batch;
use crate::fleet::store::{Store, Stored, file};
use rusqlite::Connection;
use sandhog_protocol::control::{EndedAttempt, GroupSpec, JobSpec};
use sandhog_protocol::verdict::{Usage, Verdict};
use sandhog_runtime::granted::{FileId, Record, WasWritable};
use sandhog_simulation::{Rng, explore};
use std::collections::BTreeMap;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// Events in all worlds together, at the least: what is asked for, and each change of the disk.
const EVENTS: u64 = 300_000;

/// What happens in one world.
const REQUESTS: u64 = 150;

/// Where the state is, on the disk.
const STATE: &str = "state.db";

const JOBS: [&str; 3] = ["a", "b", "c"];

/// What has to happen in some world: one in which it never does proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    Kill,
    Loss,
    /// A state was found that is not the last one.
    Earlier,
    /// The power went while a state was opened.
    WhileOpening,
    WhileClosing,
    Closed,
    /// A batch was not written, and the daemon went on.
    Full,
    /// Somebody was told that all is kept.
    Answered,
    /// Ids had to be waited for.
    NoIds,
}

const SEEN: usize = 9;

type Answer = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

struct Daemon {
    store: Store,
    connection: Connection,
    /// Each with the state that it is about.
    answers: Vec<(Answer, usize)>,
}

struct World {
    rng: Rng,
    disk: SharedDisk,
    daemon: Option<Daemon>,
    asked: Asked,
    /// The power was lost since the last daemon.
    is_cut: bool,
    /// Ids below this one were given.
    given: u64,
    /// Those that no instance has.
    free: Vec<u64>,
    moment: u64,
    events: u64,
    seen: BTreeMap<Seen, u64>,
}

impl World {
    fn new(rng: Rng) -> Self {
        let disk = Arc::new(Mutex::new(Disk::default()));
        mount(&disk);
        Self {
            rng,
            disk,
            daemon: None,
            asked: Asked::new(),
            is_cut: false,
            given: 0,
            free: Vec::new(),
            moment: 0,
            events: 0,
            seen: BTreeMap::new(),
        }
    }

    /// After all that was done to the disk.
    fn tell(&self, what: impl FnOnce() -> String) {
        if self.rng.tells() {
            of(&self.disk).story().into_iter().for_each(|line| self.rng.tell(|| format!("    {line}")));
            self.rng.tell(what);
        }
    }

    fn saw(&mut self, seen: Seen) {
        *self.seen.entry(seen).or_default() += 1;
    }

    // The daemon begins and ends.

    /// Tries it until the power lasts.
    fn start(&mut self) {
        loop {
            match self.open() {
                Ok((daemon, stored)) => {
                    self.check_found(&stored);
                    self.daemon = Some(daemon);
                    return;
                }
                Err(error) => {
                    assert!(of(&self.disk).is_off(), "a state can't be opened: {error:?}");
                    self.tell(|| "the power goes while the state is opened".into());
                    self.saw(Seen::WhileOpening);
                    self.come_back();
                }
            }
        }
    }

    fn open(&mut self) -> Result<(Daemon, Stored), Error> {
        let path = Path::new(STATE);
        let failed = |cause| file::failed(path, cause);
        of(&self.disk).open(STATE, true).map_err(|cause| Error::Open { path: path.into(), cause: Arc::new(cause) })?;
        let connection = Connection::open_with_flags_and_vfs(path, file::FLAGS, vfs::NAME).map_err(failed)?;
        let mut connection = file::opened(connection, path)?;
        // The log is copied into the file now and then, and not after thousands of changes.
        let pages = [3, 20, 1000][self.rng.below(3) as usize];
        connection.pragma_update(None, "wal_autocheckpoint", pages).map_err(failed)?;
        let (store, stored) = Store::read(path, &mut connection)?;
        Ok((Daemon { store, connection, answers: Vec::new() }, stored))
    }

    fn check_found(&mut self, stored: &Stored) {
        let found = self.asked.find(stored);
        self.tell(|| format!("the state is opened: it is number {found:?} of {}", self.asked.last()));
        let Some(found) = found else {
            self.tell(|| format!("this is found: {stored:?}"));
            self.tell(|| format!("and this was asked for last: {:?}", self.asked.now().stored()));
            panic!("a state that was never asked for");
        };
        let is_cut = std::mem::take(&mut self.is_cut);
        assert!(found >= self.asked.promised, "an answer is forgotten: {found} of {}", self.asked.promised);
        assert!(is_cut || found >= self.asked.committed, "a kill takes back what was committed: {found}");
        if found < self.asked.last() {
            self.saw(Seen::Earlier);
        }
        self.asked.begin_with(found, is_cut);
    }

    /// The daemon has no more say in what is on the disk.
    fn kill(&mut self) {
        of(&self.disk).turn_off();
        self.daemon = None;
        self.free.clear();
        self.come_back();
    }

    /// After a kill all is as it was left; after a loss of power it is not.
    fn come_back(&mut self) {
        self.events += std::mem::take(&mut of(&self.disk).changes);
        if self.rng.one_in(3) {
            self.tell(|| "killed".into());
            self.saw(Seen::Kill);
        } else {
            self.lose_power();
        }
        of(&self.disk).turn_on();
        self.may_light_fuse();
    }

    fn lose_power(&mut self) {
        let loss = [Loss::All, Loss::Tail, Loss::Any][self.rng.below(3) as usize];
        self.tell(|| format!("the power is lost: {loss:?}"));
        self.saw(Seen::Loss);
        self.is_cut = true;
        of(&self.disk).lose_power(loss, &self.rng);
    }

    /// So that the next one does not get far, either.
    fn may_light_fuse(&mut self) {
        if self.rng.one_in(4) {
            let changes = self.rng.below(12);
            of(&self.disk).light_fuse(changes);
        }
    }

    fn close(&mut self) {
        self.tell(|| "the daemon ends".into());
        self.daemon().store.give_ids_back();
        self.ask_for_answer();
        if !self.write_whole() {
            return self.start();
        }
        let is_kept = self.asked.promised == self.asked.last();
        self.daemon = None;
        self.free.clear();
        if of(&self.disk).is_off() {
            self.saw(Seen::WhileClosing);
            self.come_back();
        } else {
            self.events += std::mem::take(&mut of(&self.disk).changes);
            assert!(is_kept || self.seen.contains_key(&Seen::Full), "a daemon ends with everything kept");
            self.saw(Seen::Closed);
            if self.rng.one_in(2) {
                self.lose_power();
            }
            of(&self.disk).turn_on();
            self.may_light_fuse();
        }
        self.start();
    }

    fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().expect("a daemon is there between two requests")
    }

    // What the daemon asks for.

    fn request(&mut self) {
        self.events += 1;
        match self.rng.below(17) {
            0..=5 => self.change(),
            6..=8 => self.change_together(),
            9 | 10 => self.ask_for_answer(),
            11..=13 => self.write(),
            14 | 15 => self.take_ids(),
            _ => self.rare(),
        }
    }

    fn rare(&mut self) {
        match self.rng.below(8) {
            0 | 1 => {
                self.kill();
                self.start();
            }
            2..=4 => {
                let changes = self.rng.below(60);
                self.tell(|| format!("the power lasts for {changes} changes"));
                of(&self.disk).light_fuse(changes);
            }
            5 => {
                let writes = 1 + self.rng.below(6);
                self.tell(|| format!("no room for {writes} writes"));
                of(&self.disk).fill_up(writes);
            }
            _ => self.close(),
        }
    }

    fn change(&mut self) {
        self.ask_for_change();
        self.asked.done();
    }

    fn ask_for_change(&mut self) {
        let put = self.put();
        self.tell(|| format!("state {}: {put:?}", self.asked.last() + 1));
        put.ask(&self.daemon().store);
        self.asked.add(&put);
    }

    /// Nothing is written before all of it is there.
    fn change_together(&mut self) {
        let together = self.daemon().store.together();
        let count = 2 + self.rng.below(3);
        let early = self.rng.below(count);
        for number in 0..count {
            self.ask_for_change();
            if number == early && !self.write_whole() {
                // It was written all the same, and the power went: the rest is never asked for.
                return self.start();
            }
        }
        drop(together);
        self.asked.done();
    }

    fn put(&mut self) -> Put {
        self.moment += 1;
        let (rng, moment) = (self.rng.clone(), self.moment);
        let name = JOBS[rng.below(3) as usize].to_owned();
        let has_job = self.asked.now().has_job(&name);
        match rng.below(14) {
            0 => Put::Group(GroupSpec { name, strategy: rng.one_in(2).then(|| "one-for-all".into()) }),
            1 => Put::NoGroup(name),
            2 => Put::NoJob(name),
            3 if has_job => Put::Granted { job: name, record: Record { settled: moment, ..Record::default() } },
            4 => {
                Put::Writable(WasWritable { path: name, id: FileId { device: 1, inode: rng.below(9) }, until: moment })
            }
            5 => Put::NotWritable(name),
            6 if has_job => Put::Due { job: name, at_ms: moment },
            7..=9 if has_job => self.put_instance(name),
            10 => self.put_end().unwrap_or(Put::Alive(moment)),
            11 => self.delete_instance().unwrap_or(Put::Alive(moment)),
            12 => Put::Alive(moment),
            _ => self.put_job(name),
        }
    }

    fn put_job(&self, name: String) -> Put {
        let size = [0, 100, 3000, 20_000][self.rng.below(4) as usize];
        let args = vec!["x".repeat(size)];
        let spec = Box::new(JobSpec { name, module: "/m/a.wasm".into(), args, ..JobSpec::default() });
        let order = self.rng.below(3);
        // Two states that are not the same can be told apart.
        let source = (order > 0).then(|| format!("/p/{order}.toml"));
        Put::Job { spec, source, order }
    }

    /// A new one, where there is an id, or one that is there.
    fn put_instance(&mut self, job: String) -> Put {
        let (rng, moment) = (self.rng.clone(), self.moment);
        let known = rng.pick(self.asked.now().instances()).filter(|_| rng.one_in(2));
        let (job, id) = match known {
            Some((job, row)) => (job, row.id),
            None => match self.free.pop() {
                Some(id) => (job, id),
                None => return Put::Alive(moment),
            },
        };
        let attempt = rng.one_in(2).then(|| format!("attempt-{moment}"));
        let failed = rng.one_in(4).then(|| "5 restarts in 60s".into());
        let row =
            InstanceRow { id, wanted: rng.one_in(2), failed, attempt, restarts: moment, ..InstanceRow::default() };
        Put::Instance { job, row }
    }

    fn put_end(&self) -> Option<Put> {
        let (_, row) = self.rng.pick(self.asked.now().instances())?;
        let ended = EndedAttempt {
            attempt: format!("attempt-{}", self.moment),
            at_ms: self.moment,
            text: "it ran longer than 30s".into(),
            code: 124,
            verdict: Verdict::Deadline { limit: "30s".into() },
            usage: Usage::default(),
        };
        Some(Put::Ended { id: row.id, ended })
    }

    fn delete_instance(&self) -> Option<Put> {
        Some(Put::NoInstance(self.rng.pick(self.asked.now().instances())?.1.id))
    }

    fn take_ids(&mut self) {
        let count = [1, 1, 40, 300][self.rng.below(4) as usize];
        let taken = self.daemon().store.take_ids(count);
        self.tell(|| format!("{count} ids: {taken:?}"));
        match taken {
            Some(ids) => {
                assert!(ids.start >= self.given, "an id is given again: {ids:?}, {} were given", self.given);
                self.given = ids.end;
                self.free.extend(ids.take(3));
            }
            None => {
                self.saw(Seen::NoIds);
                self.daemon().store.reserve_ids(count);
            }
        }
    }

    fn ask_for_answer(&mut self) {
        let last = self.asked.last();
        self.tell(|| format!("somebody waits for state {last}"));
        let daemon = self.daemon();
        let answer = Box::pin(daemon.store.kept());
        daemon.answers.push((answer, last));
    }

    // What the thread that writes does.

    /// With something that is asked for in between, or not.
    fn write(&mut self) {
        if self.rng.one_in(2) {
            if !self.write_whole() {
                self.start();
            }
            return;
        }
        let last = self.asked.last();
        let Some(batch) = self.daemon().store.shared.next_if_any() else { return };
        self.meanwhile();
        let written = batch.write(&mut self.daemon().connection);
        self.meanwhile();
        if !self.settle(batch, written, last) {
            self.start();
        }
    }

    fn meanwhile(&mut self) {
        match self.rng.below(4) {
            0 => {}
            1 => self.change(),
            2 => self.ask_for_answer(),
            _ => self.take_ids(),
        }
        // An answer that comes before it was written.
        self.hear_answers();
    }

    /// Whether the daemon still lives.
    #[must_use]
    fn write_whole(&mut self) -> bool {
        let last = self.asked.last();
        let Some(batch) = self.daemon().store.shared.next_if_any() else { return true };
        let written = batch.write(&mut self.daemon().connection);
        self.settle(batch, written, last)
    }

    /// Likewise.
    #[must_use]
    fn settle(&mut self, batch: Batch, written: rusqlite::Result<()>, last: usize) -> bool {
        self.tell(|| format!("state {last} is written: {written:?}"));
        let is_off = of(&self.disk).is_off();
        match &written {
            Ok(()) => self.asked.committed = last,
            Err(_) if is_off => {}
            Err(_) => self.saw(Seen::Full),
        }
        self.daemon().store.shared.settle(batch, written);
        self.hear_answers();
        if is_off {
            self.kill();
        }
        !is_off
    }

    fn hear_answers(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        let daemon = self.daemon.as_mut().expect("it writes");
        let mut promised = None;
        daemon.answers.retain_mut(|(answer, state)| match answer.as_mut().poll(&mut context) {
            Poll::Ready(Ok(())) => {
                promised = promised.max(Some(*state));
                false
            }
            Poll::Ready(Err(_)) => false,
            Poll::Pending => true,
        });
        if let Some(promised) = promised {
            self.tell(|| format!("state {promised} is kept, somebody was told"));
            self.saw(Seen::Answered);
            self.asked.promised = self.asked.promised.max(promised);
        }
    }

    fn live(&mut self) -> u64 {
        self.tell(|| "a new machine".into());
        self.start();
        for () in self.rng.up_to(REQUESTS) {
            self.request();
        }
        self.kill();
        self.start();
        self.close();
        self.events
    }
}

#[test]
fn what_was_answered_is_there_after_a_crash_between_any_two_writes() {
    let mut seen = BTreeMap::new();
    let explored = explore(EVENTS, |rng| {
        let mut world = World::new(rng);
        let events = world.live();
        for (kind, times) in &world.seen {
            *seen.entry(*kind).or_insert(0) += times;
        }
        events
    });
    println!("{seen:?}");
    assert!(
        explored.is_none() || seen.len() == SEEN,
        "a world in which something never happens proves nothing: {seen:?}"
    );
}
