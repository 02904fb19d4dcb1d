//! From a job's one list of grants to the plans of its processes. Pure: whoever carries a plan out adds nothing.

use sandhog_protocol::limits;
use sandhog_protocol::message::Message;
use sandhog_protocol::plan::{
    CompileOutput, CompilePlan, GuestPlan, Identity, Metering, Program, Rlimits, Slots, Walls, WorkerPlan, ZygotePlan,
};
use sandhog_spawner::floor::MaxLimits;
use sandhog_spec::job::{CompileLimits, Job, Limits, Uses};
use sandhog_spec::units;
use sandhog_supervisor::outcome;
use std::time::Duration;

/// What a worker needs beside its guest's memory, in bytes: engine, event loop, stacks and buffers took below 12 MiB
/// in every measurement; the rest is room for the engine's tables and for a guest's call of many megabytes.
pub const WORKER_MEMORY: u64 = 64 << 20;

/// What the zygote has of its own in the same cgroup, in bytes.
const ZYGOTE_MEMORY: u64 = 32 << 20;

/// What a fork takes until it has left its zygote's cgroup, in bytes: tables and stacks of the kernel, the first pages.
const FORK_MEMORY: u64 = 1 << 20;

/// What a worker that serves has for each request that runs beside the guest's memory, in bytes: the used part of a stack, the
/// engine's tables, what has been read of a body.
const REQUEST_MEMORY: u64 = 192 << 10;

/// The same for each connection, beside two buffers for the largest head: hyper's buffers at their smallest, and the kernel's
/// share.
const CONNECTION_MEMORY: u64 = 32 << 10;

/// Files of a worker that serves beside its clients': the event loop's four, and its own end of what it listens to.
const SERVING_FILES: u32 = 8;

/// Zygote and worker, one of each to spare while the kernel still counts one that has ended, and the threads of a
/// component's worker.
const GUEST_TASKS: u32 = 4 + 8;

/// How much later than the worker's own deadline it is killed from outside: a worker that is fine needs a millisecond
/// for it, one on a busy machine some hundreds.
const DEADLINE_SLACK: Duration = Duration::from_millis(500);

/// Files that a keeper of objects has open: those that it is given, until it has mapped them.
const KEEPER_FILES: u32 = 256;

/// The memory of all objects is the keeper's, beside its own.
pub fn keeper_zygote(memory_bytes: u64, walls: &Walls) -> ZygotePlan {
    ZygotePlan {
        walls: walls.clone(),
        program: Program::Keeper,
        cgroup_memory_bytes: memory_bytes.saturating_add(WORKER_MEMORY + ZYGOTE_MEMORY),
        cgroup_tasks: GUEST_TASKS,
        coredump: false,
        objects: false,
        sockets: false,
        slots: None,
    }
}

pub fn keeper_worker(memory_bytes: u64) -> WorkerPlan {
    WorkerPlan {
        rlimits: Rlimits {
            data_bytes: WORKER_MEMORY,
            file_bytes: memory_bytes,
            open_files: KEEPER_FILES,
            // It works for as long as its group does.
            cpu_s: None,
        },
        connected: false,
        coredump: false,
        listeners: 0,
        directories: Vec::new(),
        slot: None,
        lie: None,
    }
}

/// `uses`: what its workers may use.
pub fn guest_zygote(limits: &Limits, uses: Uses, walls: &Walls) -> ZygotePlan {
    ZygotePlan {
        walls: walls.clone(),
        program: Program::Guest { metering: limits.metering() },
        cgroup_memory_bytes: worker_memory(limits) + ZYGOTE_MEMORY,
        cgroup_tasks: GUEST_TASKS,
        coredump: limits.coredump,
        objects: uses.objects,
        sockets: uses.sockets,
        slots: None,
    }
}

/// A zygote for workers in so many slots, or for one worker.
pub fn zygote_of(limits: &Limits, uses: Uses, slots: Option<u32>, walls: &Walls) -> ZygotePlan {
    match slots {
        Some(slots) => pool_zygote(limits, uses, slots, walls),
        None => guest_zygote(limits, uses, walls),
    }
}

