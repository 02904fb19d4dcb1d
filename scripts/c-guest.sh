#!/usr/bin/env bash
# Builds a guest in C against wit/sandhog.wit, and runs it in the place of its twin in Rust: the same parent must see
# no difference. Two seconds, after a download of 36 MB where there is no clang for WASI.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

sandhog=${1:?"which sandhog"}
target=${2:?"which target folder"}
folder=$target/c-guest
sandhog=${sandhog#"$PWD"/} target=${target#"$PWD"/} folder=${folder#"$PWD"/}

scripts/setup-c.sh "$target/c-compiler"
mkdir -p "$folder"
child=$folder/c-sum-child.wasm
# The object holds the world: with it, what clang makes is all that Sandhog needs.
"$target/c-compiler/clang-guest" -std=c11 -O2 -Wall -Wextra -Werror -Wl,--strip-debug -o "$child" \
  jobs/c/sum-child.c jobs/c/bindings/command.c jobs/c/bindings/command_component_type.o
echo "built $child ($(wc -c <"$child") bytes)"

sum() { # CHILD NUMBERS...
  local child=$1
  shift
  "$sandhog" run --child "child=$child" "$target/guests/sum-parent.wasm" -- "$@"
}

compare() { # NUMBERS...: as C adds them up and as Rust does
  local in_c in_rust
  in_c=$(sum "$child" "$@")
  in_rust=$(sum "$target/guests/sum-child.wasm" "$@")
  printf '%s\n' "$in_c"
  [ "$in_c" = "$in_rust" ] && return
  printf 'but in Rust:\n%s\n' "$in_rust" >&2
  exit 1
}

printf '$ %s run --child child=%s %s/guests/sum-parent.wasm -- 1 2 3\n' "$sandhog" "$child" "$target"
compare 1 2 3
echo 'and each kind of integer that MessagePack has:'
compare 9223372036854775807 -9223372036854775808 0 127 128 255 256 65535 65536 4294967295 4294967296 \
  -1 -32 -33 -128 -129 -32768 -32769 -2147483648 -2147483649
echo 'The twin in Rust says the same.'
