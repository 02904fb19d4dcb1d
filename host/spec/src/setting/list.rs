//! The list itself. A new setting is a field of `JobSpec`, an entry here, and its meaning in `job` or
//! `service`.

use super::bounds::Bounds;
use super::field::{Field, Takes};
use super::flag::{Command, Flag};
use super::usual::Usual;
use super::words::{self, ISOLATIONS, LEVELS, OVERLAPS, RESTARTS};
use crate::units::{Size, Time};
use sandhog_protocol::control::{BackoffSpec, HealthSpec, IntensitySpec, JobSpec, LogsSpec, RecycleSpec};
use sandhog_protocol::objects::OBJECTS;

use Change::{Attempt, InPlace};

/// Longest name of a job, in bytes: it will be part of file names, which end at 255 (`NAME_MAX`).
pub const NAME_LONGEST: usize = 200;

/// One page of WebAssembly memory, in bytes: the smallest that a guest with a memory can have.
/// Source: WebAssembly Core Specification, "Memory Instances".
pub const MEMORY_MIN: u64 = 64 << 10;

/// Most memory of one guest, in bytes. One 32-bit memory ends at 4 GiB; sixteen of them are more than any module
/// that we know of has, and more than most machines.
pub const MEMORY_MAX: u64 = 64 << 30;

/// Least memory of the compiler, in bytes: below it the compiler itself has no room.
pub(super) const COMPILE_MEMORY_MIN: u64 = 16 << 20;

/// Most files that a guest may hold open: what the kernel allows one process (`fs.nr_open`, 1048576 unless it was
/// changed), less room for the worker's own.
pub const FILES_MAX: u32 = (1 << 20) - 1024;

/// Most children of one tree: each is a zygote and a worker, and a machine has some ten thousand processes.
pub(super) const CHILDREN_MAX: u32 = 10_000;

/// Most instances of a job: each is two processes, and a machine has some ten thousand.
pub(super) const INSTANCES_MAX: u64 = 1000;

/// Most failures in a row: at a check every ten seconds that is three hours.
const FAILURES_MAX: u64 = 1000;

/// Most restarts that are counted: the time of each is kept.
const RESTARTS_MAX: u64 = 10_000;

/// Shortest log file, in bytes: some lines long.
const LOG_MIN: u64 = 4096;

/// Most log files of a job: more would be a directory that takes long to look through.
const LOG_FILES_MAX: u64 = 1000;

const MEMORY: Bounds =
    Bounds::min(MEMORY_MIN, "one page of WebAssembly memory").and_max(MEMORY_MAX, "the most that one job can have");
const COMPILE_MEMORY: Bounds = Bounds::min(COMPILE_MEMORY_MIN, "which the compiler needs for itself")
    .and_max(MEMORY_MAX, "the most that one job can have");
const FILES: Bounds = Bounds::not_zero("a guest needs at least one open file")
    .and_max(FILES_MAX as u64, "the most that the kernel allows one process");
const CHILDREN: Bounds = Bounds::max(CHILDREN_MAX as u64, "the most that one job can have");
const FAILURES: Bounds = Bounds::not_zero("write 1 or more").and_max(FAILURES_MAX, "the most that are counted");
const RUNS: Bounds = Bounds::not_zero("it has to be more than 0");
const LASTS: Bounds = Bounds::not_zero("it has to be more than 0");

/// Most requests at the same time in one worker: each may have an instance of its own, with 4 GiB of addresses reserved, and
/// a process has 128 TiB of them.
pub const CONCURRENCY_MAX: u64 = 10_000;

/// Most requests that wait in one worker: at ten thousand a second the last one waits for ten seconds.
const QUEUE_MAX: u64 = 100_000;

/// Most connections of one worker, below [`FILES_MAX`]: each is a file of its, and of whoever accepted it.
pub const CONNECTIONS_MAX: u64 = 100_000;

/// Largest body of a request, in bytes. The worker keeps none of it, so this bounds what a client may send, not memory.
const BODY_MAX: u64 = 1 << 40;

/// Shortest and longest headers of a request together, in bytes: the least that hyper reads into, and what each connection may
/// make a worker keep.
const HEADERS_MIN: u64 = 8 << 10;
pub const HEADERS_MAX: u64 = 1 << 20;

const CONCURRENCY: Bounds =
    Bounds::not_zero("a worker needs at least one").and_max(CONCURRENCY_MAX, "the most of one worker");
