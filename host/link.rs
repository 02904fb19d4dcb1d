//! The build script of the executables: asks what links here to pack relocations, and takes that where it works. A static
//! executable at random addresses has some 30,000 of them, of 24 bytes each; packed they are a bit each. A C library before
//! glibc 2.36 does not start such an executable, and not every linker makes one: so a program is linked that way, and started.
//!
//! Must not: fail, or fetch anything. Without them an executable is larger, and its start reads more of it.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const FLAG: &str = "-Wl,-z,pack-relative-relocs";

fn main() {
    println!("cargo::rerun-if-changed=../link.rs");
    if works().is_some() {
        println!("cargo::rustc-link-arg-bins={FLAG}");
    }
}

/// Whether a program that is linked like the executable and with the flag starts here.
fn works() -> Option<()> {
    let target = env::var_os("TARGET").filter(|target| Some(target) == env::var_os("HOST").as_ref())?;
    let out = env::var_os("OUT_DIR")?;
    let (source, program) = (Path::new(&out).join("empty.rs"), Path::new(&out).join("empty"));
    fs::write(&source, "fn main() {}\n").ok()?;
    let mut compiler = Command::new(env::var_os("RUSTC")?);
    compiler.args(["--edition=2024", "--crate-type=bin", "-o"]).arg(&program).arg("--target").arg(target);
    compiler.args(env::var("CARGO_ENCODED_RUSTFLAGS").ok()?.split('\x1f').filter(|word| !word.is_empty()));
    compiler.args(env::var_os("RUSTC_LINKER").map(linker));
    compiler.arg(format!("-Clink-arg={FLAG}")).arg(&source);
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
