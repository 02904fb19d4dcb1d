use super::group::{self, Fault};
use super::*;
use crate::job::Surroundings;
use crate::setting::{Setting, Takes};
use crate::units::{Size, Time};
use sandhog_protocol::control::{JobSpec, RetrySpec};
use sandhog_protocol::plan::Isolation;
use sandhog_protocol::request::Level;
use sandhog_protocol::verdict::VerdictKind;
use std::time::Duration;

const PERSON: Surroundings<'static> = Surroundings { is_root: false, variable: &|_| None };

fn web() -> JobSpec {
    JobSpec { name: "web".into(), module: "/srv/web.wasm".into(), ..JobSpec::default() }
}

fn service(spec: &JobSpec) -> Service {
    Service::new(spec, PERSON).unwrap()
}

fn refusal(change: impl FnOnce(&mut JobSpec)) -> (Option<&'static str>, String) {
    let mut spec = web();
    change(&mut spec);
    let error = Service::new(&spec, PERSON).unwrap_err();
    (error.setting().map(Setting::key), error.to_string())
}

fn some<T: for<'a> From<&'a str>>(text: &str) -> Option<T> {
    Some(text.into())
}

#[test]
fn a_name_and_a_module_are_a_service_with_defaults() {
    let service = service(&web());
    assert_eq!((service.group.as_str(), service.instances, service.after.len()), ("default", 1, 0));
    let limits = Boosts { memory_bytes: Some(512 << 20), ..Boosts::default() };
    assert_eq!(service.rules, Rules::of(&JobSpec::default(), limits).unwrap());
    assert_eq!((service.rules.restart, service.rules.grace), (Restart::OnFailure, Duration::from_secs(5)));
    assert_eq!(service.rules.ready, Ready::Lived(Duration::from_secs(1)));
    assert_eq!(service.logs, LogRules { file_bytes: 16 << 20, files: 5, level: Some(Level::Info) });
    assert_eq!((service.schedule, service.check), (None, None));
    assert_eq!(service.job.stdin, crate::job::Stdin::None);
}

/// A job with a value of its own for every key that goes without a schedule.
fn all_set() -> JobSpec {
    let mut spec = JobSpec {
        group: "site".into(),
        argv0: some("httpd"),
        args: vec!["-v".into(), "a \"b\"".into()],
        dir: vec!["/srv/data::/data:rw".into()],
        env: [("TOKEN".into(), "secret=1".into())].into(),
        child: vec!["resize=/srv/resize.wasm".into()],
        allow_detached: true,
        objects: vec!["tasks: queue(100, 2MiB) put".into()],
        max_objects: Some(5),
        objects_memory: some("32MiB"),
        max_children: Some(2),
        max_child_depth: Some(1),
        max_child_rate: Some(3),
        net: vec!["listen:localhost:9000".into(), "passed".into()],
        fresh: true,
        memory: some("64MiB"),
        timeout: some("1m"),
        cpu: some("10s"),
        fuel: Some(1000),
        max_output: some("1MiB"),
        max_file: some("2MiB"),
        max_files: Some(64),
        stdin: some("/srv/input"),
        user: some("auto"),
        compile_timeout: some("1m"),
        compile_memory: some("1GiB"),
        allow_missing: vec!["cgroup".into()],
        shared_zygote: true,
        log: some("off"),
        after: vec!["db".into()],
        instances: Some(4),
        restart: some("always"),
        retry_on: vec![
            RetrySpec { verdict: "memory".into(), factor: Some(2), max: some("1GiB") },
            RetrySpec { verdict: "deadline".into(), factor: Some(3), max: None },
            RetrySpec { verdict: "failed".into(), ..RetrySpec::default() },
        ],
        stop_on: vec!["denied".into()],
        ready: some("notify"),
        start_timeout: some("20s"),
        grace: some("0"),
        ..web()
    };
    spec.backoff.first = some("1s");
    spec.backoff.max = some("1m");
    spec.backoff.reset_after = some("5s");
    (spec.intensity.restarts, spec.intensity.within) = (Some(9), some("2m"));
    spec.health.heartbeat = some("3s");
    spec.health.command = vec!["/srv/check.wasm".into(), "--fast".into()];
    (spec.health.interval, spec.health.timeout, spec.health.failure_threshold) = (some("30s"), some("2s"), Some(5));
    spec.recycle.memory = some("200MiB");
    (spec.logs.size, spec.logs.files) = (some("1MiB"), Some(2));
    spec
}

