//! From flags (later: a manifest) to a job that has been checked. A [`Job`] need not be checked again.

use super::connection::Connection;
use super::grants::Grants;
pub use super::grants::Uses;
use super::http::{Http, HttpSettings, Serving};
use super::net::{self, Net};
use super::objects::{self, ObjectQuota};
use super::setting::{self, Setting, Wrong, count, plain_size, plain_time, words};
use super::text::{escape, is_plain};
use super::units::{Size, Time, duration};
use sandhog_protocol::control::JobSpec;
use sandhog_protocol::{limits, plan::Metering, plan::Walls};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use super::error::{Error, Reason};
pub use super::setting::{FILES_MAX, MEMORY_MAX, MEMORY_MIN, NAME_LONGEST};

/// What each argument, variable or path takes in a message beside its bytes, at most (MessagePack, `str 32`).
const STRING_OVERHEAD: usize = 5;

/// What people have set, as they wrote it. `None`: the default.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub name: Option<String>,
    pub module: PathBuf,
    pub argv0: Option<OsString>,
    pub args: Vec<OsString>,
    pub directories: Vec<OsString>,
    pub env: Vec<OsString>,
    pub children: Vec<OsString>,
    pub detached: bool,
    pub objects: Vec<OsString>,
    pub net: Vec<String>,
    pub max_objects: Option<u64>,
    pub objects_memory: Option<Size>,
    pub max_children: Option<u64>,
    pub max_child_depth: Option<u64>,
    pub max_child_rate: Option<u64>,
    pub fresh: bool,
    pub memory: Option<Size>,
    pub timeout: Option<Time>,
    pub cpu: Option<Time>,
    pub fuel: Option<u64>,
    pub max_output: Option<Size>,
    pub max_file: Option<Size>,
    pub max_files: Option<u64>,
    pub http: HttpSettings,
    pub stdin: Option<OsString>,
    pub user: Option<String>,
    pub compile_timeout: Option<Time>,
    pub compile_memory: Option<Size>,
    pub tty: bool,
    pub verdict_file: Option<PathBuf>,
    pub coredump_file: Option<PathBuf>,
    /// What follows `--ipc=`; empty where nothing does.
    pub ipc: Option<String>,
    pub channel: Option<u32>,
    pub allow_missing: Walls,
}

impl Settings {
    /// Those of a job as programs describe it. Its texts are UTF-8, and its stdin and environment come from elsewhere than a
    /// command's: both are for others to say.
    ///
    /// # Errors
    /// The first one that can't be read.
    pub fn of(spec: &JobSpec) -> Result<Self, setting::Error> {
        let size = |setting, size| setting::size(setting, size);
        let texts = |texts: &[String]| texts.iter().map(OsString::from).collect();
        Ok(Self {
            name: Some(spec.name.clone()),
            module: PathBuf::from(&spec.module),
            argv0: spec.argv0.as_ref().map(OsString::from),
            args: texts(&spec.args),
            directories: texts(&spec.dir),
            children: texts(&spec.child),
            detached: spec.allow_detached,
            objects: texts(&spec.objects),
            net: spec.net.clone(),
            max_objects: spec.max_objects,
            objects_memory: size(Setting::ObjectsMemory, spec.objects_memory.as_ref())?,
            max_children: spec.max_children,
            max_child_depth: spec.max_child_depth,
            max_child_rate: spec.max_child_rate,
            fresh: spec.fresh,
            memory: size(Setting::Memory, spec.memory.as_ref())?,
            timeout: setting::time(Setting::Timeout, spec.timeout.as_ref())?,
            cpu: setting::time(Setting::Cpu, spec.cpu.as_ref())?,
            fuel: spec.fuel,
            max_output: size(Setting::MaxOutput, spec.max_output.as_ref())?,
            max_file: size(Setting::MaxFile, spec.max_file.as_ref())?,
            max_files: spec.max_files,
            http: HttpSettings::of(spec)?,
            user: spec.user.clone(),
            compile_timeout: setting::time(Setting::CompileTimeout, spec.compile_timeout.as_ref())?,
            compile_memory: size(Setting::CompileMemory, spec.compile_memory.as_ref())?,
            allow_missing: spec.allow_missing.iter().map(|word| words::wall(word)).collect::<Result<_, _>>()?,
            ..Self::default()
        })
    }
}

