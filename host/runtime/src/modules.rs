//! From a module to its compiled form: looked up, and where it is new, compiled once.

use super::cache::{self, Cache, Guard, Key};
use super::coordinator::Coordinator;
use super::driver::{self, Begin, Ends, Order, Zygote};
use super::module::{Error, Module, blocking, copy_of, failed, is_small};
use super::note;
use super::own_limits;
use super::plan;
use super::processors::compiler_threads;
use sandhog_protocol::causes;
use sandhog_protocol::inspect::Inspection;
use sandhog_protocol::plan::{CompileOutput, Kind, Metering, Walls, Work};
use sandhog_protocol::start;
use sandhog_protocol::verdict::LostCause;
use sandhog_protocol::worker::CompileReport;
use sandhog_spec::job::{CompileLimits, Job};
use sandhog_spec::units;
use sandhog_supervisor::outcome::{self, Cause, Facts};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::sync::{OwnedMutexGuard, mpsc};

/// The compiled form of a module: from the cache, or made now.
pub async fn compiled(
    coordinator: &Arc<Coordinator>,
    module: &Arc<Module>,
    job: &Job,
    walls: &Walls,
) -> Result<(OwnedFd, Kind), Cause> {
    let hash = module.hash().await?;
    let key = Key::new(&hash, start::settings_id(job.limits.metering()));
    let caches = coordinator.caches();
    // The person's own cache would be full once more, and all the work in vain.
    if let Some(spare) = caches.spare().filter(|spare| spare.open_entry(&key).is_some()) {
        return of_cache(coordinator, module, job, walls, key, spare).await.map_err(Cause::from);
    }
    match of_cache(coordinator, module, job, walls, key, caches.usual()?).await {
        Err(Unmade::Cache(error)) => {
            let spare = caches.instead(&error)?;
            of_cache(coordinator, module, job, walls, key, spare).await.map_err(Cause::from)
        }
        made => made.map_err(Cause::from),
    }
}

/// Why there is no compiled module.
#[derive(Debug)]
pub(super) enum Unmade {
    /// The cache can't be written; with another one it may go well.
    Cache(cache::Error),
    Cause(Cause),
}

impl From<cache::Error> for Unmade {
    fn from(error: cache::Error) -> Self {
        Self::Cache(error)
    }
}

impl From<Cause> for Unmade {
    fn from(cause: Cause) -> Self {
        Self::Cause(cause)
    }
}

impl From<Unmade> for Cause {
    fn from(unmade: Unmade) -> Self {
        match unmade {
            Unmade::Cache(error) => failed(error),
            Unmade::Cause(cause) => cause,
        }
    }
}

/// The compiled form of a module: from this cache, or made for it now.
async fn of_cache(
    coordinator: &Arc<Coordinator>,
    module: &Arc<Module>,
    job: &Job,
    walls: &Walls,
    key: Key,
    cache: Arc<Cache>,
) -> Result<(OwnedFd, Kind), Unmade> {
    let found = match cache.open_entry(&key) {
        Some(file) if is_small(&file) => cache.whole(&key, file),
        Some(file) => {
            let cache = Arc::clone(&cache);
            blocking(move || cache.whole(&key, file)).await?
        }
        None => None,
    };
    if let Some(file) = found {
        return Ok(file);
    }
    // Whoever waits may give up at any moment, and come again: so nothing is left behind then but one thread for a module.
    let turn = cache.turn(&key).lock_owned().await;
    let waits = blocking({
        let cache = Arc::clone(&cache);
        // Whoever held the lock may have made it meanwhile.
        move || (cache.lock(&key).map(|guard| (guard, cache.find(&key))), turn)
    });
    let (locked, turn) = waits.await?;
    let (guard, found) = locked?;
    if let Some(file) = found {
        return Ok(file);
    }
    if let Some(reason) = cache.forgets() {
        coordinator.note_once(format!("compiled modules are not kept: {reason}")).await;
    }
    let settings = Settings { limits: job.compile, metering: job.limits.metering(), output: CompileOutput::Code };
    let new = New { module: Arc::clone(module), name: job.name.clone(), settings, walls: walls.clone(), cache, key };
    // A compiler is never left alone, whatever becomes of whoever waits for it.
    tokio::spawn(make(Arc::clone(coordinator), new, guard, turn)).await.map_err(|error| Unmade::Cause(failed(error)))?
}

/// A module that is in no cache.
struct New {
    module: Arc<Module>,
    /// As the job is called.
    name: String,
    settings: Settings,
    walls: Walls,
    cache: Arc<Cache>,
    key: Key,
}

/// Compiles a module and keeps what comes of it, while nobody else does.
async fn make(
    coordinator: Arc<Coordinator>,
    new: New,
    guard: Guard,
    _turn: OwnedMutexGuard<()>,
) -> Result<(OwnedFd, Kind), Unmade> {
    let New { module, name, settings, walls, cache, key } = new;
    let progress = coordinator.compiling(&name);
    let made = compile(&coordinator, &module, &settings, &walls, &cache).await;
    progress.finished();
    let (file, report) = made?;
    let Made::Module { bytes, kind } = report else { return Err(failed("the compiler wrote nothing").into()) };
    let kept = blocking(move || {
        let kept = cache.keep(&key, file, bytes, kind);
        drop(guard);
        kept
    });
    Ok(kept.await??)
}

