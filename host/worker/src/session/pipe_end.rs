//! An end of a pipe in this attempt's hands, as the coordinator knows it: it is told when it is closed here, for it has a copy of
//! the socket, without which the other end would hear nothing of that.
//!
//! Must not: know what goes through it.

use super::control::Control;
use sandhog_protocol::objects::{ObjectId, Right};
use sandhog_protocol::request::Request;

/// Closed when it is dropped, unless it was handed on.
pub(super) struct PipeEnd {
    object: ObjectId,
    end: Right,
    control: Control,
    is_handed_on: bool,
}

impl PipeEnd {
    pub(super) fn new(object: ObjectId, end: Right, control: Control) -> Self {
        Self { object, end, control, is_handed_on: false }
    }

    pub(super) fn name(&self) -> (ObjectId, Right) {
        (self.object, self.end)
    }

    /// It is somebody else's now.
    pub(super) fn hand_on(mut self) {
        self.is_handed_on = true;
    }
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        if !self.is_handed_on {
            let (object, end) = self.name();
            // Where the coordinator has gone, this process is about to end as well.
            let _ = self.control.ask(Request::HangUp { object, end });
        }
    }
}