const CONNECTIONS: Bounds =
    Bounds::not_zero("a worker needs at least one").and_max(CONNECTIONS_MAX, "the most of one worker");
const BODY: Bounds = Bounds::max(BODY_MAX, "the most of one request");
const HEADERS: Bounds =
    Bounds::min(HEADERS_MIN, "which reading them takes").and_max(HEADERS_MAX, "the most of one request");

const SERVED: &str = "is for jobs that serve HTTP, and this one does not; set listen";
const CHECKED: &str = "says how to check, and there is no check; set health.heartbeat, health.command or health.path";
const TIMED: &str = "is for jobs with a schedule, and this one has none";

/// What the list says of a setting.
pub struct Facts {
    pub change: Change,
    pub flag: Flag,
    pub usual: Usual,
    /// One sentence without a full stop: the help of its flag, and the comment of the manifest.
    pub about: &'static str,
    /// A value as a manifest has it; empty: the usual one.
    pub example: &'static str,
    /// What else there is to know, in whole sentences; for the reference.
    pub more: &'static str,
    pub bounds: Bounds,
    /// Nothing without one of these.
    pub with: Option<With>,
    /// Of one job: `[defaults]` can't have it.
    pub is_own: bool,
    /// Its flag, where that is called otherwise than the key: one of a list is given with each.
    pub called: &'static str,
}

/// What a change of a setting is for a job that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is part of what runs: another attempt takes the place of the one that there is.
    Attempt,
    /// It is about how the job is kept up: true from now on, for the attempt that there is as well.
    InPlace,
}

/// Settings of which one has to be there for another one to mean anything.
#[derive(Clone, Copy, Debug)]
pub struct With {
    pub settings: &'static [Setting],
    /// Why it is refused without: to follow the name and a colon.
    pub reason: &'static str,
}

impl Facts {
    /// What has to be said of every setting.
    const fn new(change: Change, flag: Flag, usual: Usual, about: &'static str) -> Self {
        let bounds = Bounds::NONE;
        Self { change, flag, usual, about, example: "", more: "", bounds, with: None, is_own: false, called: "" }
    }

    const fn example(self, example: &'static str) -> Self {
        Self { example, ..self }
    }

    const fn more(self, more: &'static str) -> Self {
        Self { more, ..self }
    }

    const fn bounds(self, bounds: Bounds) -> Self {
        Self { bounds, ..self }
    }

    const fn with(self, settings: &'static [Setting], reason: &'static str) -> Self {
        Self { with: Some(With { settings, reason }), ..self }
    }

    const fn called(self, called: &'static str) -> Self {
        Self { called, ..self }
    }

    const fn own(self) -> Self {
        Self { is_own: true, ..self }
    }
}

/// A flag of these commands; `value` is its placeholder, empty for one that takes none.
const fn flag(commands: &'static [Command], value: &'static str) -> Flag {
    Flag::Of { commands, value, short: None }
}

/// Of `start` alone.
const fn start(value: &'static str) -> Flag {
    flag(&[Command::Start], value)
}

/// Of what runs a job.
const fn both(value: &'static str) -> Flag {
    flag(&[Command::Run, Command::Map, Command::Start, Command::Pool, Command::Serve], value)
}

/// Of what runs a job that ends: these would end a worker that serves HTTP, with all requests that are in it.
const fn ending(value: &'static str) -> Flag {
    flag(&[Command::Run, Command::Map, Command::Start, Command::Pool], value)
}

/// Of what keeps a job up.
const fn keeping(value: &'static str) -> Flag {
    flag(&[Command::Start, Command::Serve], value)
}

/// Of what runs one attempt of a job at a time.
const fn single(value: &'static str) -> Flag {
    flag(&[Command::Run, Command::Start], value)
}

/// Of what compiles a module.
const fn compilers(value: &'static str) -> Flag {
    let commands =
        &[Command::Run, Command::Map, Command::Start, Command::Pool, Command::Serve, Command::Build, Command::Inspect];
    flag(commands, value)
}

const fn short(value: &'static str, short: char) -> Flag {
    Flag::Of { commands: &[Command::Start], value, short: Some(short) }
}

const fn mib(count: u64) -> Usual {
    Usual::Size(Size::bytes(count << 20))
}

const fn seconds(count: u64) -> Usual {
    Usual::Time(Time::millis(count * 1000))
}

