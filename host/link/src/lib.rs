//! How an executable of ours is linked, said by its build script.
//!
//! An executable with random addresses begins by writing them into its own data: 17,700 of them in `sandhog`, 29,600 in
//! `sandhog-worker`, in 68 and 109 pages. Each start pays for that, twice.
//!
//! Must not: be linked into an executable; change libraries, which are compiled once for all executables.

use std::env;
use std::process::Command;

/// The first C library whose start-up code reads packed relocations.
const PACKED_SINCE: (u32, u32) = (2, 36);

/// Says how the executables of this package are linked. For build scripts alone.
pub fn executables() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = |part: &str| env::var(format!("CARGO_CFG_TARGET_{part}")).unwrap_or_default();
    if target("ENV") == "gnu" && libc_version().is_some_and(|version| version >= PACKED_SINCE) {
        // As a bitmap: 7 kB to read in place of 700.
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    if (target("OS"), target("ARCH")) == ("linux".to_owned(), "x86_64".to_owned()) {
        // `sandhog_sys::entry`.
        println!("cargo::rustc-link-arg-bins=-Wl,-e,sandhog_start");
    }
}

/// Of the C library that is linked: the one of this machine, where the executable is for this kind of machine. None: not known.
fn libc_version() -> Option<(u32, u32)> {
    if env::var_os("HOST") != env::var_os("TARGET") {
        return None;
    }
    let answer = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    version(&String::from_utf8(answer.stdout).ok()?)
}

/// From `glibc 2.36`.
fn version(answer: &str) -> Option<(u32, u32)> {
    let (major, minor) = answer.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_two_numbers() {
        assert_eq!(version("glibc 2.36\n"), Some((2, 36)));
        assert!(version("glibc 2.9") < Some(PACKED_SINCE) && version("glibc 3.0") > Some(PACKED_SINCE));
        for nonsense in ["", "glibc", "glibc 2", "musl 2.36", "glibc 2.36.9000"] {
            assert_eq!(version(nonsense), None, "{nonsense}");
        }
    }
}
