//! How a lock was got, and all that can be acquired.

use super::super::types::{Death, Error, Timeout, answer};
use super::super::view::Parts;
use super::handle::{Handle, Model, Outcome, until};
use crate::session::{self, Session, Shared};
use sandhog_objects_model::{self as model, Problem, Until};
use sandhog_protocol::objects::Member;
use wasmtime::component::{ComponentType, Lower, Resource};

#[derive(ComponentType, Lower)]
#[component(variant)]
pub(super) enum Acquired {
    #[component(name = "clean")]
    Clean(u64),
    #[component(name = "poisoned")]
    Poisoned((u64, Death)),
}

/// Acquires what `acquire` is about. `allowed`: whether the handle may.
pub(super) fn acquire<M: Model>(
    parts: Parts<'_>,
    handle: &Resource<Handle<M>>,
    timeout: Timeout,
    allowed: impl FnOnce(&Handle<M>) -> Result<(), session::Error>,
    acquire: impl FnOnce(M, &Shared<'_>, Member, Until) -> Result<model::Acquired, Problem>,
) -> Outcome<Acquired> {
    let Parts { session, table } = parts;
    let handle = table.get(handle)?;
    let acquired = allowed(handle).and_then(|()| {
        handle.call(session.waits(), |model, memory, member| acquire(model, memory, member, until(timeout)))
    });
    Ok(told(session, acquired))
}

fn told(session: &mut Session, acquired: Result<model::Acquired, session::Error>) -> Result<Acquired, Error> {
    let model::Acquired { token, died } = answer(acquired)?;
    match died {
        None => Ok(Acquired::Clean(token)),
        Some(member) => {
            let ended = answer(session.died(member))?;
            Ok(Acquired::Poisoned((token, Death::from(&ended))))
        }
    }
}
