//! The members of a group and the objects that they use, with names and limits. Pure.
//!
//! An object is there for as long as an attempt uses it; one with a name also while somebody keeps the name. An attempt becomes
//! a **member** with the first object that it gets, and its seat is free again once a keeper has recovered what it held.
//!
//! Must not: have a descriptor, know a keeper, or trust the number of an object or a member that comes from a worker.

mod entry;
mod parts;
mod seats;

pub(super) use entry::{End, Entry};

use super::asked::{Handed, Quota, Wanted, Who};
use entry::Use;
use parts::Parts;
use sandhog_protocol::objects::{Attached, Dead, GRANTED, Kind, Member, NAME, OBJECTS, ObjectId, Right, Rights};
use sandhog_protocol::request::{ChildObject, Refused};
use sandhog_protocol::verdict::Verdict;
use sandhog_spec::objects::{all_rights, print_kind};
use sandhog_spec::text::is_plain;
use sandhog_spec::units::print_size;
use seats::Seats;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Ends of members that are remembered for whoever finds that they held something: each has a backtrace at the most.
const DEAD: usize = 256;

/// In bytes, as the kernel has it here.
const PAGE: u64 = 4096;

/// The size of an object's memory, in bytes; None: there is none of this kind so large.
pub(super) type Layout = fn(Kind) -> Option<u64>;

pub(super) struct Book {
    layout: Layout,
    /// Most bytes of all objects together, and those that are in use.
    memory_max: u64,
    memory: u64,
    last: ObjectId,
    objects: BTreeMap<ObjectId, Entry>,
    names: HashMap<String, ObjectId>,
    /// Names whose objects stay without a user, as long as they are of this kind.
    kept: BTreeMap<String, Kind>,
    /// By their attempts.
    members: HashMap<String, Account>,
    seats: Seats,
    /// Those that have ended, and may still hold something.
    dying: BTreeMap<Member, Ended>,
    /// Those that held something, the first one first.
    dead: VecDeque<(Member, Dead)>,
    parts: Parts,
}

/// An attempt that uses objects.
struct Account {
    who: Arc<Who>,
    member: Member,
    /// The keeper is to know it: it has had an object with memory.
    is_known: bool,
    /// It has its page.
    has_page: bool,
}

struct Ended {
    who: Arc<Who>,
    dead: Dead,
}

/// What an attempt gets, and what has to be made for it before.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entered {
    pub object: ObjectId,
    pub member: Member,
    /// The object is new: so many bytes have to be there.
    pub new_bytes: Option<u64>,
    /// It needs a page, and the keeper has to know it.
    pub is_new_member: bool,
    /// Its memory can be used.
    pub is_made: bool,
}

/// What follows from an end.
#[derive(Debug, Default, PartialEq, Eq)]
#[must_use]
pub(super) struct Gone {
    /// What it held has to be recovered.
    pub died: Option<Member>,
    /// Objects that nobody uses any more.
    pub forgotten: Vec<ObjectId>,
    /// Ends of pipes that are closed.
    pub hung_up: Vec<(ObjectId, End)>,
}

/// Somebody breaks the rules, who is to end.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Breach(pub String);

impl Book {
    pub(super) fn new(layout: Layout, memory_max: u64) -> Self {
        Self {
            layout,
            memory_max,
            memory: 0,
            last: ObjectId(0),
            objects: BTreeMap::new(),
            names: HashMap::new(),
            kept: BTreeMap::new(),
            members: HashMap::new(),
            seats: Seats::default(),
            dying: BTreeMap::new(),
            dead: VecDeque::new(),
            parts: Parts::default(),
        }
    }

    /// From now on; what is there stays.
    pub(super) fn set_memory(&mut self, bytes: u64) {
        self.memory_max = bytes;
    }

