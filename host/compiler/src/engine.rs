//! An engine that compiles, and what WebAssembly it takes.

use sandhog_engine::settings;
use sandhog_protocol::plan::{Kind, Metering};
use wasmparser::WasmFeatures;
use wasmtime::Engine;

/// What WebAssembly a module may use: version 3.0 of the standard, without threads. Shared memories escape
/// the limiter, and the engine has dropped wasi-threads. Legacy exceptions, stack switching, wide arithmetic
/// and custom page sizes are not in the standard. Components: the model of WASI 0.2, and what 0.3 adds to it.
#[must_use]
pub fn features(kind: Kind) -> WasmFeatures {
    let modules = WasmFeatures::WASM3.difference(WasmFeatures::THREADS);
    match kind {
        Kind::Core => modules,
        Kind::Component => modules.union(WasmFeatures::COMPONENT_MODEL),
        Kind::Concurrent => modules.union(WasmFeatures::COMPONENT_MODEL).union(WasmFeatures::CM_ASYNC),
    }
}

/// An engine that compiles, on the threads of rayon's global pool where `parallel`.
///
/// # Errors
/// What the engine says of the settings.
pub fn for_compiling(metering: Metering, kind: Kind, parallel: bool) -> wasmtime::Result<Engine> {
    let mut config = settings::config(metering, kind);
    config.parallel_compilation(parallel);
    Engine::new(&config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandhog_engine::loader;
    use sandhog_protocol::start;
    use sandhog_sys::{
        child::{self, Ended},
        process,
    };
    use std::fs::File;
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
    fn hash_of_settings(metering: Metering, kind: Kind) -> u64 {
        let mut config = settings::config(metering, kind);
        config.target("x86_64-unknown-linux-gnu").unwrap();
        let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
        Engine::new(&config).unwrap().precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    }

    /// Where this fails, give `settings_id` a new number and put the new hashes here.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn settings_do_not_change_without_a_new_id() {
        for (fuel, epochs, id, hashes) in [
            (false, false, "wasmtime-48.0.8/sandhog-3", PLAIN),
            (true, false, "wasmtime-48.0.8/sandhog-3/fuel", WITH_FUEL),
            (false, true, "wasmtime-48.0.8/sandhog-3/epochs", WITH_EPOCHS),
            (true, true, "wasmtime-48.0.8/sandhog-3/fuel/epochs", WITH_BOTH),
        ] {
            let metering = Metering { fuel, epochs };
            assert_eq!(
                (start::settings_id(metering), KINDS.map(|kind| hash_of_settings(metering, kind))),
                (id, hashes)
            );
        }
    }

    /// Of [`KINDS`]: core modules and components without 0.3 have the same settings.
    const PLAIN: [u64; 3] = [10_623_726_819_535_694_792, 10_623_726_819_535_694_792, 12_506_833_456_380_109_193];
    const WITH_FUEL: [u64; 3] = [8_131_088_129_449_095_699, 8_131_088_129_449_095_699, 16_181_657_607_720_011_034];

    const WITH_EPOCHS: [u64; 3] = [14_412_613_970_414_352_477, 14_412_613_970_414_352_477, 15_442_783_695_132_595_964];
    const WITH_BOTH: [u64; 3] = [10_224_488_952_090_032_598, 10_224_488_952_090_032_598, 15_501_683_984_071_242_239];

    const KINDS: [Kind; 3] = [Kind::Core, Kind::Component, Kind::Concurrent];

    #[test]
    fn the_validator_allows_what_the_engine_allows() {
        for kind in KINDS {
            let theirs = settings::for_running(Metering::default(), false, kind).unwrap().0.get_wasm_features();
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
            let (compiler, module) =
                (for_compiling(Metering::default(), kind, false).unwrap(), wat::parse_str(text).unwrap());
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
                let (engine, text) = settings::for_running(Metering::default(), false, kind).unwrap();
                assert_eq!(code_of(&name), 0);
                let found = match kind {
                    Kind::Core => {
                        let _module = loader::load(&engine, &text, file).unwrap();
                        code_of(&name)
                    }
                    Kind::Component | Kind::Concurrent => {
                        let _component = loader::load_component(&engine, &text, &file).unwrap();
                        code_of(&name)
                    }
                };
                i32::from(found != 1)
            });
            assert_eq!(ended, Ended::Exited(0), "{kind:?}");
        }
    }
}
