#!/usr/bin/env bash
# Cargo alone does not link a program: it needs a C compiler's linker and a C library, which a fresh Debian lacks.
# As root it is installed; anybody else is told what to ask for.
set -euo pipefail

command -v cargo >/dev/null || {
  echo 'cargo is not on PATH: install Rust 1.95 or newer first' >&2
  exit 1
}

# Executables are static: the C library has to be there as an archive.
complete() { command -v cc >/dev/null && [ -e "$(cc -print-file-name=libc.a)" ]; }
complete && exit 0

packages='gcc libc6-dev'
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "no C compiler (cc) on PATH, or no static C library (libc.a). On Debian: sudo apt-get install $packages" >&2
  exit 1
fi
echo "no C compiler on PATH, or no libc.a: installing $packages" >&2
export DEBIAN_FRONTEND=noninteractive
# The lists first: on a fresh machine there are none, and old ones name packages that are gone.
apt-get update -qq >&2
# shellcheck disable=SC2086  # two words are two packages
apt-get install -qq --yes --no-install-recommends $packages >&2