/// What a job depends on beside its settings.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The command has the effective user id 0.
    pub is_root: bool,
    /// A variable of the command's own environment, for `--env NAME`.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
}

/// A module with its settings and grants, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Printable, at most [`NAME_LONGEST`] bytes.
    pub name: String,
    pub module: PathBuf,
    /// The guest's `argv[0]`.
    pub argv0: String,
    /// What follows argv0.
    pub args: Vec<String>,
    pub grants: Grants,
    pub limits: Limits,
    pub child_quota: ChildQuota,
    pub object_quota: ObjectQuota,
    /// Handlers only: a new instance for each task.
    pub fresh: bool,
    /// Its streams are a terminal, to which whatever it writes passes.
    pub tty: bool,
    pub stdin: Stdin,
    pub user: User,
    pub compile: CompileLimits,
    pub verdict_file: Option<PathBuf>,
    /// Where a core dump goes.
    pub coredump_file: Option<PathBuf>,
    pub connection: Connection,
    /// How it serves HTTP, where it does.
    pub http: Option<Http>,
    /// Required walls that the operator lets go.
    pub allow_missing: Walls,
}

/// What an attempt may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memories together.
    pub memory_bytes: u64,
    /// Wall time from `go`.
    pub timeout: Option<Duration>,
    pub cpu: Option<Duration>,
    /// Units of the engine's fuel: about one for each instruction.
    pub fuel: Option<u64>,
    /// Stdout and stderr together.
    pub max_output_bytes: Option<u64>,
    /// Longest file that it may write. More is an error to the guest, not its end.
    pub max_file_bytes: u64,
    /// Files that it may hold open.
    pub max_files: u32,
    /// It serves HTTP: requests have a limit of time of their own, for which the engine counts epochs.
    pub serving: Option<Serving>,
    /// A trap leaves a core dump, and what making that takes in memory is allowed.
    pub coredump: bool,
}

/// How many children a job and all that it starts may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChildQuota {
    /// Alive at once, without the job itself.
    pub alive: u32,
    /// How many attempts may be above one: 1 is a child, 2 a child's child.
    pub depth: u32,
    /// Starts in a second, over time; as many may come at once.
    pub rate: u32,
}

/// Where a guest's stdin comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stdin {
    /// The command's own.
    Inherit,
    File(PathBuf),
    /// Nothing: it ends at once.
    None,
}

/// Whose identity a worker has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// One of its own where the command is root, else the person's.
    Auto,
    /// The person's.
    Keep,
    /// Neither is 0.
    Ids { uid: u32, gid: u32 },
}

/// What compiling the module may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    pub cpu: Duration,
    pub memory_bytes: u64,
}

impl Job {
    /// A job of which nothing but the module is known: every default, and why it is that.
    fn with_defaults(module: PathBuf) -> Self {
        let lossy =
            |part: Option<&OsStr>| part.map_or_else(|| "job".into(), |part| part.to_string_lossy().into_owned());
        Self {
            // What people call it anyway.
            name: lossy(module.file_stem()),
            // As wasmtime does it.
            argv0: lossy(module.file_name()),
            module,
            args: Vec::new(),
            // Nothing is granted that is not asked for.
            grants: Grants::default(),
            limits: Limits::default(),
            child_quota: ChildQuota::default(),
            object_quota: ObjectQuota::default(),
            // A handler that keeps what it has loaded is the quicker one.
            fresh: false,
            tty: false,
            // As every other filter in a pipe.
            stdin: Stdin::Inherit,
            user: User::Auto,
            compile: CompileLimits::default(),
            verdict_file: None,
            coredump_file: None,
            // Nobody outside talks to it.
            connection: Connection::None,
            http: None,
            // Fail closed.
            allow_missing: Walls::new(),
        }
    }

    /// Whether it may use objects of its group.
    pub const fn has_objects(&self) -> bool {
        !self.grants.objects.is_empty() || self.object_quota.unnamed > 0
    }