    /// An attempt wants to use an object. It does from now on, where it is given one.
    ///
    /// # Errors
    /// Why it can't; nothing has changed then.
    pub(super) fn enter(&mut self, who: &Arc<Who>, wanted: Wanted, now: Duration) -> Result<Entered, Refused> {
        let known = self.members.get(&who.attempt).map(|account| account.member);
        let member = known.or_else(|| self.seats.take());
        let Some(member) = member else {
            return Err(Refused::Quota("the group has no seat for another member".into()));
        };
        let found = self.find(who, wanted, now);
        if found.is_err() && known.is_none() {
            self.seats.leave(member);
        }
        let (object, new_bytes) = found?;
        let account = self.members.entry(who.attempt.clone()).or_insert_with(|| Account {
            who: Arc::clone(who),
            member,
            is_known: false,
            has_page: false,
        });
        let has_memory = self.objects.get(&object).is_some_and(Entry::has_memory);
        let is_new_member = has_memory && !account.is_known;
        account.is_known |= has_memory;
        let is_made = self.objects.get(&object).is_some_and(|entry| entry.is_made);
        Ok(Entered { object, member, new_bytes, is_new_member, is_made })
    }

    /// The object, with the bytes that it needs where it is new.
    fn find(&mut self, who: &Who, wanted: Wanted, now: Duration) -> Result<(ObjectId, Option<u64>), Refused> {
        let attempt = &who.attempt;
        match wanted {
            Wanted::Named { name, kind, rights } => match self.names.get(&name).copied() {
                Some(object) => self.find_named(who, object, kind, rights).map(|object| (object, None)),
                None => self.make(Some(name), kind, attempt, rights, now),
            },
            Wanted::Handed { object } => {
                let entry = self.objects.get_mut(&object).filter(|entry| entry.uses.contains_key(attempt));
                let entry = entry.ok_or_else(|| Refused::NotFound("the object is not there any more".into()))?;
                entry.uses.entry(attempt.clone()).and_modify(|of| of.is_attached = true);
                Ok((object, None))
            }
            Wanted::New { kind, most } => {
                if self.unnamed_left(attempt, most) == 0 {
                    let what = format!("{most} objects without a name are the most (--max-objects)");
                    return Err(Refused::Quota(what));
                }
                self.make(None, kind, attempt, all_rights(kind), now)
            }
        }
    }

    /// How many objects without a name an attempt may still make: neither made by it nor given to its children.
    fn unnamed_left(&self, attempt: &str, most: u32) -> u32 {
        let made = self.objects.values().filter(|entry| entry.maker.as_deref() == Some(attempt)).count();
        most.saturating_sub(self.parts.given(attempt)).saturating_sub(u32::try_from(made).unwrap_or(u32::MAX))
    }

    fn find_named(&mut self, who: &Who, object: ObjectId, kind: Kind, rights: Rights) -> Result<ObjectId, Refused> {
        let gone = || Refused::NotFound("the object is not there any more".into());
        let entry = self.objects.get_mut(&object).ok_or_else(gone)?;
        if entry.kind != kind {
            let (is, granted) = (print_kind(entry.kind), print_kind(kind));
            let text = format!("the object is {is} for as long as somebody uses it, and {granted} was granted");
            return Err(Refused::Invalid(text));
        }
        entry.take_end(&who.attempt, &rights)?;
        let of = entry.uses.entry(who.attempt.clone()).or_insert_with(|| Use { rights, ..Use::default() });
        of.is_attached = true;
        Ok(object)
    }

    fn make(
        &mut self,
        name: Option<String>,
        kind: Kind,
        attempt: &str,
        rights: Rights,
        now: Duration,
    ) -> Result<(ObjectId, Option<u64>), Refused> {
        if self.objects.len() >= OBJECTS {
            return Err(Refused::Quota(format!("{OBJECTS} objects are the most of one group")));
        }
        let is_pipe = kind == Kind::Pipe;
        let invalid = || Refused::Invalid(format!("there is no {}", print_kind(kind)));
        let needed = if is_pipe { 0 } else { (self.layout)(kind).ok_or_else(invalid)? };
        // It is allocated in whole pages.
        let bytes = needed.checked_next_multiple_of(PAGE).unwrap_or(u64::MAX);
        let free = self.memory_max.saturating_sub(self.memory);
        if bytes > free {
            let [bytes, free, all] = [bytes, free, self.memory_max].map(print_size);
            let text = format!("the object takes {bytes}, and {free} of {all} are left (--objects-memory)");
            return Err(Refused::Quota(text));
        }
        self.last.0 += 1;
        let object = self.last;
        let mut entry = Entry::new(name.clone(), kind, bytes, now);
        entry.maker = name.is_none().then(|| attempt.to_owned());
        match &entry.name {
            None if is_pipe => entry.take_both_ends(attempt),
            Some(_) | None => entry.take_end(attempt, &rights)?,
        }
        entry.uses.insert(attempt.into(), Use { rights, is_attached: true, is_handed: false });
        self.memory += bytes;
        self.names.extend(name.map(|name| (name, object)));
        self.objects.insert(object, entry);
        Ok((object, (!is_pipe).then_some(needed)))
    }