/// A zygote for workers in so many slots, each with the limits of a job's own cgroup.
pub fn pool_zygote(limits: &Limits, uses: Uses, slots: u32, walls: &Walls) -> ZygotePlan {
    let alone = guest_zygote(limits, uses, walls);
    ZygotePlan {
        // Each worker is counted here until it has entered its own cgroup: a fork's page tables, and one task.
        cgroup_memory_bytes: ZYGOTE_MEMORY + WORKER_MEMORY + u64::from(slots) * FORK_MEMORY,
        cgroup_tasks: GUEST_TASKS.saturating_add(slots),
        slots: Some(Slots {
            count: slots,
            memory_bytes: worker_memory(limits),
            tasks: GUEST_TASKS,
            code_in_memory: true,
        }),
        ..alone
    }
}

/// A zygote that instances of a job share: they are few, and live long.
pub fn shared_zygote(limits: &Limits, uses: Uses, slots: u32, walls: &Walls) -> ZygotePlan {
    let pool = pool_zygote(limits, uses, slots, walls);
    ZygotePlan { slots: pool.slots.map(|slots| Slots { code_in_memory: false, ..slots }), ..pool }
}

pub fn guest_worker(job: &Job, connected: bool) -> WorkerPlan {
    WorkerPlan {
        rlimits: Rlimits {
            open_files: open_files(&job.limits, job.grants.directories.len()),
            ..guest_rlimits(&job.limits)
        },
        connected,
        coredump: job.limits.coredump,
        listeners: 0,
        directories: job.grants.directories.iter().map(|directory| directory.access).collect(),
        slot: None,
        lie: None,
    }
}

/// What the guest's memory may take of the worker's, in bytes. The engine makes a core dump in memory before it is written:
/// all that is not zero twice, in buffers that grow by doubling.
fn memory(limits: &Limits) -> u64 {
    if limits.coredump { limits.memory_bytes.saturating_mul(5) } else { limits.memory_bytes }
}

/// What a worker may take, in bytes.
fn worker_memory(limits: &Limits) -> u64 {
    let clients = limits.serving.map_or(0, |serving| {
        let connection = CONNECTION_MEMORY + 2 * u64::from(serving.header_bytes);
        let connections = connection.saturating_mul(serving.connections.into());
        connections.saturating_add(REQUEST_MEMORY.saturating_mul(serving.concurrency.into()))
    });
    memory(limits).saturating_add(WORKER_MEMORY).saturating_add(clients)
}

/// The stacks of instances that run at the same time, in bytes.
fn stacks(limits: &Limits) -> u64 {
    let concurrency = limits.serving.map_or(0, |serving| serving.concurrency);
    (sandhog_protocol::limits::GUEST_STACK as u64).saturating_mul(concurrency.into())
}

/// Files that a worker may have: of one that serves each connection is one, and each instance has opened each of so many
/// directories.
fn open_files(limits: &Limits, directories: usize) -> u32 {
    let serving = limits.serving.map_or(0, |serving| {
        let directories = u32::try_from(directories).unwrap_or(u32::MAX).saturating_mul(serving.concurrency);
        serving.connections.saturating_add(SERVING_FILES).saturating_add(directories)
    });
    limits.max_files.saturating_add(serving)
}

fn guest_rlimits(limits: &Limits) -> Rlimits {
    Rlimits {
        data_bytes: worker_memory(limits).saturating_add(stacks(limits)),
        file_bytes: limits.max_file_bytes,
        open_files: open_files(limits, 0),
        // A second behind the timer in the worker, rounded up.
        cpu_s: limits.cpu.map(|cpu| cpu.as_secs().saturating_add(2 + dumping(limits).as_secs())),
    }
}

/// What a core dump may take beside the guest's own time: some 10 s for each GiB, measured.
fn dumping(limits: &Limits) -> Duration {
    let gibibytes = limits.memory_bytes.div_ceil(1 << 30);
    if limits.coredump { Duration::from_secs(gibibytes.saturating_mul(30)) } else { Duration::ZERO }
}

pub fn guest(job: &Job, identity: Identity, data: Option<Message>) -> GuestPlan {
    let limits = &job.limits;
    GuestPlan {
        args: std::iter::once(&job.argv0).chain(&job.args).cloned().collect(),
        env: job.grants.env.clone(),
        directories: job.grants.directories.iter().map(|directory| directory.guest.clone()).collect(),
        memory_bytes: limits.memory_bytes,
        timeout_ms: limits.timeout.map(millis),
        cpu_ms: limits.cpu.map(millis),
        fuel: limits.fuel,
        identity,
        data,
        fresh: job.fresh,
        objects: job.has_objects(),
        sockets: job.grants.net.is_granted(),
        passed: job.grants.net.passed,
        together: false,
        http: job.http.as_ref().map(|http| Box::new(http.plan(limits.memory_bytes))),
        terminals: [false; 3],
        whole_calls: [false; 2],
    }
}