    /// What its worker needs beside what every worker has.
    pub const fn uses(&self) -> Uses {
        Uses { objects: self.has_objects(), sockets: self.grants.net.is_granted() }
    }

    /// The job that the settings ask for.
    ///
    /// # Errors
    /// The first setting that can't be met.
    pub fn new(settings: Settings, surroundings: Surroundings<'_>) -> Result<Self, Error> {
        if settings.module.as_os_str().is_empty() {
            return Err(Error::NoModule);
        }
        let defaults = Self::with_defaults(settings.module.clone());
        let object_quota = defaults.object_quota.overridden(&settings)?;
        let job = Self {
            name: checked_name(settings.name.clone().unwrap_or(defaults.name))?,
            module: defaults.module,
            argv0: settings.argv0.as_deref().map_or(Ok(defaults.argv0), checked_argv0)?,
            args: checked_arguments(&settings.args)?,
            grants: Grants {
                detached: settings.detached,
                objects: objects::grants(&settings.objects, &object_quota)?,
                net: Net::new(&settings.net)?,
                ..Grants::new(&settings.directories, &settings.env, &settings.children, surroundings.variable)?
            },
            limits: defaults.limits.overridden(&settings)?,
            child_quota: defaults.child_quota.overridden(&settings)?,
            object_quota,
            fresh: settings.fresh,
            tty: settings.tty,
            stdin: settings.stdin.as_deref().map_or(Ok(defaults.stdin), Stdin::parse)?,
            user: settings.user.as_deref().map_or(Ok(defaults.user), User::parse)?.checked(surroundings.is_root)?,
            compile: defaults.compile.overridden(&settings)?,
            verdict_file: settings.verdict_file.map(checked_verdict_file).transpose()?,
            coredump_file: settings.coredump_file.map(checked_coredump_file).transpose()?,
            connection: Connection::new(settings.ipc.as_deref(), settings.channel)?,
            http: Http::new(&settings.http)?,
            allow_missing: settings.allow_missing,
        };
        job.check_serving()?;
        job.check_length()?;
        Ok(job)
    }

    /// What a job that serves HTTP has no use for: its input are requests.
    fn check_serving(&self) -> Result<(), Error> {
        let Some(_) = &self.http else { return Ok(()) };
        if self.grants.net.is_granted() {
            return Err(Wrong::whole(Setting::Net, net::Reason::Serves).into());
        }
        if self.fresh {
            return Err(Wrong::whole(Setting::Fresh, Reason::ServesFresh).into());
        }
        match self.stdin {
            Stdin::None => Ok(()),
            Stdin::Inherit | Stdin::File(_) => Err(Wrong::whole(Setting::Stdin, Reason::ServesStdin).into()),
        }
    }

    /// What travels to the worker in one message stays below that message's limit.
    fn check_length(&self) -> Result<(), Error> {
        let variables = self.grants.env.iter().flat_map(|(name, value)| [name, value]);
        let paths = self.grants.directories.iter().map(|directory| &directory.guest);
        let texts = self.args.iter().chain([&self.argv0]).chain(variables).chain(paths);
        let length: usize = texts.map(|text| text.len() + STRING_OVERHEAD).sum();
        if length > limits::ARGUMENTS { Err(Error::ArgumentsTooLong(length)) } else { Ok(()) }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let (size, count) = (|of: Setting| of.facts().usual.to_size(), |of: Setting| of.facts().usual.to_count());
        let time = |of: Setting| of.facts().usual.to_time().map(duration);
        Self {
            memory_bytes: size(Setting::Memory).map_or(MEMORY_MIN, Size::to_bytes),
            timeout: time(Setting::Timeout),
            cpu: time(Setting::Cpu),
            fuel: count(Setting::Fuel),
            max_output_bytes: size(Setting::MaxOutput).map(Size::to_bytes),
            max_file_bytes: size(Setting::MaxFile).map_or(0, Size::to_bytes),
            max_files: count(Setting::MaxFiles).map_or(1, narrow),
            serving: None,
            // It takes memory beside the guest's, and holds whatever secrets the guest had.
            coredump: false,
        }
    }
}

