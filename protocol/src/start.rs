//! How a zygote is started: by which name, with which descriptors, out of which compiled module.

use crate::plan::Metering;
use std::ffi::CStr;

/// The variable that tells a process of ours where its channel is.
pub const IPC_FD: &str = "SANDHOG_IPC_FD";

/// The name (`argv[0]`) of a zygote. Behind it comes the id of the build that its spawner belongs to: see `host/build-id`.
pub const ZYGOTE: &CStr = c"sandhog-zygote";

/// Behind that, where somebody wants to know what a start costs: see [`crate::spawn::Stamp`].
pub const STAMPED: &CStr = c"stamped";

/// The number of the descriptor of the channel to its spawner.
pub const CONTROL_FD: i32 = 3;

/// Names the settings that are baked into compiled modules of all kinds, and how a core module becomes a component: part of
/// the cache's key, beside the hash of the module's bytes, out of which the kind follows. A test fails where the settings
/// change and this does not.
#[must_use]
pub const fn settings_id(metering: Metering) -> &'static str {
    match (metering.fuel, metering.epochs) {
        (false, false) => "wasmtime-48.0.8/sandhog-3",
        (true, false) => "wasmtime-48.0.8/sandhog-3/fuel",
        (false, true) => "wasmtime-48.0.8/sandhog-3/epochs",
        (true, true) => "wasmtime-48.0.8/sandhog-3/fuel/epochs",
    }
}
