//! The guest's stdin, as far as the coordinator has to do with it: it is asked to let the input come, and says why it ends.

use super::control::Control;
use rustix::io::Errno;
use sandhog_protocol::request::Request;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where stdin comes from. Its clones are one.
#[derive(Clone)]
pub(crate) struct Input {
    control: Control,
    wanted: Arc<AtomicBool>,
}

impl Input {
    pub(crate) fn new(control: Control) -> Self {
        Self { control, wanted: Arc::default() }
    }

    /// To be called before stdin is read or waited for: nothing comes before that.
    pub(crate) fn want(&self) {
        if !self.wanted.swap(true, Ordering::Relaxed) {
            // What it has said and nobody has wanted to know could be in the way of its hearing this.
            let _ = self.control.input_failed();
            // Where the coordinator has gone, this process is about to end as well.
            let _ = self.control.ask(Request::Reads);
        }
    }

    /// Where stdin has come to its end: why, if it could not be read. The coordinator says so before it closes it.
    pub(crate) fn failure(&self) -> Option<Errno> {
        self.control.input_failed()
    }
}
