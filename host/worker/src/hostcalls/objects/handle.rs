//! A guest's handle to an object, and what all operations do before and after their own.
//!
//! Must not: know an operation.

use super::super::types::{Error, Timeout, answer};
use super::super::view::Parts;
use crate::session::{self, Attachment, Object, Shared, Waits};
use sandhog_objects::now_ns;
use sandhog_objects_model::{self as model, Problem, Until};
use sandhog_protocol::objects::{Member, Right};
use std::sync::Arc;
use wasmtime::component::Resource;

pub(super) const READ: &[Right] = &[Right::Read];
pub(super) const WRITE: &[Right] = &[Right::Write];
/// For the lock of a value or an array, which goes along with either right.
pub(super) const EITHER: &[Right] = &[Right::Read, Right::Write];

/// What an operation comes to: outside, what the engine finds wrong with the call; inside, what the guest is told.
pub(super) type Outcome<R> = wasmtime::Result<Result<R, Error>>;

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
    ) -> Result<R, session::Error> {
        let object = self.attachment.object();
        Ok(operation(self.model, &Shared::new(object, waits), object.member())?)
    }

    /// Does an operation for which one of these rights is enough.
    ///
    /// # Errors
    /// [`session::Error::Denied`], by the first of them.
    #[inline]
    pub(super) fn needs(&self, rights: &[Right]) -> Result<(), session::Error> {
        let mut first = Ok(());
        for right in rights {
            match self.attachment.needs(*right) {
                Ok(()) => return Ok(()),
                Err(error) => first = first.and(Err(error)),
            }
        }
        first
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
    Ok(answer(handle.needs(rights).and_then(|()| handle.call(session.waits(), operation))))
}

/// What an operation needs that takes bytes out of the guest's memory, which is borrowed meanwhile.
pub(super) struct Apart<M> {
    pub(super) object: Arc<Object>,
    pub(super) waits: Waits,
    pub(super) model: M,
}

/// The same, apart from the store.
pub(super) fn apart<M: Model>(
    parts: Parts<'_>,
    handle: &Of<M>,
    right: Right,
) -> wasmtime::Result<Result<Apart<M>, session::Error>> {
    let Parts { session, table } = parts;
    let handle = table.get(handle)?;
    let object = Arc::clone(handle.attachment.object());
    Ok(handle.needs(&[right]).map(|()| Apart { object, waits: session.waits().clone(), model: handle.model }))
}

impl<M: Model> Apart<M> {
    pub(super) fn call<R>(
        &self,
        operation: impl FnOnce(M, &Shared<'_>, Member) -> Result<R, Problem>,
    ) -> Result<R, session::Error> {
        Ok(operation(self.model, &Shared::new(&self.object, &self.waits), self.object.member())?)
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
