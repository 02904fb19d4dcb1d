//! `condition`: a re-entrant lock, and a wait for what changes under it.

use super::super::types::Timeout;
use super::super::view::Parts;
use super::super::waiting::{Left, Over};
use super::acquired::{Acquired, acquire};
use super::acquires::acquires;
use super::define::Define;
use super::handle::{Of, Outcome, operate, problem, tell};
use super::open::resource;
use crate::session::Shared;
use sandhog_objects_model::{self as model, Awaits, Condition, Problem};
use sandhog_protocol::objects::{Member, Right};

const USE: &[Right] = &[Right::Use];

pub(super) fn link(objects: &mut impl Define) -> wasmtime::Result<()> {
    resource::<Condition>(objects)?;
    acquires::<Condition>(
        objects,
        "[method]condition.acquire",
        |condition| condition.needs(USE),
        |condition, memory, me, until| condition.acquire(memory, me, until),
    )?;
    objects.function::<(Of<Condition>,), ()>("[method]condition.release", |parts, (condition,)| {
        operate(parts, &condition, USE, |condition, memory, me| condition.release(memory, me))
    })?;
    objects.waits_in_steps::<Condition, Call, Acquired, Waits>(
        "[method]condition.wait",
        |parts, (condition, timeout)| {
            acquire(
                parts,
                condition,
                *timeout,
                |condition| condition.needs(USE),
                |condition, memory, me, until| condition.wait(memory, me, until),
            )
        },
        wait,
    )?;
    objects.function::<(Of<Condition>, u32), ()>("[method]condition.notify", |parts, (condition, most)| {
        operate(parts, &condition, USE, |condition, memory, me| condition.notify(memory, me, most))
    })?;
    objects.function::<(Of<Condition>,), ()>("[method]condition.notify-all", |parts, (condition,)| {
        operate(parts, &condition, USE, |condition, memory, me| condition.notify(memory, me, u32::MAX))
    })
}

type Call = (Of<Condition>, Timeout);

/// A wait between two of its attempts. Its lock is free meanwhile, and nothing else of it is in the condition.
#[derive(Default)]
struct Waits {
    began: Option<Awaits>,
    over: Option<Problem>,
}

impl Left for Waits {
    /// Its lock is to come back.
    fn over(&mut self, why: Over) -> bool {
        self.over = Some(problem(why));
        self.began.is_some()
    }
}

fn wait(Parts { session, table }: Parts<'_>, (handle, timeout): &Call, waits: &mut Waits) -> Outcome<Acquired> {
    let begins = waits.began.is_none();
    let allowed = |condition: &super::handle::Handle<Condition>| condition.needs(USE);
    let acquired = acquire(Parts { session, table }, handle, None, allowed, |condition, memory, me, _| {
        waits.attempt(condition, memory, me, *timeout)
    })?;
    if begins && waits.began.is_some() {
        // Its lock is free.
        tell(table, handle)?;
    }
    Ok(acquired)
}

impl Waits {
    fn attempt(
        &mut self,
        condition: Condition,
        memory: &Shared<'_>,
        me: Member,
        timeout: Timeout,
    ) -> Result<model::Acquired, Problem> {
        let awaits = match self.began {
            Some(awaits) => awaits,
            None if timeout == Some(0) && condition.is_held(memory, me) => return Err(Problem::WouldBlock),
            None => *self.began.insert(condition.begin_to_wait(memory, me)?),
        };
        let is_told = condition.was_notified_since(memory, awaits);
        if !is_told && self.over.is_none() {
            return Err(Problem::WouldBlock);
        }
        let acquired = condition.come_back(memory, me, awaits)?;
        match self.over {
            Some(problem) if !is_told && acquired.died.is_none() => Err(problem),
            Some(_) | None => Ok(acquired),
        }
    }
}
