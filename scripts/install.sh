#!/usr/bin/env bash
# Puts what was built below a prefix: PREFIX/bin/sandhog, and in PREFIX/libexec/sandhog/BUILD-ID the two executables that it
# starts. Each build has a folder of its own and the command comes last, so that at no moment a command finds another build's
# worker. Nothing names the prefix: the tree may be moved as a whole, or be packed.
#
#   scripts/install.sh RELEASE PREFIX         RELEASE: the folder of the build
set -euo pipefail
# What others than the owner may write is not started.
umask 022

release=${1:?"which folder of a build"} prefix=${2:?"which prefix"}

# Beside and renamed: a running executable can't be written, and nobody finds half a file.
put() { # NAME FOLDER
  install --mode 755 "$release/$1" "$2/.$1.new"
  mv --force "$2/.$1.new" "$2/$1"
}

version=$("$release/sandhog" --version)
build=$(sed -n 's/.*(build \([0-9a-f]*\))$/\1/p' <<<"$version")
[ "$build" ] || {
  echo "install: \"$version\" names no build" >&2
  exit 1
}
parts=$prefix/libexec/sandhog/$build
mkdir -p "$prefix/bin"
# An older installation may have left them otherwise.
install --mode 755 --directory "$prefix/libexec/sandhog" "$parts"
put sandhog-worker "$parts"
put sandhog-compiler "$parts"
put sandhog "$prefix/bin"
"$prefix/bin/sandhog" man --output "$prefix/share/man/man1" >/dev/null
echo "installed $prefix/bin/sandhog and $parts"
