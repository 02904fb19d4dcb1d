//! Functions that acquire a lock, or an object by the lock that it has.

use super::super::types::Timeout;
use super::acquired::{Acquired, acquire};
use super::define::Define;
use super::handle::{Answer, Handle, Model, Of};
use crate::session::Shared;
use sandhog_objects_model::{self as model, Problem, Until};
use sandhog_protocol::objects::Member;

/// The function of this name, which acquires what a handle is about. `allowed`: whether the handle may.
pub(super) fn acquires<M: Model>(
    objects: &mut impl Define,
    name: &str,
    allowed: impl Fn(&Handle<M>) -> Answer<()> + Copy + Send + Sync + 'static,
    operation: impl Fn(M, &Shared<'_>, Member, Until) -> Result<model::Acquired, Problem> + Copy + Send + Sync + 'static,
) -> wasmtime::Result<()> {
    objects.waits::<M, (Of<M>, Timeout), Acquired, ()>(name, move |parts, (handle, _), timeout, ()| {
        acquire(parts, handle, timeout, allowed, operation)
    })
}
