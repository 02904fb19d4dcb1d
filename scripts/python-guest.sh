#!/usr/bin/env bash
# Builds a handler in Python against wit/sandhog.wit, and calls it in the place of its twin in Rust: the same caller
# must see no difference. The first time it downloads 17 MB, and the engine compiles 18 MB: a minute in all, later a second.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

sandhog=${1:?"which sandhog"}
target=${2:?"which target folder"}
sandhog=${sandhog#"$PWD"/} target=${target#"$PWD"/}
folder=$target/python-guest
. scripts/componentizers.sh
# Pinned: what the handler imports.
library=u-msgpack-python==2.8.0

# No two builds give the same bytes, so each is compiled anew by the engine: only where there is something new.
is_built() { # HANDLER
  local source
  for source in scripts/python-guest.sh jobs/python/word_handler.py wit/sandhog.wit; do
    [ "$1" -nt "$source" ] || return 1
  done
}

build() { # HANDLER
  echo 'building the handler; its first run compiles 18 MB, which takes half a minute, and the result is kept' >&2
  # From a copy: what is imported while building gets a cache beside it.
  rm -rf "$folder/source"
  mkdir -p "$folder/source"
  cp jobs/python/word_handler.py "$folder/source/"
  PYTHONPATH=$folder/tool "$folder/tool/bin/componentize-py" --quiet --wit-path wit/sandhog.wit --world handler \
    componentize word_handler --python-path "$folder/source" --python-path "$folder/library" --output "$1.new"
  mv "$1.new" "$1"
}

fetch_python "$folder/tool" $python_componentizer
fetch_python "$folder/library" $library
handler=$folder/word-handler-python.wasm
is_built "$handler" || build "$handler"
exec scripts/as-word-handler.sh "$sandhog" "$target" "$handler"
