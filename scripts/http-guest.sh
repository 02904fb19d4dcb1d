#!/usr/bin/env bash
# Builds hello-http in Python or JavaScript, serves it, and asks it as one asks its twin in Rust: both must say the same. The
# first time it downloads 17 or 100 MB, and the engine compiles 18 or 13 MB: minutes in all, later seconds.
#
#   scripts/http-guest.sh python|js SANDHOG TARGET
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

language=${1:?"python or js"} sandhog=${2:?"which sandhog"} target=${3:?"which target folder"}
folder=$target/$language-guest
. scripts/componentizers.sh

# The interface, as the crate has it that the guests in Rust use. JavaScript's engine exports an older version of it.
interface() { # FOLDER VERSION
  local crate
  crate=$(cargo metadata --locked --format-version 1 --manifest-path jobs/Cargo.toml |
    grep -o '"manifest_path":"[^"]*/wasip2-[^"]*/Cargo.toml"' | cut -d '"' -f 4)
  rm -rf "$1"
  cp -r "${crate%/*}/wit" "$1"
  find "$1" -name '*.wit' -exec sed -i "s/0\.2\.12/$2/g" {} +
}

build() { # COMPONENT
  echo 'building it; its first start compiles it, which takes half a minute, and the result is kept' >&2
  case $language in
    python)
      interface "$folder/wit" 0.2.12
      rm -rf "$folder/http-source"
      mkdir -p "$folder/http-source"
      cp jobs/python/hello_http.py "$folder/http-source/"
      PYTHONPATH=$folder/tool "$folder/tool/bin/componentize-py" --quiet --wit-path "$folder/wit" \
        --world wasi:http/proxy@0.2.12 componentize hello_http --python-path "$folder/http-source" --output "$1.new"
      ;;
    js)
      interface "$folder/wit" 0.2.10
      cp jobs/js/build.mjs "$folder/tool/"
      node "$folder/tool/build.mjs" jobs/js/hello_http.js "$folder/wit" wasi:http/proxy@0.2.10 "$1.new"
      ;;
  esac
  mv "$1.new" "$1"
}

# No two builds give the same bytes, so each is compiled anew by the engine: only where there is something new.
is_built() { # COMPONENT
  local source
  for source in scripts/http-guest.sh jobs/Cargo.lock "jobs/$language"/hello_http.*; do
    [ "$1" -nt "$source" ] || return 1
  done
}

answers() { # MODULE
  local line server
  exec {said}< <(exec "$sandhog" serve --listen 127.0.0.1:0 "$1" 2>&1)
  server=$!
  read -r line <&"$said"
  address=${line#sandhog: serving on http://}
  address=${address%/}
  for path in / '/?name=Ada'; do
    exec {connection}<>"/dev/tcp/${address%:*}/${address##*:}"
    printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$path" >&"$connection"
    # Behind the head.
    sed '1,/^\r$/d' <&"$connection"
    exec {connection}>&-
  done
  kill "$server"
  exec {said}<&-
}

case $language in
  python) fetch_python "$folder/tool" $python_componentizer ;;
  js) fetch_js_componentizer "$folder/tool" ;;
  *) echo 'python or js' >&2 && exit 2 ;;
esac
module=$folder/hello-http.wasm
is_built "$module" || build "$module"
printf '$ %s serve --listen 127.0.0.1:0 %s\n' "$sandhog" "$module"
said=$(answers "$module")
in_rust=$(answers "$target/guests/hello-http.wasm")
printf '%s\n' "$said"
if [ "$said" != "$in_rust" ]; then
  printf 'but in Rust:\n%s\n' "$in_rust" >&2
  exit 1
fi
echo 'The twin in Rust says the same.'