/// `HEADING { field Variant: Kind = facts; … [table: Spec] { field Variant: Kind = facts; … } … }`. Every field of a
/// `JobSpec` and of its tables is in it: one that is left out does not compile.
macro_rules! settings {
    ($($heading:literal {
        $($field:ident $setting:ident: $kind:ident $(($words:expr))? = $facts:expr;)*
        $([$table:ident: $spec:ident] { $($key:ident $inner:ident: $of:ident $(($choice:expr))? = $said:expr;)* })*
    })*) => {
        /// A setting of a job.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Setting {
            $($($setting,)* $($($inner,)*)*)*
        }

        /// Tables of a job that hold settings.
        pub const TABLES: &[&str] = &[$($(stringify!($table),)*)*];

        impl Setting {
            /// In the order of the documentation.
            pub const ALL: &[Self] = &[$($(Self::$setting,)* $($(Self::$inner,)*)*)*];

            /// As manifests have it; of a table's with the table's name: `backoff.first`.
            pub const fn key(self) -> &'static str {
                match self {
                    $($(Self::$setting => stringify!($field),)*
                    $($(Self::$inner => concat!(stringify!($table), ".", stringify!($key)),)*)*)*
                }
            }

            /// What it is about: a heading of the help and the reference.
            pub const fn heading(self) -> &'static str {
                match self {
                    $($(Self::$setting => $heading,)* $($(Self::$inner => $heading,)*)*)*
                }
            }

            pub fn facts(self) -> &'static Facts {
                match self {
                    $($(Self::$setting => { static FACTS: Facts = $facts; &FACTS })*
                    $($(Self::$inner => { static FACTS: Facts = $said; &FACTS })*)*)*
                }
            }

            pub fn takes(self) -> &'static Takes {
                match self {
                    $($(Self::$setting => {
                        static TAKES: Takes = Takes::$kind(
                            Field { get: |spec| &spec.$field, set: |spec| &mut spec.$field } $(, $words)?
                        );
                        &TAKES
                    })*
                    $($(Self::$inner => {
                        static TAKES: Takes = Takes::$of(
                            Field { get: |spec| &spec.$table.$key, set: |spec| &mut spec.$table.$key } $(, $choice)?
                        );
                        &TAKES
                    })*)*)*
                }
            }
        }

        // The profile is no setting: it says which of them were read.
        const _: fn(JobSpec) = |JobSpec { profile: _, $($($field: _,)* $($table: $spec { $($key: _,)* },)*)* }| ();
    };
}

