//! What is measured, and where it is.

use super::Outcome;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) struct Peers {
    pub(crate) sandhog: PathBuf,
    guests: PathBuf,
    /// For what the benchmarks make: compiled modules, a cache, verdicts.
    folder: PathBuf,
    pub(crate) wasmtime: Option<PathBuf>,
    pub(crate) node: Option<PathBuf>,
    pub(crate) python: Option<PathBuf>,
    pub(crate) bwrap: Option<PathBuf>,
    pub(crate) crun: Option<PathBuf>,
    pub(crate) parallel: Option<PathBuf>,
    pub(crate) xargs: Option<PathBuf>,
}

impl Peers {
    /// Looks for all of them; Sandhog itself and its guests have to be there.
    pub(crate) fn find() -> Outcome<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let sandhog = std::env::var_os("SANDHOG").map_or_else(built, |path| Ok(PathBuf::from(path)))?;
        let folder = target.join("bench-peers");
        std::fs::create_dir_all(&folder)?;
        for needed in [&sandhog, &target.join("guests/hello.wasm")] {
            if !needed.exists() {
                return Err(format!("{} is not there: ./just build jobs", needed.display()).into());
            }
        }
        Ok(Self {
            wasmtime: Some(folder.join("wasmtime"))
                .filter(|wasmtime| wasmtime.exists())
                .or_else(|| on_path("wasmtime")),
            node: on_path("node"),
            python: on_path("python3"),
            bwrap: on_path("bwrap"),
            crun: on_path("crun"),
            parallel: on_path("parallel"),
            xargs: on_path("xargs"),
            guests: target.join("guests"),
            sandhog,
            folder,
        })
    }

    /// What is not here, each with what to do.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let peers = [
            (&self.wasmtime, "wasmtime (scripts/bench-peers.sh fetches it from PyPI)"),
            (&self.node, "node (Debian: nodejs)"),
            (&self.python, "python3 (Debian: python3)"),
            (&self.bwrap, "bwrap (Debian: bubblewrap)"),
            (&self.crun, "crun (Debian: crun)"),
            (&self.parallel, "GNU parallel (Debian: parallel)"),
            (&self.xargs, "xargs (Debian: findutils)"),
        ];
        let absent = peers.into_iter().filter(|(path, _)| path.is_none()).map(|(_, name)| name);
        let primes =
            self.native_primes().is_none().then_some("the native primes (scripts/bench-peers.sh compiles them)");
        absent.chain(primes).collect()
    }

    /// The guest `primes` as a native program.
    pub(crate) fn native_primes(&self) -> Option<PathBuf> {
        Some(self.file("primes")).filter(|primes| primes.exists())
    }

    pub(crate) fn guest(&self, name: &str) -> String {
        text(&self.guests.join(name).with_extension("wasm"))
    }

    /// A file that a measurement may write.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// `sandhog run` of a guest.
    pub(crate) fn sandhog_run(&self, flags: &[&str], guest: &str, args: &[&str]) -> Vec<String> {
        let mut command = vec![text(&self.sandhog), "run".to_owned()];
        command.extend(flags.iter().map(|&flag| flag.to_owned()));
        command.push(self.guest(guest));
        if !args.is_empty() {
            command.push("--".to_owned());
        }
        command.extend(args.iter().map(|&arg| arg.to_owned()));
        command
    }

    /// `wasmtime run` of a guest that the same wasmtime has compiled; `None` where there is no wasmtime.
    pub(crate) fn wasmtime_run(&self, guest: &str, args: &[&str]) -> Outcome<Option<Vec<String>>> {
        let Some(wasmtime) = &self.wasmtime else { return Ok(None) };
        let compiled = self.file(guest).with_extension("cwasm");
        let mut compile = Command::new(wasmtime);
        compile.arg("compile").arg(self.guest(guest)).arg("-o").arg(&compiled).stdin(Stdio::null());
        if !compile.status()?.success() {
            return Err(format!("{} did not compile {guest}", wasmtime.display()).into());
        }
        let mut command = vec![text(wasmtime), "run".to_owned(), "--allow-precompiled".to_owned(), text(&compiled)];
        command.extend(args.iter().map(|&arg| arg.to_owned()));
        Ok(Some(command))
    }
}

/// The executable of this build: the benchmarks are in `deps` beside it.
fn built() -> Outcome<PathBuf> {
    let own = std::env::current_exe()?;
    let release = own.ancestors().nth(2).ok_or("the benchmarks are in no folder of a build")?;
    Ok(release.join("sandhog"))
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

pub(crate) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
