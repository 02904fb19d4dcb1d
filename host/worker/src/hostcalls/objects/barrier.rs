//! `barrier`.

use super::super::types::Timeout;
use super::super::view::Parts;
use super::super::waiting::{Left, Over};
use super::define::Define;
use super::handle::{Of, Outcome, operate, problem, until};
use super::open::resource;
use crate::session::{Attachment, Shared};
use sandhog_objects_model::{Arrived, Barrier, Problem};
use sandhog_protocol::objects::Right;

const USE: &[Right] = &[Right::Use];

pub(super) fn link(objects: &mut impl Define) -> wasmtime::Result<()> {
    resource::<Barrier>(objects)?;
    objects.waits_in_steps::<Barrier, Call, u32, Waits>(
        "[method]barrier.wait",
        |parts, (barrier, timeout)| {
            operate(parts, barrier, USE, |barrier, memory, me| barrier.wait(memory, me, until(*timeout)))
        },
        wait,
    )?;
    objects.function::<(Of<Barrier>,), ()>("[method]barrier.reset", |parts, (barrier,)| {
        operate(parts, &barrier, USE, |barrier, memory, me| barrier.reset(memory, me))
    })?;
    objects.function::<(Of<Barrier>,), ()>("[method]barrier.abort", |parts, (barrier,)| {
        operate(parts, &barrier, USE, |barrier, memory, me| barrier.abort(memory, me))
    })?;
    objects.known::<Barrier, u32>("[method]barrier.parties", Barrier::parties)?;
    objects.function::<(Of<Barrier>,), u32>("[method]barrier.waiting", |parts, (barrier,)| {
        operate(parts, &barrier, USE, |barrier, memory, _| Ok(barrier.waiting(memory)))
    })?;
    objects.function::<(Of<Barrier>,), bool>("[method]barrier.is-broken", |parts, (barrier,)| {
        operate(parts, &barrier, USE, |barrier, memory, _| Ok(barrier.is_broken(memory)))
    })
}

type Call = (Of<Barrier>, Timeout);

/// A wait between two of its attempts. Whoever drops one that has arrived gives up, which breaks the barrier.
#[derive(Default)]
struct Waits {
    arrived: Option<(Attachment, Barrier, Arrived)>,
    over: Option<Problem>,
}

impl Left for Waits {
    /// It is to leave.
    fn over(&mut self, why: Over) -> bool {
        self.over = Some(problem(why));
        self.arrived.is_some()
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        let Some((attachment, barrier, arrived)) = self.arrived.take() else { return };
        let object = attachment.object();
        // Nobody is there any more who could be told how it was.
        let _ = object.arrivals().leave(barrier, object.segment(), object.member(), arrived, Problem::Stopping);
        object.awaited().tell();
    }
}

fn wait(Parts { session, table }: Parts<'_>, (handle, timeout): &Call, waits: &mut Waits) -> Outcome<u32> {
    let handle = table.get(handle)?;
    let attachment = handle.attachment();
    let waited = handle.needs(USE).and_then(|()| {
        handle.call(session.waits(), |barrier, memory, _| waits.attempt(attachment, barrier, memory, *timeout))
    });
    if waits.over.is_some() {
        // It may have been broken: the others look.
        attachment.object().awaited().tell();
    }
    Ok(waited)
}

impl Waits {
    fn attempt(
        &mut self,
        attachment: &Attachment,
        barrier: Barrier,
        memory: &Shared<'_>,
        timeout: Timeout,
    ) -> Result<u32, Problem> {
        let me = attachment.object().member();
        let mut arrivals = attachment.object().arrivals();
        let Some((.., arrived)) = self.arrived else {
            return match arrivals.arrive(barrier, memory, me)? {
                Ok(last) => Ok(last),
                Err(arrived) if timeout == Some(0) => arrivals.leave(barrier, memory, me, arrived, Problem::WouldBlock),
                Err(arrived) => {
                    self.arrived = Some((attachment.clone(), barrier, arrived));
                    Err(Problem::WouldBlock)
                }
            };
        };
        let waited = match self.over {
            None => arrivals.look(barrier, memory, me, arrived).unwrap_or(Err(Problem::WouldBlock)),
            Some(why) => arrivals.leave(barrier, memory, me, arrived, why),
        };
        if waited != Err(Problem::WouldBlock) {
            self.arrived = None;
        }
        waited
    }
}
