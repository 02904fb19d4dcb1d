#!/usr/bin/env bash
# Gets a compiler for guests: Rust for wasm32-wasip1. The first run takes three to four minutes and
# 150 MB of downloads, every later one a tenth of a second.
#
#   scripts/setup-wasm-target.sh [DIR]
#
# DIR defaults to $SANDHOG_WASM_TOOLCHAIN, which several checkouts may share, else to
# target/wasm-toolchain. Afterwards DIR/bin/cargo-guest is cargo with that compiler,
# DIR/bin/rustdoc-guest its rustdoc.
#
# If you have rustup, this one line is all that you need, and this script finds its result:
#
#   rustup target add wasm32-wasip1
#
# Without it: Debian's rustc-web (the browser's compiler, which knows WebAssembly) is unpacked under
# DIR and builds its own std once. Nothing is installed, and root is not needed.
#
# WASM_TARGET_ROUTE=distro  does not look at the compiler on PATH
# WASM_TARGET_JOBS=N        how many compilers run at once (default: one for each core)
set -euo pipefail

TARGET=wasm32-wasip1
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
dir=${1:-${SANDHOG_WASM_TOOLCHAIN:-${CARGO_TARGET_DIR:-$repo/target}/wasm-toolchain}}
mkdir -p "$dir/bin"
dir=$(cd "$dir" && pwd)
work=$dir/work
usr=$dir/root/usr

say() { printf 'guest compiler: %s\n' "$*" >&2; }
step() { say "[$1/5] $2"; }
fail() {
  say "$1"
  say "With rustup, one line does it instead: rustup target add $TARGET"
  exit 1
}

main() {
  if [ "${WASM_TARGET_ROUTE:-}" != distro ] && knows_target rustc; then
    use_compiler_on_path
    return
  fi
  # Two recipes at once must not unpack into the same folder.
  exec 9>"$dir/lock"
  flock 9
  if [ -e "$dir/ready" ] && knows_target "$dir/bin/rustc-guest"; then
    # One that was made before the SDK's examples needed it has none.
    [ -e "$dir/bin/rustdoc-guest" ] || wrap_rustdoc
    return
  fi
  build_from_distribution
}

knows_target() { # COMPILER: whether the target's std is there
  local folder
  folder=$("$1" --print target-libdir --target $TARGET 2>/dev/null) || return 1
  compgen -G "$folder/libstd-*.rlib" >/dev/null
}

put_tool() { # NAME LINE: a small program in bin; moved into place whole, for it may be running
  printf '#!/bin/sh\n%s\n' "$2" >"$dir/bin/$1.new"
  chmod +x "$dir/bin/$1.new"
  mv "$dir/bin/$1.new" "$dir/bin/$1"
}

use_compiler_on_path() {
  put_tool rustc-guest 'exec rustc "$@"'
  put_tool rustdoc-guest 'exec rustdoc "$@"'
  put_tool cargo-guest 'exec cargo "$@"'
}

build_from_distribution() {
  local tool
  for tool in cargo cc; do
    command -v $tool >/dev/null || fail "no $tool on PATH"
  done
  for tool in apt-get apt-cache dpkg-deb; do
    command -v $tool >/dev/null || fail "no $tool: this way needs Debian 12"
  done
  say "$TARGET is not installed; making it from Debian's packages, once, under $dir"
  rm -rf "$dir/ready" "$dir/root" "$work"
  mkdir -p "$work/debs" "$dir/root"
  ask_for_packages
  fetch_and_unpack
  wrap_compiler
  build_std
  complete_libc
  check_std
  rm -rf "$work"
  touch "$dir/ready"
  say "ready: $("$dir/bin/rustc-guest" -V), $(du -sh "$dir" | cut -f1)"
}

# Package lists of our own: the system's may be old or absent, and only root may renew them.
ask_for_packages() {
  step 1 "asking which packages there are"
  mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
  cat >"$work/apt.conf" <<CONF
Dir::State::lists "$work/apt/lists";
Dir::Cache "$work/apt/cache";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "3";
CONF
  export APT_CONFIG=$work/apt.conf
  apt-get update -qq >&2 || fail 'apt-get could not fetch the package lists'
  version=$(apt-cache policy rustc-web | sed -n 's/^ *Candidate: \([0-9].*\)/\1/p')
  [ -n "$version" ] || fail 'no package rustc-web: this way needs Debian 12 with its security updates'
  release=${version%%+*}      # 1.96.0 of 1.96.0+dfsg1-1~deb12u2
  release=${release%.*}       # 1.96, which the library's package is named after
  llvm=$(apt-cache depends "libstd-rust-web-$release=$version" | sed -n 's/.*Depends: libllvm\([0-9]*\).*/\1/p' | head -n 1)
  [ -n "$llvm" ] || fail "cannot tell which LLVM rustc-web $version needs"
}

fetch_and_unpack() {
  local deb
  step 2 "downloading rustc-web $version and LLVM $llvm, about 140 MB"
  (cd "$work/debs" && apt-get download -qq \
    "rustc-web=$version" "libstd-rust-web-$release=$version" "libstd-rust-web-dev=$version" \
    "rust-web-src=$version" "rust-web-llvm=$version" "libllvm$llvm" "lld-$llvm" wasi-libc) >&2 ||
    fail 'apt-get could not fetch the packages'
  step 3 "unpacking $(du -sh "$work/debs" | cut -f1)"
  for deb in "$work"/debs/*.deb; do
    case ${deb##*/} in
      rust-web-src_*) # 45 MB of which only std's source is of use
        dpkg-deb --fsys-tarfile "$deb" |
          tar -x -C "$work" --strip-components=5 --wildcards './usr/src/rustc-*/library' ;;
      *) dpkg-deb -x "$deb" "$dir/root" ;;
    esac
  done
  rm -rf "$work/debs" "$usr/share/doc" "$usr/share/man"
  [ -d "$work/std" ] || fail 'rust-web-src does not hold std where it used to'
}

