//! The JSON schema of a manifest, with which editors check and complete it.
//! Source: JSON Schema 2020-12.

use super::sentences::{ABOUT, bounds, takes, told};
use crate::service::name;
use crate::service::retry::{FACTOR_MAX, TIMES_MIN};
use crate::setting::words::{STRATEGIES, Strategy, names};
use crate::setting::{Setting, TABLES, Takes, Top, Usual};
use crate::units::{Size, Time};
use serde_json::{Map, Value, json};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

pub fn schema() -> Value {
    let mut definitions: Map<String, Value> =
        Setting::keys().map(|setting| (setting.key().to_owned(), definition(setting))).collect();
    definitions.insert("defaults-table".into(), table(None, &|setting| !setting.facts().is_own));
    let mut job = table(None, &|_| true);
    job["required"] =
        Setting::keys().filter(|setting| setting.facts().usual == Usual::Needed).map(Setting::key).collect();
    definitions.insert("job-table".into(), job);
    definitions.insert("profile-job-table".into(), table(None, &|_| true));
    definitions.insert("profile-table".into(), profile());
    definitions.insert("group-table".into(), closed(json!({ "strategy": strategy() })));
    let properties = Top::ALL.into_iter().map(|top| (top.key().to_owned(), of_manifest(top))).collect();
    let mut schema = closed(Value::Object(properties));
    schema["$schema"] = DIALECT.into();
    schema["title"] = "sandhog.toml".into();
    schema["description"] = ABOUT.into();
    schema["$defs"] = Value::Object(definitions);
    schema
}

fn of_manifest(top: Top) -> Value {
    let mut schema = match top {
        Top::Name => json!({ "type": "string", "pattern": name::PATTERN, "maxLength": name::LONGEST }),
        Top::Strategy => strategy(),
        Top::Group => by_name("group-table"),
        Top::Defaults => refer("defaults-table"),
        Top::Job => by_name("job-table"),
        Top::Profile => by_name("profile-table"),
    };
    schema["description"] = format!("{}.", top.about()).into();
    schema
}

/// Settings of a profile take the place of others, so that none has to be there.
fn profile() -> Value {
    closed(json!({
        "strategy": strategy(),
        "group": by_name("group-table"),
        "defaults": refer("defaults-table"),
        "job": by_name("profile-job-table"),
    }))
}

fn strategy() -> Value {
    json!({ "type": "string", "enum": names(&STRATEGIES), "default": Strategy::default().name() })
}

/// Tables that people name.
fn by_name(of: &str) -> Value {
    let names = json!({ "pattern": name::PATTERN, "maxLength": name::LONGEST });
    json!({ "type": "object", "propertyNames": names, "additionalProperties": refer(of) })
}

fn refer(to: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{to}") })
}

fn closed(properties: Value) -> Value {
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// The keys of a job, or of one of its tables. Those with dashes are not offered, but are right.
fn table(inside: Option<&str>, is_here: &dyn Fn(Setting) -> bool) -> Value {
    let (mut properties, mut dashed) = (Map::new(), Map::new());
    for setting in Setting::keys().filter(|setting| is_here(*setting) && setting.split().0 == inside) {
        let key = setting.split().1;
        properties.insert(key.into(), refer(setting.key()));
        if key.contains('_') {
            // Both characters, so that any mixture of them fits.
            dashed.insert(format!("^{}$", key.replace('_', "[_-]")), refer(setting.key()));
        }
    }
    if inside.is_none() {
        properties.extend(TABLES.iter().map(|name| ((*name).to_owned(), table(Some(name), is_here))));
    }
    let mut schema = closed(Value::Object(properties));
    if !dashed.is_empty() {
        schema["patternProperties"] = Value::Object(dashed);
    }
    schema
}

fn definition(setting: Setting) -> Value {
    let mut schema = kind(setting);
    let mut text = format!("{} Takes {}", told(setting), takes(setting));
    if let Some(bounds) = bounds(setting) {
        text += &format!(": {bounds}");
    }
    schema["description"] = format!("{text}.").into();
    match setting.facts().usual {
        Usual::Size(size) => schema["default"] = size.to_string().into(),
        Usual::Time(time) => schema["default"] = time.to_string().into(),
        Usual::Count(count) => schema["default"] = count.into(),
        Usual::Word(word) => schema["default"] = word.into(),
        Usual::No => schema["default"] = false.into(),
        Usual::Nothing | Usual::Depends(_) | Usual::Needed => {}
    }
    schema
}

fn kind(setting: Setting) -> Value {
    let texts = || json!({ "type": "array", "items": { "type": "string" } });
    match setting.takes() {
        Takes::Name(_) | Takes::Group(_) => {
            json!({ "type": "string", "pattern": name::PATTERN, "maxLength": name::LONGEST })
        }
        Takes::Module(_) | Takes::Stdin(_) => json!({ "type": "string", "minLength": 1 }),
        Takes::Text(_) | Takes::GuestName(_) => json!({ "type": "string" }),
        Takes::Word(_, words) => json!({ "type": "string", "enum": words() }),
        Takes::Size(_) => json!({ "type": "string", "pattern": whole(&Size::pattern()) }),
        Takes::Time(_) => json!({ "type": "string", "pattern": whole(&Time::pattern()) }),
        Takes::TimeOr(_, word) => {
            json!({ "type": "string", "pattern": whole(&format!("{word}|{}", Time::pattern())) })
        }
        Takes::Count(_) => count(setting),
        Takes::Flag(_) => json!({ "type": "boolean" }),
        Takes::Texts(_) | Takes::Directories(_) | Takes::Command(_) => texts(),
        Takes::Words(_, words) => json!({ "type": "array", "items": { "type": "string", "enum": words() } }),
        Takes::Children(_) => json!({ "type": "array", "items": { "type": "string", "pattern": "^[^=]+=.+$" } }),
        Takes::Objects(_) => json!({ "type": "array", "items": { "type": "string", "pattern": "^[^:]+:.+$" } }),
        Takes::Environment(_) => environment(),
        Takes::Retries(_) => retries(&setting.takes().words().unwrap_or_default()),
    }
}

fn count(setting: Setting) -> Value {
    let bounds = setting.facts().bounds;
    let mut schema = json!({ "type": "integer", "minimum": bounds.floor() });
    if let Some((max, _)) = bounds.max {
        schema["maximum"] = max.into();
    }
    schema
}

fn environment() -> Value {
    let value = json!({ "anyOf": [{ "type": "string" }, { "const": true }] });
    json!({
        "anyOf": [
            { "type": "object", "additionalProperties": value },
            { "type": "array", "items": { "type": "string" } },
        ]
    })
}

fn retries(verdicts: &[&str]) -> Value {
    let verdict = json!({ "type": "string", "enum": verdicts });
    let max = json!({ "type": "string", "pattern": whole(&format!("{}|{}", Size::pattern(), Time::pattern())) });
    let mut table = closed(json!({
        "verdict": verdict,
        "factor": { "type": "integer", "minimum": TIMES_MIN, "maximum": FACTOR_MAX },
        "max": max,
    }));
    table["required"] = json!(["verdict"]);
    json!({ "type": "array", "items": { "anyOf": [verdict, table] } })
}

fn whole(pattern: &str) -> String {
    format!("^({pattern})$")
}
