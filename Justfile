# Sandhog's chores. `./just` lists them, `./just NAME` does one.

set shell := ["bash", "-euo", "pipefail", "-c"]

# Everything that is built lands below this folder; the guests are in `guests`.
target := absolute_path(env("CARGO_TARGET_DIR", "target"))
export CARGO_TARGET_DIR := target
# The target is always named (.cargo/config.toml): so cargo puts what it builds below the target's name.
triple := `rustc -vV 2>/dev/null | sed -n 's/^host: //p' || true`
release := target / triple / "release"
sandhog := release / "sandhog"
prefix := if `id -u` == "0" { "/usr/local" } else { home_directory() / ".local" }

# Cargo gives all packages of one call the union of their features: with the command's, a sealed worker would be killed by its
# filter. So executables are built one by one, and the rest in these groups; never the whole workspace at once. Which features
# the calls have in common is for `host/features` to say: what is alike is compiled once.
unsealed := "-p sandhog-protocol -p sandhog-channel -p sandhog-build-id -p sandhog-link -p sandhog-sys -p sandhog-ipc -p sandhog-sandbox " + \
    "-p sandhog-spec -p sandhog-probes -p sandhog-spawner -p sandhog-supervisor -p sandhog-dirs -p sandhog-runtime " + \
    "-p sandhog-features -p sandhog-simulation -p sandhog-objects-model -p sandhog-objects -p sandhog-serve -p sandhog-http -p sandhog-daemon " + \
    "-p sandhog-doctor -p sandhog-cli"
sealed := "-p sandhog-engine -p sandhog-zygote -p sandhog-worker -p sandhog-compiler"
# For what tests alone run: our own crates without optimisation.
tests := "--config .cargo/tests.toml"

[private]
list:
    @{{ just_executable() }} --justfile {{ justfile() }} --list --unsorted

# Build everything, run each example job on real input, and try this machine's walls
demo: build jobs
    @scripts/demo.sh {{ sandhog }} {{ target }}

# Keep a set of services up for some seconds, and show what happens to them (--keep: until Ctrl-C)
up-demo *KEEP: build jobs
    @scripts/up-demo.sh {{ sandhog }} {{ target }} {{ KEEP }}

# Run every test, or those whose name contains the words given; SANDHOG_REQUIRE=root,userns,cgroup,… fails those that can't run here
test *WORDS: build jobs hostile
    @# Without it, a test says that it was not tried.
    @scripts/client-generator.sh {{ target }} || true
    @rm -f {{ target }}/not-tried
    cargo test {{ tests }} --release --locked {{ unsealed }} -- {{ WORDS }}
    @# They have no examples in their documents, for which each would be compiled once more.
    cargo test {{ tests }} --release --locked --lib {{ sealed }} -- {{ WORDS }}
    cargo test {{ tests }} --release --locked -p sandhog-client -p sandhog-harness -p sandhog-tests -- {{ WORDS }}
    {{ if WORDS == "" { "scripts/test-sdk.sh " + sandhog + " " + target } else { "" } }}
    @if [ -s {{ target }}/not-tried ]; then echo "$(wc -l < {{ target }}/not-tried) tests could not be tried here:"; cat {{ target }}/not-tried; fi

