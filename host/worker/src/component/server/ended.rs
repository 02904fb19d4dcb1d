//! Why an instance has no answer, in the words of reports.

use crate::report::{self, Stage};
use crate::store::Limiter;
use sandhog_protocol::worker::{End, TrapKind};

/// What the engine's error means.
pub(super) fn end(error: &wasmtime::Error, stage: Stage, limiter: &Limiter) -> End {
    report::end(error, stage, limiter)
}

/// The guest did nothing that the engine would end it for, and there is no answer all the same.
pub(super) fn without_answer(message: &str) -> End {
    End::Trapped { kind: TrapKind::Other, message: report::shortened(message), backtrace: Vec::new() }
}

/// The worker itself is at fault.
pub(super) fn broken(error: &(dyn std::error::Error + 'static)) -> End {
    report::broken(&sandhog_protocol::causes::one_line(error))
}
