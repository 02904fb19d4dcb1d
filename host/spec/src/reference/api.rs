//! A job as the daemon's socket takes it, for its OpenAPI document: all keys, with null for what is left out.
//! Source: OpenAPI 3.1.0, whose schemas are those of JSON Schema 2020-12.

use super::sentences::takes;
use crate::setting::{Setting, TABLES, Takes};
use serde_json::{Map, Value, json};

const ABOUT: &str = "A job as people describe it: one [job.NAME] table of sandhog.toml, or the flags of sandhog start. What is \
    left out or null has its default. Sizes and durations are as people write them (64MiB, 30s). Paths are absolute.";

/// The schema `JobSpec`. It refers to `RetrySpec`, which is beside it.
pub fn job_spec() -> Value {
    let tables = TABLES.iter().map(|name| ((*name).to_owned(), object(properties(Some(name)))));
    let profile = [("profile".to_owned(), profile())];
    let mut schema = object(properties(None).into_iter().chain(tables).chain(profile).collect());
    schema["description"] = ABOUT.into();
    schema
}

fn properties(inside: Option<&str>) -> Map<String, Value> {
    let here = Setting::ALL.iter().filter(|setting| setting.split().0 == inside);
    here.map(|setting| (setting.split().1.to_owned(), property(*setting))).collect()
}

fn object(properties: Map<String, Value>) -> Value {
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

fn property(setting: Setting) -> Value {
    let mut schema = match setting.takes() {
        Takes::Name(_) | Takes::Module(_) | Takes::Group(_) => json!({ "type": "string" }),
        Takes::Text(_) | Takes::GuestName(_) | Takes::Word(..) | Takes::Size(_) | Takes::Time(_) => text(),
        Takes::TimeOr(..) | Takes::Stdin(_) => text(),
        Takes::Count(_) => json!({ "type": ["integer", "null"], "minimum": 0 }),
        Takes::Flag(_) => json!({ "type": "boolean" }),
        Takes::Texts(_) | Takes::Words(..) | Takes::Objects(_) => {
            json!({ "type": "array", "items": { "type": "string" } })
        }
        Takes::Directories(_) | Takes::Children(_) | Takes::Command(_) => {
            json!({ "type": "array", "items": { "type": "string" } })
        }
        Takes::Environment(_) => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        Takes::Retries(_) => json!({ "type": "array", "items": { "$ref": "#/components/schemas/RetrySpec" } }),
    };
    schema["description"] = format!("{}: {}.", setting.facts().about, takes(setting)).into();
    schema
}

/// What is beside the settings.
fn profile() -> Value {
    let mut schema = text();
    schema["description"] = "The profile of its manifest with which it is described; nothing follows from it.".into();
    schema
}

fn text() -> Value {
    json!({ "type": ["string", "null"] })
}
