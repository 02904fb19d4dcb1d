//! Facts about `openapi.json`: what it says is what there is.

use crate::control::document::DOCUMENT;
use crate::control::limits::{LINES, SELECTORS, USUAL_LINES};
use crate::control::routes::ROUTES;
use sandhog_protocol::control::*;
use sandhog_protocol::limits;
use sandhog_protocol::verdict::{
    CpuLimit, HealthCheck, Killer, LostCause, MemoryWall, StopReason, Usage, Verdict, VerdictKind,
};
use sandhog_protocol::worker::TrapKind;
use sandhog_spec::setting::{Setting, Takes};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

fn document() -> Value {
    serde_json::from_slice(&DOCUMENT).unwrap()
}

/// What a reference stands for, else the value itself.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(way) => document.pointer(way.strip_prefix('#').unwrap()).unwrap_or_else(|| panic!("no {way}")),
        None => value,
    }
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().map(|object| object.keys().map(String::as_str).collect()).unwrap_or_default()
}

#[test]
fn every_route_is_described_and_every_description_is_a_route() {
    let document = document();
    let mut described = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            described.insert((method.to_uppercase(), path.as_str()), operation);
        }
    }
    let routes: BTreeSet<_> = ROUTES.iter().map(|route| (route.method.to_string(), route.path)).collect();
    assert_eq!(described.keys().cloned().collect::<BTreeSet<_>>(), routes);
    for route in &ROUTES {
        let operation = described[&(route.method.to_string(), route.path)];
        let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
        let placed = |location: &str| -> Vec<_> {
            let there = parameters.iter().filter(|parameter| parameter["in"] == location);
            there.map(|parameter| parameter["name"].as_str().unwrap()).collect()
        };
        assert_eq!(placed("query"), route.query, "{}", route.path);
        assert_eq!(placed("path").len(), route.path.matches('{').count(), "{}", route.path);
        assert_eq!(operation["requestBody"].is_object(), route.body_bytes > 0, "{}", route.path);
        assert!(operation["summary"].is_string() && operation["responses"]["200"]["content"].is_object());
        assert!(resolve(&document, &operation["responses"]["default"])["content"].is_object(), "{}", route.path);
    }
}

#[test]
fn no_two_routes_answer_the_same() {
    let forms: BTreeSet<_> = ROUTES.iter().map(|route| (route.method.as_str(), route.path)).collect();
    assert_eq!(forms.len(), ROUTES.len());
}

#[test]
fn the_document_has_the_bounds_of_the_code() {
    let document = document();
    let parameter = |path: &str, name: &str| {
        let all = document["paths"][path]["get"]["parameters"].as_array().unwrap();
        all.iter().find(|parameter| parameter["name"] == name).unwrap()["schema"].clone()
    };
    assert_eq!(parameter("/v1/logs", "lines")["maximum"], LINES);
    assert_eq!(parameter("/v1/logs", "lines")["default"], USUAL_LINES);
    assert_eq!(parameter("/v1/events", "last")["maximum"], LINES);
    assert_eq!(parameter("/v1/instances", "select")["maxItems"], SELECTORS);
    assert_eq!(document["components"]["schemas"]["ApplyRequest"]["properties"]["jobs"]["maxItems"], limits::JOBS);
}

#[test]
fn every_reference_leads_to_a_schema_and_every_schema_is_referred_to() {
    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(object) => {
                found.extend(object.get("$ref").and_then(Value::as_str));
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    let there = keys(&document["components"]["schemas"]).into_iter().map(|name| format!("#/components/schemas/{name}"));
    let mut there: BTreeSet<_> = there.collect();
    there.insert("#/components/responses/ErrorBody".into());
    assert_eq!(found.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), there);
}