/// What [`all_set`] comes to.
const ALL_SET: &[&str] = &[
    r#"group = "site""#,
    r#"module = "/srv/web.wasm""#,
    r#"args = ["-v", "a \"b\""]"#,
    "instances = 4",
    r#"after = ["db"]"#,
    r#"argv0 = "httpd""#,
    r#"stdin = "/srv/input""#,
    "fresh = true",
    r#"log = "off""#,
    r#"dir = ["/srv/data::/data:rw"]"#,
    r#"env = ["TOKEN"]"#,
    r#"child = ["resize=/srv/resize.wasm"]"#,
    "allow_detached = true",
    r#"objects = ["tasks: queue(100, 2MiB) put"]"#,
    r#"net = ["listen:127.0.0.1:9000", "passed"]"#,
    r#"memory = "64MiB""#,
    r#"timeout = "1m""#,
    r#"cpu = "10s""#,
    "fuel = 1000",
    r#"max_output = "1MiB""#,
    r#"max_file = "2MiB""#,
    "max_files = 64",
    "max_children = 2",
    "max_child_depth = 1",
    "max_child_rate = 3",
    "max_objects = 5",
    r#"objects_memory = "32MiB""#,
    "listen = none",
    r#"user = "auto""#,
    r#"allow_missing = ["cgroup"]"#,
    "shared_zygote = true",
    r#"compile_timeout = "1m""#,
    r#"compile_memory = "1GiB""#,
    r#"restart = "always""#,
    r#"retry_on = [{ verdict = "memory", factor = 2, max = "1GiB" }, { verdict = "deadline", factor = 3 }, "failed"]"#,
    r#"stop_on = ["denied"]"#,
    r#"grace = "0s""#,
    r#"backoff.first = "1s""#,
    r#"backoff.max = "1m""#,
    r#"backoff.reset_after = "5s""#,
    "intensity.restarts = 9",
    r#"intensity.within = "2m""#,
    r#"recycle.memory = "200MiB""#,
    r#"ready = "notify""#,
    r#"start_timeout = "20s""#,
    r#"health.heartbeat = "3s""#,
    r#"health.command = ["/srv/check.wasm", "--fast"]"#,
    r#"health.interval = "30s""#,
    r#"health.timeout = "2s""#,
    "health.failure_threshold = 5",
    "schedule = none",
    r#"logs.size = "1MiB""#,
    "logs.files = 2",
];

#[test]
fn every_setting_has_its_place() {
    let service = service(&all_set());
    assert_eq!(service.rules.retry_on[0], Retry { on: VerdictKind::Memory, factor: Some(2), max: Some(1 << 30) });
    let settings = service.settings().into_iter();
    let settings: Vec<_> = settings.map(|(setting, value)| format!("{} = {value}", setting.key())).collect();
    assert_eq!(settings, ALL_SET);
}

#[test]
fn a_job_that_listens_serves_and_is_ready_when_its_workers_say_so() {
    let spec = JobSpec {
        listen: some("localhost:80"),
        isolation: some("reuse"),
        request_timeout: some("none"),
        max_body: some("1MiB"),
        ..web()
    };
    let serving = service(&spec);
    assert!(serving.job.limits.serving.is_some());
    assert_eq!((serving.rules.ready, serving.rules.restart), (Ready::Notify, Restart::Always));
    assert_eq!(serving.job.http.as_ref().unwrap().isolation, Some(Isolation::Reuse));
    let is_of_http = |(setting, _): &(Setting, String)| setting.heading() == "HTTP" || *setting == Setting::Ready;
    let shown = serving.settings().into_iter().filter(is_of_http);
    let shown: Vec<_> = shown.map(|(setting, value)| format!("{} = {value}", setting.key())).collect();
    assert_eq!(
        shown,
        [
            r#"listen = "127.0.0.1:80""#,
            r#"isolation = "reuse""#,
            "concurrency = 128",
            "queue = 128",
            "max_connections = 1024",
            "max_requests = none",
            r#"request_timeout = "none""#,
            "request_memory = none",
            r#"max_body = "1MiB""#,
            r#"max_headers = "64KiB""#,
            r#"header_timeout = "10s""#,
            r#"idle_timeout = "1m""#,
            r#"ready = "notify""#,
        ]
    );
    // A worker that has done its requests has proved itself.
    let retiring = service(&JobSpec { max_requests: Some(1000), ..spec });
    assert_eq!(retiring.rules.backoff.reset_after, Duration::from_millis(10));
    let plain = service(&web());
    assert_eq!(plain.rules.backoff.reset_after, Duration::from_secs(10));
    assert!(plain.job.limits.serving.is_none() && plain.job.http.is_none());
}