impl Limits {
    /// What is compiled into the module for them.
    pub const fn metering(&self) -> Metering {
        Metering { fuel: self.fuel.is_some(), epochs: self.serving.is_some() }
    }

    fn overridden(self, settings: &Settings) -> Result<Self, Error> {
        let memory = plain_size(Setting::Memory, settings.memory)?;
        Ok(Self {
            memory_bytes: memory.map_or(self.memory_bytes, Size::to_bytes),
            timeout: plain_time(Setting::Timeout, settings.timeout)?.map(duration),
            cpu: plain_time(Setting::Cpu, settings.cpu)?.map(duration),
            fuel: count(Setting::Fuel, settings.fuel)?,
            max_output_bytes: plain_size(Setting::MaxOutput, settings.max_output)?.map(Size::to_bytes),
            max_file_bytes: plain_size(Setting::MaxFile, settings.max_file)?
                .map_or(self.max_file_bytes, Size::to_bytes),
            max_files: count(Setting::MaxFiles, settings.max_files)?.map_or(self.max_files, narrow),
            serving: Http::new(&settings.http)?.map(|http| http.serving()),
            coredump: settings.coredump_file.is_some(),
        })
    }
}

impl Default for ChildQuota {
    fn default() -> Self {
        let count = |of: Setting| of.facts().usual.to_count().map_or(0, narrow);
        Self {
            alive: count(Setting::MaxChildren),
            depth: count(Setting::MaxChildDepth),
            rate: count(Setting::MaxChildRate),
        }
    }
}

impl ChildQuota {
    fn overridden(self, settings: &Settings) -> Result<Self, Error> {
        Ok(Self {
            alive: count(Setting::MaxChildren, settings.max_children)?.map_or(self.alive, narrow),
            depth: count(Setting::MaxChildDepth, settings.max_child_depth)?.map_or(self.depth, narrow),
            rate: count(Setting::MaxChildRate, settings.max_child_rate)?.map_or(self.rate, narrow),
        })
    }
}

impl ObjectQuota {
    fn overridden(self, settings: &Settings) -> Result<Self, Error> {
        let memory = plain_size(Setting::ObjectsMemory, settings.objects_memory)?;
        Ok(Self {
            unnamed: count(Setting::MaxObjects, settings.max_objects)?.map_or(self.unnamed, narrow),
            memory_bytes: memory.map_or(self.memory_bytes, Size::to_bytes),
        })
    }
}

impl Default for CompileLimits {
    fn default() -> Self {
        let (cpu, memory) = (Setting::CompileTimeout.facts().usual, Setting::CompileMemory.facts().usual);
        Self {
            cpu: duration(cpu.to_time().unwrap_or_default()),
            memory_bytes: memory.to_size().unwrap_or_default().to_bytes(),
        }
    }
}

impl CompileLimits {
    fn overridden(self, settings: &Settings) -> Result<Self, Error> {
        let memory = plain_size(Setting::CompileMemory, settings.compile_memory)?;
        let cpu = plain_time(Setting::CompileTimeout, settings.compile_timeout)?;
        Ok(Self { cpu: cpu.map_or(self.cpu, duration), memory_bytes: memory.map_or(self.memory_bytes, Size::to_bytes) })
    }
}

