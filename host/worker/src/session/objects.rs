//! The objects of its group that a guest uses: how it gets one, and for how long its memory is mapped.
//!
//! Must not: know what an operation on an object does, or what its memory means.

use super::awaited::Awaited;
use super::connection::{Connection, Ways};
use super::control::Control;
use super::error::Error;
use super::pipe_end::PipeEnd;
use rustix::fs::{OFlags, fcntl_getfl};
use sandhog_objects::{Page, Segment};
use sandhog_objects_model::Arrivals;
use sandhog_protocol::objects::{Attached, Kind, Member, ObjectId, Right, Rights};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An object whose memory is mapped here: once, however many handles the guest has to it.
pub(crate) struct Object {
    id: ObjectId,
    kind: Kind,
    member: Member,
    segment: Segment,
    writable: bool,
    awaited: Awaited,
    arrivals: Mutex<Arrivals>,
}

impl Object {
    pub(crate) fn id(&self) -> ObjectId {
        self.id
    }

    /// Who this attempt is in the object's words.
    pub(crate) fn member(&self) -> Member {
        self.member
    }

    pub(crate) fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Those of this worker that wait for it as futures.
    pub(crate) fn awaited(&self) -> &Awaited {
        &self.awaited
    }

    /// Those of this worker that wait at it as futures, where it is a barrier.
    pub(crate) fn arrivals(&self) -> MutexGuard<'_, Arrivals> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One handle's share in an object. Whoever has it gives it back by [`super::Session::let_go`], once.
#[derive(Clone)]
pub(crate) struct Attachment {
    object: Arc<Object>,
    allowed: Allowed,
}

impl Attachment {
    pub(crate) fn object(&self) -> &Arc<Object> {
        &self.object
    }

    pub(crate) fn kind(&self) -> Kind {
        self.object.kind
    }

    /// # Errors
    /// [`Error::Denied`] where the handle does not have the right.
    #[inline]
    pub(crate) fn needs(&self, right: Right) -> Result<(), Error> {
        self.needs_one_of(&[right])
    }

    /// # Errors
    /// [`Error::Denied`], by the first of them, where the handle has none of these rights.
    #[inline]
    pub(crate) fn needs_one_of(&self, rights: &[Right]) -> Result<(), Error> {
        if rights.iter().any(|right| self.allowed.has(*right)) { Ok(()) } else { Err(denied(rights)) }
    }

    /// For what every handle may do, as far as its memory can be written.
    ///
    /// # Errors
    /// [`Error::Denied`].
    #[inline]
    pub(crate) fn needs_writable(&self) -> Result<(), Error> {
        if self.object.writable { Ok(()) } else { Err(denied(&[Right::Write])) }
    }
}

#[cfg(feature = "hostile")]
impl Attachment {
    /// With all rights, whatever was granted.
    pub(crate) fn with_all_rights(self) -> Self {
        Self { allowed: Allowed(u16::MAX), ..self }
    }
}

/// By the first of these rights.
#[cold]
fn denied(rights: &[Right]) -> Error {
    let right = match rights.first() {
        Some(Right::Use) | None => "use it",
        Some(Right::Acquire) => "acquire",
        Some(Right::Release) => "release",
        Some(Right::Set) => "set and clear",
        Some(Right::Wait) => "wait",
        Some(Right::Read) => "read",
        Some(Right::Write) => "write",
        Some(Right::Put) => "put",
        Some(Right::Get) => "get",
        Some(Right::First | Right::Second) => "use this end",
    };
    Error::Denied(format!("the right to {right} was not granted"))
}

/// Rights as bits: asked at every call.
#[derive(Clone, Copy)]
struct Allowed(u16);

impl Allowed {
    fn of(rights: &Rights) -> Self {
        Self(rights.iter().fold(0, |bits, right| bits | Self::bit(*right)))
    }

    const fn has(self, right: Right) -> bool {
        self.0 & Self::bit(right) != 0
    }

    const fn bit(right: Right) -> u16 {
        1 << right as u16
    }
}

/// What one guest of an attempt has of its group.
pub(super) struct Objects {
    /// The attempt may use any.
    pub(super) allowed: bool,
    attempt: Arc<Mutex<OfAttempt>>,
    /// How many handles this guest has to each object.
    handles: BTreeMap<ObjectId, u64>,
}

/// What all guests of an attempt have, at the same time or one after the other.
#[derive(Default)]
struct OfAttempt {
    /// Its own page as a member, once it has come.
    page: Option<Arc<Page>>,
    open: BTreeMap<ObjectId, Open>,
    /// Ends of pipes, for as long as the attempt lives: what has been read of one and not been received belongs to the next who
    /// opens it.
    pipes: BTreeMap<(ObjectId, Right), Connection>,
}

struct Open {
    object: Arc<Object>,
    /// Of all guests together.
    handles: u64,
}

/// What has come for an object that was asked for.
pub(super) enum Come {
    Object(Attachment),
    Pipe(Connection),
    /// Both ends of a new one, which nothing else leads to.
    Ends([Connection; 2]),
}

const FILES: &str = "files that this attempt may have open";

impl Objects {
    pub(super) fn of(allowed: bool) -> Self {
        Self { allowed, attempt: Arc::default(), handles: BTreeMap::new() }
    }

    /// For another guest of the same attempt.
    pub(super) fn beside(&self) -> Self {
        Self { allowed: self.allowed, attempt: Arc::clone(&self.attempt), handles: BTreeMap::new() }
    }

