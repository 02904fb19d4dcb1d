#!/usr/bin/env bash
# Cargo alone does not link a program: it needs a C compiler's linker, which a fresh Debian lacks.
# As root it is installed; anybody else is told what to ask for.
set -euo pipefail

command -v cargo >/dev/null || {
  echo 'cargo is not on PATH: install Rust 1.95 or newer first' >&2
  exit 1
}
command -v cc >/dev/null && exit 0

packages='gcc libc6-dev'
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "no C compiler (cc) on PATH. On Debian: sudo apt-get install $packages" >&2
  exit 1
fi
echo "no C compiler on PATH: installing $packages" >&2
export DEBIAN_FRONTEND=noninteractive
# The lists first: on a fresh machine there are none, and old ones name packages that are gone.
apt-get update -qq >&2
# shellcheck disable=SC2086  # two words are two packages
apt-get install -qq --yes --no-install-recommends $packages >&2
