//! Examples under the help of the commands that run, build and look at modules.

pub(super) const EXAMPLES: &str = "\
Examples:
  sandhog run hello.wasm                     run a module: no files, no network, no environment
  sandhog run --dir data words.wasm -- data  let it read one directory
  ls *.svg | sandhog map resvg.wasm --dir .:rw -- {} {.}.png
                                             a run for each line, many at the same time
  sandhog inspect program.wasm               what a program is, and which flags it needs
  sandhog doctor                             what this machine can do to seal a job
  sandhog help run                           every flag of run, with examples
  sandhog help exit-codes                    what the exit code says

Environment:
  SANDHOG_CACHE_DIR    where compiled modules are kept [default: ~/.cache/sandhog]
  SANDHOG_RUNTIME_DIR  where root's commands note the ids in use [default: /run/sandhog]
  NO_COLOR             any value: no colour";

pub(super) const RUN_EXAMPLES: &str = "\
Examples:
  sandhog run hello.wasm
      Run a module. It sees no files, no network and no environment.

  sandhog run --dir texts words.wasm -- texts/moby.txt
      Let it read one directory. What follows -- goes to the guest.

  sandhog run --dir /srv/in::/in --dir /srv/out::/out:rw filter.wasm
      Two directories under other names; it may write to the second.

  sandhog run --memory 64MiB --timeout 30s --cpu 10s job.wasm < input > output
      Limits. Each ends the guest with a verdict and an exit code of its own.

  sandhog run --verdict verdict.json job.wasm
      Write down why it ended and what it used, as one JSON object.

  sandhog run --child resize=resize.wasm --max-children 4 album.wasm
      Let it start resize.wasm as its child, under that name, with no more rights than its own.

  sandhog run --ipc=3,4 handler.wasm 3< tasks 4> answers
      Talk to it: each line of JSON is a message. --ipc alone takes fd 3 for both directions.

Sizes are 64MiB, 1.5GiB or 10MB; times are 500ms, 30s, 1m30s or 2h.
The exit code is the guest's own; where Sandhog ended it, see: sandhog help exit-codes

Environment:
  SANDHOG_CACHE_DIR    where compiled modules are kept [default: ~/.cache/sandhog]
  SANDHOG_RUNTIME_DIR  where root's commands note the ids in use [default: /run/sandhog]";

