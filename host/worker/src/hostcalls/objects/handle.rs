//! A guest's handle to an object, and what all operations do before and after their own.
//!
//! Must not: know an operation.

use super::super::types::{Error, Timeout, or_default};
use super::super::view::Parts;
use super::super::waiting::{Bell, Over};
use crate::session::{self, Attachment, Session, Shared, Waits};
use sandhog_objects::now_ns;
use sandhog_objects_model::{self as model, Problem, Until};
use sandhog_protocol::objects::{Member, Right};
use wasmtime::component::{Resource, ResourceTable};

pub(super) const READ: &[Right] = &[Right::Read];
pub(super) const WRITE: &[Right] = &[Right::Write];
/// For the lock of a value or an array, which goes along with either right.
pub(super) const EITHER: &[Right] = &[Right::Read, Right::Write];

/// What an operation comes to: outside, what the engine finds wrong with the call; inside, what the guest is told.
pub(super) type Outcome<R> = wasmtime::Result<Answer<R>>;

/// What the guest is told. The error is in a box: what most calls come to is two words then, and stays in registers.
pub(super) type Answer<R> = Result<R, Box<Error>>;

impl From<session::Error> for Box<Error> {
    #[cold]
    fn from(error: session::Error) -> Self {
        Self::new(error.into())
    }
}

impl From<Problem> for Box<Error> {
    #[cold]
    fn from(problem: Problem) -> Self {
        session::Error::from(problem).into()
    }
}

/// A kind of object as the model has it.
pub(in super::super) trait Model: Copy + Send + Sync + 'static {
    /// The resource's name in the interface.
    const NAME: &'static str;

    /// None: it is of another kind.
    fn of(object: model::Object) -> Option<Self>;
}

macro_rules! models {
    ($($kind:ident = $name:literal;)+) => {
        $(impl Model for model::$kind {
            const NAME: &'static str = $name;

            fn of(object: model::Object) -> Option<Self> {
                match object {
                    model::Object::$kind(model) => Some(model),
                    _ => None,
                }
            }
        })+
    };
}

models! {
    Lock = "lock";
    Rlock = "rlock";
    Semaphore = "semaphore";
    Event = "event";
    Condition = "condition";
    Barrier = "barrier";
    Value = "value";
    Array = "array";
    Memory = "memory";
    Queue = "queue";
}

/// A handle of a guest's.
pub(in super::super) struct Handle<M> {
    attachment: Attachment,
    model: M,
}

/// A handle as a function takes it.
pub(super) type Of<M> = Resource<Handle<M>>;

impl<M: Model> Handle<M> {
    /// None: the object is of another kind.
    pub(super) fn new(attachment: Attachment) -> Result<Self, Attachment> {
        match model::Object::of(attachment.kind()).and_then(M::of) {
            Some(model) => Ok(Self { attachment, model }),
            None => Err(attachment),
        }
    }

    /// Of what is taken for something else than it is.
    #[cfg(feature = "hostile")]
    pub(super) fn over(attachment: Attachment, model: M) -> Self {
        Self { attachment, model }
    }

    pub(in super::super) fn attachment(&self) -> &Attachment {
        &self.attachment
    }

    pub(super) fn model(&self) -> M {
        self.model
    }

    /// Does an operation.
    #[inline]
    pub(super) fn call<R>(
        &self,
        waits: &Waits,
        operation: impl FnOnce(M, &Shared<'_>, Member) -> Result<R, Problem>,
    ) -> Answer<R> {
        let object = self.attachment.object();
        let done = operation(self.model, &Shared::new(object, waits), object.member())?;
        object.awaited().tell();
        Ok(done)
    }

    /// Does an operation for which one of these rights is enough.
    ///
    /// # Errors
    /// [`Error::Denied`], by the first of them.
    #[inline]
    pub(super) fn needs(&self, rights: &[Right]) -> Answer<()> {
        Ok(self.attachment.needs_one_of(rights)?)
    }

    /// # Errors
    /// As [`Attachment::needs_writable`].
    #[inline]
    pub(super) fn needs_writable(&self) -> Answer<()> {
        Ok(self.attachment.needs_writable()?)
    }
}

/// What tells a wait for the object behind a handle when to look again. The first wait of a guest says that it listens for a
/// stop, which ends them.
pub(super) fn bell<M: Model>(parts: Parts<'_>, handle: &Of<M>) -> wasmtime::Result<Bell> {
    let Parts { session, table } = parts;
    let attachment = table.get(handle)?.attachment().clone();
    or_default(session.waits().listen());
    Ok(Bell::of_object(attachment))
}

/// Tells those of this worker that wait for the object behind a handle to look again.
pub(super) fn tell<M: Model>(table: &ResourceTable, handle: &Of<M>) -> wasmtime::Result<()> {
    table.get(handle)?.attachment().object().awaited().tell();
    Ok(())
}

/// Why a wait came to nothing.
pub(super) fn problem(over: Over) -> Problem {
    match over {
        Over::TimedOut => Problem::TimedOut,
        Over::Stopping => Problem::Stopping,
    }
}

/// Does an operation on the object behind a handle, for which one of these rights is enough.
#[inline]
pub(super) fn operate<M: Model, R>(
    parts: Parts<'_>,
    handle: &Of<M>,
    rights: &[Right],
    operation: impl FnOnce(M, &Shared<'_>, Member) -> Result<R, Problem>,
) -> Outcome<R> {
    let Parts { session, table } = parts;
    let handle = table.get(handle)?;
    Ok(handle.needs(rights).and_then(|()| handle.call(session.waits(), operation)))
}

/// An object as an operation has it that takes bytes where they lie: it was looked up, and the handle has the right.
pub(super) struct Target<'a, M> {
    handle: &'a Handle<M>,
    waits: &'a Waits,
}

/// Looks it up.
#[inline]
pub(super) fn target<'a, M: Model>(
    session: &'a Session,
    table: &'a ResourceTable,
    handle: &Of<M>,
    right: Right,
) -> Outcome<Target<'a, M>> {
    let handle = table.get(handle)?;
    Ok(handle.needs(&[right]).map(|()| Target { handle, waits: session.waits() }))
}

impl<M: Model> Target<'_, M> {
    #[inline]
    pub(super) fn call<R>(&self, operation: impl FnOnce(M, &Shared<'_>, Member) -> Result<R, Problem>) -> Answer<R> {
        self.handle.call(self.waits, operation)
    }
}

/// From a guest's timeout, from here on. One that no clock reaches is for ever.
pub(super) fn until(timeout: Timeout) -> Until {
    match timeout {
        None => Until::Never,
        Some(0) => Until::Now,
        Some(ns) => now_ns().checked_add(ns).map_or(Until::Never, Until::At),
    }
}

/// Of a name that is too long to have been granted.
pub(super) const NO_SUCH_NAME: &str = "an object of a name that is longer than names may be";
