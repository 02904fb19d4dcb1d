#!/usr/bin/env bash
# Compiles every job and every test guest to WebAssembly, into one flat folder: target/guests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
toolchain=${SANDHOG_WASM_TOOLCHAIN:-$target/wasm-toolchain}
built=$target/guests-build/wasm32-wasip1/release
guests=$target/guests

say() { printf 'guests: %s\n' "$*" >&2; }

# Cargo tells compilers apart by their version. Two std of one version, built in different places, look
# the same to it and do not link with each other: what an earlier one left behind must go.
forget_other_compiler() {
  local id_file=$target/guests-build/compiler libraries id
  libraries=$("$toolchain/bin/rustc-guest" --print target-libdir --target wasm32-wasip1)
  id=$(cksum "$libraries"/libstd-*.rlib)
  [ "$(cat "$id_file" 2>/dev/null)" = "$id" ] && return
  rm -rf "$target/guests-build"
  mkdir -p "$target/guests-build"
  printf '%s\n' "$id" >"$id_file"
}

build() { # WORKSPACE OPTION…
  # A target directory of their own: the host's compiler and the guests' would undo each other's work.
  "$toolchain/bin/cargo-guest" build --release --locked --target wasm32-wasip1 \
    --manifest-path "$1/Cargo.toml" --target-dir "$target/guests-build" "${@:2}"
}

# By the sources' names, and whatever else lies there goes: a guest that was renamed must not live on.
collect() {
  rm -rf "$guests.new"
  mkdir -p "$guests.new"
  for source in jobs/*/src/main.rs; do
    name=${source#jobs/}
    cp "$built/${name%%/*}.wasm" "$guests.new/"
  done
  # A handler is a library, and a library's file has no hyphen in its name.
  for source in jobs/*/src/lib.rs; do
    name=${source#jobs/}
    name=${name%%/*}
    cp "$built/${name//-/_}.wasm" "$guests.new/$name.wasm"
  done
  for source in tests/guests/src/bin/*.rs; do
    cp "$built/$(basename "$source" .rs).wasm" "$guests.new/"
  done
  for source in tests/guests/src/http/*.rs; do
    cp "$built/examples/http_$(basename "$source" .rs).wasm" "$guests.new/"
  done
  cp tests/guests/wat/*.wat "$guests.new/"
  rm -rf "$guests"
  mv "$guests.new" "$guests"
}

say '[1/3] the compiler'
scripts/setup-wasm-target.sh "$toolchain"
forget_other_compiler
say '[2/3] jobs/'
build jobs
say '[3/3] tests/guests/'
build tests/guests --bins --examples
collect
say "$(find "$guests" -type f | wc -l) guests in $guests"
