#!/usr/bin/env bash
# Checks the dependencies by deny.toml, with a cargo-deny of its own below the target folder.
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
exec "$tools/bin/cargo-deny" --locked --all-features check licenses bans sources