    /// What a worker is told of an object that it has entered, once that can be used. None: it is not there any more.
    pub(super) fn give(&mut self, attempt: &str, object: ObjectId) -> Option<Attached> {
        let account = self.members.get_mut(attempt)?;
        let entry = self.objects.get(&object)?;
        let rights = entry.uses.get(attempt).filter(|of| of.is_attached)?.rights.clone();
        let page = entry.has_memory() && !std::mem::replace(&mut account.has_page, entry.has_memory());
        Some(Attached { object, kind: entry.kind, rights, member: account.member, page })
    }

    /// A parent hands objects to a child: from now on the child uses them; and the child may make so many as `part` says, out of
    /// those that the parent may make.
    ///
    /// # Errors
    /// The first one that it does not have itself, or has less of; nothing has changed then.
    pub(super) fn hand(
        &mut self,
        parent: &str,
        child: &str,
        asked: &[ChildObject],
        Quota { part, most }: Quota,
    ) -> Result<Vec<Handed>, Refused> {
        let handed = asked.iter().map(|asked| self.may_hand(parent, asked)).collect::<Result<Vec<_>, _>>()?;
        let mut names = BTreeSet::new();
        if handed.len() > GRANTED || !handed.iter().all(|handed| names.insert(&handed.name)) {
            return Err(Refused::Invalid("too many objects, or two of one name".into()));
        }
        let mut pipes = BTreeSet::new();
        if !handed.iter().all(|handed| handed.kind != Kind::Pipe || pipes.insert(handed.object)) {
            return Err(Refused::Invalid("an end of a pipe twice, or both ends of one, for one child".into()));
        }
        let left = self.unnamed_left(parent, most);
        if part > left {
            let text = format!("{part} objects for the child to make, where the parent may make {left} more itself");
            return Err(Refused::Quota(text));
        }
        self.parts.give(parent, child, part);
        for Handed { object, rights, .. } in &handed {
            let Some(entry) = self.objects.get_mut(object) else { continue };
            rights.iter().filter_map(|right| End::of(*right)).for_each(|end| {
                entry.pass_end(end, parent, Some(child));
            });
            let of = entry.uses.entry(child.into()).or_default();
            of.is_handed = true;
            of.rights.extend(rights);
        }
        Ok(handed)
    }

    /// A child to which its parent has handed something was not started: ends of pipes are its parent's again, and nothing of the
    /// rest is the child's.
    pub(super) fn not_started(&mut self, parent: &str, child: &str) -> Gone {
        for entry in self.objects.values_mut() {
            for end in entry.ends_of(child) {
                if entry.pass_end(end, child, Some(parent)) {
                    entry.uses.entry(parent.into()).and_modify(|of| of.is_attached = true);
                }
            }
        }
        self.no_longer_uses(child)
    }

    fn may_hand(&self, parent: &str, asked: &ChildObject) -> Result<Handed, Refused> {
        let ChildObject { name, object, rights } = asked;
        let is_name = |character: char| is_plain(character) && !character.is_whitespace() && character != ':';
        if !(1..=NAME).contains(&name.len()) || !name.chars().all(is_name) {
            return Err(Refused::Invalid("the name of an object for a child is none".into()));
        }
        let entry = self.objects.get(object);
        let found = entry.and_then(|entry| Some((entry, entry.uses.get(parent).filter(|of| of.is_attached)?)));
        let (entry, of) =
            found.ok_or_else(|| Refused::NotFound(format!("the parent has no object for the name {name}")))?;
        if entry.kind == Kind::Pipe && (entry.name.is_some() || rights.len() > 1) {
            let text = format!("{name} is a pipe, of which an end can be handed on where it has no name in the group");
            return Err(Refused::Invalid(text));
        }
        if rights.is_empty() || !rights.is_subset(&of.rights) {
            return Err(Refused::Denied(format!("more rights to {name} than the parent has itself, or none")));
        }
        Ok(Handed { name: name.clone(), object: *object, kind: entry.kind, rights: rights.clone() })
    }

