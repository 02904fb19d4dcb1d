//! The rights of a child: never more than those of its parent. A request for more is refused, not narrowed in silence.
//! Pure.

use sandhog_protocol::limits;
use sandhog_protocol::objects::GRANTED;
use sandhog_protocol::plan::Access;
use sandhog_protocol::request::{ChildDirectory, ChildJob, ChildLimits, Refused};
use sandhog_spec::connection::Connection;
use sandhog_spec::grants::{Directory, Grants, components};
use sandhog_spec::job::{Job, Limits, MEMORY_MIN, Stdin};
use sandhog_spec::net::Net;
use sandhog_spec::objects::ObjectQuota;
use std::path::PathBuf;
use std::time::Duration;

/// A child that its parent may have.
#[derive(Debug)]
pub(super) struct Child {
    /// Settled like any other job.
    pub job: Job,
    /// For each of its directories: which of the parent's it is, and the way down from there.
    pub directories: Vec<(usize, Vec<String>)>,
}

/// What each text takes in a message beside its bytes, at most (MessagePack, `str 32`).
const STRING_OVERHEAD: usize = 5;

/// Most characters of a name that a refusal quotes: a sentence is for people, and its frame has an end.
const QUOTED: usize = 100;

/// A name that somebody asked for, as a refusal quotes it.
pub(super) fn quoted(name: &str) -> String {
    match name.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{:?}…", &name[..end]),
        None => format!("{name:?}"),
    }
}

/// The child that `asked` describes, within the rights of `parent`.
///
/// # Errors
/// The first thing that the parent may not, or that makes no sense.
pub(super) fn narrow(parent: &Job, asked: &ChildJob) -> Result<Child, Refused> {
    check_texts(asked)?;
    let module = granted_module(parent, &asked.module)?;
    if asked.detached && !parent.grants.detached {
        return Err(Refused::Denied("detached children are not granted (--allow-detached)".into()));
    }
    if asked.passed && !parent.grants.net.is_granted() {
        return Err(Refused::Denied("sockets are not granted (--net)".into()));
    }
    let mut modules = Vec::new();
    for name in &asked.modules {
        modules.push((name.clone(), granted_module(parent, name)?));
    }
    let (mut granted, mut ways) = (Vec::new(), Vec::new());
    for directory in &asked.directories {
        let (way, directory) = granted_directory(parent, directory)?;
        if granted.iter().any(|other: &Directory| components(&other.guest) == components(&directory.guest)) {
            return Err(Refused::Invalid(format!("two directories have the name {}", quoted(&directory.guest))));
        }
        granted.push(directory);
        ways.push(way);
    }
    let job = Job {
        name: asked.module.clone(),
        module,
        argv0: asked.module.clone(),
        args: asked.arguments.clone(),
        grants: Grants {
            directories: granted,
            env: asked.environment.clone(),
            modules,
            detached: asked.detached && parent.grants.detached,
            // What of the parent's it is handed is for their group to say.
            objects: Vec::new(),
            // A parent passes its sockets on, one by one.
            net: Net { listen: Vec::new(), passed: asked.passed },
        },
        // Whether the parent has as many left is for their group to say.
        object_quota: ObjectQuota { unnamed: asked.max_objects, ..parent.object_quota },
        limits: narrowed(&parent.limits, &asked.limits)?,
        fresh: asked.fresh,
        tty: false,
        stdin: Stdin::None,
        verdict_file: None,
        coredump_file: None,
        connection: Connection::None,
        // Whoever serves has programs for children.
        http: None,
        ..parent.clone()
    };
    Ok(Child { job, directories: ways })
}

