#!/usr/bin/env bash
# Builds a handler in JavaScript against wit/sandhog.wit, and calls it in the place of its twin in Rust: the same caller
# must see no difference. The first time it downloads 100 MB, and the engine compiles 12 MB: a minute in all, later a second.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

sandhog=${1:?"which sandhog"}
target=${2:?"which target folder"}
sandhog=${sandhog#"$PWD"/} target=${target#"$PWD"/}
folder=$target/js-guest

. scripts/componentizers.sh

# No two builds give the same bytes, so each is compiled anew by the engine: only where there is something new.
is_built() { # HANDLER
  local source
  for source in scripts/js-guest.sh jobs/js/build.mjs jobs/js/word_handler.js jobs/js/package-lock.json wit/sandhog.wit; do
    [ "$1" -nt "$source" ] || return 1
  done
}

build() { # HANDLER
  echo 'building the handler; its first run compiles 12 MB, which takes half a minute, and the result is kept' >&2
  # What it imports is looked for beside it.
  cp jobs/js/build.mjs "$folder/tool/"
  node "$folder/tool/build.mjs" jobs/js/word_handler.js wit/sandhog.wit handler "$1.new"
  mv "$1.new" "$1"
}

fetch_js_componentizer "$folder/tool"
handler=$folder/word-handler-js.wasm
is_built "$handler" || build "$handler"
exec scripts/as-word-handler.sh "$sandhog" "$target" "$handler"