#[test]
fn a_schedule_changes_what_is_the_default() {
    let mut spec = JobSpec { schedule: some("30 2 * * *"), time_zone: some("Europe/Berlin"), ..web() };
    let scheduled = service(&spec);
    assert_eq!((scheduled.rules.restart, scheduled.rules.overlap), (Restart::Never, Some(Overlap::Skip)));
    let settings = scheduled.settings();
    let shown: Vec<_> = settings.iter().skip_while(|(setting, _)| *setting != Setting::Schedule).take(4).collect();
    let pair = |setting: Setting, value: &str| (setting, value.to_owned());
    assert_eq!(
        shown,
        [
            &pair(Setting::Schedule, "\"30 2 * * *\""),
            &pair(Setting::TimeZone, "\"Europe/Berlin\""),
            &pair(Setting::Overlap, "\"skip\""),
            &pair(Setting::CatchUp, "false"),
        ]
    );
    (spec.overlap, spec.restart, spec.instances) = (some("replace"), some("on-failure"), Some(1));
    let rules = service(&spec).rules;
    assert_eq!((rules.restart, rules.overlap), (Restart::OnFailure, Some(Overlap::Replace)));
}

#[test]
fn the_command_of_a_check_has_the_grants_of_the_job_and_nobody_beside_it() {
    let mut spec = JobSpec { dir: vec!["/data".into()], child: vec!["a=/a.wasm".into()], ..web() };
    spec.allow_detached = true;
    spec.argv0 = some("web");
    spec.health.command = vec!["/srv/check.wasm".into(), "x".into()];
    let service = service(&spec);
    let check = service.check.unwrap().job;
    assert_eq!(
        (check.name.as_str(), check.argv0.as_str(), check.args.as_slice()),
        ("web", "check.wasm", &["x".into()][..])
    );
    assert_eq!(check.grants.directories, service.job.grants.directories);
    assert!(check.grants.modules.is_empty() && !check.grants.detached);
    assert_eq!(check.limits.timeout, Some(Duration::from_secs(5)));
    assert_eq!(service.rules.check_interval, Some(Duration::from_secs(10)));
}

#[test]
fn the_request_of_a_check_is_for_workers_that_serve_and_live_on() {
    let asked = |change: fn(&mut JobSpec)| {
        let mut spec = JobSpec { listen: some("127.0.0.1:80"), ..web() };
        spec.health.path = some("/healthz?full=1");
        change(&mut spec);
        Service::new(&spec, PERSON).map(|service| service.rules).map_err(|error| error.to_string())
    };
    let rules = asked(|_| {}).unwrap();
    let request = HealthRequest { path: "/healthz?full=1".into(), timeout: Duration::from_secs(5) };
    assert_eq!((rules.health_request, rules.check_interval), (Some(request), Some(Duration::from_secs(10))));
    for (change, sentence) in [
        (
            (|spec| spec.listen = None) as fn(&mut JobSpec),
            "health.path: is for jobs that serve HTTP, and this one does not; set listen",
        ),
        (
            |spec| spec.health.path = some("healthz"),
            "health.path \"healthz\": not a path such as /healthz: it begins with / and has no blanks, at most 2048 bytes",
        ),
        (
            |spec| spec.health.path = some("/a\r\nX: y"),
            "health.path \"/a\\r\\nX: y\": not a path such as /healthz: it begins with / and has no blanks, at most 2048 bytes",
        ),
        (
            |spec| spec.health.command = vec!["/check.wasm".into()],
            "health.path \"/healthz?full=1\": a job has one check beside its heartbeats; leave health.command or health.path \
             out",
        ),
        (
            |spec| spec.isolation = some("process"),
            "health.path \"/healthz?full=1\": with isolation process no process lives on between two connections; leave it \
             out, or choose another one",
        ),
        (
            |spec| {
                spec.isolation = some("process");
                (spec.health.path, spec.health.heartbeat) = (None, some("1s"));
            },
            "health.heartbeat: with isolation process no process lives on between two connections; leave it out, or \
             choose another one",
        ),
    ] {
        assert_eq!(asked(change).unwrap_err(), sentence);
    }
}