fn check_texts(asked: &ChildJob) -> Result<(), Refused> {
    let variables = asked.environment.iter().flat_map(|(name, value)| [name, value]);
    let names = asked.directories.iter().flat_map(|directory| [&directory.path, &directory.name]);
    let texts = || asked.arguments.iter().chain(variables.clone()).chain(names.clone()).chain(&asked.modules);
    if texts().any(|text| text.contains('\0')) {
        return Err(Refused::Invalid("an argument, a variable or a path holds a null character".into()));
    }
    let data = asked.data.as_ref().map_or(0, |data| data.body.len());
    let length = texts().map(|text| text.len() + STRING_OVERHEAD).sum::<usize>() + data;
    if length > limits::ARGUMENTS {
        let max = limits::ARGUMENTS;
        return Err(Refused::Invalid(format!("arguments, variables, paths and data take {length} bytes of {max}")));
    }
    let is_much = asked.directories.len() > limits::DIRECTORIES || asked.modules.len() > limits::MODULES;
    if is_much || asked.objects.len() > GRANTED {
        return Err(Refused::Invalid("too many directories, modules or objects".into()));
    }
    check_environment(&asked.environment)
}

fn check_environment(environment: &[(String, String)]) -> Result<(), Refused> {
    let mut names = std::collections::HashSet::new();
    for (name, _) in environment {
        if name.is_empty() || name.contains('=') || !names.insert(name) {
            let name = quoted(name);
            return Err(Refused::Invalid(format!("the variable {name} is given twice, or is no name")));
        }
    }
    Ok(())
}

fn granted_module(parent: &Job, name: &str) -> Result<PathBuf, Refused> {
    let granted = parent.grants.modules.iter().find(|(known, _)| known == name);
    granted.map(|(_, file)| file.clone()).ok_or_else(|| {
        let name = quoted(name);
        Refused::Denied(format!("no module was granted under the name {name} (--child NAME=FILE)"))
    })
}

/// The deepest of the parent's directories on the way to `asked`.
fn granted_directory(parent: &Job, asked: &ChildDirectory) -> Result<((usize, Vec<String>), Directory), Refused> {
    if asked.name.is_empty() || asked.path.split('/').any(|part| part == "..") {
        let (path, name) = (quoted(&asked.path), quoted(&asked.name));
        return Err(Refused::Invalid(format!("a directory {path} named {name}")));
    }
    let (absolute, path) = components(&asked.path);
    let below = |directory: &Directory| {
        let (also_absolute, top) = components(&directory.guest);
        (absolute == also_absolute && path.starts_with(&top)).then_some(top.len())
    };
    let directories = parent.grants.directories.iter().enumerate();
    let found = directories
        .filter_map(|(index, directory)| Some((below(directory)?, index, directory)))
        .max_by_key(|(depth, ..)| *depth);
    let Some((depth, index, directory)) = found else {
        let path = quoted(&asked.path);
        return Err(Refused::Denied(format!("no directory was granted as {path}, or above it (--dir)")));
    };
    if asked.access == Access::ReadWrite && directory.access == Access::ReadOnly {
        return Err(Refused::Denied(format!("{} was granted for reading only", quoted(&asked.path))));
    }
    let way = path[depth..].iter().map(|part| (*part).to_owned()).collect();
    Ok(((index, way), Directory { host: directory.host.clone(), guest: asked.name.clone(), access: asked.access }))
}

fn narrowed(parent: &Limits, asked: &ChildLimits) -> Result<Limits, Refused> {
    let duration = |ns: Option<u64>| ns.map(Duration::from_nanos);
    let memory_bytes =
        at_most_parents("memory", Some(parent.memory_bytes), asked.memory_bytes)?.unwrap_or(parent.memory_bytes);
    if memory_bytes < MEMORY_MIN {
        return Err(Refused::Invalid(format!("{memory_bytes} bytes of memory are less than one page")));
    }
    let some = |name: &str, value: Option<Duration>| match value {
        Some(time) if time.as_millis() == 0 => Err(Refused::Invalid(format!("{name} has to be more than 0"))),
        value => Ok(value),
    };
    if asked.fuel == Some(0) || asked.max_files == Some(0) {
        return Err(Refused::Invalid("fuel and max-files have to be more than 0".into()));
    }
    Ok(Limits {
        memory_bytes,
        timeout: some("timeout", at_most_parents("timeout", parent.timeout, duration(asked.timeout_ns))?)?,
        cpu: some("cpu", at_most_parents("cpu", parent.cpu, duration(asked.cpu_ns))?)?,
        fuel: at_most_parents("fuel", parent.fuel, asked.fuel)?,
        max_output_bytes: at_most_parents("max-output", parent.max_output_bytes, asked.max_output_bytes)?,
        max_file_bytes: at_most_parents("max-file", Some(parent.max_file_bytes), asked.max_file_bytes)?
            .unwrap_or(parent.max_file_bytes),
        max_files: at_most_parents("max-files", Some(parent.max_files), asked.max_files)?.unwrap_or(parent.max_files),
        serving: None,
        // The parent's alone: there is one file.
        coredump: false,
    })
}