settings! {
    "The job" {
        name Name: Name = Facts::new(Attempt, short("NAME", 'n'), Usual::Depends("the name of FILE, without its ending"),
            "Its name").own().more("In a manifest it is the name of the job's table.");
        group Group: Group = Facts::new(InPlace, start("GROUP"), Usual::Depends("that of the manifest, or default"),
            "Its group").example("\"night\"").own();
        module Module: Module = Facts::new(Attempt, Flag::Word("FILE"), Usual::Needed,
            "The module: a program of WASI 0.1, 0.2 or 0.3, or a handler; .wasm or .wat").example("\"web.wasm\"").own()
            .more("Paths of a manifest are relative to its folder, and may leave it by being absolute or by `..`, not by a link.");
        args Args: Texts = Facts::new(Attempt, Flag::Word("-- ARGS"), Usual::Nothing,
            "Arguments of the guest").example("[\"--fast\"]");
        instances Instances: Count = Facts::new(InPlace, short("COUNT", 'i'), Usual::Count(1),
            "Number of instances").bounds(Bounds::max(INSTANCES_MAX, "the most of one job"))
            .more("A job with a schedule has one.");
        after After: Texts = Facts::new(InPlace, start("NAME"), Usual::Nothing,
            "Jobs of its group that have to be ready before it starts").example("[\"db\"]").own();
    }
    "The guest's view" {
        argv0 Argv0: GuestName = Facts::new(Attempt, ending("NAME"), Usual::Depends("the name of FILE"),
            "The guest's argv[0]").example("\"web.wasm\"");
        stdin Stdin: Stdin = Facts::new(Attempt, start("FILE|none"), Usual::Word("none"),
            "Where its stdin comes from: a file, or none")
            .more("`sandhog run` has `-` as well, which is the usual one there: the command's own.");
        fresh Fresh: Flag = Facts::new(Attempt, single(""), Usual::No, "Handlers only: a new instance for each task");
        log Log: Word(|| words::names(&LEVELS)) = Facts::new(Attempt, both("LEVEL"), Usual::Word("info"),
            "Lowest level of its log, and of its children's, that is kept, or off")
            .more("`sandhog run` shows them on stderr, a daemon keeps them.");
    }
    "Grants" {
        dir Dir: Directories = Facts::new(Attempt, both("HOST[::GUEST][:ro|rw]"), Usual::Nothing,
            "Directories that it may use: read-only unless :rw; as GUEST, else as HOST")
            .example("[\"pages::/pages\", \"data:rw\"]");
        env Env: Environment = Facts::new(Attempt, both("NAME[=VALUE]"), Usual::Nothing,
            "Its environment; NAME alone, or true in a table, passes a variable on")
            .example("{ MODE = \"shop\", HOME = true }")
            .more("A list such as `[\"LANG=C\", \"HOME\"]` is one, too. In a job, a table adds to that of `[defaults]`, in a \
                   profile to that of the job; a list replaces it.");
        child Child: Children = Facts::new(Attempt, both("NAME=FILE"), Usual::Nothing,
            "Modules that it may start as its children, by these names; a child has no more than its parent")
            .example("[\"resize=resize.wasm\"]");
        allow_detached AllowDetached: Flag = Facts::new(Attempt, both(""), Usual::No,
            "Let children outlive it").more("`sandhog run` then waits for them.");
        objects Objects: Objects = Facts::new(Attempt, both("NAME: KIND RIGHT"), Usual::Nothing,
            "Objects that it shares with the jobs of its group, and what it may do with each")
            .called("object").example("[\"tasks: queue(100) put\", \"frames: memory(8MiB) ro\"]")
            .more("Kinds: lock, rlock, condition, barrier(N); semaphore(N), bounded-semaphore(N) with acquire, release; event \
                   with set, wait; value(i64), array(f32, 1000), memory(8MiB) with ro or rw; queue(ITEMS, BYTES) with put, \
                   get; pipe with first or second. Jobs of a group that name one object name one kind.");
        net Net: Texts = Facts::new(Attempt, single("GRANT"), Usual::Nothing,
            "Sockets that it may use: listen:ADDRESS:PORT to accept clients itself, passed to take what other jobs pass on")
            .example("[\"listen:127.0.0.1:9000\", \"passed\"]")
            .more("Port 0 is any that is free. There is no other network: nothing connects. `none`, alone, is no grant.");
    }
    "Limits" {
        // Enough for an interpreter or a picture, little enough for several at once on a small machine.
        memory Memory: Size = Facts::new(Attempt, both("SIZE"), mib(512), "Memory limit of the guest").example("\"64MiB\"")
            .bounds(MEMORY);
        // Somebody watches a command in the foreground and can end it.
        timeout Timeout: Time = Facts::new(Attempt, ending("TIME"), Usual::Nothing,
            "Time limit by the clock").example("\"1h\"").bounds(RUNS);
        cpu Cpu: Time = Facts::new(Attempt, ending("TIME"), Usual::Nothing,
            "CPU time limit").example("\"10m\"").bounds(RUNS);
        // Counting fuel makes a guest slower.
        fuel Fuel: Count = Facts::new(Attempt, ending("COUNT"), Usual::Nothing,
            "Limit of instructions, approximately: the same on every machine, but the guest runs slower")
            .example("1_000_000_000").bounds(Bounds::not_zero("it has to be more than 0"));
        // Output goes to whoever asked for it, and a full pipe makes the guest wait.
        max_output MaxOutput: Size = Facts::new(Attempt, ending("SIZE"), Usual::Nothing,
            "Limit of bytes on stdout and stderr together").example("\"1GiB\"");
        // No disk is filled by one file in one slip.
        max_file MaxFile: Size = Facts::new(Attempt, both("SIZE"), mib(1024),
            "Largest file that it may write; more is an error to the guest");
        // What wasi-libc programs expect at the least, and a leak is seen early.
        max_files MaxFiles: Count = Facts::new(Attempt, both("COUNT"), Usual::Count(256),
            "Limit of open files; more is an error to the guest").bounds(FILES);
        // A pool of twice the processors of most machines.
        max_children MaxChildren: Count = Facts::new(Attempt, both("COUNT"), Usual::Count(16),
            "Limit of children alive at once, including theirs; more is an error to the guest").bounds(CHILDREN);
        // A child, its child, and one more: who needs more knows why.
        max_child_depth MaxChildDepth: Count = Facts::new(Attempt, both("COUNT"), Usual::Count(3),
            "Limit of generations of children; more is an error to the guest").bounds(CHILDREN);
        // A start takes some milliseconds of a processor: most of one processor at the worst.
        max_child_rate MaxChildRate: Count = Facts::new(Attempt, both("COUNT"), Usual::Count(100),
            "Limit of children started in a second; more is an error to the guest").bounds(CHILDREN);
        // Nothing is made that was not granted.
        max_objects MaxObjects: Count = Facts::new(Attempt, both("COUNT"), Usual::Count(0),
            "Limit of objects without a name that it may make; more is an error to the guest")
            .bounds(Bounds::max(OBJECTS as u64, "the most of one group"));
        // A picture, or some thousand items of a queue.
        objects_memory ObjectsMemory: Size = Facts::new(InPlace, both("SIZE"), mib(64),
            "Memory limit of all objects of its group together; more is an error to the guest")
            .bounds(Bounds::max(MEMORY_MAX, "the most that one group can have"))
            .more("Jobs of a group that use objects have the same.");
    }
    "HTTP" {
        // No address is the usual one: who listens where decides who can come.
        listen Listen: Text = Facts::new(Attempt, keeping("ADDRESS:PORT"), Usual::Nothing,
            "Serve HTTP on this address; port 0 takes any that is free").example("\"127.0.0.1:8080\"").own()
            .more("The module is a component that exports wasi:http/incoming-handler 0.2 or wasi:http/handler 0.3. All instances \
                   share the address. 127.0.0.1 and [::1] are for this machine alone, 0.0.0.0 and [::] are all of its \
                   addresses. A daemon binds ports below 1024 only where it may.");
        isolation Isolation: Word(|| words::names(&ISOLATIONS)) = Facts::new(Attempt, keeping("HOW"), Usual::Word("auto"),
            "What requests have in common: instance (nothing but the process), reuse (an instance) or process (nothing)")
            .with(&[Setting::Listen], SERVED)
            .more("instance makes a new instance for each request, reuse gives many requests to one, process starts a sealed \
                   process for each connection. auto is instance for WASI 0.2 and reuse for 0.3.");
        concurrency Concurrency: Count = Facts::new(Attempt, keeping("COUNT"), Usual::Count(128),
            "Requests at the same time in one worker").bounds(CONCURRENCY).with(&[Setting::Listen], SERVED);
        queue Queue: Count = Facts::new(Attempt, keeping("COUNT"), Usual::Count(128),
            "Requests that wait for their turn in one worker; one more is answered with 503")
            .bounds(Bounds::max(QUEUE_MAX, "the most of one worker")).with(&[Setting::Listen], SERVED);
        max_connections MaxConnections: Count = Facts::new(Attempt, keeping("COUNT"), Usual::Count(1024),
            "Connections at the same time in one worker").bounds(CONNECTIONS).with(&[Setting::Listen], SERVED);
        max_requests MaxRequests: Count = Facts::new(Attempt, keeping("COUNT"), Usual::Nothing,
            "Requests after which another worker takes its place").example("100_000")
            .more("With it `backoff.reset_after` is 10ms where nothing is said, so that a busy worker's successor comes at once.")
            .bounds(Bounds::not_zero("it has to be more than 0")).with(&[Setting::Listen], SERVED);
        // As most reverse proxies wait for an answer (nginx 60 s), and well before people give up.
        request_timeout RequestTimeout: TimeOr("none") = Facts::new(Attempt, keeping("TIME|none"), seconds(30),
            "Time limit of a request, from the end of its head to the end of its answer; then 504").bounds(RUNS)
            .with(&[Setting::Listen], SERVED)
            .more("none is for answers that last, such as server-sent events. Where the answer has begun, the connection breaks off.");
        request_memory RequestMemory: Size = Facts::new(Attempt, keeping("SIZE"), Usual::Nothing,
            "Memory limit of one instance; beyond it 500 to its requests").example("\"64MiB\"").bounds(MEMORY)
            .with(&[Setting::Listen], SERVED)
            .more("All instances of a worker together have `memory`.");
        max_body MaxBody: Size = Facts::new(Attempt, keeping("SIZE"), mib(16),
            "Longest body of a request; beyond it 413").bounds(BODY).with(&[Setting::Listen], SERVED);
        max_headers MaxHeaders: Size = Facts::new(Attempt, keeping("SIZE"), Usual::Size(Size::bytes(64 << 10)),
            "Longest head of a request; beyond it 431").bounds(HEADERS).with(&[Setting::Listen], SERVED);
        header_timeout HeaderTimeout: Time = Facts::new(Attempt, keeping("TIME"), seconds(10),
            "Time for a client to send the head of a request; then 408").bounds(RUNS).with(&[Setting::Listen], SERVED);
        idle_timeout IdleTimeout: Time = Facts::new(Attempt, keeping("TIME"), seconds(60),
            "How long a connection may be idle, in a request or between two; then it is closed").bounds(RUNS)
            .with(&[Setting::Listen], SERVED);
    }
    "Walls" {
        user User: Text = Facts::new(Attempt, both("auto|keep|UID:GID"), Usual::Word("auto"),
            "Identity of the worker: auto (as root one of its own, else yours), keep (yours), or two ids")
            .more("A daemon gives no ids that you name. A guest is never root.");
        allow_missing AllowMissing: Words(words::walls) = Facts::new(Attempt, compilers("WALL"), Usual::Nothing,
            "Run even though this machine can't build a wall; the verdict lists it as missing").example("[\"cgroup\"]")
            .more("A job that is kept up may do without those only that its daemon was started to let jobs do without.");
        shared_zygote SharedZygote: Flag = Facts::new(Attempt, start(""), Usual::No,
            "Start all instances from one zygote: sooner and with less memory, but they share an address layout")
            .more("A guest that breaks out of the engine in one instance knows the addresses of the others. An instance takes \
                   0.15 MiB of its own, and 1 MiB with a zygote for each.");
    }
    "Compiling" {
        // Honest modules of 30 MB were measured at 12 to 60 s and up to 700 MB: twice that and more, so that nobody who
        // compiles their own modules meets the limits.
        compile_timeout CompileTimeout: Time = Facts::new(Attempt, compilers("TIME"), seconds(120),
            "CPU time limit for compiling the module").bounds(RUNS);
        compile_memory CompileMemory: Size = Facts::new(Attempt, compilers("SIZE"), mib(2048),
            "Memory limit for compiling the module").bounds(COMPILE_MEMORY);
    }
    "Kept up" {
        // A service that ends well has done its work.
        restart Restart: Word(|| words::names(&RESTARTS)) = Facts::new(InPlace, start("WHEN"), Usual::Word("on-failure"),
            "When it is restarted: never, on-failure or always").example("\"always\"")
            .more("Of a job with a schedule never, unless on-failure is written; of one with listen always, unless something is.");
        retry_on RetryOn: Retries = Facts::new(InPlace, start("VERDICT[:FACTOR[:MAX]]"), Usual::Nothing,
            "Verdicts after which it is retried whatever restart says, optionally with a larger limit")
            .example("[\"failed\", { verdict = \"memory\", factor = 2, max = \"2GiB\" }]")
            .more(
                "`factor` multiplies the limit that was met for the next try, `max` is how far it may \
                 grow.",
            );
        stop_on StopOn: Words(words::verdicts) = Facts::new(InPlace, start("VERDICT"), Usual::Nothing,
            "Verdicts after which it is not retried").example("[\"denied\"]");
        grace Grace: Time = Facts::new(InPlace, keeping("TIME"), seconds(5),
            "Time to stop after a request; then it is killed");
        [backoff: BackoffSpec] {
            first BackoffFirst: Time = Facts::new(InPlace, keeping("TIME"), Usual::Time(Time::millis(100)),
                "Longest delay before the first restart; it doubles with each further one").bounds(LASTS);
            max BackoffMax: Time = Facts::new(InPlace, keeping("TIME"), seconds(30), "Longest delay").bounds(LASTS);
            reset_after BackoffResetAfter: Time = Facts::new(InPlace, keeping("TIME"), seconds(10),
                "How long it has to be ready for the delay to be reset").bounds(LASTS);
        }
        [intensity: IntensitySpec] {
            restarts IntensityRestarts: Count = Facts::new(InPlace, keeping("COUNT"), Usual::Count(5),
                "More restarts than this in the period, and it has failed")
                .bounds(Bounds::max(RESTARTS_MAX, "the most that are counted"));
            within IntensityWithin: Time = Facts::new(InPlace, keeping("TIME"), seconds(60),
                "The period in which restarts are counted").bounds(LASTS);
        }
        [recycle: RecycleSpec] {
            memory RecycleMemory: Size = Facts::new(InPlace, keeping("SIZE"), Usual::Nothing,
                "Resident memory of its worker at which it is replaced").example("\"400MiB\"")
                .bounds(Bounds::not_zero("every worker has more; leave it out for no recycling"));
        }
    }
    "Ready and healthy" {
        // Long enough to find out what is wrong with its settings, short enough to wait for.
        ready Ready: TimeOr("notify") = Facts::new(InPlace, start("notify|TIME"), seconds(1),
            "When it is ready: when it says so or has run this long; notify: only when it says so");
        // A large module may be compiled first.
        start_timeout StartTimeout: Time = Facts::new(InPlace, keeping("TIME"), seconds(150),
            "Time to become ready").bounds(LASTS);
        [health: HealthSpec] {
            heartbeat HealthHeartbeat: Time = Facts::new(InPlace, start("TIME"), Usual::Nothing,
                "Longest time between two heartbeats").example("\"10s\"").bounds(LASTS);
            command HealthCommand: Command = Facts::new(InPlace, start("FILE"), Usual::Nothing,
                "A module that checks its health, and arguments: it is healthy if the module completes")
                .example("[\"check.wasm\", \"web\"]")
                .more("It runs sealed, with the grants of the job. The flag is given once more for each argument.");
            // One version has it and another one has not.
            path HealthPath: Text = Facts::new(Attempt, keeping("PATH"), Usual::Nothing,
                "A path that its workers answer by HTTP: healthy with a status from 200 to 399").example("\"/healthz\"")
                .with(&[Setting::Listen], SERVED)
                .more("Each worker is asked by a connection of its own. A new one is ready, and has clients, when it has answered \
                       well once.");
            interval HealthInterval: Time = Facts::new(InPlace, keeping("TIME"), seconds(10),
                "How often the check runs").bounds(LASTS).with(&[Setting::HealthCommand, Setting::HealthPath], CHECKED);
            timeout HealthTimeout: Time = Facts::new(InPlace, keeping("TIME"), seconds(5),
                "Time limit of the check").bounds(LASTS).with(&[Setting::HealthCommand, Setting::HealthPath], CHECKED);
            failure_threshold HealthFailureThreshold: Count = Facts::new(InPlace, keeping("COUNT"), Usual::Count(3),
                "Failures in a row, of either check, that make it unhealthy").bounds(FAILURES)
                .with(&[Setting::HealthCommand, Setting::HealthHeartbeat, Setting::HealthPath], CHECKED);
        }
    }
    "Schedule" {
        schedule Schedule: Text = Facts::new(InPlace, start("CRON"), Usual::Nothing,
            "Run it at these times, and do not keep it up: a cron expression").example("\"30 2 * * *\"").own()
            .more("Minute, hour, day of the month, month, day of the week; or six fields, the second first; or `@daily` and \
                   its like.");
        time_zone TimeZone: Text = Facts::new(InPlace, start("ZONE"), Usual::Word("UTC"),
            "Time zone of the schedule, such as Europe/Berlin").with(&[Setting::Schedule], TIMED);
        // Two at once are what nobody expects.
        overlap Overlap: Word(|| words::names(&OVERLAPS)) = Facts::new(InPlace, start("WHAT"), Usual::Word("skip"),
            "If the previous run has not ended: skip, queue or replace").with(&[Setting::Schedule], TIMED);
        catch_up CatchUp: Flag = Facts::new(InPlace, start(""), Usual::No,
            "Run once for all runs that were missed without a daemon").with(&[Setting::Schedule], TIMED);
    }
    "Logs" {
        // A hundred megabytes for a job at the most.
        [logs: LogsSpec] {
            size LogsSize: Size = Facts::new(Attempt, start("SIZE"), mib(16),
                "Size at which a log file is rotated").bounds(Bounds::min(LOG_MIN, "which holds some lines"));
            files LogsFiles: Count = Facts::new(Attempt, start("COUNT"), Usual::Count(5),
                "Number of rotated log files that are kept").bounds(Bounds::max(LOG_FILES_MAX, "the most of one job"));
        }
    }
}
