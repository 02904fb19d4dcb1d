//! The keeper of a group's objects: what it does when the coordinator tells it something, and what it answers.
//!
//! It maps each object and each member's page, and is the only one that writes what is nobody's: a new object's first words,
//! and what a dead member has left. It waits for nobody: where a member that lives is at work in an object, the rest is done the
//! next time. All that it reads in memory may be wrong.
//!
//! Must not: read a socket, or know a name or a right.

use super::page::Page;
use super::segment::Segment;
use rustix::io::Errno;
use sandhog_objects_model::{Object, Recovery};
use sandhog_protocol::objects::{
    FromKeeper, Kind, LISTED, Member, OBJECTS, ObjectId, ObjectState, SEATS, ToKeeper, Waiter,
};
use sandhog_sys::shared;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, OwnedFd};
use std::{io, mem};

/// Tries in a row at each of which somebody was at work in an object who is no member. A member of whom the keeper is only about
/// to be told is at work there for less than a microsecond at a time; so this one died before it was told, or never was.
const STRANGER: u32 = 1000;

/// One group's objects and members.
#[derive(Debug, Default)]
pub struct Keeper {
    objects: BTreeMap<ObjectId, Kept>,
    members: BTreeMap<Member, Page>,
    /// Those that died, and for each of them what is still to be recovered.
    dead: BTreeMap<Member, Estate>,
}

#[derive(Debug)]
struct Kept {
    segment: Segment,
    object: Object,
}

/// What a dead member leaves.
#[derive(Debug, Default)]
struct Estate {
    held: Vec<ObjectId>,
    /// Somebody else was at work there, each time that it was tried.
    left: BTreeMap<ObjectId, Obstacle>,
}

/// Who is in the way, and how often it was in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Obstacle {
    member: Option<Member>,
    tries: u32,
}

impl Obstacle {
    fn again(self, member: Member) -> Self {
        let tries = if self.member == Some(member) { self.tries.saturating_add(1) } else { 1 };
        Self { member: Some(member), tries }
    }
}

impl Keeper {
    /// What follows from what the coordinator says; all that is of no use (a descriptor too many, a member that there is
    /// already) is left alone.
    #[must_use]
    pub fn hear(&mut self, said: ToKeeper, files: Vec<OwnedFd>) -> Vec<FromKeeper> {
        let mut answers = self.settle();
        match said {
            ToKeeper::Object { object, kind, fresh } => answers.push(self.make(object, kind, fresh, files)),
            ToKeeper::Member(member) => self.join(member, files),
            ToKeeper::Adopted => answers.extend(self.adopt()),
            ToKeeper::Died(member) => answers.extend(self.bury([member])),
            ToKeeper::Stop(member) => self.members.get(&member).into_iter().for_each(Page::stop),
            ToKeeper::Forget(object) => answers.extend(self.forget(object)),
            ToKeeper::Look(object) => answers.push(FromKeeper::State { object, state: self.look(object) }),
        }
        answers
    }