wrap_rustdoc() {
  local driver
  driver=$(echo "$usr"/lib/*/librustc_driver-*.so)
  put_tool rustdoc-guest \
    "LD_LIBRARY_PATH=\"${driver%/*}\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}\" exec \"$usr/bin/rustdoc\" \"\$@\""
}

# The packages are used where they were unpacked, so the compiler must be told where its libraries are.
wrap_compiler() {
  local driver host libraries
  driver=$(echo "$usr"/lib/*/librustc_driver-*.so)
  libraries=${driver%/*}
  host=$(cd "$usr/lib/rustlib" && echo */lib)
  host=${host%%/*}
  mkdir -p "$usr/lib/rustlib/$host/bin"
  ln -sfn "../../../llvm-$llvm/bin/lld" "$usr/lib/rustlib/$host/bin/rust-lld"
  put_tool rustc-guest \
    "LD_LIBRARY_PATH=\"$libraries\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}\" exec \"$usr/bin/rustc\" \"\$@\""
  wrap_rustdoc
  put_tool cargo-guest "RUSTC=\"$dir/bin/rustc-guest\" exec cargo \"\$@\""
}

# Debian ships std for browsers only. -Zforce-unstable-if-unmarked keeps std's own dependencies out of
# the guests' reach, as in every released std; the embedded bitcode lets guests use LTO.
build_std() {
  local library=$usr/lib/rustlib/$TARGET/lib
  step 4 'building std for guests, one to three minutes (20 crates)'
  mkdir -p "$library/self-contained"
  (
    cd "$work"
    unset RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET RUSTUP_TOOLCHAIN
    export RUSTC=$dir/bin/rustc-guest RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$work/target
    # Without it cargo leaves the hash out of std's file name, by which compilers look for it.
    export __CARGO_DEFAULT_LIB_METADATA=sandhog
    export RUSTFLAGS='-Zforce-unstable-if-unmarked -Cembed-bitcode=yes'
    cargo build --release --locked --target $TARGET --package sysroot \
      ${WASM_TARGET_JOBS:+--jobs "$WASM_TARGET_JOBS"} >&2
  )
  cp "$work/target/$TARGET"/release/deps/*.rlib "$library/"
}

# wasi-libc in Debian 12 is of 2022, and this std calls nine functions that came later. They say here
# what a libc without threads and permissions says: not supported.
complete_libc() {
  local library=$usr/lib/rustlib/$TARGET/lib/self-contained libc=$usr/lib/wasm32-wasi
  step 5 'completing libc, and linking a program against all of it'
  cat >"$work/later.rs" <<'RUST'
#![no_std]
#![feature(thread_local)]
use core::ffi::{c_char, c_int, c_void};

const ENOTSUP: c_int = 58;

// Bundled: this library takes libc's place and so has to contain it.
#[link(name = "c", kind = "static")]
unsafe extern "C" {
    #[thread_local]
    static mut errno: c_int;
}

fn unsupported() -> c_int {
    unsafe { errno = ENOTSUP };
    -1
}

macro_rules! functions {
    ($($name:ident($($argument:ty),*) -> $result:ty $body:block)*) => {
        $(#[unsafe(no_mangle)]
        extern "C" fn $name($(_: $argument),*) -> $result $body)*
    };
}

functions! {
    pthread_attr_init(*mut c_void) -> c_int { 0 }
    pthread_attr_setstacksize(*mut c_void, usize) -> c_int { 0 }
    pthread_attr_destroy(*mut c_void) -> c_int { 0 }
    pthread_create(*mut c_void, *const c_void, *const c_void, *mut c_void) -> c_int { ENOTSUP }
    pthread_join(*mut c_void, *mut *mut c_void) -> c_int { ENOTSUP }
    pthread_detach(*mut c_void) -> c_int { ENOTSUP }
    chmod(*const c_char, u32) -> c_int { unsupported() }
    fchmod(c_int, u32) -> c_int { unsupported() }
    realpath(*const c_char, *mut c_char) -> *mut c_char { unsupported(); core::ptr::null_mut() }
}
RUST
  cp "$libc/crt1-command.o" "$libc/crt1-reactor.o" "$library/"
  RUSTC_BOOTSTRAP=1 "$dir/bin/rustc-guest" --edition 2024 --target $TARGET -O -C panic=abort \
    -C codegen-units=1 --crate-type rlib --crate-name c -L "native=$libc" -o "$library/libc.a" "$work/later.rs"
}

# A function that is still missing would otherwise come to light in somebody's guest, years later.
check_std() {
  cat >"$work/check.rs" <<'RUST'
fn main() {
    let path = std::path::Path::new("/nowhere");
    println!("{:?} {}", path.canonicalize(), std::thread::spawn(|| ()).join().is_ok());
    let Ok(file) = std::fs::File::open(path) else { return };
    let permissions = file.metadata().unwrap().permissions();
    let _ = (file.set_permissions(permissions.clone()), std::fs::set_permissions(path, permissions));
}
RUST
  "$dir/bin/rustc-guest" --edition 2024 --target $TARGET -O -o "$work/check.wasm" "$work/check.rs"
}

main
