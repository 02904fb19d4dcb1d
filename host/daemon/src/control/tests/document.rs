//! Facts about the description: it is made of the routes and of their types, and it is what there is.

#[cfg(test)]
mod examples;

use super::Fake;
use super::description::Description;
use crate::control::document::DOCUMENT;
use crate::control::handlers::routes;
use crate::control::routes::About;
use sandhog_protocol::control::*;
use sandhog_protocol::limits;
use sandhog_protocol::verdict::{
    CpuLimit, HealthCheck, Killer, LostCause, MemoryWall, StopReason, Usage, Verdict, VerdictKind,
};
use sandhog_protocol::worker::TrapKind;
use sandhog_spec::reference;
use sandhog_spec::setting::{Setting, Takes};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const ABOUT: &str = "HTTP/1.1 over the Unix socket `control.sock` in the runtime directory, for the user whose daemon it is, and \
    for root. Bodies are JSON. Parameters and keys that are not known are refused. A GET route answers HEAD as well. Answers of \
    `application/x-ndjson` are a line of JSON for each thing; their schema is that of one line.";

/// Why a request comes to nothing, by the status.
const PROBLEMS: &[(u16, &str)] = &[
    (400, "The request makes no sense."),
    (403, "The daemon belongs to another user."),
    (404, "Nothing is called so."),
    (408, "The body came too slowly."),
    (409, "It can't be done now."),
    (413, "The body is too long, or there is one where none is taken."),
    (503, "The daemon is ending, or has no room."),
];

/// The document, as the routes and their types say it.
fn document() -> Value {
    let described: Vec<Description> = routes::<Fake>().described;
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    let mut schemas = BTreeMap::new();
    for route in &described {
        let method = route.method.as_str().to_lowercase();
        let other = paths.entry(route.path).or_default().insert(method, route.operation());
        assert!(other.is_none(), "{} is there twice", route.path);
        schemas.extend(route.schemas.clone());
    }
    let mut problem = Description::of::<crate::control::input::Query<()>, crate::control::answer::One<ErrorBody>>(
        &axum::http::Method::GET,
        "",
        described[0].about,
    );
    schemas.append(&mut problem.schemas);
    schemas.insert("JobSpec".into(), reference::job_spec());
    schemas.values_mut().for_each(polish);
    for (name, example) in examples::all() {
        schemas.get_mut(name).unwrap_or_else(|| panic!("no {name}"))["examples"] = json!([example]);
    }
    let content = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/ErrorBody" } } });
    let response =
        |(status, about): &(u16, &str)| (status.to_string(), json!({ "description": about, "content": content }));
    let responses: BTreeMap<_, _> = PROBLEMS.iter().map(response).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Sandhog",
            "version": "1",
            "summary": "What a daemon of Sandhog answers on its control socket.",
            "description": ABOUT,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "http://sandhog" }],
        "paths": paths,
        "components": { "responses": responses, "schemas": schemas },
    })
}