# Write anew the texts for people that tests compare (`*.snap`); read them in `git diff`, aloud, before you commit them
snapshots: build jobs hostile
    rm -f host/cli/snapshots/*.snap tests/snapshots/*.snap
    INSTA_UPDATE=always cargo test {{ tests }} --release --locked -p sandhog-cli --lib
    INSTA_UPDATE=always cargo test {{ tests }} --release --locked -p sandhog-tests -- common_errors command_line

# Kill the daemon, its spawner, zygotes and workers N times at random moments; SANDHOG_SEED=… replays a run
chaos N="10000": build jobs hostile
    SANDHOG_KILLS={{ N }} cargo test {{ tests }} --release --locked -p sandhog-tests -- --nocapture random_kills_of_the_daemon

# Kill members that share objects, and their keepers, N times at random moments; SANDHOG_SEED=… chooses others
chaos-objects N="100000": build jobs hostile
    SANDHOG_KILLS={{ N }} cargo test {{ tests }} --release --locked -p sandhog-tests -- --nocapture kills_under_load

# Run the simulations with STEPS events each; SANDHOG_SEED=… replays one world, SANDHOG_CHOICES=… the smaller one that a failure prints
simulate STEPS="100000000": machine
    SANDHOG_STEPS={{ STEPS }} cargo test --release --locked -p sandhog-supervisor --lib -- --nocapture simulation
    SANDHOG_STEPS={{ STEPS }} cargo test --release --locked -p sandhog-objects-model --lib -- --nocapture simulation
    SANDHOG_STEPS={{ STEPS }} cargo test --release --locked -p sandhog-daemon --lib -- --nocapture simulation

# Build the three executables (the first time compiles the engine twice: some minutes)
build: machine
    cargo build --release --locked -p sandhog-worker
    cargo build --release --locked -p sandhog-compiler
    cargo build --release --locked -p sandhog
    @# An executable that others may write is not started, nor is one in a folder that others may write.
    @chmod go-w {{ release }} {{ release }}/{sandhog,sandhog-worker,sandhog-compiler}

# The command and the worker that lie, for tests
[private]
hostile: machine
    cargo build {{ tests }} --release --locked -p sandhog-hostile
    cargo build {{ tests }} --release --locked -p sandhog-hostile-worker

# Put sandhog where PATH finds it, and what it starts beside that: PREFIX/bin and PREFIX/libexec/sandhog
install PREFIX=prefix: build
    @scripts/install.sh {{ release }} {{ PREFIX }}

# Take away what install has put below PREFIX, of all versions
uninstall PREFIX=prefix:
    rm -f {{ PREFIX }}/bin/sandhog
    rm -rf {{ PREFIX }}/libexec/sandhog
    rm -f {{ PREFIX }}/share/man/man1/sandhog.1 {{ PREFIX }}/share/man/man1/sandhog-*.1

# Compile all guests to WebAssembly: the example jobs and the tests' own
jobs: machine
    scripts/build-guests.sh

# Check format and lints, warnings are errors
lint: machine
    cargo fmt --all --check
    cargo fmt --all --check --manifest-path jobs/Cargo.toml
    cargo fmt --all --check --manifest-path tests/guests/Cargo.toml
    cargo fmt --all --check --manifest-path guest-sdk/Cargo.toml
    cargo clippy --release --locked {{ unsealed }} -p sandhog --all-targets -- --deny warnings
    cargo clippy --release --locked {{ sealed }} --all-targets -- --deny warnings
    cargo clippy --release --locked -p sandhog-hostile --all-targets -- --deny warnings
    cargo clippy --release --locked -p sandhog-hostile-worker --all-targets -- --deny warnings
    cargo clippy --release --locked -p sandhog-client -p sandhog-harness -p sandhog-tests -p sandhog-benches --all-targets -- --deny warnings
    CARGO_TARGET_DIR={{ target }}/guests-lint cargo clippy --locked --manifest-path jobs/Cargo.toml --all-targets -- --deny warnings
    CARGO_TARGET_DIR={{ target }}/guests-lint cargo clippy --locked --manifest-path tests/guests/Cargo.toml --all-targets -- --deny warnings
    CARGO_TARGET_DIR={{ target }}/guests-lint cargo clippy --locked --manifest-path guest-sdk/Cargo.toml --all-targets --all-features -- --deny warnings

# Build the documentation of our crates, private items included; warnings are errors
doc: machine
    RUSTDOCFLAGS="--deny warnings" cargo doc --release --locked --no-deps --document-private-items {{ unsealed }} -p sandhog
    RUSTDOCFLAGS="--deny warnings" cargo doc --release --locked --no-deps --document-private-items {{ sealed }}
    RUSTDOCFLAGS="--deny warnings" cargo doc --release --locked --no-deps --document-private-items -p sandhog-client -p sandhog-harness
    CARGO_TARGET_DIR={{ target }}/guests-lint RUSTDOCFLAGS="--deny warnings" cargo doc --locked --no-deps --document-private-items --all-features --manifest-path guest-sdk/Cargo.toml

# Bring every source file into format
fmt:
    cargo fmt --all
    cargo fmt --all --manifest-path jobs/Cargo.toml
    cargo fmt --all --manifest-path tests/guests/Cargo.toml
    cargo fmt --all --manifest-path guest-sdk/Cargo.toml

# Renew docs/openapi.json, the description of the HTTP API, out of its routes and types
openapi: machine
    SANDHOG_BLESS=1 cargo test {{ tests }} --release --locked -p sandhog-daemon --lib -- the_document_is_what_the_routes_and_their_types_say

# Measure, beside what else one would use; print tables, and write them and charts to benches/results
bench *ARGS: build jobs
    @scripts/bench-peers.sh {{ target }}
    cargo bench --locked -p sandhog-benches -- {{ ARGS }}

# Let libFuzzer make up frames, packets, lines and requests, each for SECONDS (the first build has the engine: ten minutes or more)
fuzz SECONDS="60":
    @scripts/fuzz.sh {{ target }} {{ SECONDS }}

# Check licences, sources and double versions of the dependencies (the first run builds cargo-deny: some minutes)
deny:
    @scripts/deny.sh {{ target }}

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

# A service in Python, beside its twin in Rust: a minute at first, then a second
python-http: build jobs
    @scripts/http-guest.sh python {{ sandhog }} {{ target }}

# A service in JavaScript, beside its twin in Rust: minutes at first, then a second
js-http: build jobs
    @scripts/http-guest.sh js {{ sandhog }} {{ target }}

# What a fresh machine may lack
[private]
machine:
    @scripts/check-machine.sh
