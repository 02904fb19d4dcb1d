#!/usr/bin/env bash
# Runs a handler of words in another language in the place of its twin in Rust, and says whether both say the same.
set -euo pipefail

sandhog=$1 target=$2 handler=$3

call() { # HANDLER: each line of stdin is a task
  "$sandhog" run --child "word-handler=$1" "$target/guests/caller.wasm"
}

# An empty line among the tasks: there the handler's answer is an error.
tasks=$'We the People of the United States of America\n\nin Order to form a more perfect Union'
printf '$ %s run --child word-handler=%s %s/guests/caller.wasm\n' "$sandhog" "$handler" "$target"
said=$(call "$handler" <<<"$tasks")
in_rust=$(call "$target/guests/word-handler.wasm" <<<"$tasks")
printf '%s\n' "$said"
if [ "$said" != "$in_rust" ]; then
  printf 'but in Rust:\n%s\n' "$in_rust" >&2
  exit 1
fi
echo 'The twin in Rust says the same.'
