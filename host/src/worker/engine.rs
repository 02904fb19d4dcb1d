//! The engine's settings, the same for compiling and running, and the loading of a compiled module.

use super::{component, guest::Guest, preview1};
use crate::sys::{
    alloc,
    artifact::{self, Text},
    timer,
};
use sandhog_protocol::{limits, plan::Kind};
use std::{fs::File, io, num::NonZeroUsize, sync::Arc};
use wasmparser::WasmFeatures;
use wasmtime::{
    Collector, Config, Engine, InstanceAllocationStrategy, InstancePre, Linker, OptLevel, WasmBacktraceDetails,
};

/// The guest's stack, in bytes: DESIGN's default. Most native programs have 8 MiB, the engine's own default is 512 KiB.
const WASM_STACK: usize = 1 << 20;

/// The stack on which guest and host functions run together, in bytes: what is above [`WASM_STACK`] is the host's.
/// The engine's own default leaves as much.
const STACK: usize = WASM_STACK + (1536 << 10);

/// Why no engine or no prepared module came about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("failed to build the engine")]
    Engine(#[source] wasmtime::Error),
    #[error("failed to install the timers' signal handlers")]
    Timers(#[source] io::Error),
    /// Compile the module again.
    #[error("failed to load the compiled module")]
    Stale(#[source] wasmtime::Error),
    /// The module was let through by the compiler and can't be linked: a component that knows an interface, but not as it is here.
    #[error("it can't be linked to what it imports, so it was built against another version of an interface")]
    Link(#[source] wasmtime::Error),
}

/// Names the settings that are baked into compiled modules of all kinds, and how a core module becomes a component: part of
/// the cache's key, beside the hash of the module's bytes, out of which the kind follows. A test fails where the settings
/// change and this does not.
#[must_use]
pub(crate) const fn settings_id(fuel: bool) -> &'static str {
    if fuel { "wasmtime-48.0.8/sandhog-3/fuel" } else { "wasmtime-48.0.8/sandhog-3" }
}

/// What WebAssembly a module may use: version 3.0 of the standard, without threads. Shared memories escape
/// the limiter, and the engine has dropped wasi-threads. Legacy exceptions, stack switching, wide arithmetic
/// and custom page sizes are not in the standard. Components: the model of WASI 0.2, and what 0.3 adds to it.
#[must_use]
pub(crate) fn features(kind: Kind) -> WasmFeatures {
    let modules = WasmFeatures::WASM3.difference(WasmFeatures::THREADS);
    match kind {
        Kind::Core => modules,
        Kind::Component => modules.union(WasmFeatures::COMPONENT_MODEL),
        Kind::Concurrent => modules.union(WasmFeatures::COMPONENT_MODEL).union(WasmFeatures::CM_ASYNC),
    }
}

/// What attempts start from.
pub(crate) enum Prepared {
    Core(Module),
    Component(component::Prepared),
}

/// A core module, loaded and linked, from which any number of attempts start, each in a process of its own.
pub(crate) struct Module {
    pub(super) engine: Engine,
    pub(super) instance: InstancePre<Guest>,
    /// The module was compiled with the fuel counter.
    pub(super) fuel: bool,
}

/// Loads the compiled module in `file`. What is mapped again by each instance has to stay open for as long as the
/// process lives: the file, and unnamed files of a component's memories, whose numbers follow on the file's. Starts no
/// thread, opens no path, draws no random number; installs the timers' signal handlers. With `coredump` the engine notes at
/// each trap what a core dump needs.
///
/// # Errors
/// [`Error::Stale`] where the file is not one that this engine compiled with these settings.
pub(crate) fn load_for(fuel: bool, coredump: bool, kind: Kind, file: File) -> Result<Prepared, Error> {
    let (engine, text) = for_running(fuel, coredump, kind)?;
    let prepared = match kind {
        Kind::Core => Prepared::Core(load_module(engine, &text, fuel, file)?),
        Kind::Component | Kind::Concurrent => {
            // Threads come later, and would each have a heap of their own, which the C library asks /proc about.
            alloc::one_heap();
            Prepared::Component(component::load(engine, &text, kind, fuel, file)?)
        }
    };
    timer::install().map_err(Error::Timers)?;
    // The stack for signals, which forks inherit.
    Engine::tls_eager_initialize();
    Ok(prepared)
}

/// As [`load_for`], without core dumps.
#[cfg(test)]
pub(crate) fn load(fuel: bool, kind: Kind, file: File) -> Result<Prepared, Error> {
    load_for(fuel, false, kind, file)
}

fn load_module(engine: Engine, text: &Text, fuel: bool, file: File) -> Result<Module, Error> {
    let module = artifact::load(&engine, text, file).map_err(Error::Stale)?;
    module.initialize_copy_on_write_image().map_err(Error::Stale)?;
    let instance = link(&engine, &module).map_err(Error::Link)?;
    Ok(Module { engine, instance, fuel })
}

/// An engine that compiles, on the threads of rayon's global pool where `parallel`.
///
/// # Errors
/// [`Error::Engine`].
pub(super) fn for_compiling(fuel: bool, kind: Kind, parallel: bool) -> Result<Engine, Error> {
    let mut config = config(fuel, kind);
    config.parallel_compilation(parallel);
    Engine::new(&config).map_err(Error::Engine)
}

/// An engine that has no compiler and loads one module, whose code is then to be found by the second.
fn for_running(fuel: bool, coredump: bool, kind: Kind) -> Result<(Engine, Arc<Text>), Error> {
    let (mut config, text) = (config(fuel, kind), Arc::new(Text::default()));
    config.enable_compiler(false);
    // No part of the compiled code. It costs each end of a guest that is no return, so only where one is wanted.
    config.coredump_on_trap(coredump);
    config.with_custom_code_memory(Some(text.hook()));
    Ok((Engine::new(&config).map_err(Error::Engine)?, text))
}

fn link(engine: &Engine, module: &wasmtime::Module) -> wasmtime::Result<InstancePre<Guest>> {
    let mut linker = Linker::new(engine);
    preview1::link(&mut linker)?;
    linker.instantiate_pre(module)
}

/// Every setting that differs from the engine's default, and those defaults that must not change unseen.
fn config(fuel: bool, kind: Kind) -> Config {
    let mut config = Config::new();
    config
        // 4 GiB of addresses for each memory, of which only what the guest uses becomes memory: a smaller
        // reservation halves the speed of loops, and pooling starts no faster here.
        .allocation_strategy(InstanceAllocationStrategy::OnDemand)
        .memory_reservation(4 << 30)
        .memory_init_cow(true)
        .signals_based_traps(true)
        // A limit of time ends the process (`sys::timer`): checks in the guest's loops would cost it 9 %.
        .epoch_interruption(false)
        .consume_fuel(fuel)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(STACK)
        .cranelift_opt_level(OptLevel::Speed)
        .collector(Collector::DeferredReferenceCounting)
        // For native debuggers only; the engine finds its own way through the stack by frame pointers.
        .native_unwind_info(false)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_backtrace_max_frames(NonZeroUsize::new(limits::BACKTRACE))
        // Needed by WASI 0.3 alone, and each host call pays for it.
        .concurrency_support(kind == Kind::Concurrent)
        .wasm_features(WasmFeatures::THREADS, false)
        .parallel_compilation(false);
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{
        child::{self, Ended},
        process,
    };
    use std::hash::{Hash, Hasher};

    /// FNV-1a: a hash that is the same on every machine and with every compiler.
    struct Fnv(u64);

    impl Hasher for Fnv {
        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }

        fn finish(&self) -> u64 {
            self.0
        }
    }

    /// For a fixed target, else the processor of the machine would be part of it.
    #[cfg(target_arch = "x86_64")]
    fn hash_of_settings(fuel: bool, kind: Kind) -> u64 {
        let mut config = config(fuel, kind);
        config.target("x86_64-unknown-linux-gnu").unwrap();
        let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
        Engine::new(&config).unwrap().precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    }

    /// Where this fails, give `settings_id` a new number and put the new hashes here.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn settings_do_not_change_without_a_new_id() {
        let hashes = |fuel| KINDS.map(|kind| hash_of_settings(fuel, kind));
        assert_eq!((settings_id(false), hashes(false)), ("wasmtime-48.0.8/sandhog-3", WITHOUT_FUEL));
        assert_eq!((settings_id(true), hashes(true)), ("wasmtime-48.0.8/sandhog-3/fuel", WITH_FUEL));
    }

    /// Of [`KINDS`]: core modules and components without 0.3 have the same settings.
    const WITHOUT_FUEL: [u64; 3] = [10_623_726_819_535_694_792, 10_623_726_819_535_694_792, 12_506_833_456_380_109_193];
    const WITH_FUEL: [u64; 3] = [8_131_088_129_449_095_699, 8_131_088_129_449_095_699, 16_181_657_607_720_011_034];

    const KINDS: [Kind; 3] = [Kind::Core, Kind::Component, Kind::Concurrent];

    #[test]
    fn the_validator_allows_what_the_engine_allows() {
        for kind in KINDS {
            let theirs = for_running(false, false, kind).unwrap().0.get_wasm_features();
            let ours = match kind {
                // The engine needs it to exist, and is given modules only.
                Kind::Core => features(kind).union(WasmFeatures::COMPONENT_MODEL),
                Kind::Component | Kind::Concurrent => features(kind),
            };
            assert_eq!(ours, theirs, "{kind:?}");
        }
    }

    /// The parts of this process's memory that are code out of a file of this name.
    fn code_of(name: &str) -> usize {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        maps.lines().filter(|line| line.contains(name) && line.contains(" r-xp ")).count()
    }

    #[test]
    fn code_is_mapped_from_its_file_where_nothing_becomes_executable() {
        for (kind, text) in [
            (Kind::Core, "(module (func (export \"_start\")))"),
            (Kind::Component, "(component (core module (func (export \"f\"))))"),
        ] {
            let (compiler, module) = (for_compiling(false, kind, false).unwrap(), wat::parse_str(text).unwrap());
            let compiled = match kind {
                Kind::Core => compiler.precompile_module(&module),
                Kind::Component | Kind::Concurrent => compiler.precompile_component(&module),
            };
            let name = format!("sandhog-engine-{kind:?}-{}", std::process::id());
            let path = std::env::temp_dir().join(&name);
            std::fs::write(&path, compiled.unwrap()).unwrap();
            let file = File::open(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            let ended = child::run(|| {
                // Where the kernel does not know it, it is still seen that the file is what is executed.
                let _ = process::refuse_exec_gain();
                let (engine, text) = for_running(false, false, kind).unwrap();
                assert_eq!(code_of(&name), 0);
                let found = match kind {
                    Kind::Core => {
                        let _module = artifact::load(&engine, &text, file).unwrap();
                        code_of(&name)
                    }
                    Kind::Component | Kind::Concurrent => {
                        let _component = artifact::load_component(&engine, &text, &file).unwrap();
                        code_of(&name)
                    }
                };
                i32::from(found != 1)
            });
            assert_eq!(ended, Ended::Exited(0), "{kind:?}");
        }
    }

    #[test]
    fn what_is_not_a_compiled_module_is_stale() {
        let file = File::open("/dev/zero").unwrap();
        assert!(matches!(load(false, Kind::Core, file), Err(Error::Stale(_))));
    }
}
