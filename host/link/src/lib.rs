//! How an executable of ours is linked, said by its build script.
//!
//! An executable with random addresses begins by writing them into its own data: 17,700 of them in `sandhog`, 29,600 in
//! `sandhog-worker`, in 68 and 109 pages. Each start pays for that, twice.
//!
//! Must not: be linked into an executable; change libraries, which are compiled once for all executables; fail, or fetch anything.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const PACKED: &str = "-Wl,-z,pack-relative-relocs";

/// A huge page of x86-64: no two segments lie in one, so that a zygote can have its code in whole ones (`sandhog_sys::text`). The
/// file is no larger: its segments follow each other there, as before.
const APART: &str = "-Wl,-z,max-page-size=0x200000";

/// As [`executables`], for one from which many processes are forked.
pub fn forked_executables() {
    executables();
    println!("cargo::rustc-link-arg-bins={APART}");
}

/// Says how the executables of this package are linked. For build scripts alone.
pub fn executables() {
    println!("cargo::rerun-if-changed=build.rs");
    // As a bitmap: 7 kB to read in place of 700.
    if packed_starts().is_some() {
        println!("cargo::rustc-link-arg-bins={PACKED}");
    }
    let target = |part: &str| env::var(format!("CARGO_CFG_TARGET_{part}")).unwrap_or_default();
    if (target("OS"), target("ARCH")) == ("linux".to_owned(), "x86_64".to_owned()) {
        // `sandhog_sys::entry`.
        println!("cargo::rustc-link-arg-bins=-Wl,-e,sandhog_start");
    }
}

/// Whether a program that is linked like the executable and with packed relocations starts here: a C library before glibc 2.36
/// starts none, and not every linker makes one.
fn packed_starts() -> Option<()> {
    let target = env::var_os("TARGET").filter(|target| Some(target) == env::var_os("HOST").as_ref())?;
    let out = env::var_os("OUT_DIR")?;
    let (source, program) = (Path::new(&out).join("empty.rs"), Path::new(&out).join("empty"));
    fs::write(&source, "fn main() {}\n").ok()?;
    let mut compiler = Command::new(env::var_os("RUSTC")?);
    compiler.args(["--edition=2024", "--crate-type=bin", "-o"]).arg(&program).arg("--target").arg(target);
    compiler.args(env::var("CARGO_ENCODED_RUSTFLAGS").ok()?.split('\x1f').filter(|word| !word.is_empty()));
    compiler.args(env::var_os("RUSTC_LINKER").map(linker));
    compiler.arg(format!("-Clink-arg={PACKED}")).arg(&source);
    succeeds(&mut compiler).then_some(())?;
    succeeds(&mut Command::new(&program)).then_some(())
}

fn linker(path: OsString) -> OsString {
    let mut option = OsString::from("-Clinker=");
    option.push(path);
    option
}

fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