#[test]
fn one_end_of_the_pauses_moves_the_other() {
    let mut spec = web();
    spec.backoff.first = some("1m");
    assert_eq!(service(&spec).rules.backoff.max, Duration::from_secs(60));
    spec.backoff = Default::default();
    spec.backoff.max = some("50ms");
    assert_eq!(service(&spec).rules.backoff.first, Duration::from_millis(50));
}

#[test]
fn memory_that_is_retried_has_a_ceiling_always() {
    let retry = RetrySpec { verdict: "memory".into(), factor: Some(2), max: None };
    let spec = JobSpec { retry_on: vec![retry], ..web() };
    assert_eq!(service(&spec).rules.retry_on[0].max, Some(64 << 30));
}

#[test]
fn what_run_refuses_is_refused_in_the_words_of_a_manifest() {
    for (change, key, sentence) in [
        (
            Box::new(|spec: &mut JobSpec| spec.memory = some("1B")) as Box<dyn FnOnce(&mut JobSpec)>,
            Some("memory"),
            "memory 1B: less than 64KiB, one page of WebAssembly memory",
        ),
        (
            Box::new(|spec| spec.max_files = Some(0)),
            Some("max_files"),
            "max_files 0: a guest needs at least one open file",
        ),
        (
            Box::new(|spec| spec.compile_timeout = some("0")),
            Some("compile_timeout"),
            "compile_timeout 0: it has to be more than 0",
        ),
        (
            Box::new(|spec| spec.max_children = Some(1 << 40)),
            Some("max_children"),
            "max_children 1099511627776: more than 10000, the most that one job can have",
        ),
        (
            Box::new(|spec| spec.dir = vec!["/a::--x:wr".into()]),
            Some("dir"),
            "dir \"/a::--x:wr\": what follows the last colon is neither ro nor rw",
        ),
        (Box::new(|spec| spec.user = some("--user")), Some("user"), "user \"--user\": neither auto, keep nor UID:GID"),
        (
            Box::new(|spec| spec.args = vec!["a\0".into()]),
            Some("args"),
            "argument 1 holds a null character: \"a\\u{0}\"",
        ),
        (Box::new(|spec| spec.fuel = Some(0)), Some("fuel"), "fuel 0: it has to be more than 0"),
    ] {
        assert_eq!(refusal(change), (key, sentence.into()));
    }
    let root = Surroundings { is_root: true, variable: &|_| None };
    let ids = Service::new(&JobSpec { user: some("7:8"), ..web() }, root).unwrap_err();
    assert_eq!(
        (ids.setting().map(Setting::key), ids.to_string()),
        (Some("user"), "user 7:8: a daemon gives each worker an id that nobody else has; leave user out".into())
    );
    let spec = JobSpec { user: some("0"), ..web() };
    let hint = Service::new(&spec, PERSON).unwrap_err().hint().unwrap();
    assert_eq!(hint, "leave user out for an identity that nobody else has");
}