    /// The page of a member did not reach it.
    pub(super) fn take_page_back(&mut self, attempt: &str) {
        if let Some(account) = self.members.get_mut(attempt) {
            account.has_page = false;
        }
    }

    /// There is no page for it, so that no keeper knows it.
    pub(super) fn forget_member(&mut self, attempt: &str) {
        if let Some(account) = self.members.get_mut(attempt) {
            account.is_known = false;
        }
    }

    /// The memory of an object is there.
    pub(super) fn made(&mut self, object: ObjectId) {
        if let Some(entry) = self.objects.get_mut(&object) {
            entry.is_made = true;
        }
    }

    /// The memory of an object can't be had: nobody uses it any more.
    pub(super) fn not_made(&mut self, object: ObjectId) {
        self.remove(object);
    }

    /// An attempt uses an object no more, while it runs on.
    ///
    /// # Errors
    /// There never was such an object.
    pub(super) fn leave(&mut self, attempt: &str, object: ObjectId) -> Result<Gone, Breach> {
        self.check_known(object)?;
        let Some(entry) = self.objects.get_mut(&object) else { return Ok(Gone::default()) };
        let hung_up = entry.leave_ends(attempt).into_iter().map(|end| (object, end)).collect();
        if let Some(of) = entry.uses.get_mut(attempt) {
            of.is_attached = false;
            if !of.is_handed {
                entry.uses.remove(attempt);
            }
        }
        Ok(Gone { died: None, forgotten: self.forget_unused([object]), hung_up })
    }

    /// An attempt closes an end of a pipe without a name. One that it does not have, or of another object, is none.
    ///
    /// # Errors
    /// There never was such an object.
    pub(super) fn hang_up(&mut self, attempt: &str, object: ObjectId, end: Right) -> Result<Gone, Breach> {
        self.check_known(object)?;
        let (Some(end), Some(entry)) = (End::of(end), self.objects.get_mut(&object)) else {
            return Ok(Gone::default());
        };
        if !entry.pass_end(end, attempt, None) {
            return Ok(Gone::default());
        }
        Ok(Gone { died: None, forgotten: self.forget_unused([object]), hung_up: vec![(object, end)] })
    }

    /// # Errors
    /// There never was such an object.
    pub(super) fn check_known(&self, object: ObjectId) -> Result<(), Breach> {
        match object.0 {
            number if number > 0 && object <= self.last => Ok(()),
            number => Err(Breach(format!("the number {number} of an object that there never was"))),
        }
    }

    /// An attempt has ended, and uses nothing any more.
    pub(super) fn ended(&mut self, attempt: &str, verdict: &Verdict, code: u32) -> Gone {
        let gone = self.no_longer_uses(attempt);
        let Some(account) = self.members.remove(attempt) else { return gone };
        let Account { who, member, is_known, has_page: _ } = account;
        if !is_known {
            self.seats.leave(member);
            return gone;
        }
        let dead = Dead { attempt: attempt.into(), verdict: verdict.clone(), code };
        self.dying.insert(member, Ended { who, dead });
        Gone { died: Some(member), ..gone }
    }

    fn no_longer_uses(&mut self, attempt: &str) -> Gone {
        let (mut used, mut hung_up) = (Vec::new(), Vec::new());
        for (object, entry) in &mut self.objects {
            if entry.uses.contains_key(attempt) {
                hung_up.extend(entry.leave_ends(attempt).into_iter().map(|end| (*object, end)));
                entry.uses.remove(attempt);
                used.push(*object);
            }
        }
        let forgotten = self.forget_unused(used);
        self.give_part_back(attempt);
        Gone { died: None, forgotten, hung_up }
    }

