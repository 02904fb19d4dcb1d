//! Proves the walls: native code in the guest's place tries what is forbidden.

pub(crate) mod probes;
