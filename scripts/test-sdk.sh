#!/usr/bin/env bash
# Tests the guests' SDK: its pure parts here, the logic of the example jobs, each example of its documentation as a job, and
# what `sandhog new` makes of it.
#
#   scripts/test-sdk.sh SANDHOG TARGET
#
# An example has no way to say what it is to be granted, so all of them get the same: they are children of one parent, which
# sends back what they send, may start the same three jobs, and share three objects with it. Those that make objects are nobody's
# children, for a child may make none unless its parent lets it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

sandhog=$1
target=$2
toolchain=${SANDHOG_WASM_TOOLCHAIN:-$target/wasm-toolchain}
manifest=guest-sdk/Cargo.toml

# What cargo calls in place of the example: this script again.
if [ "${SANDHOG_EXAMPLE:-}" ]; then
  guests=$target/guests
  granted=(--child "echo=$guests/echo.wasm" --child "speak=$guests/speak.wasm"
    --child "hello-handler=$guests/hello-handler.wasm" --object 'accounts: lock' --object 'balance: value(i64) rw'
    --object 'tasks: queue(100) put get')
  # An import as the module has it: the interface, the length of the name, the name.
  if LC_ALL=C grep -qa 'sandhog:job/objects@0\.1\.0.create-' "$3"; then
    exec "$sandhog" run "${granted[@]}" --max-objects 8 "$3"
  fi
  exec "$sandhog" run "${granted[@]}" --child "example=$3" "$guests/parent_of_examples.wasm"
fi

cargo test --locked --lib --all-features --manifest-path $manifest --target-dir "$target/sdk-here"
cargo test --locked --manifest-path jobs/Cargo.toml --target-dir "$target/sdk-here"

runner="target.wasm32-wasip1.runner=['$PWD/scripts/test-sdk.sh', '$sandhog', '$target']"
SANDHOG_EXAMPLE=1 RUSTDOC="$toolchain/bin/rustdoc-guest" \
  "$toolchain/bin/cargo-guest" test --release --locked --doc --all-features --target wasm32-wasip1 --manifest-path $manifest \
  --target-dir "$target/sdk-guests" --config "$runner"

# What `sandhog new` makes builds, and passes its own tests, as it is. The versions are the SDK's, so that nothing is fetched.
crates=$target/sdk-new
rm -rf "$crates"
mkdir -p "$crates"
export PATH=${sandhog%/*}:$PATH
for kind in command handler http; do
  flag=--$kind
  "$sandhog" new ${flag#--command} "$crates/new-$kind"
  cp guest-sdk/Cargo.lock "$crates/new-$kind/"
  (
    cd "$crates/new-$kind"
    "$toolchain/bin/cargo-guest" test --offline --target-dir "$target/sdk-guests"
    [ $kind != command ] || "$toolchain/bin/cargo-guest" run --offline --target-dir "$target/sdk-guests" -- Ada Grace
  )
done
