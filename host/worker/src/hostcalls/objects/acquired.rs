//! How a lock was got, and all that can be acquired.

use super::super::types::{Death, Timeout};
use super::super::view::Parts;
use super::handle::{Answer, Handle, Model, Outcome, until};
use crate::session::{Session, Shared};
use sandhog_objects_model::{self as model, Problem, Until};
use sandhog_protocol::objects::Member;
use wasmtime::component::{ComponentType, Lower, Resource};

#[derive(ComponentType, Lower)]
#[component(variant)]
pub(super) enum Acquired {
    #[component(name = "clean")]
    Clean(u64),
    #[component(name = "poisoned")]
    /// In a box, as errors are.
    Poisoned((u64, Box<Death>)),
}

/// Acquires what `acquire` is about. `allowed`: whether the handle may.
#[inline]
pub(super) fn acquire<M: Model>(
    parts: Parts<'_>,
    handle: &Resource<Handle<M>>,
    timeout: Timeout,
    allowed: impl FnOnce(&Handle<M>) -> Answer<()>,
    acquire: impl FnOnce(M, &Shared<'_>, Member, Until) -> Result<model::Acquired, Problem>,
) -> Outcome<Acquired> {
    let Parts { session, table } = parts;
    let handle = table.get(handle)?;
    let acquired = allowed(handle).and_then(|()| {
        handle.call(session.waits(), |model, memory, member| acquire(model, memory, member, until(timeout)))
    });
    Ok(told(session, acquired))
}

#[inline]
fn told(session: &mut Session, acquired: Answer<model::Acquired>) -> Answer<Acquired> {
    let model::Acquired { token, died } = acquired?;
    match died {
        None => Ok(Acquired::Clean(token)),
        Some(member) => poisoned(session, token, member),
    }
}

#[cold]
fn poisoned(session: &mut Session, token: u64, member: Member) -> Answer<Acquired> {
    let ended = session.died(member)?;
    Ok(Acquired::Poisoned((token, Box::new(Death::from(&ended)))))
}
