//! From a module's path to its compiled form: read, hashed, looked up, and where it is new, compiled once.

use super::cache::{self, Cache, Guard, Key, Turn};
use super::dispatch::Coordinator;
use super::granted::{FileId, ModuleRecord};
use super::own_limits;
use super::plan;
use super::reopen::{FromStart, for_reading};
use crate::config::job::{CompileLimits, Job};
use crate::config::units;
use crate::supervisor::driver::{self, Ends, Order};
use crate::supervisor::outcome::{self, Cause, Facts};
use crate::worker::engine;
use rustix::fs::{MemfdFlags, Mode, OFlags};
use sandhog_protocol::inspect::Inspection;
use sandhog_protocol::limits;
use sandhog_protocol::plan::{CompileOutput, Kind, Walls, Work};
use sandhog_protocol::verdict::LostCause;
use sandhog_protocol::worker::CompileReport;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use tokio::sync::{OwnedMutexGuard, mpsc};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("there is no module at {path:?}")]
    NotFound { path: PathBuf },
    #[error("failed to read the module {path:?}: {cause}")]
    Read { path: PathBuf, cause: io::Error },
    #[error("{path:?} is a directory; a module is a file (.wasm or .wat)")]
    Directory { path: PathBuf },
    #[error("{path:?} is no regular file (a pipe, socket or device); copy the module into a file first")]
    NotAFile { path: PathBuf },
    #[error("the module {path:?} has {bytes} bytes, more than the limit of {limit}", limit = limits::MODULE)]
    TooLarge { path: PathBuf, bytes: u64 },
    #[error("the module {path:?} has been changed since it was named; start it again")]
    Changed { path: PathBuf },
}

/// A module's file, open, and its hash once it has been read. Many attempts may share it, and start at the same time: none
/// of them moves a position in the file, and one of them reads it for all.
pub(crate) struct Module {
    path: PathBuf,
    file: File,
    hash: OnceLock<blake3::Hash>,
    /// Held by the thread that reads it.
    turn: Arc<Turn>,
}

impl Module {
    /// Opens a module; it is read later, while its zygote starts.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        // Without waiting: opening a pipe for reading would, for its other end.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| Error::of(path, errno.into()))?;
        Ok(Self::of_file(path, checked(path, opened.into())?))
    }

    /// One that is found already (with `O_PATH`), whatever its path leads to.
    pub(super) fn of_place(path: &Path, place: &OwnedFd) -> Result<Self, Error> {
        let opened = for_reading(place).map_err(|cause| Error::of(path, cause))?;
        Ok(Self::of_file(path, checked(path, opened.into())?))
    }

    /// One that is open already; `path` is what it is called.
    pub(crate) fn of_file(path: &Path, file: File) -> Self {
        Self { path: path.into(), file, hash: OnceLock::new(), turn: Arc::default() }
    }

    /// Whether this is the file.
    pub(super) fn is_at(&self, id: FileId) -> bool {
        self.stamp().is_ok_and(|stamp| stamp.id == id)
    }

    /// Where this is as it was, the bytes are.
    pub(super) fn stamp(&self) -> Result<Stamp, Error> {
        let status = self.file.metadata().map_err(|cause| Error::of(&self.path, cause))?;
        Ok(Stamp {
            id: FileId { device: status.dev(), inode: status.ino() },
            bytes: status.len(),
            changed: (status.ctime(), status.ctime_nsec()),
        })
    }

    /// Takes over what is known of it, if that was of this file as it is.
    pub(super) fn assume(&self, known: &ModuleRecord) {
        if let (Ok(stamp), Ok(hash)) = (self.stamp(), blake3::Hash::from_hex(&known.hash))
            && stamp == known.stamp
        {
            let _ = self.hash.set(hash);
        }
    }

    /// Reads it at the first call. Blocks.
    pub(super) fn hash_now(&self) -> Result<blake3::Hash, Error> {
        if let Some(hash) = self.hash.get() {
            return Ok(*hash);
        }
        let hash = hash_into(&self.file, &self.path, io::sink())?;
        // Whoever was quicker has said what it is.
        let _ = self.hash.set(hash);
        Ok(self.hash.get().copied().unwrap_or(hash))
    }

    /// Reads it at the first call. Who calls meanwhile waits for that, and whoever gives up leaves no second reader behind.
    async fn hash(self: &Arc<Self>) -> Result<blake3::Hash, Cause> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        if let Some(hash) = self.hash.get() {
            return Ok(*hash);
        }
        let module = Arc::clone(self);
        let read = move || {
            let hash = hash_into(&module.file, &module.path, io::sink())?;
            drop(turn);
            Ok(*module.hash.get_or_init(|| hash))
        };
        let read: Result<_, Error> = if is_small(&self.file) { read() } else { blocking(read).await? };
        read.map_err(|error| Cause::Refused(error.to_string()))
    }

    /// As verdicts name it; `None` where it was never read.
    pub(crate) fn name(&self) -> Option<String> {
        self.hash.get().map(|hash| format!("blake3:{}", hash.to_hex()))
    }
}