/// When a worker is killed that has not ended by its own deadline.
pub fn hard_deadline(limits: &Limits) -> Option<Duration> {
    limits.timeout.map(|timeout| timeout.saturating_add(DEADLINE_SLACK).saturating_add(dumping(limits)))
}

pub fn compiler_zygote(limits: &CompileLimits, threads: u32, walls: &Walls) -> ZygotePlan {
    ZygotePlan {
        walls: walls.clone(),
        program: Program::Compiler,
        cgroup_memory_bytes: limits.memory_bytes + WORKER_MEMORY + ZYGOTE_MEMORY,
        cgroup_tasks: GUEST_TASKS + threads,
        coredump: false,
        objects: false,
        sockets: false,
        slots: None,
    }
}

pub fn compiler_worker(limits: &CompileLimits) -> WorkerPlan {
    WorkerPlan {
        rlimits: Rlimits {
            data_bytes: limits.memory_bytes,
            file_bytes: limits::ARTIFACT,
            // It opens none; the few are for what its threads may need for a moment.
            open_files: 16,
            cpu_s: Some(limits.cpu.as_secs().saturating_add(2)),
        },
        connected: false,
        coredump: false,
        listeners: 0,
        directories: Vec::new(),
        slot: None,
        lie: None,
    }
}

/// The largest limits of what a job with these limits starts: itself, its children, who have no more, and compilers with
/// this many threads; and where it has objects, their keeper, for so many bytes. How many of them there are is said elsewhere.
pub fn max_limits(limits: &Limits, compile: &CompileLimits, threads: u32, objects: Option<u64>) -> MaxLimits {
    let walls = Walls::new();
    let keeper = objects.map(|bytes| (keeper_zygote(bytes, &walls), keeper_worker(bytes).rlimits));
    let guest = (guest_zygote(limits, Uses::default(), &walls), guest_rlimits(limits));
    let compiler = (compiler_zygote(compile, threads, &walls), compiler_worker(compile).rlimits);
    let none = MaxLimits {
        zygotes: 0,
        slots: 0,
        cgroup_memory_bytes: 0,
        cgroup_tasks: 0,
        data_bytes: 0,
        file_bytes: 0,
        open_files: 0,
        cpu_s: Some(0),
    };
    [guest, compiler].into_iter().chain(keeper).fold(none, |max, (zygote, worker)| MaxLimits {
        cgroup_memory_bytes: max.cgroup_memory_bytes.max(zygote.cgroup_memory_bytes),
        cgroup_tasks: max.cgroup_tasks.max(zygote.cgroup_tasks),
        data_bytes: max.data_bytes.max(worker.data_bytes),
        file_bytes: max.file_bytes.max(worker.file_bytes),
        open_files: max.open_files.max(worker.open_files),
        cpu_s: max.cpu_s.and_then(|max| Some(max.max(worker.cpu_s?))),
        ..max
    })
}

pub fn compilation(limits: &CompileLimits, threads: u32, metering: Metering, output: CompileOutput) -> CompilePlan {
    CompilePlan { metering, threads, cpu_ms: millis(limits.cpu), output }
}

/// The limits as a verdict names them. `own`: the limit of CPU time that this process itself has and hands on. Near its end the
/// kernel may be first: it goes by ticks, each counted whole for whoever runs at its end, so that on a busy machine a process
/// that it kills has really used less.
pub fn named(limits: &Limits, own: Option<Duration>) -> outcome::Limits {
    let by_the_kernel = limits.cpu.is_some() && limits.cpu == own;
    let duration = |limit: Option<Duration>| limit.map(units::print_duration).unwrap_or_default();
    outcome::Limits {
        memory: units::print_size(limits.memory_bytes),
        timeout: duration(limits.timeout),
        cpu: duration(limits.cpu),
        cpu_us: limits.cpu.map(|cpu| millis(cpu).saturating_mul(1000) / if by_the_kernel { 2 } else { 1 }),
        fuel: limits.fuel.map(|fuel| fuel.to_string()).unwrap_or_default(),
        output: limits.max_output_bytes.map(units::print_size).unwrap_or_default(),
    }
}

/// In milliseconds, at least one.
pub fn millis(duration: Duration) -> u64 {
    sandhog_spec::units::millis(duration).max(1)
}
