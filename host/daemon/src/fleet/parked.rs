//! Requests that need more ids than are reserved: they are put aside until the disk has them, and nobody else waits.

use super::refusal::Refusal;
use super::request::{Reply, Verb};
use super::settle::{Opened, Prepared};
use sandhog_protocol::control::{ScaleRequest, VerbRequest, VerbResult};
use std::collections::VecDeque;

/// What was asked for. It is checked anew when its turn comes, for others have been served meanwhile.
pub(super) enum Asked {
    Apply(Box<Prepared>, Reply<VerbResult>),
    Scale(ScaleRequest, Reply<VerbResult>),
    Ask(Verb, VerbRequest, Opened, Reply<VerbResult>),
}

impl Asked {
    pub(super) fn reply(&self) -> &Reply<VerbResult> {
        match self {
            Self::Apply(_, reply) | Self::Scale(_, reply) | Self::Ask(.., reply) => reply,
        }
    }

    pub(super) fn refuse(self, refusal: Refusal) {
        let (Self::Apply(_, reply) | Self::Scale(_, reply) | Self::Ask(.., reply)) = self;
        // Whoever asked may have gone.
        let _ = reply.send(Err(refusal));
    }
}

/// In the order in which they came. No more than sessions wait: one that has gone is forgotten.
#[derive(Default)]
pub(super) struct Parked {
    pub(super) waiting: VecDeque<(Asked, u64)>,
    /// The store is asked already, and will say when it is done.
    pub(super) is_asked: bool,
}