/// JSON for people: whatever has room in a line is one.
fn printed(value: &Value, depth: usize) -> String {
    const WIDTH: usize = 130;
    let short = value.to_string();
    let (open, close, items) = match value {
        _ if 2 * depth + short.len() <= WIDTH => return short,
        Value::Object(object) => {
            let item = |(key, value): (&String, &Value)| format!("{}: {}", json!(key), printed(value, depth + 1));
            ('{', '}', object.iter().map(item).collect::<Vec<_>>())
        }
        Value::Array(list) => ('[', ']', list.iter().map(|value| printed(value, depth + 1)).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return short,
    };
    let indent = "  ".repeat(depth);
    format!("{open}\n  {indent}{}\n{indent}{close}", items.join(&format!(",\n  {indent}")))
}

/// Where a reference may be null, the description is that of both, and not of the reference.
fn hoist(schema: &mut Value) -> Option<()> {
    let all = schema.get_mut("oneOf")?.as_array_mut()?;
    let reference = all.iter_mut().find(|one| one.get("$ref").is_some())?.as_object_mut()?;
    schema["description"] = reference.remove("description")?;
    Some(())
}

/// Makes a derived schema say all that is known of it.
fn polish(schema: &mut Value) {
    hoist(schema);
    if let Some(text) = schema.get("description").and_then(Value::as_str) {
        schema["description"] = plain(text).into();
    }
    if let Some(all) = schema.get_mut("oneOf").and_then(Value::as_array_mut) {
        // A daemon does not write a verdict that it does not know.
        all.retain(|one| one.pointer("/properties/verdict/enum") != Some(&json!(["unknown"])));
        for one in all.iter_mut() {
            if let Some(name) = one.pointer("/properties/verdict/enum/0").and_then(Value::as_str) {
                one["title"] = (name[..1].to_uppercase() + &name[1..]).into();
            }
        }
    }
    if schema.get("minimum").is_some_and(|minimum| minimum == 0) {
        // The formats that there are have a sign: a client would take the largest numbers for too large.
        schema.as_object_mut().unwrap().remove("format");
    }
    if let Some(parts) = schema.get("prefixItems").and_then(Value::as_array).map(Vec::len) {
        // The same without a schema that is `false`, which generators of clients do not read.
        let list = schema.as_object_mut().unwrap();
        list.remove("items");
        list.extend([("minItems".to_owned(), parts.into()), ("maxItems".to_owned(), parts.into())]);
    }
    let is_sent = schema.get("additionalProperties").is_some_and(|other| other == false);
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut).filter(|_| !is_sent) {
        // Whatever a daemon writes, it writes with all keys. What it is sent may leave some out.
        properties.values_mut().for_each(|property| drop(property.as_object_mut().unwrap().remove("default")));
        schema["required"] = properties.keys().cloned().collect::<Vec<_>>().into();
    }
    match schema {
        Value::Object(object) => object.values_mut().for_each(polish),
        Value::Array(list) => list.iter_mut().for_each(polish),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A comment of the code without its links, in one line but for lists.
fn plain(comment: &str) -> String {
    let text = comment.replace("[`", "`").replace("`]", "`").replace("limits::JOBS", "20000");
    let mut plain = String::new();
    for line in text.lines().map(str::trim) {
        let between = if plain.is_empty() {
            ""
        } else if line.is_empty() || line.starts_with("- ") {
            "\n"
        } else {
            " "
        };
        plain = plain + between + line;
    }
    plain
}

#[test]
fn the_document_is_what_the_routes_and_their_types_say() {
    let document = printed(&document(), 0) + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    if std::env::var_os("SANDHOG_BLESS").is_some() {
        return std::fs::write(path, document).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap();
    if let Some((number, (old, new))) =
        kept.lines().zip(document.lines()).enumerate().find(|(_, (old, new))| old != new)
    {
        panic!("docs/openapi.json, line {}: {old:?} is to be {new:?}: ./just openapi renews it", number + 1);
    }
    assert_eq!(kept.len(), document.len(), "docs/openapi.json: ./just openapi renews it");
    assert!(DOCUMENT == kept, "the daemon answers with another one");
}

#[test]
fn every_route_says_what_it_does() {
    let mut ids = BTreeSet::new();
    for route in routes::<Fake>().described {
        let About { id, summary, answer } = route.about;
        assert!(ids.insert(id), "{id} is there twice");
        assert!(summary.ends_with('.') && answer.ends_with('.'), "{id}");
        assert_eq!(route.body.is_some(), route.method == axum::http::Method::POST, "{id}");
        assert!(route.content.is_object(), "{id}");
        assert!(route.problems.iter().all(|status| PROBLEMS.iter().any(|(known, _)| known == status)), "{id}");
    }
}

/// Every key has a sentence. The words of a setting come out of the list of settings.
#[test]
fn every_key_is_described() {
    let document = document();
    let mut silent = Vec::new();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let about = |schema: &Value| schema.get("description").is_some_and(|text| text != "");
        if !about(schema) {
            silent.push(name.clone());
        }
        let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        // What is in a table of settings is described key by key.
        let properties = properties.filter(|(_, schema)| schema.get("properties").is_none());
        let silently =
            properties.filter(|(_, schema)| !about(schema) && !resolve(&document, schema)["description"].is_string());
        silent.extend(silently.map(|(key, _)| format!("{name}.{key}")));
    }
    assert!(silent.is_empty(), "without a comment: {silent:?}");
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
fn the_document_has_the_bounds_of_the_code() {
    let document = document();
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
    let there = ["schemas", "responses"].into_iter().flat_map(|kind| {
        let names = keys(&document["components"][kind]);
        names.into_iter().map(move |name| format!("#/components/{kind}/{name}"))
    });
    assert_eq!(found.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), there.collect());
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
    let name = schema.pointer("/properties/verdict/enum/0");
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

pub(super) fn instance() -> Instance {
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

pub(super) fn whole_job() -> Job {
    Job {
        spec: job_spec(),
        source: text(),
        settings: vec![("x".into(), "y".into())],
        instances: vec![instance()],
        ended: vec![ended(Verdict::Completed { code: 0 })],
        serving: Some(Serving { address: text(), requests: requests(), ..Serving::default() }),
    }
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
    hold_to("Job", &whole_job());
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
    hold_words(&schemas["CpuLimit"], CpuLimit::ALL);
    hold_words(&schemas["MemoryWall"], MemoryWall::ALL);
    hold_words(&schemas["Killer"], Killer::ALL);
    hold_words(&schemas["StopReason"], StopReason::ALL);
    hold_words(&schemas["HealthCheck"], HealthCheck::ALL);
    hold_words(&schemas["LostCause"], LostCause::ALL);
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
    let described: Vec<_> = described.map(|one| one["properties"]["verdict"]["enum"][0].as_str().unwrap()).collect();
    assert_eq!(described, kinds);
}
