//! What functions take that may have to wait for an object.

use super::super::types::Timeout;
use super::super::waiting::Timed;
use super::handle::{Model, Of};

/// The object comes first, the time last.
pub(super) trait Patient<M: Model>: Timed {
    fn object(&self) -> &Of<M>;
}

impl<M: Model> Timed for (Of<M>, Timeout) {
    fn timeout(&self) -> Timeout {
        self.1
    }
}

impl<M: Model> Patient<M> for (Of<M>, Timeout) {
    fn object(&self) -> &Of<M> {
        &self.0
    }
}

impl<M: Model> Timed for (Of<M>, u32, Timeout) {
    fn timeout(&self) -> Timeout {
        self.2
    }
}

impl<M: Model> Patient<M> for (Of<M>, u32, Timeout) {
    fn object(&self) -> &Of<M> {
        &self.0
    }
}
