#!/usr/bin/env bash
# Lets libFuzzer make up what comes from a worker, a guest, a peer or a bridge: each target for some seconds, with bounded
# memory. What it learns stays in target/fuzz/corpus, what it finds in target/fuzz/artifacts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${1:-$PWD/target}
seconds=${2:-60}
tools=$target/tools
version=0.13.2

if ! [ -x "$tools/bin/cargo-fuzz" ]; then
  echo "fuzz: fetching cargo-fuzz $version" >&2
  CARGO_TARGET_DIR=$target/tools/build cargo install --quiet --locked --version "$version" --root "$tools" cargo-fuzz
fi

# The coverage that libFuzzer needs is an unstable flag of the stable compiler. No sanitizer: these crates have no unsafe
# code (a test says so), and it takes half of the runs.
export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$target/fuzz PATH=$tools/bin:$PATH
cargo fuzz build --fuzz-dir fuzz --sanitizer none
built=$CARGO_TARGET_DIR/$(rustc --version --verbose | sed -n 's/^host: //p')/release

for name in $(cargo fuzz list --fuzz-dir fuzz); do
  corpus=$target/fuzz/corpus/$name artifacts=$target/fuzz/artifacts/$name
  mkdir -p "$corpus" "$artifacts"
  echo "fuzz: $name, $seconds s" >&2
  # What it begins with, where chance alone would take too long to find it.
  seeds=fuzz/seeds/$name
  [ -d "$seeds" ] || seeds=
  # 70,000 bytes: more than the largest packet of a connection.
  "$built/$name" -max_total_time="$seconds" -max_len=70000 -rss_limit_mb=512 -timeout=10 -verbosity=0 \
    -print_final_stats=1 -artifact_prefix="$artifacts/" "$corpus" ${seeds:+"$seeds"}
done