/// Holds a value to a schema, key by key: what is written is described, and what is described is written.
fn hold(document: &Value, schema: &Value, value: &Value, at: &str) {
    let schema = resolve(document, schema);
    for choice in ["oneOf", "anyOf"] {
        if let Some(all) = schema[choice].as_array() {
            let fitting = all.iter().map(|schema| resolve(document, schema)).find(|schema| may_be(schema, value));
            return hold(document, fitting.unwrap_or_else(|| panic!("{at}: {value} is none of {choice}")), value, at);
        }
    }
    assert!(may_be(schema, value), "{at}: {value} is not {schema}");
    match value {
        Value::Object(object) if schema["properties"].is_object() => {
            assert_eq!(keys(value), keys(&schema["properties"]), "{at}");
            object
                .iter()
                .for_each(|(key, value)| hold(document, &schema["properties"][key], value, &format!("{at}.{key}")));
        }
        Value::Object(object) => {
            let each = &schema["additionalProperties"];
            object.iter().for_each(|(key, value)| hold(document, each, value, &format!("{at}.{key}")));
        }
        Value::Array(list) => {
            assert!(!list.is_empty(), "{at}: this test is to fill it");
            let of = |location: usize| schema["prefixItems"].get(location).unwrap_or(&schema["items"]);
            list.iter()
                .enumerate()
                .for_each(|(location, value)| hold(document, of(location), value, &format!("{at}[{location}]")));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether the value itself is of the schema's type, one of its words, or the verdict that it describes.
fn may_be(schema: &Value, value: &Value) -> bool {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is_kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().any(|known| known == kind),
        Value::Null => true,
        known => known == kind,
    };
    let is_word = schema["enum"].as_array().is_none_or(|words| words.contains(value));
    let name = schema.pointer("/properties/verdict/const");
    is_kind
        && is_word
        && schema.get("const").is_none_or(|known| known == value)
        && name.is_none_or(|name| *name == value["verdict"])
}

fn hold_to<T: Serialize>(name: &str, value: &T) {
    let document = document();
    let schema = &document["components"]["schemas"][name];
    assert!(schema.is_object(), "no {name}");
    hold(&document, schema, &serde_json::to_value(value).unwrap(), name);
}

/// What was not filled is null, which would hide a field's type.
fn text() -> Option<String> {
    Some("x".into())
}

/// Every setting with something in it.
fn job_spec() -> JobSpec {
    let list = || vec!["x".to_owned()];
    let mut spec = JobSpec { profile: text(), ..JobSpec::default() };
    for setting in Setting::ALL {
        match setting.takes() {
            Takes::Name(field) | Takes::Module(field) | Takes::Group(field) => *(field.set)(&mut spec) = "x".into(),
            Takes::Text(field) | Takes::GuestName(field) | Takes::Word(field, _) => *(field.set)(&mut spec) = text(),
            Takes::TimeOr(field, _) | Takes::Stdin(field) => *(field.set)(&mut spec) = text(),
            Takes::Size(field) => *(field.set)(&mut spec) = Some("x".into()),
            Takes::Time(field) => *(field.set)(&mut spec) = Some("x".into()),
            Takes::Count(field) => *(field.set)(&mut spec) = Some(1),
            Takes::Flag(field) => *(field.set)(&mut spec) = true,
            Takes::Texts(field) | Takes::Words(field, _) | Takes::Command(field) => *(field.set)(&mut spec) = list(),
            Takes::Directories(field) | Takes::Children(field) | Takes::Objects(field) => {
                *(field.set)(&mut spec) = list()
            }
            Takes::Environment(field) => *(field.set)(&mut spec) = [("k".to_owned(), "v".to_owned())].into(),
            Takes::Retries(field) => {
                *(field.set)(&mut spec) = vec![RetrySpec { verdict: "memory".into(), factor: Some(2), max: text() }];
            }
        }
    }
    spec
}

fn ended(verdict: Verdict) -> EndedAttempt {
    EndedAttempt { attempt: "x".into(), at_ms: 1, text: "x".into(), code: 1, verdict, usage: Usage::default() }
}

fn instance() -> Instance {
    Instance {
        id: 1,
        job: "x".into(),
        group: "x".into(),
        instance: 0,
        phase: Phase::Running,
        reason: text(),
        reloading: false,
        paused: false,
        since_ms: 1,
        attempt: text(),
        pid: Some(1),
        started_ms: Some(1),
        cpu_permille: Some(1),
        cpu_ms: Some(1),
        memory_bytes: Some(1),
        peak_rss_bytes: Some(1),
        messages_received: Some(1),
        messages_sent: Some(1),
        restarts: 1,
        last: Some(ended(Verdict::Completed { code: 0 })),
        next_ms: Some(1),
        progress: text(),
        raised: vec![RaisedLimit { limit: "memory".into(), configured: "1MiB".into(), now: "2MiB".into() }],
        requests: Some(requests()),
        profile: text(),
    }
}

fn requests() -> Requests {
    Requests { p50_us: Some(1), p99_us: Some(1), ..Requests::default() }
}

fn change(change: ChangeKind) -> Change {
    Change { job: "x".into(), change, keys: vec!["x".into()] }
}

#[test]
fn requests_are_written_as_they_are_described() {
    let group = GroupSpec { name: "x".into(), strategy: text() };
    hold_to(
        "ApplyRequest",
        &ApplyRequest { source: text(), groups: vec![group], jobs: vec![job_spec()], dry_run: true, create: true },
    );
    hold_to("VerbRequest", &VerbRequest { select: vec!["x".into()], wait: true, signal: text() });
    hold_to("ScaleRequest", &ScaleRequest { job: "x".into(), instances: 1, wait: true });
    hold_to("SendRequest", &SendRequest { select: vec!["x".into()], message: "1".into(), wait_ms: 1 });
    hold_to("Shutdown", &Shutdown {});
}

#[test]
fn answers_are_written_as_they_are_described() {
    let answer = SendReply { id: 1, job: "x".into(), instance: 0, message: text(), error: text() };
    hold_to("SendReply", &answer);
    hold_to("JobSummary", &JobSummary { job: "x".into(), group: "x".into(), instances: 0 });
    let (job, attempt) = ("x".to_owned(), "x".to_owned());
    let holder = ObjectUser { job: job.clone(), instance: 0, attempt: attempt.clone() };
    hold_to(
        "SharedObject",
        &SharedObject {
            group: "x".into(),
            name: text(),
            object: 1,
            kind: "lock".into(),
            users: 1,
            holders: vec![holder],
            waiters: vec![ObjectWaiter { job, instance: 0, attempt, since_ms: 1 }],
            level: Some(1),
            bytes: Some(1),
            token: Some(1),
            memory_bytes: 1,
            created_ms: 1,
        },
    );
    let changes = vec![change(ChangeKind::Create)];
    hold_to(
        "VerbResult",
        &VerbResult {
            changes,
            instances: vec![instance()],
            problems: vec!["x".into()],
            warnings: vec!["x".into()],
            unchanged: vec![Unchanged { job: "x".into(), instance: Some(0), reason: "x".into() }],
        },
    );
    hold_to(
        "Job",
        &Job {
            spec: job_spec(),
            source: text(),
            settings: vec![("x".into(), "y".into())],
            instances: vec![instance()],
            ended: vec![ended(Verdict::Completed { code: 0 })],
            serving: Some(Serving { address: text(), requests: requests(), ..Serving::default() }),
        },
    );
    hold_to("Daemon", &Daemon { version: "1".into(), state_dir: "/".into(), socket: "/".into(), ..Daemon::default() });
    hold_to("ErrorBody", &ErrorBody { error: "x".into(), hint: text() });
    let (job, attempt, line) = (String::new(), String::new(), "x".to_owned());
    hold_to("LogLine", &LogLine { at_ms: 1, job, instance: 0, attempt, stream: LogStream::Err, text: line });
    let verdict = Some(Verdict::Completed { code: 0 });
    let (instance, id) = (Some(0), Some(1));
    let (job, attempt, message) = (text(), text(), text());
    let (kind, text) = (EventKind::Ready, "x".to_owned());
    hold_to("Event", &Event { number: 1, at_ms: 1, job, instance, id, attempt, kind, text, verdict, message });
}

/// Holds all words of an enumeration to its schema, and the schema has no other.
fn hold_words<T: Serialize>(schema: &Value, all: &[T]) {
    let words: Vec<_> = all.iter().map(|word| serde_json::to_value(word).unwrap()).collect();
    assert_eq!(schema["enum"].as_array(), Some(&words));
}

#[test]
fn every_word_is_described() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    hold_words(&schemas["ChangeKind"], ChangeKind::ALL);
    hold_words(&schemas["Phase"], Phase::ALL);
    hold_words(&schemas["EventKind"], EventKind::ALL);
    hold_words(&schemas["LogStream"], LogStream::ALL);
    hold_words(&schemas["TrapKind"], TrapKind::ALL);
    let of = |verdict: &str, field: &str| {
        let all = schemas["Verdict"]["oneOf"].as_array().unwrap();
        let one = all.iter().find(|one| one["properties"]["verdict"]["const"] == verdict).unwrap();
        one["properties"][field].clone()
    };
    hold_words(&of("cpu", "exceeded"), CpuLimit::ALL);
    hold_words(&of("memory", "wall"), MemoryWall::ALL);
    hold_words(&of("killed", "by"), Killer::ALL);
    hold_words(&of("stopped", "reason"), StopReason::ALL);
    hold_words(&of("unhealthy", "check"), HealthCheck::ALL);
    hold_words(&of("lost", "cause"), LostCause::ALL);
}

#[test]
fn every_verdict_is_described() {
    let document = document();
    let schema = &document["components"]["schemas"]["Verdict"];
    let all = sandhog_protocol::examples::one_of_each();
    for verdict in all.iter().filter(|verdict| !matches!(verdict, Verdict::Denied { syscall: None })) {
        hold_to("EndedAttempt", &ended(verdict.clone()));
    }
    let kinds: Vec<_> = VerdictKind::ALL.iter().map(|kind| kind.name()).collect();
    let described = schema["oneOf"].as_array().unwrap().iter();
    let described: Vec<_> = described.map(|one| one["properties"]["verdict"]["const"].as_str().unwrap()).collect();
    assert_eq!(described, kinds);
}
