use super::*;
use crate::setting::{Facts, Setting};
use serde_json::Value;

#[test]
fn every_setting_is_documented() {
    for setting in Setting::ALL {
        let Facts { about, more, .. } = setting.facts();
        let key = setting.key();
        assert!(about.len() > 5 && about.starts_with(char::is_uppercase), "{key}: {about}");
        assert!(!about.ends_with('.') && (more.is_empty() || more.ends_with('.')), "{key}: {about}. {more}");
        assert!(setting.takes().words().is_none_or(|words| !words.is_empty()), "{key}");
        assert!(*setting == Setting::Name || !setting.example().is_empty(), "{key} has no example");
    }
}

#[test]
fn every_key_is_in_every_document() {
    let (markdown, man, sample, schema) = (markdown(), man(), sample(), schema());
    for setting in Setting::keys() {
        let key = setting.key();
        assert!(markdown.contains(&format!("\n### `{key}`\n")), "{key}");
        assert!(man.contains(&format!("\n.B {key}\n")), "{key}");
        assert!(sample.lines().any(|line| line.starts_with(&format!("{key} = "))), "{key}");
        assert!(schema["$defs"][key]["description"].is_string(), "{key}");
    }
}

/// Keys that a table of the schema offers, its tables' with the table's name.
fn offered(schema: &Value, table: &Value) -> Vec<String> {
    let mut keys = Vec::new();
    for (key, value) in table["properties"].as_object().unwrap() {
        match value["$ref"].as_str() {
            Some(way) => {
                let definition = way.strip_prefix("#/$defs/").unwrap();
                assert!(schema["$defs"][definition].is_object(), "{way}");
                keys.push(definition.to_owned());
                assert!(definition == key || definition.ends_with(&format!(".{key}")), "{key}: {way}");
            }
            None => keys.extend(offered(schema, value)),
        }
    }
    keys
}

#[test]
fn the_schema_offers_the_keys_of_the_list_and_no_others() {
    let schema = schema();
    let sorted = |keys: Vec<String>| -> Vec<String> {
        let mut keys = keys;
        keys.sort();
        keys
    };
    let all = sorted(Setting::keys().map(|setting| setting.key().into()).collect());
    assert_eq!(sorted(offered(&schema, &schema["$defs"]["job-table"])), all);
    let shared = Setting::keys().filter(|setting| !setting.facts().is_own).map(|setting| setting.key().into());
    assert_eq!(sorted(offered(&schema, &schema["$defs"]["defaults-table"])), sorted(shared.collect()));
}

#[test]
fn a_request_of_roff_can_not_begin_in_a_text() {
    for line in man().lines().filter(|line| line.starts_with(['.', '\''])) {
        let request = line.split(' ').next().unwrap();
        assert!([".TH", ".SH", ".TP", ".B", ".BR", ".br"].contains(&request), "{line}");
    }
}
