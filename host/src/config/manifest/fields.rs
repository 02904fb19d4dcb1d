//! The keys of a job: what each takes, and where it goes.

use sandhog_protocol::control::JobSpec;

/// A key of a job; of its tables with the table's name.
pub(super) struct Field {
    pub key: &'static str,
    pub kind: Kind,
    /// A value as people would write it.
    pub example: &'static str,
}

type To<T> = fn(&mut JobSpec) -> &mut T;

/// What a key takes, and where that goes.
pub(super) enum Kind {
    Module,
    Group,
    Text(To<Option<String>>),
    /// A number and a unit.
    Quantity(To<Option<String>>),
    Count(To<Option<u64>>),
    Flag(To<bool>),
    Texts(To<Vec<String>>),
    Directories,
    Children,
    Stdin,
    Command,
    Environment,
    Retries,
}

/// Tables of a job whose keys are fields.
const TABLES: [(&str, &str); 5] = [
    ("backoff", "{ first = \"1s\" }"),
    ("intensity", "{ restarts = 5, within = \"1m\" }"),
    ("health", "{ heartbeat = \"10s\" }"),
    ("recycle", "{ memory = \"200MiB\" }"),
    ("logs", "{ size = \"16MiB\" }"),
];

/// Keys of one job only, that have no default.
const OWN: [&str; 4] = ["module", "group", "after", "schedule"];

const fn field(key: &'static str, kind: Kind, example: &'static str) -> Field {
    Field { key, kind, example }
}

static FIELDS: [Field; 51] = [
    field("module", Kind::Module, "\"web.wasm\""),
    field("group", Kind::Group, "\"site\""),
    field("argv0", Kind::Text(|spec| &mut spec.argv0), "\"web\""),
    field("args", Kind::Texts(|spec| &mut spec.args), "[\"--port\", \"8080\"]"),
    field("dir", Kind::Directories, "[\"data::/data:rw\"]"),
    field("env", Kind::Environment, "{ LANG = \"C\" }"),
    field("child", Kind::Children, "[\"resize=resize.wasm\"]"),
    field("allow_detached", Kind::Flag(|spec| &mut spec.allow_detached), "true"),
    field("max_children", Kind::Count(|spec| &mut spec.max_children), "16"),
    field("max_child_depth", Kind::Count(|spec| &mut spec.max_child_depth), "3"),
    field("max_child_rate", Kind::Count(|spec| &mut spec.max_child_rate), "100"),
    field("net", Kind::Text(|spec| &mut spec.net), "\"none\""),
    field("fresh", Kind::Flag(|spec| &mut spec.fresh), "true"),
    field("memory", Kind::Quantity(|spec| &mut spec.memory), "\"64MiB\""),
    field("timeout", Kind::Quantity(|spec| &mut spec.timeout), "\"30s\""),
    field("cpu", Kind::Quantity(|spec| &mut spec.cpu), "\"10s\""),
    field("fuel", Kind::Count(|spec| &mut spec.fuel), "1_000_000"),
    field("max_output", Kind::Quantity(|spec| &mut spec.max_output), "\"16MiB\""),
    field("max_file", Kind::Quantity(|spec| &mut spec.max_file), "\"1GiB\""),
    field("max_files", Kind::Count(|spec| &mut spec.max_files), "64"),
    field("stdin", Kind::Stdin, "\"input.txt\""),
    field("user", Kind::Text(|spec| &mut spec.user), "\"1000:1000\""),
    field("compile_timeout", Kind::Quantity(|spec| &mut spec.compile_timeout), "\"120s\""),
    field("compile_memory", Kind::Quantity(|spec| &mut spec.compile_memory), "\"2GiB\""),
    field("allow_missing", Kind::Texts(|spec| &mut spec.allow_missing), "[\"cgroup\"]"),
    field("log", Kind::Text(|spec| &mut spec.log), "\"info\""),
    field("after", Kind::Texts(|spec| &mut spec.after), "[\"database\"]"),
    field("instances", Kind::Count(|spec| &mut spec.instances), "4"),
    field("restart", Kind::Text(|spec| &mut spec.restart), "\"always\""),
    field("retry_on", Kind::Retries, "[\"failed\", { verdict = \"memory\", times = 2 }]"),
    field("stop_on", Kind::Texts(|spec| &mut spec.stop_on), "[\"denied\"]"),
    field("backoff.first", Kind::Quantity(|spec| &mut spec.backoff.first), "\"100ms\""),
    field("backoff.most", Kind::Quantity(|spec| &mut spec.backoff.most), "\"30s\""),
    field("backoff.reset_after", Kind::Quantity(|spec| &mut spec.backoff.reset_after), "\"10s\""),
    field("intensity.restarts", Kind::Count(|spec| &mut spec.intensity.restarts), "5"),
    field("intensity.within", Kind::Quantity(|spec| &mut spec.intensity.within), "\"1m\""),
    field("ready", Kind::Quantity(|spec| &mut spec.ready), "\"said\" or \"1s\""),
    field("start_timeout", Kind::Quantity(|spec| &mut spec.start_timeout), "\"30s\""),
    field("health.heartbeat", Kind::Quantity(|spec| &mut spec.health.heartbeat), "\"10s\""),
    field("health.command", Kind::Command, "[\"check.wasm\"]"),
    field("health.every", Kind::Quantity(|spec| &mut spec.health.every), "\"10s\""),
    field("health.timeout", Kind::Quantity(|spec| &mut spec.health.timeout), "\"5s\""),
    field("health.misses", Kind::Count(|spec| &mut spec.health.misses), "3"),
    field("grace", Kind::Quantity(|spec| &mut spec.grace), "\"5s\""),
    field("recycle.memory", Kind::Quantity(|spec| &mut spec.recycle.memory), "\"200MiB\""),
    field("schedule", Kind::Text(|spec| &mut spec.schedule), "\"30 2 * * *\""),
    field("time_zone", Kind::Text(|spec| &mut spec.time_zone), "\"Europe/Berlin\""),
    field("overlap", Kind::Text(|spec| &mut spec.overlap), "\"skip\""),
    field("catch_up", Kind::Flag(|spec| &mut spec.catch_up), "true"),
    field("logs.size", Kind::Quantity(|spec| &mut spec.logs.size), "\"16MiB\""),
    field("logs.files", Kind::Count(|spec| &mut spec.logs.files), "5"),
];

pub(super) fn find(key: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.key == key)
}

/// The table of this name, as an example.
pub(super) fn table(name: &str) -> Option<&'static str> {
    TABLES.iter().find(|(table, _)| *table == name).map(|(_, example)| *example)
}

pub(super) fn is_table(name: &str) -> bool {
    table(name).is_some()
}

/// Whether `[defaults]` may have it.
pub(super) fn is_own(key: &str) -> bool {
    OWN.contains(&key)
}

/// What can stand directly in a job, or in one of its tables.
pub(super) fn names(table: Option<&str>) -> Vec<&'static str> {
    let inside = |field: &'static Field| match table {
        Some(table) => field.key.strip_prefix(table)?.strip_prefix('.'),
        None => (!field.key.contains('.')).then_some(field.key),
    };
    let tables = TABLES.iter().map(|(name, _)| *name).filter(|_| table.is_none());
    FIELDS.iter().filter_map(inside).chain(tables).collect()
}
