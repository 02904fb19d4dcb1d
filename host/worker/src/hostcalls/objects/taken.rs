//! An item in a guest's hands.

use super::super::types::Incoming;
use wasmtime::component::{ComponentType, Lower};

/// An item that was taken, until it is acknowledged.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Taken {
    pub(super) token: u64,
    pub(super) message: Incoming,
}