#[test]
fn every_flag_that_an_error_of_run_names_is_a_key() {
    // By an error of each: none of them may be left without its key.
    type Change = (&'static str, fn(&mut JobSpec));
    let changes: [Change; 16] = [
        ("argv0", |spec| spec.argv0 = some("\0")),
        ("args", |spec| spec.args = vec!["\0".into()]),
        ("dir", |spec| spec.dir = vec!["::".into()]),
        ("env", |spec| drop(spec.env.insert("A".into(), "\0".into()))),
        ("child", |spec| spec.child = vec!["x".into()]),
        ("max_children", |spec| spec.max_children = Some(u64::MAX)),
        ("max_child_depth", |spec| spec.max_child_depth = Some(u64::MAX)),
        ("max_child_rate", |spec| spec.max_child_rate = Some(u64::MAX)),
        ("memory", |spec| spec.memory = some("1TiB")),
        ("timeout", |spec| spec.timeout = some("0s")),
        ("cpu", |spec| spec.cpu = some("0s")),
        ("fuel", |spec| spec.fuel = Some(0)),
        ("max_files", |spec| spec.max_files = Some(u64::MAX)),
        ("user", |spec| spec.user = some("x")),
        ("compile_timeout", |spec| spec.compile_timeout = some("0s")),
        ("compile_memory", |spec| spec.compile_memory = some("1B")),
    ];
    for (key, change) in changes {
        let (found, sentence) = refusal(change);
        assert_eq!(found, Some(key), "{sentence}");
        assert!(!sentence.contains("--"), "{sentence}");
    }
}

#[test]
fn numbers_have_units_and_words_have_neighbours() {
    for (change, key, sentence) in [
        (
            Box::new(|spec: &mut JobSpec| spec.grace = some("30")) as Box<dyn FnOnce(&mut JobSpec)>,
            "grace",
            "grace \"30\": the unit is missing; write one of ms, s, m, h, d, such as 30s",
        ),
        (
            Box::new(|spec| spec.recycle.memory = some("1gib")),
            "recycle.memory",
            "recycle.memory \"1gib\": there is no unit \"gib\"; did you mean GiB?",
        ),
        (
            Box::new(|spec| spec.restart = some("onfailure")),
            "restart",
            "restart \"onfailure\": there is no such word; did you mean on-failure?",
        ),
        (
            Box::new(|spec| spec.restart = some("\u{1b}")),
            "restart",
            "restart \"\\u{1b}\": there is no such word; write one of never, on-failure, always",
        ),
        (
            Box::new(|spec| spec.stop_on = vec!["crashed".into()]),
            "stop_on",
            "stop_on \"crashed\": there is no such word; write one of completed, failed, trapped, deadline, cpu, memory, output, \
                denied, killed, stopped, unhealthy, lost, refused",
        ),
        (
            Box::new(|spec| spec.retry_on = vec![RetrySpec { verdict: "memroy".into(), ..RetrySpec::default() }]),
            "retry_on",
            "retry_on \"memroy\": there is no such word; did you mean memory?",
        ),
        (
            Box::new(|spec| spec.log = some("warning")),
            "log",
            "log \"warning\": there is no such word; write one of trace, debug, info, warn, error, off",
        ),
        (
            Box::new(|spec| spec.allow_missing = vec!["moat".into()]),
            "allow_missing",
            "allow_missing \"moat\": there is no such word; write one of namespaces, root, identity, capabilities, rlimits, cgroup, \
                directories, landlock, seccomp",
        ),
        (Box::new(|spec| spec.ready = some("notfy")), "ready", "ready \"notfy\": neither notify nor a time such as 1s"),
        (
            Box::new(|spec| spec.ready = some("1")),
            "ready",
            "ready \"1\": the unit is missing; write one of ms, s, m, h, d, such as 30s",
        ),
        (
            Box::new(|spec| spec.net = vec!["host".into()]),
            "net",
            "net \"host\": there is no such grant; write one of listen, passed, none",
        ),
    ] {
        assert_eq!(refusal(change), (Some(key), sentence.into()));
    }
    assert_eq!(
        Strategy::new(Some("one-for-al")).unwrap_err().to_string(),
        "strategy \"one-for-al\": there is no such word; did you mean one-for-all?"
    );
    assert_eq!(
        (Strategy::new(None), Strategy::new(Some("rest-for-one"))),
        (Ok(Strategy::OneForOne), Ok(Strategy::RestForOne))
    );
}

/// A change, the key that it is refused for, and the sentence.
type Refused = (fn(&mut JobSpec), Option<&'static str>, &'static str);

#[test]
fn what_no_job_can_have_is_refused() {
    let refused: &[Refused] = &[
        (|spec| spec.module.clear(), None, "there is no module: the job needs module = \"FILE\""),
        (|spec| spec.module = "web.wasm".into(), Some("module"), "module \"web.wasm\": not an absolute path"),
        (|spec| spec.dir = vec!["data".into()], Some("dir"), "dir \"data\": not an absolute path"),
        (
            |spec| spec.health.command = vec!["c.wasm".into()],
            Some("health.command"),
            "health.command \"c.wasm\": not an absolute path",
        ),
        (
            |spec| spec.stdin = some("-"),
            Some("stdin"),
            "stdin \"-\": a daemon has no stdin to pass on; name a file, or leave it out",
        ),
        (
            |spec| drop(spec.env.insert("A=B".into(), String::new())),
            Some("env"),
            "env \"A=B\": the name of a variable is not empty and holds no \"=\"",
        ),
        (|spec| spec.instances = Some(1001), Some("instances"), "instances 1001: more than 1000, the most of one job"),
        (
            |spec| spec.health.failure_threshold = Some(0),
            Some("health.failure_threshold"),
            "health.failure_threshold 0: write 1 or more",
        ),
        (
            |spec| spec.health.failure_threshold = Some(2),
            Some("health.failure_threshold"),
            "health.failure_threshold: says how to check, and there is no check; set health.heartbeat, health.command or health.path",
        ),
        (
            |spec| spec.health.heartbeat = some("0s"),
            Some("health.heartbeat"),
            "health.heartbeat 0: it has to be more than 0",
        ),
        (
            |spec| spec.recycle.memory = some("0"),
            Some("recycle.memory"),
            "recycle.memory 0: every worker has more; leave it out for no recycling",
        ),
        (|spec| spec.logs.size = some("1B"), Some("logs.size"), "logs.size 1B: less than 4KiB, which holds some lines"),
    ];
    for (change, key, sentence) in refused {
        assert_eq!(refusal(change), (*key, (*sentence).into()));
    }
}

#[test]
fn every_bound_of_the_list_is_kept_by_the_setting_that_has_it() {
    let (mut below, mut above) = (0, 0);
    for setting in Setting::ALL {
        let bounds = setting.facts().bounds;
        let mut broken = Vec::new();
        if bounds.floor() > 0 {
            broken.push(bounds.floor() - 1);
            below += 1;
        }
        if let Some((max, _)) = bounds.max {
            broken.push(max + 1);
            above += 1;
        }
        for value in broken {
            let (key, sentence) = refusal(|spec| match setting.takes() {
                Takes::Size(field) => *(field.set)(spec) = Some(Size::bytes(value).into()),
                Takes::Time(field) => *(field.set)(spec) = Some(Time::millis(value).into()),
                Takes::Count(field) => *(field.set)(spec) = Some(value),
                Takes::TimeOr(field, _) => *(field.set)(spec) = Some(Time::millis(value).to_string()),
                _ => panic!("{setting:?} has bounds and is no number"),
            });
            assert_eq!(key, Some(setting.key()), "{value}: {sentence}");
            assert!(sentence.starts_with(&format!("{} ", setting.key())), "{sentence}");
        }
    }
    assert!(below > 10 && above > 8, "{below} and {above}");
}

#[test]
fn what_makes_no_sense_together_is_refused() {
    let refused: &[Refused] = &[
        (
            |spec| (spec.backoff.first, spec.backoff.max) = (some("2s"), some("1s")),
            Some("backoff.max"),
            "backoff.max 1s: less than backoff.first, 2s",
        ),
        (|spec| spec.ready = some("3m"), Some("ready"), "ready 3m: longer than start_timeout, 2m30s"),
        (
            |spec| spec.time_zone = some("UTC"),
            Some("time_zone"),
            "time_zone: is for jobs with a schedule, and this one has none",
        ),
        (
            |spec| (spec.schedule, spec.instances) = (some("@daily"), Some(2)),
            Some("instances"),
            "instances 2: a job with a schedule has one instance",
        ),
        (
            |spec| (spec.schedule, spec.restart) = (some("@daily"), some("always")),
            Some("restart"),
            "restart always: a job with a schedule is started by the clock; write never or on-failure",
        ),
        (|spec| spec.after = vec!["a".into(), "a".into()], Some("after"), "after \"a\": is named twice"),
        (|spec| spec.listen = some("127.0.0.1"), Some("listen"), "listen \"127.0.0.1\": there is no port"),
        (
            |spec| spec.isolation = some("reuse"),
            Some("isolation"),
            "isolation: is for jobs that serve HTTP, and this one does not; set listen",
        ),
        (
            |spec| (spec.listen, spec.schedule) = (some("[::1]:0"), some("@daily")),
            Some("schedule"),
            "schedule: a job that serves HTTP is kept up, and has no schedule",
        ),
        (
            |spec| (spec.listen, spec.ready) = (some("[::1]:0"), some("1s")),
            Some("ready"),
            "ready \"1s\": a job that serves HTTP is ready when its workers accept connections; leave it out",
        ),
        (
            |spec| (spec.listen, spec.stdin) = (some("[::1]:0"), some("/srv/input")),
            Some("stdin"),
            "stdin: a job that serves HTTP has no stdin",
        ),
        (
            |spec| (spec.listen, spec.fresh) = (some("[::1]:0"), true),
            Some("fresh"),
            "fresh: is for handlers of tasks, and this job serves HTTP",
        ),
    ];
    for (change, key, sentence) in refused {
        assert_eq!(refusal(change), (*key, (*sentence).into()));
    }
}

#[test]
fn a_retry_makes_sense_or_is_refused() {
    let retry = |verdict: &str, factor, max: Option<&str>| RetrySpec {
        verdict: verdict.into(),
        factor,
        max: max.map(str::to_owned),
    };
    for (retry_on, sentence) in [
        (vec![retry("failed", None, None), retry("failed", None, None)], "retry_on failed: is named twice"),
        (
            vec![retry("failed", None, None), retry("denied", None, None)],
            "retry_on denied: stop_on names it too; leave one of them out",
        ),
        (
            vec![retry("failed", Some(2), None)],
            "retry_on failed: no limit leads to it, so none can be raised; leave factor and max out",
        ),
        (
            vec![retry("deadline", Some(2), None)],
            "retry_on deadline: the job has no limit to start from; set timeout, or leave factor out",
        ),
        (
            vec![retry("memory", Some(1), None)],
            "retry_on memory: factor 1: write a number from 2 to 100, or leave it out",
        ),
        (
            vec![retry("memory", None, Some("1GiB"))],
            "retry_on memory: max bounds what factor makes of the limit, and there is no factor",
        ),
        (
            vec![retry("memory", Some(2), Some("512MiB"))],
            "retry_on memory: max 512MiB is not more than 512MiB, the limit of the first try",
        ),
        (
            vec![retry("memory", Some(2), Some("1TiB"))],
            "retry_on memory: max 1TiB is more than 64GiB, the most that one job can have",
        ),
        (
            vec![retry("stopped", None, None)],
            "retry_on stopped: a job that was stopped on request is not retried; leave it out",
        ),
    ] {
        let change = |spec: &mut JobSpec| (spec.retry_on, spec.stop_on) = (retry_on, vec!["denied".into()]);
        assert_eq!(refusal(change), (Some("retry_on"), sentence.into()));
    }
}

#[test]
fn names_are_checked() {
    let (key, sentence) = refusal(|spec| spec.name = "w\u{435}b".into());
    assert_eq!(key, Some("name"));
    assert!(sentence.contains("(U+0435)"), "{sentence}");
    assert_eq!(refusal(|spec| spec.group = "all".into()).0, Some("group"));
}

#[test]
fn strings_are_printed_as_toml_has_them_and_harmless() {
    assert_eq!(settings::quoted("a\"\\\n\t\u{1b}\u{202e}é"), r#""a\"\\\n\t\U0000001b\U0000202eé""#);
}

fn services(list: &[(&str, &[&str])]) -> Vec<Service> {
    let spec = |(name, after): &(&str, &[&str])| JobSpec {
        name: (*name).into(),
        after: after.iter().map(|name| (*name).into()).collect(),
        ..web()
    };
    list.iter().map(|job| service(&spec(job))).collect()
}

fn faults(services: &[Service]) -> Vec<String> {
    let services: Vec<_> = services.iter().collect();
    group::check(&services, []).into_iter().map(|Fault { index, error, .. }| format!("{index}: {error}")).collect()
}

#[test]
fn services_that_go_together_have_no_fault() {
    assert!(faults(&services(&[("a", &[]), ("b", &["a"]), ("c", &["a", "b"]), ("d", &["c", "a"])])).is_empty());
    assert!(faults(&[]).is_empty());
}

#[test]
fn after_names_a_job_of_the_same_group_that_is_kept_up() {
    let mut jobs = services(&[
        ("database", &[]),
        ("web", &["databse"]),
        ("b", &["b"]),
        ("c", &["x\u{1b}"]),
        ("d", &["web"]),
        ("e", &["database"]),
    ]);
    jobs[4].group = "other".into();
    jobs[0].schedule = Some(crate::schedule::Schedule::new("@daily", None, false).unwrap());
    assert_eq!(
        faults(&jobs),
        [
            "1: after \"databse\": there is no such job; did you mean database?",
            "2: after \"b\": a job can't come after itself",
            "3: after \"x\\u{1b}\": there is no such job",
            "4: after \"web\": it is in the group default, and this job in other; jobs wait for jobs of their own group",
            "5: after \"database\": it runs by a schedule and is not kept up, so nothing can wait for it",
        ]
    );
}

#[test]
fn a_circle_is_shown() {
    assert_eq!(
        faults(&services(&[("x", &["a"]), ("a", &["b"]), ("b", &["c"]), ("c", &["a"])])),
        ["1: after: the jobs wait for each other in a circle: a → b → c → a"]
    );
    let names: Vec<_> = (0..30).map(|number| format!("j{number}")).collect();
    let afters: Vec<_> = (0..30).map(|number| [names[(number + 1) % 30].as_str()]).collect();
    let list: Vec<_> = names.iter().zip(&afters).map(|(name, after)| (name.as_str(), &after[..])).collect();
    assert_eq!(
        faults(&services(&list)),
        [
            "0: after: the jobs wait for each other in a circle: j0 → j1 → j2 → j3 → j4 → j5 → j6 → j7 → j8 → j9 → … 20 more → j0"
        ]
    );
}

#[test]
fn names_are_for_one_job_or_one_group() {
    let mut jobs = services(&[("a", &[]), ("a", &[]), ("site", &[])]);
    jobs[0].group = "site".into();
    assert_eq!(
        faults(&jobs),
        [
            "1: there are two jobs called a; each needs a name of its own",
            "2: the job site and the group site are called the same, so that commands can't tell them apart; rename one of them",
        ]
    );
    let jobs = services(&[("db", &[])]);
    assert_eq!(group::check(&[&jobs[0]], ["db"]).len(), 1);
}

#[test]
fn a_long_chain_and_many_faults_are_no_trouble() {
    let names: Vec<_> = (0..10_000).map(|number| format!("j{number}")).collect();
    let chain = |last: &str| {
        let mut jobs = services(&vec![("j", &[][..]); 10_000]);
        for (number, job) in jobs.iter_mut().enumerate() {
            job.job.name.clone_from(&names[number]);
            let before = names.get(number + 1).map_or(last, String::as_str);
            job.after = if before.is_empty() { vec![] } else { vec![before.into()] };
        }
        faults(&jobs)
    };
    assert!(chain("").is_empty());
    assert_eq!(chain("j0").len(), 1);
    let missing: Vec<_> = (0..10_000).map(|_| ("j", &["nobody"][..])).collect();
    assert_eq!(faults(&services(&missing)).len(), group::FAULTS_MAX);
}

#[test]
fn jobs_of_a_group_mean_one_thing_by_a_name_and_have_one_memory() {
    let with = |name: &str, group: &str, objects: &str, memory: &str| {
        service(&JobSpec {
            name: name.into(),
            group: group.into(),
            objects: vec![objects.into()],
            objects_memory: some(memory),
            ..web()
        })
    };
    let jobs = [
        with("a", "site", "tasks: queue(100) put", "64MiB"),
        with("b", "site", "tasks: queue(100, 1MiB) get", "64MiB"),
        with("c", "other", "tasks: lock", "1MiB"),
        with("d", "site", "tasks: queue(10) get", "64MiB"),
        with("e", "site", "other: lock", "32MiB"),
    ];
    let with_others: Vec<_> = group::check(&jobs.iter().collect::<Vec<_>>(), []);
    assert_eq!(with_others.iter().map(|fault| fault.other).collect::<Vec<_>>(), [Some(0), Some(0)]);
    assert_eq!(
        faults(&jobs),
        [
            "3: objects \"tasks\": queue(10, 1MiB) here, and queue(100, 1MiB) in the job a; an object of a group is one thing",
            "4: objects_memory 32MiB: it is 64MiB in the job a, and jobs of a group have one memory for their objects",
        ]
    );
}