/// What tells a file with these bytes from one with others: every change of a file sets its time of change (inode(7)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    id: FileId,
    bytes: u64,
    /// `ctime`: seconds and nanoseconds.
    changed: (i64, i64),
}

impl Error {
    pub(super) fn of(path: &Path, cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::NotFound => Self::NotFound { path: path.into() },
            _ => Self::Read { path: path.into(), cause },
        }
    }
}

/// The file, if it can be a module.
fn checked(path: &Path, file: File) -> Result<File, Error> {
    let status = file.metadata().map_err(|cause| Error::of(path, cause))?;
    if status.is_dir() {
        return Err(Error::Directory { path: path.into() });
    }
    if !status.is_file() {
        return Err(Error::NotAFile { path: path.into() });
    }
    if status.len() > limits::MODULE {
        return Err(Error::TooLarge { path: path.into(), bytes: status.len() });
    }
    Ok(file)
}

/// Hashes the file from its start, and copies it; at most one byte over the limit is read.
fn hash_into(file: &File, path: &Path, copy: impl Write) -> Result<blake3::Hash, Error> {
    let fail = |cause| Error::Read { path: path.into(), cause };
    let mut hasher = blake3::Hasher::new();
    let mut bounded = Tee { from: FromStart::new(file), copy }.take(limits::MODULE + 1);
    let bytes = cache::copy_into(&mut hasher, &mut bounded).map_err(fail)?;
    if bytes > limits::MODULE {
        return Err(Error::TooLarge { path: path.into(), bytes });
    }
    Ok(hasher.finalize())
}

/// Whatever is read is also written to the copy.
struct Tee<'a, W> {
    from: FromStart<'a>,
    copy: W,
}

impl<W: Write> Read for Tee<'_, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.copy.write_all(&buffer[..read])?;
        Ok(read)
    }
}

/// Files up to this length are read and hashed at once: that takes some 100 µs at the most, and another thread's start
/// as long.
const SMALL: u64 = 256 << 10;

fn is_small(file: &File) -> bool {
    file.metadata().is_ok_and(|status| status.len() <= SMALL)
}