/// Bounds of the list keep all counts that become 32 bits below that.
fn narrow(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl Stdin {
    /// `FILE`, `-` for the command's own, or `none`.
    fn parse(text: &OsStr) -> Result<Self, Error> {
        match text.as_encoded_bytes() {
            b"" => Err(Wrong::whole(Setting::Stdin, Reason::NoFile).into()),
            b"-" => Ok(Self::Inherit),
            b"none" => Ok(Self::None),
            _ => Ok(Self::File(PathBuf::from(text))),
        }
    }
}

impl User {
    /// `auto`, `keep` or `UID:GID`.
    fn parse(text: &str) -> Result<Self, Error> {
        let unknown = || Wrong::text(Setting::User, text, Reason::UserUnknown);
        let is_root = || Wrong::given(Setting::User, escape(text), Reason::UserIsRoot);
        match text {
            "auto" => return Ok(Self::Auto),
            "keep" => return Ok(Self::Keep),
            "0" | "root" => return Err(is_root().into()),
            _ => {}
        }
        let (uid, gid) = text.split_once(':').ok_or_else(unknown)?;
        let (uid, gid) = (id(uid).ok_or_else(unknown)?, id(gid).ok_or_else(unknown)?);
        if uid == 0 || gid == 0 { Err(is_root().into()) } else { Ok(Self::Ids { uid, gid }) }
    }

    fn checked(self, is_root: bool) -> Result<Self, Error> {
        match self {
            Self::Keep if is_root => Err(Wrong::given(Setting::User, "keep", Reason::UserKeepsRoot).into()),
            Self::Ids { uid, gid } if !is_root => {
                Err(Wrong::given(Setting::User, format_args!("{uid}:{gid}"), Reason::UserNeedsRoot).into())
            }
            Self::Auto | Self::Keep | Self::Ids { .. } => Ok(self),
        }
    }
}

/// A user or group id. The largest number is none: to the kernel it means "leave it as it is" (setresuid(2)).
fn id(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten().filter(|id| *id != u32::MAX)
}

fn checked_name(name: String) -> Result<String, Error> {
    if !name.chars().all(is_plain) {
        return Err(Error::NameNotPlain(escape(&name).into()));
    }
    if name.is_empty() || name.len() > NAME_LONGEST {
        return Err(Error::NameLength(name));
    }
    Ok(name)
}

fn checked_argv0(text: &OsStr) -> Result<String, Error> {
    let plain = text.to_str().filter(|text| !text.contains('\0'));
    plain.map(str::to_owned).ok_or_else(|| Wrong::text(Setting::Argv0, &text.to_string_lossy(), Reason::Argv0).into())
}

fn checked_arguments(args: &[OsString]) -> Result<Vec<String>, Error> {
    let checked = |(index, argument): (usize, &OsString)| {
        let (number, shown) = (index + 1, || escape(&argument.to_string_lossy()).into_owned());
        match argument.to_str() {
            None => Err(Error::ArgumentNotUtf8 { number, shown: shown() }),
            Some(text) if text.contains('\0') => Err(Error::ArgumentNull { number, shown: shown() }),
            Some(text) => Ok(text.to_owned()),
        }
    };
    args.iter().enumerate().map(checked).collect()
}

fn checked_verdict_file(path: PathBuf) -> Result<PathBuf, Error> {
    if path.as_os_str().is_empty() {
        return Err(Error::NoVerdictFile);
    }
    if path == Path::new("-") { Err(Error::VerdictOnStdout) } else { Ok(path) }
}

fn checked_coredump_file(path: PathBuf) -> Result<PathBuf, Error> {
    if path.as_os_str().is_empty() || path == Path::new("-") { Err(Error::NoCoredumpFile) } else { Ok(path) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandhog_protocol::plan::Access;
    use std::os::unix::ffi::OsStrExt;

    const PERSON: Surroundings<'static> = Surroundings { is_root: false, variable: &|_| None };
    const ROOT: Surroundings<'static> = Surroundings { is_root: true, variable: &|_| None };

    fn hello() -> Settings {
        Settings { module: "dir/hello.wasm".into(), ..Settings::default() }
    }

    fn refusal(settings: Settings) -> Error {
        Job::new(settings, PERSON).unwrap_err()
    }

    #[test]
    fn a_module_alone_is_a_job_with_the_designs_defaults_and_no_grant() {
        let job = Job::new(hello(), PERSON).unwrap();
        assert_eq!((job.name.as_str(), job.argv0.as_str()), ("hello", "hello.wasm"));
        assert_eq!(job.grants, Grants::default());
        assert_eq!(
            job.limits,
            Limits {
                memory_bytes: 512 << 20,
                timeout: None,
                cpu: None,
                fuel: None,
                max_output_bytes: None,
                max_file_bytes: 1 << 30,
                max_files: 256,
                serving: None,
                coredump: false,
            }
        );
        assert_eq!(job.compile, CompileLimits { cpu: Duration::from_secs(120), memory_bytes: 2 << 30 });
        assert_eq!((job.stdin, job.user), (Stdin::Inherit, User::Auto));
        assert!(job.allow_missing.is_empty());
    }

    #[test]
    fn settings_replace_defaults() {
        let settings = Settings {
            argv0: Some("me".into()),
            args: vec!["a".into(), "-b".into()],
            directories: vec!["/srv::/data:rw".into()],
            env: vec!["A=1".into()],
            memory: Some(Size::bytes(64 << 20)),
            timeout: Some(Time::millis(1000)),
            fuel: Some(7),
            max_output: Some(Size::bytes(0)),
            max_file: Some(Size::bytes(0)),
            max_files: Some(3),
            stdin: Some("none".into()),
            ..hello()
        };
        let job = Job::new(settings, PERSON).unwrap();
        assert_eq!((job.argv0.as_str(), job.args), ("me", vec!["a".to_owned(), "-b".to_owned()]));
        assert_eq!(job.grants.directories[0].access, Access::ReadWrite);
        assert_eq!((job.limits.memory_bytes, job.limits.timeout), (64 << 20, Some(Duration::from_secs(1))));
        assert_eq!((job.limits.fuel, job.limits.max_output_bytes), (Some(7), Some(0)));
        assert_eq!((job.limits.max_file_bytes, job.limits.max_files, job.stdin), (0, 3, Stdin::None));
    }

    #[test]
    fn memory_is_at_least_a_page_and_at_most_64_gib() {
        let with = |bytes| Settings { memory: Some(Size::bytes(bytes)), ..hello() };
        assert_eq!(refusal(with(0)).to_string(), "--memory 0B: less than 64KiB, one page of WebAssembly memory");
        assert_eq!(
            refusal(with(MEMORY_MIN - 1)).to_string(),
            "--memory 65535B: less than 64KiB, one page of WebAssembly memory"
        );
        assert_eq!(
            refusal(with(1 << 40)).to_string(),
            "--memory 1TiB: more than 64GiB, the most that one job can have"
        );
        for bytes in [MEMORY_MIN, MEMORY_MAX] {
            assert_eq!(Job::new(with(bytes), PERSON).unwrap().limits.memory_bytes, bytes);
        }
    }

    #[test]
    fn a_limit_of_nothing_is_refused() {
        let zero = Some(Time::default());
        for (settings, setting, reason) in [
            (Settings { timeout: zero, ..hello() }, Setting::Timeout, "--timeout 0: it has to be more than 0"),
            (Settings { cpu: zero, ..hello() }, Setting::Cpu, "--cpu 0: it has to be more than 0"),
            (
                Settings { compile_timeout: zero, ..hello() },
                Setting::CompileTimeout,
                "--compile-timeout 0: it has to be more than 0",
            ),
            (Settings { fuel: Some(0), ..hello() }, Setting::Fuel, "--fuel 0: it has to be more than 0"),
            (
                Settings { max_files: Some(0), ..hello() },
                Setting::MaxFiles,
                "--max-files 0: a guest needs at least one open file",
            ),
            (
                Settings { compile_memory: Some(Size::default()), ..hello() },
                Setting::CompileMemory,
                "--compile-memory 0B: less than 16MiB, which the compiler needs for itself",
            ),
        ] {
            let error = refusal(settings);
            assert_eq!((error.setting(), error.to_string()), (Some(setting), reason.to_owned()));
        }
    }

    #[test]
    fn more_files_than_a_process_can_have_are_refused() {
        for count in [u64::from(FILES_MAX) + 1, u64::MAX] {
            let sentence = refusal(Settings { max_files: Some(count), ..hello() }).to_string();
            let reason = "more than 1047552, the most that the kernel allows one process";
            assert_eq!(sentence, format!("--max-files {count}: {reason}"));
        }
    }

    #[test]
    fn a_name_that_would_write_to_the_terminal_is_refused_in_plain_letters() {
        let error = refusal(Settings { module: "a\x1b[2J\nb.wasm".into(), ..hello() });
        assert_eq!(
            error.to_string(),
            "the job's name \"a\\u{1b}[2J\\nb\" holds characters that do not show as themselves"
        );
    }

    #[test]
    fn an_argument_that_is_not_utf8_is_named() {
        let args = vec!["fine".into(), OsStr::from_bytes(b"a\xff").into()];
        let error = refusal(Settings { args, ..hello() });
        assert_eq!(error.to_string(), "argument 2 is not UTF-8: \"a\u{fffd}\"");
    }

    #[test]
    fn arguments_and_environment_fit_into_one_message() {
        let half = "x".repeat(limits::ARGUMENTS / 2);
        let fits = Settings { args: vec![half.clone().into()], ..hello() };
        assert!(Job::new(fits.clone(), PERSON).is_ok());
        let both = Settings { env: vec![format!("A={half}").into()], ..fits };
        assert!(matches!(refusal(both), Error::ArgumentsTooLong(_)));
        let many_empty = Settings { args: vec![OsString::new(); limits::ARGUMENTS / 4], ..hello() };
        assert!(matches!(refusal(many_empty), Error::ArgumentsTooLong(_)));
    }

    fn user_error(given: &str, reason: Reason) -> Error {
        Wrong::given(Setting::User, given, reason).into()
    }

    #[test]
    fn a_guest_is_never_root() {
        let with = |user: &str| Settings { user: Some(user.into()), ..hello() };
        for user in ["0", "0:0", "0:1000", "1000:0", "00:5", "root"] {
            for surroundings in [PERSON, ROOT] {
                let error = Job::new(with(user), surroundings).unwrap_err();
                assert_eq!(error, user_error(user, Reason::UserIsRoot), "{user}");
            }
        }
        assert_eq!(Job::new(with("keep"), ROOT).unwrap_err(), user_error("keep", Reason::UserKeepsRoot));
        assert_eq!(Job::new(with("keep"), PERSON).unwrap().user, User::Keep);
    }

    #[test]
    fn root_names_both_ids_and_nobody_else_names_any() {
        let with = |user: &str| Settings { user: Some(user.into()), ..hello() };
        assert_eq!(Job::new(with("7:8"), ROOT).unwrap().user, User::Ids { uid: 7, gid: 8 });
        assert_eq!(Job::new(with("auto"), ROOT).unwrap().user, User::Auto);
        assert_eq!(refusal(with("7:8")), user_error("7:8", Reason::UserNeedsRoot));
        for user in ["", "1000", "a:b", "1:", ":1", "+1:1", "1:2:3", "4294967295:1", "-1:1"] {
            assert_eq!(refusal(with(user)), Wrong::text(Setting::User, user, Reason::UserUnknown).into(), "{user}");
        }
    }

    #[test]
    fn stdin_is_the_commands_a_file_or_nothing() {
        let stdin = |text: &str| Stdin::parse(OsStr::new(text));
        assert_eq!(stdin("-"), Ok(Stdin::Inherit));
        assert_eq!(stdin("none"), Ok(Stdin::None));
        assert_eq!(stdin("./none"), Ok(Stdin::File("./none".into())));
        assert_eq!(stdin(""), Err(Wrong::whole(Setting::Stdin, Reason::NoFile).into()));
    }

    #[test]
    fn the_verdict_never_goes_where_the_guest_writes() {
        let with = |path: &str| Settings { verdict_file: Some(path.into()), ..hello() };
        assert_eq!(refusal(with("-")), Error::VerdictOnStdout);
        assert_eq!(refusal(with("")), Error::NoVerdictFile);
        assert_eq!(Job::new(with("v.json"), PERSON).unwrap().verdict_file, Some("v.json".into()));
    }

    #[test]
    fn a_path_without_a_name_is_still_a_job() {
        let job = Job::new(Settings { module: "/".into(), ..Settings::default() }, PERSON).unwrap();
        assert_eq!((job.name.as_str(), job.argv0.as_str()), ("job", "job"));
        assert_eq!(refusal(Settings::default()), Error::NoModule);
    }
}