    /// Something that a dead member held could not be recovered yet: call [`Keeper::settle`] soon.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        !self.dead.is_empty()
    }

    /// Tries once more to recover what is left.
    #[must_use]
    pub fn settle(&mut self) -> Vec<FromKeeper> {
        let dead: Vec<Member> = self.dead.keys().copied().collect();
        // One of the dead may be in the way of another.
        let mut before = usize::MAX;
        while (1..before).contains(&self.left()) {
            before = self.left();
            dead.iter().for_each(|member| self.recover(*member));
        }
        let settled = dead.into_iter().filter_map(|member| {
            let held = self.dead.get(&member).is_some_and(|estate| estate.left.is_empty());
            let estate = if held { self.dead.remove(&member)? } else { return None };
            Some(FromKeeper::Recovered { member, held: estate.held })
        });
        settled.collect()
    }

    fn left(&self) -> usize {
        self.dead.values().map(|estate| estate.left.len()).sum()
    }

    fn make(&mut self, object: ObjectId, kind: Kind, fresh: bool, files: Vec<OwnedFd>) -> FromKeeper {
        let made = self.keep(object, kind, fresh, files);
        // Any other error is of a file that is none of ours.
        let errno = made.err().map_or(0, |error| error.raw_os_error().unwrap_or(Errno::INVAL.raw_os_error()));
        FromKeeper::Made { object, errno }
    }

    fn keep(&mut self, id: ObjectId, kind: Kind, fresh: bool, files: Vec<OwnedFd>) -> io::Result<()> {
        let [file] = <[OwnedFd; 1]>::try_from(files).map_err(|_| Errno::INVAL)?;
        let (object, bytes) = Object::of(kind).zip(Object::bytes(kind)).ok_or(Errno::INVAL)?;
        if self.objects.contains_key(&id) {
            return Err(Errno::EXIST.into());
        }
        if self.objects.len() >= OBJECTS {
            return Err(Errno::MFILE.into());
        }
        // Before anything is allocated for a file that is of another size.
        if shared::size(file.as_fd())? != bytes {
            return Err(Errno::INVAL.into());
        }
        shared::allocate(file.as_fd(), bytes)?;
        let segment = Segment::keep(file, id, kind)?;
        if fresh {
            object.initialise(&segment);
        }
        self.objects.insert(id, Kept { segment, object });
        Ok(())
    }

    /// A member whose page can't be had can't be stopped; it is recovered all the same.
    fn join(&mut self, member: Member, files: Vec<OwnedFd>) {
        let has_room = self.members.len() < usize::from(SEATS) && !self.members.contains_key(&member);
        let Ok([file]) = <[OwnedFd; 1]>::try_from(files) else { return };
        if has_room && shared::size(file.as_fd()).is_ok_and(|bytes| bytes == Page::BYTES) {
            let page = shared::allocate(file.as_fd(), Page::BYTES).and_then(|()| Page::map(file, member));
            self.members.extend(page.ok().map(|page| (member, page)));
        }
    }

    /// The keeper before may have died just before it woke somebody. Whoever the objects name and is no member has died.
    fn adopt(&mut self) -> Vec<FromKeeper> {
        let mut absent = BTreeSet::new();
        for kept in self.objects.values() {
            kept.object.rouse(&kept.segment);
            kept.object.named(&kept.segment, &mut |member| {
                // No group has more members, so the rest is of one that was taken over.
                if absent.len() < usize::from(SEATS) && !self.members.contains_key(&member) {
                    absent.insert(member);
                }
            });
        }
        self.bury(absent)
    }

    fn bury(&mut self, members: impl IntoIterator<Item = Member>) -> Vec<FromKeeper> {
        for member in members {
            self.members.remove(&member);
            let all = || self.objects.keys().map(|id| (*id, Obstacle::default())).collect();
            self.dead.entry(member).or_insert_with(|| Estate { held: Vec::new(), left: all() });
        }
        self.settle()
    }

    /// From each object where nobody else is at work.
    fn recover(&mut self, member: Member) {
        let Some(mut estate) = self.dead.remove(&member) else { return };
        for (id, obstacle) in mem::take(&mut estate.left) {
            match self.objects.get(&id).map(|kept| self.recover_from(kept, member, obstacle)) {
                Some(Recovery::Busy(other)) => drop(estate.left.insert(id, obstacle.again(other))),
                Some(Recovery::Held) => estate.held.push(id),
                Some(Recovery::Nothing) | None => {}
            }
        }
        self.dead.insert(member, estate);
    }

    fn recover_from(&self, kept: &Kept, member: Member, obstacle: Obstacle) -> Recovery {
        let recovery = kept.object.recover(&kept.segment, member);
        let Recovery::Busy(other) = recovery else { return recovery };
        let is_told = self.members.contains_key(&other) || self.dead.contains_key(&other) || other == member;
        if is_told || obstacle.member != Some(other) || obstacle.tries < STRANGER {
            return recovery;
        }
        let _ = kept.object.recover(&kept.segment, other);
        kept.object.recover(&kept.segment, member)
    }

    /// What was to be recovered there is gone.
    fn forget(&mut self, object: ObjectId) -> Vec<FromKeeper> {
        self.objects.remove(&object);
        self.dead.values_mut().for_each(|estate| {
            estate.left.remove(&object);
        });
        self.settle()
    }

    /// Of an object that there is not: nothing.
    fn look(&self, object: ObjectId) -> ObjectState {
        let Some(kept) = self.objects.get(&object) else { return ObjectState::default() };
        let waiters = self.members.iter().filter_map(|(member, page)| {
            let waits = page.waits().filter(|waits| waits.object == object)?;
            Some(Waiter { member: *member, since_ms: waits.since_ms })
        });
        let waiters = waiters.take(LISTED).collect();
        let mut state = kept.object.look(&kept.segment);
        state.holders.truncate(LISTED);
        ObjectState { waiters, ..state }
    }
}
