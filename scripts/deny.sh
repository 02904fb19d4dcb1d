#!/usr/bin/env bash
# Checks the dependencies of the host and of the guests by deny.toml, with a cargo-deny of its own below the target folder.
#
#   scripts/deny.sh TARGET
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tools=$1/tools
version=0.20.2
if [ "$("$tools/bin/cargo-deny" --version 2>/dev/null)" != "cargo-deny $version" ]; then
  echo "deny: building cargo-deny $version under $tools, some minutes" >&2
  CARGO_TARGET_DIR=$tools/build cargo install --quiet --locked --root "$tools" --version "$version" cargo-deny
  rm -rf "$tools/build"
fi

deny() { "$tools/bin/cargo-deny" --locked --all-features "$@"; }

echo 'deny: the host' >&2
deny check -D unmatched-skip -D unnecessary-skip -D license-not-encountered licenses bans sources
# A guest is a module of its own, and has few dependencies: versions of them that are double cost nothing. The fuzz targets are
# left out: nobody gets them.
for guests in guest-sdk jobs tests/guests; do
  echo "deny: $guests" >&2
  deny --manifest-path $guests/Cargo.toml --config deny.toml --target wasm32-wasip1 \
    check -A license-not-encountered licenses sources
done