/// The compiled form of a module: from the cache, or made now.
pub(crate) async fn compiled(
    coordinator: &Arc<Coordinator>,
    module: &Arc<Module>,
    job: &Job,
    walls: &Walls,
) -> Result<(OwnedFd, Kind), Cause> {
    let fuel = job.limits.fuel.is_some();
    let hash = module.hash().await?;
    let key = Key::new(&hash, engine::settings_id(fuel));
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
    if let Some(why) = cache.forgets() {
        coordinator.note_once(format!("compiled modules are not kept: {why}")).await;
    }
    let settings = Settings { limits: job.compile, fuel: job.limits.fuel.is_some(), output: CompileOutput::Code };
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
pub(crate) fn forget(coordinator: &Coordinator, module: &Module, fuel: bool) {
    // One that was never hashed was never loaded.
    if let Some(hash) = module.hash.get() {
        let key = Key::new(hash, engine::settings_id(fuel));
        coordinator.caches().open().for_each(|cache| cache.remove(&key));
    }
}

/// What a compiler is to do, and how much it may use.
#[derive(Clone, Copy)]
pub(super) struct Settings {
    pub limits: CompileLimits,
    pub fuel: bool,
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

/// Threads of a compiler: as many as there are processors. Looked up once: more of them later would be beyond what the spawner
/// was told.
pub(super) fn compiler_threads() -> u32 {
    static THREADS: OnceLock<u32> = OnceLock::new();
    let processors =
        || std::thread::available_parallelism().map_or(1, |threads| u32::try_from(threads.get()).unwrap_or(1));
    *THREADS.get_or_init(processors)
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
    let Settings { limits, fuel, output: wanted } = settings;
    let copied = Arc::clone(module);
    let input = blocking(move || copy_of(&copied)).await?.map_err(|error| not_copied(&error))?;
    let output = cache.unnamed()?;
    let copy = output.try_clone().map_err(failed)?;
    let null = File::options().read(true).write(true).open("/dev/null").map_err(failed)?;
    let threads = compiler_threads();
    let order = Order {
        zygote: plan::compiler_zygote(limits, threads, walls),
        worker: plan::compiler_worker(limits),
        work: Work::Compile(plan::compilation(limits, threads, *fuel, *wanted)),
        ends: Some(Ends { stdio: [input, copy.into(), null.into()], connection: None, coredump: None }),
        directories: Vec::new(),
        feed: None,
        pumps: Vec::new(),
        // Twice the CPU time: a compiler that sleeps is not ours.
        hard_deadline: Some(limits.cpu.saturating_mul(2)),
        requests: None,
        grace: driver::GRACE,
        began: None,
    };
    let notes = mpsc::channel(driver::NOTES);
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
        Some(Cause::Compiled(CompileReport::Broken { why })) => {
            Err(Cause::Failed(LostCause::Compiler, format!("the compiler failed: {why}")).into())
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
    Cause::Refused(limit.map_or_else(|| error.to_string(), |limit| format!("the module is too large a file: {limit}")))
}

/// The module in memory that nobody can change any more, and that is what was hashed: each compiler has one of its own.
fn copy_of(module: &Module) -> Result<OwnedFd, Error> {
    let path = &module.path;
    let fail = |errno: rustix::io::Errno| Error::Read { path: path.clone(), cause: errno.into() };
    let memory = rustix::fs::memfd_create("module", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).map_err(fail)?;
    let mut memory = File::from(memory);
    let hash = hash_into(&module.file, path, &mut memory)?;
    // Where it was not asked for before, nothing depends on what it was.
    if module.hash.get().is_some_and(|known| *known != hash) {
        return Err(Error::Changed { path: path.clone() });
    }
    memory.rewind().map_err(|cause| Error::Read { path: path.clone(), cause })?;
    use rustix::fs::SealFlags;
    rustix::fs::fcntl_add_seals(&memory, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)
        .map_err(fail)?;
    Ok(memory.into())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Cause> {
    tokio::task::spawn_blocking(work).await.map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> Cause {
    Cause::Failed(LostCause::Machine, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_module_that_many_start_at_once_is_read_once_and_is_no_other() {
        let path = std::env::temp_dir().join(format!("sandhog-module-{}", std::process::id()));
        let bytes: Vec<u8> = (0..16 * SMALL as u32).map(|number| number.to_le_bytes()[number as usize % 3]).collect();
        std::fs::write(&path, &bytes).unwrap();
        let module = Arc::new(Module::open(&path).unwrap());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
        runtime.block_on(async {
            let mut all = tokio::task::JoinSet::new();
            for number in 0..16 {
                let module = Arc::clone(&module);
                all.spawn(async move {
                    // Some hash it, some copy it for a compiler.
                    if number % 4 == 0 {
                        let copied = Arc::clone(&module);
                        let copy = blocking(move || copy_of(&copied)).await.unwrap().unwrap();
                        hash_into(&copy.into(), &module.path, io::sink()).unwrap()
                    } else {
                        module.hash().await.unwrap()
                    }
                });
            }
            assert!(all.join_all().await.iter().all(|hash| *hash == blake3::hash(&bytes)));
            // From now on it is what it was.
            std::fs::write(&path, b"another one").unwrap();
            assert_eq!(module.hash().await.unwrap(), blake3::hash(&bytes));
            assert!(matches!(copy_of(&module), Err(Error::Changed { .. })));
        });
        std::fs::remove_file(path).unwrap();
    }
}
