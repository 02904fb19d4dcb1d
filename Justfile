# Sandhog's chores. `./just` lists them, `./just NAME` does one.

set shell := ["bash", "-euo", "pipefail", "-c"]

# Everything that is built lands below this folder; the guests are in `guests`.
target := absolute_path(env("CARGO_TARGET_DIR", "target"))
export CARGO_TARGET_DIR := target
sandhog := target / "release/sandhog"
prefix := if `id -u` == "0" { "/usr/local" } else { home_directory() / ".local" }

[private]
list:
    @{{ just_executable() }} --justfile {{ justfile() }} --list --unsorted

# Build everything, run each example job on real input, and try this machine's walls
demo: build jobs
    @scripts/demo.sh {{ sandhog }} {{ target }}

# Keep a set of services up for some seconds, and show what happens to them (--keep: until Ctrl-C)
up-demo *KEEP: build jobs
    @scripts/up-demo.sh {{ sandhog }} {{ target }} {{ KEEP }}

# Run every test, or those whose name contains the words given
test *WORDS: build jobs
    cargo test --release --locked --workspace -- {{ WORDS }}
    {{ if WORDS == "" { "scripts/test-sdk.sh " + sandhog + " " + target } else { "" } }}

# Kill the daemon, its spawner, zygotes and workers N times at random moments; SANDHOG_SEED=… replays a run
chaos N="10000": build jobs
    SANDHOG_KILLS={{ N }} cargo test --release --locked --workspace -- --nocapture random_kills_of_the_daemon

# Build the executable (the first time compiles the engine: some minutes)
build: machine
    cargo build --release --locked --workspace

# Put the executable where PATH finds it: PREFIX/bin
install PREFIX=prefix: build
    install -D --mode 755 {{ sandhog }} {{ PREFIX }}/bin/sandhog
    @echo "installed {{ PREFIX }}/bin/sandhog"

# Compile all guests to WebAssembly: the example jobs and the tests' own
jobs: machine
    scripts/build-guests.sh

# Check format and lints, warnings are errors
lint: machine
    cargo fmt --all --check
    cargo fmt --all --check --manifest-path jobs/Cargo.toml
    cargo fmt --all --check --manifest-path tests/guests/Cargo.toml
    cargo fmt --all --check --manifest-path guest-sdk/Cargo.toml
    cargo clippy --release --locked --workspace --all-targets -- --deny warnings
    CARGO_TARGET_DIR={{ target }}/guests-lint cargo clippy --locked --manifest-path jobs/Cargo.toml --all-targets -- --deny warnings
    CARGO_TARGET_DIR={{ target }}/guests-lint cargo clippy --locked --manifest-path tests/guests/Cargo.toml --all-targets -- --deny warnings
    CARGO_TARGET_DIR={{ target }}/guests-lint cargo clippy --locked --manifest-path guest-sdk/Cargo.toml --all-targets -- --deny warnings

# Bring every source file into format
fmt:
    cargo fmt --all
    cargo fmt --all --manifest-path jobs/Cargo.toml
    cargo fmt --all --manifest-path tests/guests/Cargo.toml
    cargo fmt --all --manifest-path guest-sdk/Cargo.toml

# Measure, beside what else one would use, and print a table
bench *ARGS: build jobs
    @scripts/bench-peers.sh {{ target }}
    cargo bench --locked --workspace --bench '*' -- {{ ARGS }}

# Let libFuzzer make up frames, packets and lines, each for SECONDS
fuzz SECONDS="60":
    @scripts/fuzz.sh {{ target }} {{ SECONDS }}

# Fetch a real CPython for WASI and run a script in it
python: build
    @scripts/python.sh {{ sandhog }} {{ target }}

# Build a guest in C, one in Python and one in JavaScript, and run each in the place of its twin in Rust
languages: c-guest python-guest js-guest

# The one in C: seconds, and at first 36 MB of compiler where there is none
c-guest: build jobs
    @scripts/c-guest.sh {{ sandhog }} {{ target }}

# The one in Python: a minute at first, then a second
python-guest: build jobs
    @scripts/python-guest.sh {{ sandhog }} {{ target }}

# The one in JavaScript: a minute at first, then a second
js-guest: build jobs
    @scripts/js-guest.sh {{ sandhog }} {{ target }}

# What a fresh machine may lack
[private]
machine:
    @scripts/check-machine.sh