pub(super) const MAP_EXAMPLES: &str = "\
Examples:
  sandhog map resvg.wasm --dir .:rw -- {} {.}.png ::: *.svg
  ls *.svg | sandhog map resvg.wasm --dir .:rw -- {} {.}.png
      A run for each file, as many at the same time as there are processors.

  sandhog map --input files --dir out:rw thumb.wasm -- --to out/{/} ::: pictures/*.png
      Each file is a program's stdin, opened by you: it needs no directory for that.

  sandhog map --input json --reuse 1000 handler.wasm < tasks.jsonl > answers.jsonl
      A handler answers each value; one process does a thousand of them.

  sandhog map --joblog log --retries 3 --timeout 10s -a urls.txt parse.wasm
  sandhog map --joblog log --resume-failed --timeout 60s -a urls.txt parse.wasm
      Once more, those that failed.

Without {} in ARGS a task is a program's stdin: a line with its newline. --input json takes values
with white space between them or none, --input null what a byte 0 ends. A task has at most 64MiB.
Results are printed whole, in the order of the tasks, stdout on stdout and stderr on stderr; a
handler's answers are lines, a text as it is. A handler's own stdout goes to stderr.

The exit code is 0, or the number of tasks that failed (101: more than 100), or with --halt soon or
now that of the first that failed; others: sandhog help exit-codes
Ctrl-C ends what runs and prints what is done; --joblog with --resume goes on from there.";

pub(super) const POOL_EXAMPLES: &str = "\
Examples:
  sandhog pool resize.wasm --fd 3
      For a program that has made a socket pair: messages are lines of JSON.

  sandhog pool resize.wasm --fd 3 --protocol msgpack -j 16
      Frames of MessagePack; sixteen tasks at a time.

  sandhog pool check.wasm --reuse 1000 --timeout 2s
      Handlers that do a thousand tasks each, one after the other; each task has two seconds.

  printf '%s\\n' '{\"type\":\"hello\",\"version\":1}' '{\"type\":\"task\",\"id\":1,\"value\":\"Ada\"}' |
      sandhog pool hello-handler.wasm
      By hand, over stdin and stdout.

The protocol is described in docs/pool-protocol.md. A handler takes values; a command takes
arguments and stdin.
The first SIGTERM or Ctrl-C lets accepted tasks end, the second ends them.
The exit code is 0 when the program has closed the conversation, 1 when it broke the protocol.";

pub(super) const SERVE_EXAMPLES: &str = "\
Examples:
  sandhog serve hello.wasm --listen 127.0.0.1:8080
      One sealed worker. Stdout has a line for each request; port 0 takes any that is free.

  sandhog serve shop.wasm --listen 127.0.0.1:8080 -i 4 --dir pages::/pages --request-timeout 5s
      Four workers, which may read one directory. A request that takes longer is answered with 504.

  sandhog serve shop.wasm --listen 127.0.0.1:8080 -i 1..8 --metrics 127.0.0.1:9100
      As many workers as the requests need; numbers for Prometheus at http://127.0.0.1:9100/metrics.

  sandhog serve strangers.wasm --listen 127.0.0.1:8080 -i 32 --isolation process
      A sealed process for each connection, at most 32 at once.

  kill -HUP PID
      Reload the module. Each worker goes when its new one is ready, and no request is lost.

The first SIGTERM or Ctrl-C lets requests end, within --grace, and the exit code is 0. The second
ends the command at once. Without --listen it serves on the sockets that systemd passes
(LISTEN_FDS). It speaks HTTP/1.1, and HTTP/2 with prior knowledge; docs/serving-http.md shows TLS by
a reverse proxy.
The exit code of a worker that never served: sandhog help exit-codes";

pub(super) const BUILD_EXAMPLES: &str = "\
Examples:
  sandhog build target/wasm32-wasip1/release/sum.wasm -o sum.wasm
      Afterwards the first `sandhog run sum.wasm` starts as fast as every other one.

  sandhog build program.wat -o program.wasm
      From text to binary.

What is written is a module that any engine can run, not machine code: that is in the cache.
The exit code is 0, or that of `sandhog run` for what can't be run.";

pub(super) const INSPECT_EXAMPLES: &str = "\
Examples:
  sandhog inspect program.wasm         what it is, what it needs, and the flags for that
  sandhog inspect --json program.wasm  the same as one JSON object

Nothing of the module is run. It is read by a sealed process with the compiler's limits.";

pub(super) const NEW_EXAMPLES: &str = "\
Examples:
  sandhog new greet             a program: cd greet; cargo test; cargo run
  sandhog new --handler resize  a function that is called for each task
  sandhog new --http shop       a function that is called for each HTTP request

The SDK for guests goes along in the crate; the compiler needs the target wasm32-wasip1.";

pub(super) const DOCTOR_EXAMPLES: &str = "\
Examples:
  sandhog doctor          a table: each wall, whether it stands here, and what it alone stops
  sandhog doctor --json   the same as one JSON object, for scripts
  sudo sandhog doctor     what it is for root, who gets every wall

The exit code is 0 where every wall that must stand does, and each trial ends as it must; else 1.";

pub(super) const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  sandhog completions bash > ~/.local/share/bash-completion/completions/sandhog
  sandhog completions zsh > ~/.zfunc/_sandhog
  sandhog completions fish > ~/.config/fish/completions/sandhog.fish
  sandhog completions elvish >> ~/.config/elvish/rc.elv";

pub(super) const MAN_EXAMPLES: &str = "\
Examples:
  sandhog man run | man -l -
  sandhog man --output ~/.local/share/man/man1";

pub(super) const HELP_EXAMPLES: &str = "\
Examples:
  sandhog help run
  sandhog help exit-codes";
