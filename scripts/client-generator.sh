#!/usr/bin/env bash
# Fetches what generates a client in Python from docs/openapi.json, once for each list of versions: half a minute, 60 MB.
#
#   scripts/client-generator.sh TARGET
set -euo pipefail
target=$(realpath -m "$1")
cd "$(dirname "${BASH_SOURCE[0]}")"

folder=$target/tools/client-generator
cmp --silent client-generator.txt "$folder/fetched.txt" && exit
python3 -m pip --version >/dev/null 2>&1 || {
  echo 'fetching the generator of clients needs pip. On Debian: sudo apt-get install python3-pip' >&2
  exit 1
}
echo 'fetching the generator of clients' >&2
rm -rf "$folder"
python3 -m pip install --quiet --disable-pip-version-check --no-input --root-user-action ignore --only-binary :all: --no-deps \
  --target "$folder" --requirement client-generator.txt
cp client-generator.txt "$folder/fetched.txt"
