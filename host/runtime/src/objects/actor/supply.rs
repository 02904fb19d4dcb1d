//! The resources of a group outside of its book: memory, pages, pipes, and the keeper with its messages.

use super::Actor;
use crate::objects::book::Entered;
use crate::objects::expected::Owed;
use crate::objects::keeper::Keeper;
use crate::objects::message::News;
use crate::objects::running::Running;
use sandhog_protocol::objects::{Member, ObjectId, SEATS, ToKeeper};
use sandhog_protocol::plan::Wall;
use sandhog_supervisor::outcome::{self, Cause};
use sandhog_supervisor::verdict_text;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Messages that may wait for a keeper: four for each member and each object that there is (it is told of one, that it is to stop,
/// that it has died, and is asked to look), and so many beside them.
const UNTOLD: usize = 1024;

impl Actor {
    /// A keeper that answers what it has not read would have the coordinator's memory and descriptors fill up with the rest.
    pub(super) fn end_deaf_keeper(&mut self) {
        let untold = self.keeper.as_ref().map_or(0, |running| running.keeper.untold());
        // Nobody has to be counted in most cases.
        if untold > UNTOLD && untold > UNTOLD + 4 * (self.book.members().count() + self.book.objects().count()) {
            self.end_keeper("it does not read what it is told");
        }
    }

    /// Makes what an attempt needs for an object, and has the keeper told.
    ///
    /// # Errors
    /// This process is at its limits.
    pub(super) fn supply(&mut self, entered: &Entered) -> io::Result<()> {
        let Entered { object, member, new_bytes, is_new_member, is_made } = *entered;
        let is_pipe = self.book.entry(object).is_some_and(|entry| !entry.has_memory());
        let is_new_pipe = is_pipe && !self.stock.has_pipe(object);
        if new_bytes.is_some() || is_new_member || is_new_pipe {
            self.coordinator.check_capacity()?;
        }
        if is_new_pipe {
            self.stock.add_pipe(object)?;
        }
        if is_new_member {
            self.stock.add_page(member)?;
            self.introduce(member)?;
        }
        if let Some(bytes) = new_bytes {
            self.stock.add_memory(object, bytes)?;
            self.describe(object, true)?;
        }
        if !is_made || is_new_member {
            self.need_keeper();
        }
        Ok(())
    }

    /// Tells the keeper of a member, if it hears.
    fn introduce(&mut self, member: Member) -> io::Result<()> {
        if self.has_keeper() {
            let page = self.stock.page(member)?;
            self.tell_keeper_with(ToKeeper::Member(member), vec![page]);
            let is_stopping = self.book.who(member).is_some_and(|who| self.stopping.contains(&who.attempt));
            if is_stopping {
                self.tell_keeper(ToKeeper::Stop(member));
            }
        }
        Ok(())
    }

    /// Tells the keeper of an object, if it hears.
    fn describe(&mut self, object: ObjectId, fresh: bool) -> io::Result<()> {
        let Some(kind) = self.book.entry(object).map(|entry| entry.kind) else { return Ok(()) };
        if self.has_keeper() {
            let memory = self.stock.memory(object, false)?;
            self.tell_keeper_with(ToKeeper::Object { object, kind, fresh }, vec![memory]);
            self.expected.ask(Owed::Made(object), self.now());
        }
        Ok(())
    }

    /// There is one that hears.
    pub(super) fn has_keeper(&self) -> bool {
        self.keeper.as_ref().is_some_and(|running| running.since.is_some() && running.ended.is_none())
    }

    pub(super) fn tell_keeper(&self, message: ToKeeper) {
        self.tell_keeper_with(message, Vec::new());
    }

    fn tell_keeper_with(&self, message: ToKeeper, fds: Vec<OwnedFd>) {
        if let (Some(running), true) = (&self.keeper, self.has_keeper()) {
            running.keeper.tell(message, fds);
        }
    }

    /// There is to be one, now or after its pause.
    pub(super) fn need_keeper(&mut self) {
        if self.keeper.is_none() && self.restart_at.is_none() && !self.is_closing {
            self.start_keeper();
        }
    }

    pub(super) fn start_keeper(&mut self) {
        match Keeper::begin(&self.coordinator, self.memory_bytes, &self.walls) {
            Ok(keeper) => self.keeper = Some(Running::new(keeper, self.memory_bytes)),
            Err(error) => self.failed(Duration::ZERO, error.to_string()),
        }
    }

    /// Ends a keeper that is not to be trusted, or that can't go on.
    pub(super) fn end_keeper(&mut self, reason: &'static str) {
        self.expected.clear();
        if let Some(running) = &mut self.keeper {
            running.ended.get_or_insert(reason);
            running.keeper.end();
        }
    }

    pub(super) fn news(&mut self, news: News) {
        match news {
            News::Began => {
                let now = self.now();
                if let Some(running) = &mut self.keeper {
                    running.since = Some(now);
                }
                self.given_up = None;
                if self.tell_all().is_err() {
                    self.end_keeper("the coordinator can open no more");
                }
            }
            News::Ended(cause) => self.keeper_ended(cause),
        }
    }

    /// A new keeper is told all that there is: members first, and who of them has died last.
    fn tell_all(&mut self) -> io::Result<()> {
        let members: Vec<_> = self.book.members().collect();
        for member in members {
            self.introduce(member)?;
        }
        let objects: Vec<_> = self.book.objects().filter(|(_, entry)| entry.has_memory()).collect();
        let objects: Vec<_> = objects.into_iter().map(|(object, entry)| (object, !entry.is_made)).collect();
        for (object, fresh) in objects {
            self.describe(object, fresh)?;
        }
        if std::mem::replace(&mut self.had_keeper, true) {
            self.tell_keeper(ToKeeper::Adopted);
            self.keeper.iter_mut().for_each(|running| running.strangers = SEATS);
        }
        let dying: Vec<_> = self.book.dying().collect();
        for member in dying {
            self.tell_keeper(ToKeeper::Died(member));
            self.expected.ask(Owed::Recovered(member), self.now());
        }
        Ok(())
    }

    fn keeper_ended(&mut self, cause: Option<Cause>) {
        self.expected.clear();
        self.end_surveys();
        let Some(running) = self.keeper.take() else { return };
        if self.is_closing {
            return;
        }
        let lets_go = cause.as_ref().and_then(|cause| self.let_go(cause)).is_some();
        if lets_go || running.is_replaced {
            return self.start_keeper();
        }
        let reason = match running.ended {
            Some(reason) => reason.to_owned(),
            None => verdict_text::brief(&outcome::never_began(cause)),
        };
        self.failed(running.lived(self.now()), reason);
    }

    /// A wall that can't be built here, where the operator lets it go.
    fn let_go(&mut self, cause: &Cause) -> Option<Wall> {
        let Cause::Spawn(failure) = cause else { return None };
        failure.wall.filter(|wall| self.coordinator.may_miss().contains(wall) && self.walls.remove(wall))
    }

    fn failed(&mut self, lived: Duration, reason: String) {
        let next = self.patience.ended(lived);
        if next.is_given_up {
            self.refuse_all(&format!("the keeper of the group's objects can't be kept up: {reason}"));
            self.given_up = Some(reason);
            self.drop_unmade();
        }
        // Without objects and without dead there is nothing to keep, and whoever comes starts one.
        let is_needed = self.book.objects().any(|(_, entry)| entry.has_memory()) || self.book.dying().next().is_some();
        self.restart_at = (is_needed || next.is_given_up).then(|| self.now() + next.pause);
    }

    /// Objects that were never there: those who wanted them have been told.
    fn drop_unmade(&mut self) {
        let unmade: Vec<_> =
            self.book.objects().filter(|(_, entry)| !entry.is_made).map(|(object, _)| object).collect();
        for object in unmade {
            self.book.not_made(object);
            self.forget(object);
        }
    }

    pub(super) fn set_memory(&mut self, bytes: u64) {
        self.memory_bytes = bytes;
        self.book.set_memory(bytes);
        // Its cgroup has room for what it was started for.
        if let Some(running) = self.keeper.as_mut().filter(|running| running.memory_bytes < bytes) {
            running.is_replaced = true;
            running.ended.get_or_insert("its group has more memory now");
            running.keeper.end();
            self.expected.clear();
        }
    }
}
