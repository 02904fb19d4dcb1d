//! The engine's settings, the same for compiling and running.

use crate::Text;
use sandhog_protocol::{
    limits,
    plan::{Kind, Metering},
};
use std::{num::NonZeroUsize, sync::Arc};
use wasmtime::{Collector, Config, Engine, InstanceAllocationStrategy, WasmBacktraceDetails, WasmFeatures};

/// The guest's stack, in bytes: DESIGN's default. Most native programs have 8 MiB, the engine's own default is 512 KiB.
const WASM_STACK: usize = 1 << 20;

/// The stack on which guest and host functions run together, in bytes: what is above [`WASM_STACK`] is the host's.
/// The engine's own default leaves as much.
const STACK: usize = limits::GUEST_STACK;

/// An engine that has no compiler and loads one module, whose code is then to be found by the second.
///
/// # Errors
/// What the engine says of the settings.
pub fn for_running(metering: Metering, coredump: bool, kind: Kind) -> wasmtime::Result<(Engine, Arc<Text>)> {
    let (mut config, text) = (config(metering, kind), Arc::new(Text::default()));
    #[cfg(feature = "compiler")]
    config.enable_compiler(false);
    // No part of the compiled code. It costs each end of a guest that is no return, so only where one is wanted.
    config.coredump_on_trap(coredump);
    config.with_custom_code_memory(Some(text.hook()));
    Ok((Engine::new(&config)?, text))
}

/// Every setting that differs from the engine's default, and those defaults that must not change unseen.
#[must_use]
pub fn config(metering: Metering, kind: Kind) -> Config {
    let mut config = Config::new();
    config
        // 4 GiB of addresses for each memory, of which only what the guest uses becomes memory: a smaller
        // reservation halves the speed of loops, and pooling starts no faster here.
        .allocation_strategy(InstanceAllocationStrategy::OnDemand)
        .memory_reservation(4 << 30)
        .memory_init_cow(true)
        .signals_based_traps(true)
        // A limit of time ends the process (`sys::timer`): checks in the guest's loops would cost it 9 %. Only where many requests
        // share a process is one of them ended alone.
        .epoch_interruption(metering.epochs)
        .consume_fuel(metering.fuel)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(STACK)
        .collector(Collector::DeferredReferenceCounting)
        // For native debuggers only; the engine finds its own way through the stack by frame pointers.
        .native_unwind_info(false)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_backtrace_max_frames(NonZeroUsize::new(limits::BACKTRACE))
        // Needed by WASI 0.3 alone, and each host call pays for it.
        .concurrency_support(kind == Kind::Concurrent)
        .wasm_features(WasmFeatures::THREADS, false);
    #[cfg(feature = "compiler")]
    config.cranelift_opt_level(wasmtime::OptLevel::Speed).parallel_compilation(false);
    config
}