/// Throws a compiled form away that its engine does not load.
pub fn forget(coordinator: &Coordinator, module: &Module, metering: Metering) {
    // One that was never hashed was never loaded.
    if let Some(hash) = module.known_hash() {
        let key = Key::new(hash, start::settings_id(metering));
        coordinator.caches().open().for_each(|cache| cache.remove(&key));
    }
}

/// What a compiler is to do, and how much it may use.
#[derive(Clone, Copy)]
pub(super) struct Settings {
    pub limits: CompileLimits,
    pub metering: Metering,
    pub output: CompileOutput,
}

/// What a compiler has done.
#[derive(Debug)]
pub(super) enum Made {
    /// It has written this.
    Module { bytes: u64, kind: Kind },
    /// It says this about the module.
    Report(Box<Inspection>),
}

/// One run of the compiler: a worker like any other, with the module on stdin and what it writes on stdout: a file
/// without a name.
pub(super) async fn compile(
    coordinator: &Arc<Coordinator>,
    module: &Arc<Module>,
    settings: &Settings,
    walls: &Walls,
    cache: &Cache,
) -> Result<(File, Made), Unmade> {
    let Settings { limits, metering, output: wanted } = settings;
    let copied = Arc::clone(module);
    let input = blocking(move || copy_of(&copied)).await?.map_err(|error| not_copied(&error))?;
    let output = cache.unnamed()?;
    let copy = output.try_clone().map_err(failed)?;
    let null = File::options().read(true).write(true).open("/dev/null").map_err(failed)?;
    let threads = compiler_threads();
    let order = Order {
        zygote: Zygote::Own(plan::compiler_zygote(limits, threads, walls)),
        worker: plan::compiler_worker(limits),
        begin: Begin::AtOnce(Work::Compile(plan::compilation(limits, threads, *metering, *wanted))),
        ends: Some(Ends { stdio: [input, copy.into(), null.into()], connection: None, coredump: None }),
        listeners: Vec::new(),
        directories: Vec::new(),
        feed: None,
        pumps: Vec::new(),
        // Twice the CPU time: a compiler that sleeps is not ours.
        hard_deadline: Some(limits.cpu.saturating_mul(2)),
        requests: None,
        kept: None,
        grace: driver::GRACE,
        began: None,
    };
    let notes = mpsc::channel(note::NOTES);
    let attempted = coordinator.attempt(order, None, coordinator.stopped(), notes, None).await.map_err(failed)?;
    compiler_outcome(attempted.facts, limits, cache).map(|made| (output, made))
}

fn compiler_outcome(facts: Facts, limits: &CompileLimits, cache: &Cache) -> Result<Made, Unmade> {
    let (cpu, memory) = (units::print_duration(limits.cpu), units::print_size(limits.memory_bytes));
    let over = |what: String| Unmade::Cause(Cause::Refused(format!("compiling the module took more than {what}")));
    let too_long = || over(format!("{cpu} of CPU time; allow more with --compile-timeout if you trust it"));
    let too_much = || over(format!("{memory} of memory; allow more with --compile-memory if you trust it"));
    let out_of_memory = facts.exit.is_some_and(|exit| exit.out_of_memory);
    let used_cpu = facts.exit.map_or(0, |exit| exit.cpu_us);
    match facts.cause {
        Some(Cause::Compiled(CompileReport::Done { bytes, kind })) => Ok(Made::Module { bytes, kind }),
        Some(Cause::Compiled(CompileReport::Inspected(inspection))) => Ok(Made::Report(inspection)),
        Some(Cause::Compiled(CompileReport::Refused { reason })) => Err(Cause::Refused(reason).into()),
        Some(Cause::Compiled(CompileReport::Cpu)) | Some(Cause::Deadline) => Err(too_long()),
        Some(Cause::Compiled(CompileReport::Memory)) => Err(too_much()),
        Some(Cause::Compiled(CompileReport::Unwritten { errno })) => {
            Err(cache.failed(io::Error::from_raw_os_error(errno)).into())
        }
        Some(Cause::Compiled(CompileReport::Broken { reason })) => {
            Err(Cause::Failed(LostCause::Compiler, format!("the compiler failed: {reason}")).into())
        }
        None if out_of_memory => Err(too_much()),
        None if u128::from(used_cpu) >= limits.cpu.as_micros() => Err(too_long()),
        Some(cause @ (Cause::Spawn(_) | Cause::SpawnerLost | Cause::ZygoteLost | Cause::Stop(_))) => Err(cause.into()),
        cause => {
            let verdict = outcome::decide(&Facts { cause, exit: facts.exit, asked: None }, &outcome::Limits::default());
            Err(Cause::Failed(LostCause::Compiler, format!("the compiler ended without a result: {verdict:?}")).into())
        }
    }
}

/// The copy is a file, though it is in memory.
fn not_copied(error: &Error) -> Cause {
    let too_long = matches!(error, Error::Read { cause, .. } if cause.kind() == io::ErrorKind::FileTooLarge);
    let limit = own_limits::file_size_in_words().filter(|_| too_long);
    Cause::Refused(
        limit.map_or_else(|| causes::one_line(error), |limit| format!("the module is too large a file: {limit}")),
    )
}
