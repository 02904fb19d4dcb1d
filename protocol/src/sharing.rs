//! Objects that jobs share, as a daemon shows them.

use serde::{Deserialize, Serialize};

/// A line of `GET /v1/objects`: an object that jobs of a group share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SharedObject {
    /// Its group's name.
    pub group: String,
    /// Its name. Null: it was made without one.
    pub name: Option<String>,
    /// Its number in the group, never used again while the daemon runs.
    pub object: u64,
    /// As in a grant: `queue(100, 1MiB)`.
    pub kind: String,
    /// Attempts that use it.
    pub users: u64,
    /// Who holds it: a lock's holder, those who have permits of a semaphore or items of a queue in their hands.
    pub holders: Vec<ObjectUser>,
    /// Attempts that wait for it.
    pub waiters: Vec<ObjectWaiter>,
    /// Permits that are left, items that wait, parties that have arrived; of an event 1 where it is set. Null: its keeper does
    /// not say.
    pub level: Option<u64>,
    /// Bytes that are in it: of queues.
    pub bytes: Option<u64>,
    /// The last acquisition token that was given.
    pub token: Option<u64>,
    /// Memory that it takes as long as it is there, in bytes.
    pub memory_bytes: u64,
    /// When it was made, in milliseconds since 1970-01-01 UTC.
    pub created_ms: u64,
}

/// An attempt that holds an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ObjectUser {
    /// Its job's name.
    pub job: String,
    /// The number of its instance among the job's, from 0.
    pub instance: u32,
    /// Its id.
    pub attempt: String,
}

/// An attempt that waits for an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ObjectWaiter {
    /// Its job's name.
    pub job: String,
    /// The number of its instance among the job's, from 0.
    pub instance: u32,
    /// Its id.
    pub attempt: String,
    /// Since when it waits, in milliseconds since 1970-01-01 UTC.
    pub since_ms: u64,
}
