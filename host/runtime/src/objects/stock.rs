//! Descriptors that are held for members: memory, pages, pipes.
//!
//! Must not: know who may have them.

use super::book::End;
use super::segments;
use crate::capacity::Held;
use sandhog_protocol::objects::{Attached, Member, ObjectId};
use sandhog_spec::objects::is_read_only;
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::os::fd::OwnedFd;

/// Descriptors that are held for members.
#[derive(Default)]
pub(super) struct Stock {
    memories: HashMap<ObjectId, (OwnedFd, Held)>,
    /// By the end; none: it is closed.
    pipes: HashMap<ObjectId, [Option<(OwnedFd, Held)>; 2]>,
    pages: HashMap<Member, (OwnedFd, Held)>,
}

impl Stock {
    pub(super) fn has_pipe(&self, object: ObjectId) -> bool {
        self.pipes.contains_key(&object)
    }

    /// # Errors
    /// There are no descriptors left, as for the next ones.
    pub(super) fn add_pipe(&mut self, object: ObjectId) -> io::Result<()> {
        let (first, second) = sandhog_channel::pair()?;
        self.pipes.insert(object, [first, second].map(|end| Some((end, Held::new(1)))));
        Ok(())
    }

    /// Nobody is handed this end of a pipe any more: it is closed once those close who have it.
    pub(super) fn hang_up(&mut self, object: ObjectId, end: End) {
        if let Some(ends) = self.pipes.get_mut(&object) {
            ends[end as usize] = None;
        }
    }

    pub(super) fn add_page(&mut self, member: Member) -> io::Result<()> {
        self.pages.insert(member, (segments::page()?, Held::new(1)));
        Ok(())
    }

    pub(super) fn add_memory(&mut self, object: ObjectId, bytes: u64) -> io::Result<()> {
        self.memories.insert(object, (segments::of_object(bytes)?, Held::new(1)));
        Ok(())
    }

    pub(super) fn has_page(&self, member: Member) -> bool {
        self.pages.contains_key(&member)
    }

    pub(super) fn forget(&mut self, object: ObjectId) {
        self.memories.remove(&object);
        self.pipes.remove(&object);
    }

    pub(super) fn forget_page(&mut self, member: Member) {
        self.pages.remove(&member);
    }

    pub(super) fn memory(&self, object: ObjectId, is_read_only: bool) -> io::Result<OwnedFd> {
        let (memory, _) = self.memories.get(&object).ok_or(io::ErrorKind::NotFound)?;
        segments::again(memory, is_read_only)
    }

    pub(super) fn page(&self, member: Member) -> io::Result<OwnedFd> {
        let (page, _) = self.pages.get(&member).ok_or(io::ErrorKind::NotFound)?;
        page.try_clone()
    }

    /// What goes along with an object to a worker. `ends`: those of a pipe that are in its hands.
    pub(super) fn descriptors(&self, attached: &Attached, ends: &BTreeSet<End>) -> io::Result<Vec<OwnedFd>> {
        let Attached { object, kind, rights, member, page } = attached;
        if let Some(pipe) = self.pipes.get(object) {
            let there = |end: &End| pipe[*end as usize].as_ref().ok_or(io::ErrorKind::NotFound)?.0.try_clone();
            return ends.iter().map(there).collect();
        }
        let memory = self.memory(*object, is_read_only(*kind, rights))?;
        let page = page.then(|| self.page(*member)).transpose()?;
        Ok(std::iter::once(memory).chain(page).collect())
    }
}
