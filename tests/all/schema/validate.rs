//! A value held to a schema: the part of JSON Schema that ours uses. A word that is not known here is a fault.

use super::pattern::is_match;
use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

/// A text in TOML as JSON.
pub(crate) fn json_of(text: &str) -> Value {
    table(DeTable::parse(text).unwrap().get_ref())
}

fn table(table: &DeTable<'_>) -> Value {
    table.iter().map(|(key, value)| (key.get_ref().to_string(), of_toml(value.get_ref()))).collect()
}

fn of_toml(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(number) => number.as_str().parse::<i64>().unwrap().into(),
        DeValue::Float(number) => number.as_str().parse::<f64>().unwrap().into(),
        DeValue::Boolean(flag) => (*flag).into(),
        DeValue::Array(values) => values.iter().map(|value| of_toml(value.get_ref())).collect(),
        DeValue::Table(inner) => table(inner),
        DeValue::Datetime(time) => panic!("{time}"),
    }
}

/// What is wrong with a value, each with its place; none: it is as the schema says.
pub(super) fn faults(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    Validator { root: schema }.hold(schema, value, "", &mut found);
    found
}

struct Validator<'a> {
    root: &'a Value,
}

impl Validator<'_> {
    fn is_right(&self, schema: &Value, value: &Value) -> bool {
        let mut found = Vec::new();
        self.hold(schema, value, "", &mut found);
        found.is_empty()
    }

    fn hold(&self, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
        for (word, rule) in schema.as_object().unwrap() {
            let is_kept = match word.as_str() {
                "$ref" => {
                    let way = rule.as_str().unwrap().strip_prefix('#').unwrap();
                    self.hold(self.root.pointer(way).unwrap_or_else(|| panic!("no {way}")), value, at, found);
                    true
                }
                "anyOf" => rule.as_array().unwrap().iter().any(|schema| self.is_right(schema, value)),
                "properties" | "patternProperties" | "propertyNames" | "additionalProperties" | "required" => {
                    value.as_object().is_none_or(|object| self.hold_object(schema, (word, rule), object, at, found))
                }
                "items" => {
                    let items = value.as_array().into_iter().flatten().enumerate();
                    items.for_each(|(number, item)| self.hold(rule, item, &format!("{at}[{number}]"), found));
                    true
                }
                _ => is_kept_alone(word, rule, value),
            };
            if !is_kept {
                found.push(format!("{at}: {value} is against {word} {rule}"));
            }
        }
    }

    /// One rule about the keys of an object.
    fn hold_object(
        &self,
        schema: &Value,
        (word, rule): (&str, &Value),
        object: &Map<String, Value>,
        at: &str,
        found: &mut Vec<String>,
    ) -> bool {
        let known = |key: &str| schema["properties"].get(key).is_some();
        let patterns = |key: &str| -> Vec<&Value> {
            let all = schema["patternProperties"].as_object().into_iter().flatten();
            all.filter(|(pattern, _)| is_match(pattern, key)).map(|(_, schema)| schema).collect()
        };
        for (key, value) in object {
            let at = format!("{at}.{key}");
            match word {
                "properties" if known(key) => self.hold(&rule[key], value, &at, found),
                "patternProperties" => patterns(key).iter().for_each(|schema| self.hold(schema, value, &at, found)),
                "propertyNames" => self.hold(rule, &key.as_str().into(), &at, found),
                "additionalProperties" if !known(key) && patterns(key).is_empty() => match rule {
                    Value::Bool(false) => found.push(format!("{at}: there is no such key")),
                    schema => self.hold(schema, value, &at, found),
                },
                _ => {}
            }
        }
        word != "required" || rule.as_array().unwrap().iter().all(|key| object.contains_key(key.as_str().unwrap()))
    }
}

fn is_kept_alone(word: &str, rule: &Value, value: &Value) -> bool {
    match word {
        "type" => match rule.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            other => panic!("the type {other}"),
        },
        "enum" => rule.as_array().unwrap().contains(value),
        "const" => rule == value,
        "pattern" => value.as_str().is_none_or(|text| is_match(rule.as_str().unwrap(), text)),
        "minLength" => value.as_str().is_none_or(|text| text.len() as u64 >= rule.as_u64().unwrap()),
        "maxLength" => value.as_str().is_none_or(|text| text.len() as u64 <= rule.as_u64().unwrap()),
        "minimum" => value.as_i64().is_none_or(|number| number >= rule.as_i64().unwrap()),
        "maximum" => value.as_i64().is_none_or(|number| number <= rule.as_i64().unwrap()),
        "$schema" | "$defs" | "title" | "description" | "default" => true,
        other => panic!("the word {other}"),
    }
}
