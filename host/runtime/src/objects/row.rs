//! An object as whoever looks at a group sees it.

use super::asked::Who;
use sandhog_protocol::objects::{ObjectId, ObjectState};
use std::sync::Arc;
use std::time::Duration;

/// An object of a group as it is shown.
#[derive(Clone, Debug)]
pub struct Row {
    pub object: ObjectId,
    /// None: it has none.
    pub name: Option<String>,
    /// As people write it.
    pub kind: String,
    /// Of its memory.
    pub bytes: u64,
    /// Attempts that use it.
    pub users: usize,
    pub age: Duration,
    /// Those who hold it, those who wait for it and for how long; of attempts that are still known.
    pub holders: Vec<Arc<Who>>,
    pub waiters: Vec<(Arc<Who>, Duration)>,
    /// None: its keeper does not say.
    pub state: Option<ObjectState>,
}