    fn attempt(&self) -> MutexGuard<'_, OfAttempt> {
        self.attempt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has come for this guest. `control`: the way to the coordinator, which is told of ends of pipes.
    pub(super) fn take_in(
        &mut self,
        attached: &Attached,
        fds: Vec<OwnedFd>,
        ways: Ways,
        control: &Control,
    ) -> Result<Come, Error> {
        let come = self.attempt().take_in(attached, fds, ways, control)?;
        if let Come::Object(attachment) = &come {
            *self.handles.entry(attachment.object.id).or_default() += 1;
        }
        Ok(come)
    }

    /// Whether any guest of the attempt has a handle to it.
    pub(super) fn is_open(&self, object: ObjectId) -> bool {
        self.attempt().open.contains_key(&object)
    }

    /// This guest has a handle less: whether it was the attempt's last.
    pub(super) fn let_go(&mut self, object: ObjectId) -> bool {
        let Some(handles) = self.handles.get_mut(&object) else { return false };
        *handles = handles.saturating_sub(1);
        if *handles == 0 {
            self.handles.remove(&object);
        }
        self.attempt().let_go(object, 1)
    }

    /// This guest has no handle any more, to one of those that it had: which, and whether it was the attempt's last. None: it
    /// has none.
    pub(super) fn let_go_of_one(&mut self) -> Option<(ObjectId, bool)> {
        let (object, handles) = self.handles.pop_first()?;
        let last = self.attempt().let_go(object, handles);
        Some((object, last))
    }
}

impl OfAttempt {
    fn let_go(&mut self, object: ObjectId, handles: u64) -> bool {
        let Some(open) = self.open.get_mut(&object) else { return false };
        open.handles = open.handles.saturating_sub(handles);
        let last = open.handles == 0;
        if last {
            self.open.remove(&object);
        }
        last
    }

    fn take_in(
        &mut self,
        attached: &Attached,
        fds: Vec<OwnedFd>,
        ways: Ways,
        control: &Control,
    ) -> Result<Come, Error> {
        let no_room = || Error::Quota(FILES.to_owned());
        let both_ends = [Right::First, Right::Second];
        if attached.kind == Kind::Pipe && both_ends.iter().all(|end| attached.rights.contains(end)) {
            let ends: [OwnedFd; 2] = fds.try_into().map_err(|_| no_room())?;
            let mut rights = both_ends.into_iter();
            return Ok(Come::Ends(ends.map(|socket| {
                let end = rights.next().unwrap_or(Right::Second);
                Connection::of_pipe(socket, ways, PipeEnd::new(attached.object, end, control.clone()))
            })));
        }
        // The kernel gives no more than the process may have.
        let complete = fds.len() == 1 + usize::from(attached.page);
        let mut fds = fds.into_iter();
        let file = fds.next().ok_or_else(no_room)?;
        if let Some(page) = fds.next()
            && attached.page
        {
            self.page = Some(Arc::new(Page::map(page, attached.member).map_err(unmapped)?));
        }
        if !complete {
            return Err(no_room());
        }
        match attached.kind {
            Kind::Pipe => Ok(Come::Pipe(self.end_of_pipe(attached, file, ways, control))),
            Kind::Lock
            | Kind::Rlock
            | Kind::Semaphore { .. }
            | Kind::BoundedSemaphore { .. }
            | Kind::Event
            | Kind::Condition
            | Kind::Barrier { .. }
            | Kind::Value { .. }
            | Kind::Array { .. }
            | Kind::Memory { .. }
            | Kind::Queue { .. } => {
                // It was lost where the attempt had too many files when it came.
                let page = self.page.clone().ok_or_else(no_room)?;
                let object = self.mapped(attached, file, page)?;
                Ok(Come::Object(Attachment { object, allowed: Allowed::of(&attached.rights) }))
            }
        }
    }

    /// The object's one mapping. Where it was for reading only and this time is for writing, it is a new one, and handles from
    /// before keep theirs.
    fn mapped(&mut self, attached: &Attached, file: OwnedFd, page: Arc<Page>) -> Result<Arc<Object>, Error> {
        let writable = fcntl_getfl(&file)? & OFlags::ACCMODE == OFlags::RDWR;
        if let Some(open) = self.open.get_mut(&attached.object)
            && (open.object.writable || !writable)
        {
            open.handles += 1;
            return Ok(Arc::clone(&open.object));
        }
        let Attached { object: id, kind, member, .. } = *attached;
        let segment = Segment::map(file, id, kind, writable, page).map_err(unmapped)?;
        let (awaited, arrivals) = (Awaited::default(), Mutex::default());
        let object = Arc::new(Object { id, kind, member, segment, writable, awaited, arrivals });
        let before = self.open.remove(&id).map_or(0, |open| open.handles);
        self.open.insert(id, Open { object: Arc::clone(&object), handles: before + 1 });
        Ok(object)
    }

    fn end_of_pipe(&mut self, attached: &Attached, socket: OwnedFd, ways: Ways, control: &Control) -> Connection {
        let end = if attached.rights.contains(&Right::Second) { Right::Second } else { Right::First };
        match self.pipes.get(&(attached.object, end)) {
            Some(connection) if !connection.is_disconnected() => connection.clone(),
            Some(_) | None => {
                let pipe = PipeEnd::new(attached.object, end, control.clone());
                let connection = Connection::of_pipe(socket, ways, pipe);
                self.pipes.insert((attached.object, end), connection.clone());
                connection
            }
        }
    }
}

/// The memory is there, and so is the protocol's size of it: what fails is a bound of this process.
fn unmapped(error: io::Error) -> Error {
    Error::Quota(format!("memory of the object: {error}"))
}
