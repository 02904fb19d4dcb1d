#!/usr/bin/env bash
# Gets a compiler for guests in C. The first run downloads 36 MB, every later one takes a tenth of a second.
#
#   scripts/setup-c.sh DIR
#
# Afterwards DIR/clang-guest is clang for wasm32-wasi. If yours can do that, it is the one: on Debian and Ubuntu
#
#   sudo apt-get install clang lld wasi-libc libclang-rt-dev-wasm32
#
# Without it: Debian 12's packages are unpacked under DIR. Nothing is installed, and root is not needed.
set -euo pipefail

mkdir -p "$1"
dir=$(cd "$1" && pwd)
work=$dir/work
packages=(clang-14 libclang-cpp14 libclang-common-14-dev libclang-rt-14-dev-wasm32 libllvm14 lld-14 wasi-libc)

fail() {
  printf 'C compiler: %s\n' "$1" >&2
  echo 'C compiler: with root, one line does it: apt-get install clang lld wasi-libc libclang-rt-dev-wasm32' >&2
  exit 1
}

put_compiler() { # LINE: a small program; moved into place whole, for it may be running
  printf '#!/bin/sh\n%s\n' "$1" >"$dir/clang-guest.new"
  chmod +x "$dir/clang-guest.new"
  mv "$dir/clang-guest.new" "$dir/clang-guest"
}

# A clang that was built without the target, or finds no libc for it, says so at once.
links() { # COMPILER
  printf '#include <stdio.h>\nint main(void) { return puts("here"); }\n' |
    "$1" --target=wasm32-wasi -x c - -o "$dir/check.wasm" 2>/dev/null
}

# Package lists of our own: the system's may be old or absent, and only root may renew them.
fetch() {
  mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial" "$work/debs"
  cat >"$work/apt.conf" <<CONF
Dir::State::lists "$work/apt/lists";
Dir::Cache "$work/apt/cache";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "3";
CONF
  export APT_CONFIG=$work/apt.conf
  apt-get update -qq >&2 || fail 'apt-get could not fetch the package lists'
  (cd "$work/debs" && apt-get download -qq "${packages[@]}") >&2 || fail 'the packages are those of Debian 12'
}

unpack() {
  local deb
  rm -rf "$dir/root"
  for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$dir/root"; done
  rm -rf "$work" "$dir/root/usr/share"
}

# Two recipes at once must not unpack into the same folder.
exec 9>"$dir/lock"
flock 9
[ -x "$dir/clang-guest" ] && links "$dir/clang-guest" && exit 0
if links clang; then
  put_compiler "exec clang --target=wasm32-wasi \"\$@\""
  exit 0
fi
for tool in apt-get dpkg-deb; do
  command -v $tool >/dev/null || fail "clang for wasm32-wasi is not here, and no $tool to get it with"
done
echo "C compiler: fetching Debian's clang for wasm32-wasi (36 MB), once, into $dir" >&2
fetch
unpack
# The packages are used where they were unpacked, so the compiler must be told where its libraries are.
usr=$dir/root/usr
libraries=$(dirname "$(find "$usr/lib" -name libLLVM-14.so.1)")
put_compiler "LD_LIBRARY_PATH=\"$libraries\" PATH=\"$usr/bin:\$PATH\" \\
  exec \"$usr/lib/llvm-14/bin/clang\" --target=wasm32-wasi --sysroot=\"$usr\" \"\$@\""
links "$dir/clang-guest" || fail 'the compiler does not work here'