    /// What an attempt was given to make is its parent's again. Objects of it that others use still count as made by the parent.
    fn give_part_back(&mut self, attempt: &str) {
        let Some(parent) = self.parts.give_back(attempt) else { return };
        let made = self.objects.values_mut().filter(|entry| entry.maker.as_deref() == Some(attempt));
        made.for_each(|entry| entry.maker = Some(parent.clone()));
    }

    /// A keeper has settled what a dead member held. `held`: something.
    ///
    /// # Errors
    /// It has not ended, or that was said before.
    pub(super) fn recovered(&mut self, member: Member, held: bool) -> Result<(), Breach> {
        let Some(ended) = self.dying.remove(&member) else {
            return Err(Breach(format!("the recovery of seat {}, whose member has not died", member.seat)));
        };
        self.seats.leave(member);
        if held {
            self.dead.push_back((member, ended.dead));
            if self.dead.len() > DEAD {
                self.dead.pop_front();
            }
        }
        Ok(())
    }

    /// How a member has ended, as far as that is remembered.
    pub(super) fn dead(&self, member: Member) -> Option<Dead> {
        let dying = self.dying.get(&member).map(|ended| &ended.dead);
        let dead = || self.dead.iter().rev().find(|(dead, _)| *dead == member).map(|(_, dead)| dead);
        dying.or_else(dead).cloned()
    }

    /// Objects of these names and kinds stay without a user; others do not any more.
    pub(super) fn keep(&mut self, names: BTreeMap<String, Kind>) -> Gone {
        self.kept = names;
        let all: Vec<_> = self.objects.keys().copied().collect();
        Gone { died: None, forgotten: self.forget_unused(all), hung_up: Vec::new() }
    }

    fn forget_unused(&mut self, objects: impl IntoIterator<Item = ObjectId>) -> Vec<ObjectId> {
        let is_kept = |book: &Self, entry: &Entry| {
            entry.name.as_ref().is_some_and(|name| book.kept.get(name) == Some(&entry.kind))
        };
        let mut forgotten = Vec::new();
        for object in objects {
            let Some(entry) = self.objects.get(&object) else { continue };
            if entry.uses.is_empty() && !is_kept(self, entry) {
                self.remove(object);
                forgotten.push(object);
            }
        }
        forgotten
    }

    fn remove(&mut self, object: ObjectId) {
        let Some(entry) = self.objects.remove(&object) else { return };
        self.memory = self.memory.saturating_sub(entry.bytes);
        if let Some(name) = entry.name {
            self.names.remove(&name);
        }
    }

    /// The member that an attempt is, where the keeper is to know it.
    pub(super) fn member(&self, attempt: &str) -> Option<Member> {
        self.members.get(attempt).filter(|account| account.is_known).map(|account| account.member)
    }

    /// Members that a new keeper has to know, those included that have ended.
    pub(super) fn members(&self) -> impl Iterator<Item = Member> {
        let living = self.members.values().filter(|account| account.is_known).map(|account| account.member);
        living.chain(self.dying())
    }

    pub(super) fn dying(&self) -> impl Iterator<Item = Member> {
        self.dying.keys().copied()
    }

    /// Whose seats are taken.
    pub(super) fn people(&self) -> HashMap<Member, Arc<Who>> {
        let living = self.members.values().map(|account| (account.member, Arc::clone(&account.who)));
        living.chain(self.dying.iter().map(|(member, ended)| (*member, Arc::clone(&ended.who)))).collect()
    }

    pub(super) fn who(&self, member: Member) -> Option<Arc<Who>> {
        let living = self.members.values().find(|account| account.member == member).map(|account| &account.who);
        living.or_else(|| self.dying.get(&member).map(|ended| &ended.who)).cloned()
    }

    pub(super) fn entry(&self, object: ObjectId) -> Option<&Entry> {
        self.objects.get(&object)
    }

    pub(super) fn objects(&self) -> impl Iterator<Item = (ObjectId, &Entry)> {
        self.objects.iter().map(|(object, entry)| (*object, entry))
    }

    /// An object as people are told of it.
    pub(super) fn name(&self, object: ObjectId) -> String {
        let name = self.objects.get(&object).and_then(|entry| entry.name.clone());
        name.unwrap_or_else(|| format!("#{}", object.0))
    }
}

#[cfg(test)]
mod tests;
