#!/usr/bin/env bash
# Runs each example job on real input and shows how each attempt ended; then, what the walls are worth
# on this machine. Every command is printed as one would type it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

sandhog=${1:?"which sandhog"}
target=${2:?"which target folder"}
guests=$target/guests
out=$target/demo
steps=10
step=0

# Short paths where they are the same: what is printed should fit on a line.
sandhog=${sandhog#"$PWD"/} guests=${guests#"$PWD"/} out=${out#"$PWD"/}

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; else bold='' dim='' plain=''; fi

title() {
  step=$((step + 1))
  printf '\n%s[%d/%d] %s%s\n' "$bold" "$step" "$steps" "$1" "$plain"
}

shown() { # COMMAND...: prints it, quoted where the shell would need it
  local word line=
  for word in "$@"; do
    [[ $word =~ ^[A-Za-z0-9_./:=,@%+-]+$ ]] || word="'$word'"
    line+=" $word"
  done
  printf '%s$%s%s\n' "$dim" "$line" "$plain"
}

field() { # NAME: of the verdict, one JSON object
  sed -n "s/.*\"$1\": *\"\{0,1\}\([^\",}]*\).*/\1/p" "$out/verdict.json" | head -n 1
}

mib() { awk -v bytes="${1:-0}" 'BEGIN { printf "%.1f MiB", bytes / 1048576 }'; }

verdict() {
  printf '%s  verdict %s%s' "$bold" "$(field verdict)" "$plain"
  printf ' · %s ms, %s ms of CPU · memory %s\n' \
    "$(field wall_ms)" "$(field cpu_ms)" "$(mib "$(field peak_memory_bytes)")"
}

job() { # EXPECTED_CODE FLAGS...: one attempt, which has to end with that exit code
  local expected=$1 code=0
  shift
  local command=("$sandhog" run --verdict "$out/verdict.json" "$@")
  rm -f "$out/verdict.json"
  shown "${command[@]}"
  "${command[@]}" </dev/null || code=$?
  [ -e "$out/verdict.json" ] && verdict
  if [ "$code" != "$expected" ]; then
    echo "demo: that attempt ended with exit code $code instead of $expected" >&2
    exit 1
  fi
}

rm -rf "$out"
mkdir -p "$out/pictures" "$out/store"

title 'word-count: two texts out of a directory that it may only read'
job 0 --dir jobs/data::/texts "$guests/word-count.wasm" -- /texts/persuasion.txt /texts/constitution.txt

title 'image-filter: a picture in, a picture out, and no other way in or out'
job 0 --dir jobs/data::/in --dir "$out/pictures::/out:rw" \
  "$guests/image-filter.wasm" -- edge /in/astronaut.png /out/edge.png
shown ls -l "$out/pictures"
ls -l "$out/pictures"

title 'primes: nothing but computing'
job 0 "$guests/primes.wasm" -- 100000000

title 'file-store: thousands of small files, in a directory that it may write'
job 0 --dir "$out/store::/store:rw" "$guests/file-store.wasm" -- /store 2000

title 'map-reduce: four workers share a text, a queue of pieces, and a queue of counts'
job 0 --dir jobs/data::/in --max-objects 3 --child "mapper=$guests/map-reduce.wasm" \
  "$guests/map-reduce.wasm" -- /in/persuasion.txt

title 'careless-worker: workers die while they hold the lock, and the next one mends what they left'
job 0 --max-objects 2 --child "worker=$guests/careless-worker.wasm" "$guests/careless-worker.wasm" -- 200 20

title 'What was not granted is not there: the same job, asked for a file of the system'
job 1 --dir jobs/data::/texts "$guests/word-count.wasm" -- /etc/passwd

title 'A job that would take far too long is ended, and a time-out is no success'
job 124 --timeout 500ms "$guests/primes.wasm" -- 10000000000

title 'A job that takes too much memory: --memory is where it ends'
job 137 --memory 8MiB "$guests/grow_memory.wasm" -- 64

title 'doctor: each wall, tried alone on this machine'
shown "$sandhog" doctor
"$sandhog" doctor
