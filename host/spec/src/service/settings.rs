//! Every setting of a service as a manifest would say it, the usual ones included.

use super::Service;
use crate::setting::{Setting, Takes};
use crate::text::is_plain;
use sandhog_protocol::control::{JobSpec, RetrySpec};
use std::fmt::Write;

/// What stands for a setting that is not set and has no usual value.
pub const NONE: &str = "none";

impl Service {
    /// Every setting that means something here, in the order of the documentation; values as TOML has them, `none` where
    /// there is none. Of variables only the names: values may be secrets.
    pub fn settings(&self) -> Vec<(Setting, String)> {
        let is_lone = |setting: &Setting| match &setting.facts().with {
            Some(with) => !with.settings.iter().any(|other| other.takes().is_set(&self.spec)),
            None => false,
        };
        let settings = Setting::keys().filter(|setting| !is_lone(setting));
        settings.map(|setting| (setting, value(setting, &self.spec))).collect()
    }
}

fn value(setting: Setting, spec: &JobSpec) -> String {
    let quote = |text: &str| Some(quoted(text));
    let value = match setting.takes() {
        Takes::Name(field) | Takes::Module(field) | Takes::Group(field) => quote((field.get)(spec)),
        Takes::Text(field)
        | Takes::GuestName(field)
        | Takes::Word(field, _)
        | Takes::TimeOr(field, _)
        | Takes::Stdin(field) => (field.get)(spec).as_deref().and_then(quote),
        Takes::Size(field) => (field.get)(spec).as_deref().and_then(quote),
        Takes::Time(field) => (field.get)(spec).as_deref().and_then(quote),
        Takes::Count(field) => (field.get)(spec).map(|count| count.to_string()),
        Takes::Flag(field) => Some((field.get)(spec).to_string()),
        Takes::Texts(field) | Takes::Words(field, _) | Takes::Objects(field) => {
            Some(list((field.get)(spec).iter().map(|text| quoted(text))))
        }
        Takes::Directories(field) | Takes::Children(field) => {
            Some(list((field.get)(spec).iter().map(|text| quoted(text))))
        }
        // An empty one is no command.
        Takes::Command(field) => {
            let words = (field.get)(spec);
            (!words.is_empty()).then(|| list(words.iter().map(|word| quoted(word))))
        }
        Takes::Environment(field) => Some(list((field.get)(spec).keys().map(|name| quoted(name)))),
        Takes::Retries(field) => Some(list((field.get)(spec).iter().map(retry))),
    };
    value.unwrap_or_else(|| NONE.into())
}

fn list(values: impl Iterator<Item = String>) -> String {
    format!("[{}]", values.collect::<Vec<_>>().join(", "))
}

fn retry(retry: &RetrySpec) -> String {
    let verdict = quoted(&retry.verdict);
    let Some(factor) = retry.factor else { return verdict };
    let max = retry.max.as_ref().map(|max| format!(", max = {}", quoted(max)));
    format!("{{ verdict = {verdict}, factor = {factor}{} }}", max.unwrap_or_default())
}

/// A string of TOML that is harmless to a terminal.
/// Source: TOML 1.0.0, "String".
pub fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            plain if is_plain(plain) => quoted.push(plain),
            // Writing to a String does not fail.
            hidden => drop(write!(quoted, "\\U{:08x}", u32::from(hidden))),
        }
    }
    quoted.push('"');
    quoted
}
