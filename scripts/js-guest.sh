#!/usr/bin/env bash
# Builds a handler in JavaScript against wit/sandhog.wit, and calls it in the place of its twin in Rust: the same caller
# must see no difference. The first time it downloads 100 MB, and the engine compiles 12 MB: a minute in all, later a second.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

sandhog=${1:?"which sandhog"}
target=${2:?"which target folder"}
sandhog=${sandhog#"$PWD"/} target=${target#"$PWD"/}
folder=$target/js-guest

# Pinned by its lock file. It has a JavaScript engine inside, compiled to WebAssembly.
fetch_tool() {
  cmp --silent jobs/js/package-lock.json "$folder/tool/fetched" && return
  npm --version >/dev/null 2>&1 || {
    echo 'building it needs Node and npm. On Debian: sudo apt-get install nodejs npm' >&2
    exit 1
  }
  echo 'fetching componentize-js' >&2
  rm -rf "$folder/tool"
  mkdir -p "$folder/tool"
  cp jobs/js/package.json jobs/js/package-lock.json "$folder/tool/"
  npm ci --prefix "$folder/tool" --ignore-scripts --no-audit --no-fund --loglevel error >/dev/null
  cp jobs/js/package-lock.json "$folder/tool/fetched"
}

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

fetch_tool
handler=$folder/word-handler-js.wasm
is_built "$handler" || build "$handler"
exec scripts/as-word-handler.sh "$sandhog" "$target" "$handler"