/// What was asked for, else what the parent has; None is no limit.
fn at_most_parents<T: PartialOrd + Copy>(
    name: &str,
    parent: Option<T>,
    asked: Option<T>,
) -> Result<Option<T>, Refused> {
    match (parent, asked) {
        (Some(parent), Some(asked)) if asked > parent => {
            Err(Refused::Denied(format!("more of a limit than the parent has itself (--{name})")))
        }
        (_, Some(asked)) => Ok(Some(asked)),
        (parent, None) => Ok(parent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandhog_protocol::request::ChildStdio;
    use sandhog_spec::job::{Settings, Surroundings};
    use sandhog_spec::units::{Size, Time};

    fn parent(detached: bool) -> Job {
        let settings = Settings {
            module: "parent.wasm".into(),
            directories: vec!["/srv/in::/in".into(), "/srv/in/deep::/in/deep:rw".into()],
            children: vec!["a=a.wasm".into(), "b=b.wasm".into()],
            memory: Some(Size::bytes(64 << 20)),
            timeout: Some(Time::millis(10_000)),
            detached,
            ..Settings::default()
        };
        Job::new(settings, Surroundings { is_root: false, variable: &|_| None }).unwrap()
    }

    fn asked() -> ChildJob {
        ChildJob {
            module: "a".into(),
            arguments: vec!["x".into()],
            environment: vec![("A".into(), "1".into())],
            directories: Vec::new(),
            modules: Vec::new(),
            objects: Vec::new(),
            max_objects: 0,
            passed: false,
            limits: ChildLimits::default(),
            data: None,
            stdio: [ChildStdio::Null; 3],
            connected: false,
            detached: false,
            fresh: false,
        }
    }

    fn directory(path: &str, access: Access) -> ChildJob {
        ChildJob { directories: vec![ChildDirectory { path: path.into(), name: "/d".into(), access }], ..asked() }
    }

    #[test]
    fn a_child_has_what_is_listed_and_its_parents_limits() {
        let child = narrow(&parent(false), &asked()).unwrap().job;
        assert_eq!((child.name.as_str(), child.argv0.as_str(), child.args), ("a", "a", vec!["x".to_owned()]));
        assert!(child.grants.directories.is_empty() && child.grants.modules.is_empty());
        assert_eq!(child.grants.env, [("A".to_owned(), "1".to_owned())]);
        assert_eq!((child.limits.memory_bytes, child.limits.timeout), (64 << 20, Some(Duration::from_secs(10))));
    }

    #[test]
    fn what_the_parent_does_not_have_is_denied() {
        let parent = parent(false);
        let denied = [
            ChildJob { module: "c".into(), ..asked() },
            ChildJob { modules: vec!["c".into()], ..asked() },
            ChildJob { detached: true, ..asked() },
            directory("/", Access::ReadOnly),
            directory("/inner", Access::ReadOnly),
            directory("in", Access::ReadOnly),
            directory("/in", Access::ReadWrite),
            directory("/in/other", Access::ReadWrite),
            ChildJob { limits: ChildLimits { memory_bytes: Some(65 << 20), ..ChildLimits::default() }, ..asked() },
            ChildJob { limits: ChildLimits { timeout_ns: Some(11_000_000_000), ..ChildLimits::default() }, ..asked() },
            ChildJob { limits: ChildLimits { max_files: Some(257), ..ChildLimits::default() }, ..asked() },
        ];
        for asked in denied {
            assert!(matches!(narrow(&parent, &asked), Err(Refused::Denied(_))), "{asked:?}");
        }
    }

    #[test]
    fn a_directory_is_found_by_its_nearest_grant() {
        let parent = parent(false);
        let way = |path, access| narrow(&parent, &directory(path, access)).unwrap().directories;
        assert_eq!(way("/in", Access::ReadOnly), [(0, vec![])]);
        assert_eq!(way("/in/a/./b/", Access::ReadOnly), [(0, vec!["a".to_owned(), "b".to_owned()])]);
        assert_eq!(way("/in/deep/c", Access::ReadWrite), [(1, vec!["c".to_owned()])]);
    }

    #[test]
    fn a_way_up_is_no_way() {
        assert!(matches!(narrow(&parent(false), &directory("/in/../..", Access::ReadOnly)), Err(Refused::Invalid(_))));
    }

    #[test]
    fn a_refusal_is_a_sentence_whatever_was_asked_for() {
        let long = "\u{1}\u{10ffff}".repeat(100_000);
        let nonsense = [
            ChildJob { module: long.clone(), ..asked() },
            ChildJob { environment: vec![(format!("{long}="), String::new())], ..asked() },
            directory(&long, Access::ReadOnly),
            directory(&format!("{long}/.."), Access::ReadOnly),
        ];
        for asked in nonsense {
            let length = format!("{:?}", narrow(&parent(false), &asked).unwrap_err()).len();
            assert!(length < 8 << 10, "{length}");
        }
    }

    #[test]
    fn nonsense_is_invalid() {
        let parent = parent(true);
        let invalid = [
            ChildJob { arguments: vec!["\0".into()], ..asked() },
            ChildJob { arguments: vec!["x".repeat(limits::FRAME)], ..asked() },
            ChildJob { environment: vec![("A=B".into(), String::new())], ..asked() },
            ChildJob { environment: vec![("A".into(), String::new()); 2], ..asked() },
            ChildJob { limits: ChildLimits { timeout_ns: Some(5), ..ChildLimits::default() }, ..asked() },
            ChildJob { limits: ChildLimits { memory_bytes: Some(5), ..ChildLimits::default() }, ..asked() },
            ChildJob { directories: vec![directory("/in", Access::ReadOnly).directories.remove(0); 2], ..asked() },
        ];
        for asked in invalid {
            assert!(matches!(narrow(&parent, &asked), Err(Refused::Invalid(_))), "{asked:?}");
        }
    }

    #[test]
    fn a_child_makes_no_objects_unless_it_is_said() {
        assert_eq!(narrow(&parent(true), &asked()).unwrap().job.object_quota.unnamed, 0);
        let child = narrow(&parent(true), &ChildJob { max_objects: 3, ..asked() }).unwrap();
        assert!(child.job.object_quota.unnamed == 3 && child.job.has_objects());
    }

    #[test]
    fn a_child_takes_sockets_where_its_parent_may_use_some_and_it_is_said() {
        let asked = ChildJob { passed: true, ..asked() };
        assert!(matches!(narrow(&parent(true), &asked), Err(Refused::Denied(_))));
        let with = |texts: &[&str]| {
            let net = Net::new(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).unwrap();
            Job { grants: Grants { net, ..parent(true).grants }, ..parent(true) }
        };
        for parent in [with(&["listen:127.0.0.1:80"]), with(&["passed"])] {
            let child = narrow(&parent, &asked).unwrap().job;
            assert_eq!(child.grants.net, Net { listen: Vec::new(), passed: true });
            let child = narrow(&parent, &ChildJob { passed: false, ..asked.clone() }).unwrap().job;
            assert_eq!(child.grants.net, Net::default());
        }
    }

    #[test]
    fn a_detached_child_needs_the_grant_and_passes_it_on() {
        let child = narrow(&parent(true), &ChildJob { detached: true, ..asked() }).unwrap();
        assert!(child.job.grants.detached);
        assert!(!narrow(&parent(true), &asked()).unwrap().job.grants.detached);
    }
}
