//! The effective settings of a manifest: for people as a manifest that says everything, for tools as JSON.

use jiff::Timestamp;
use sandhog_protocol::control::GroupSpec;
use sandhog_spec::manifest::Manifest;
use sandhog_spec::service::settings::{NONE, quoted};
use sandhog_spec::service::{Service, Strategy};
use sandhog_spec::setting::Setting;
use serde_json::{Map, Value, json};
use toml::de::DeValue;

/// Where the mark of a default stands; behind a longer line it comes right after.
const MARK: usize = 40;

/// Runs of a schedule that are shown.
const RUNS: usize = 3;

/// A manifest in which every setting is written. Of variables there are the names only.
pub fn text(manifest: &Manifest, now: Timestamp) -> String {
    let mut text = String::new();
    if let Some(profile) = &manifest.profile {
        text.push_str(&format!("# with the profile {profile}\n"));
    }
    for (index, group) in manifest.groups.iter().enumerate() {
        if index == 0 {
            text.push_str(&line("name", &quoted(&group.name), false));
        } else {
            text.push_str(&format!("\n[group.{}]\n", key(&group.name)));
        }
        text.push_str(&line("strategy", &quoted(strategy(group)), group.strategy.is_none()));
    }
    for (index, service) in manifest.services.iter().enumerate() {
        text.push_str(&format!("\n[job.{}]\n", key(&service.job.name)));
        for (setting, value) in service.settings() {
            // What a list of names says in a manifest is something else: to pass them on.
            let line = if setting == Setting::Env && value != "[]" {
                format!("# env = {value}: values are not shown\n")
            } else {
                line(setting.key(), &value, !manifest.is_set(index, setting))
            };
            text.push_str(&line);
        }
        text.push_str(&runs(service, now));
    }
    text
}

/// When a job with a schedule runs next: what one wants to see of it.
fn runs(service: &Service, now: Timestamp) -> String {
    let Some(schedule) = &service.schedule else { return String::new() };
    let times = std::iter::successors(schedule.next(now), |last| schedule.next(*last)).take(RUNS);
    let times: Vec<String> = times.map(|time| time.to_string()).collect();
    format!("# runs next at {}\n", times.join(", "))
}

/// The same as one object.
pub fn json(manifest: &Manifest) -> Value {
    let group = |group: &GroupSpec| json!({ "name": group.name, "strategy": strategy(group) });
    let jobs = manifest.services.iter().enumerate().map(|(index, service)| {
        let settings = service.settings();
        let set = settings.iter().filter(|(setting, _)| manifest.is_set(index, *setting));
        let set: Vec<_> = set.map(|(setting, _)| setting.key()).collect();
        let values: Map<_, _> =
            settings.iter().map(|(setting, value)| (setting.key().to_owned(), parsed(value))).collect();
        json!({ "name": service.job.name, "set": set, "settings": values })
    });
    json!({
        "source": manifest.source,
        "profile": manifest.profile,
        "profiles": manifest.profiles,
        "groups": manifest.groups.iter().map(group).collect::<Vec<_>>(),
        "jobs": jobs.collect::<Vec<_>>(),
    })
}

/// TOML has no word for what is not set: it is said in a comment.
fn line(key: &str, value: &str, is_default: bool) -> String {
    match value {
        NONE => format!("# {key} = {NONE}\n"),
        value if is_default => format!("{:MARK$} # default\n", format!("{key} = {value}")),
        value => format!("{key} = {value}\n"),
    }
}

fn strategy(group: &GroupSpec) -> &'static str {
    // It was checked with the manifest.
    Strategy::new(group.strategy.as_deref()).unwrap_or_default().name()
}

/// Names may have dots.
fn key(name: &str) -> String {
    if name.contains('.') { quoted(name) } else { name.into() }
}

fn parsed(value: &str) -> Value {
    DeValue::parse(value).map_or(Value::Null, |value| of_toml(value.get_ref()))
}

fn of_toml(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => number.as_str().parse::<u64>().map_or(Value::Null, Value::from),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Array(values) => values.iter().map(|value| of_toml(value.get_ref())).collect(),
        DeValue::Table(table) => {
            table.iter().map(|(key, value)| (key.get_ref().to_string(), of_toml(value.get_ref()))).collect()
        }
        // No setting is one.
        DeValue::Float(_) | DeValue::Datetime(_) => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::shows;
    use sandhog_spec::job::Surroundings;
    use sandhog_spec::manifest::Around;

    const TEXT: &str = r#"
name = "shop"
[group."b.1"]
strategy = "one-for-all"
[defaults]
memory = "64MiB"
[job.web]
module = "web.wasm"
env = { TOKEN = "secret" }
retry_on = [{ verdict = "memory", factor = 2 }]
args = ["a\"\n\u001b"]
"#;

    fn parse(text: &str) -> Manifest {
        let around = Around {
            file: "/srv/sandhog.toml",
            profile: None,
            surroundings: Surroundings { is_root: false, variable: &|_| Some("x".into()) },
            resolve: &|path| Some(path.into()),
        };
        Manifest::parse(text, &around).unwrap()
    }

    #[test]
    fn every_setting_is_shown_and_defaults_are_marked() {
        let text = text(&parse(TEXT), Timestamp::UNIX_EPOCH);
        shows("check-show", &text);
        assert!(!text.contains("secret"), "a value may be a secret");
    }

    #[test]
    fn what_is_shown_is_a_manifest_with_the_same_settings() {
        let first = parse(TEXT);
        let second = parse(&text(&first, Timestamp::UNIX_EPOCH));
        let but_env = |manifest: &Manifest| {
            let settings = manifest.services[0].settings().into_iter();
            settings.filter(|(setting, _)| *setting != Setting::Env).collect::<Vec<_>>()
        };
        assert_eq!(but_env(&first), but_env(&second));
        assert_eq!(first.groups.len(), second.groups.len());
    }

    #[test]
    fn tools_get_values_of_their_own_types() {
        let json = json(&parse(TEXT));
        let job = &json["jobs"][0];
        assert_eq!(
            (&json["source"], &json["groups"][0]["strategy"]),
            (&"/srv/sandhog.toml".into(), &"one-for-one".into())
        );
        assert_eq!(job["settings"]["memory"], "64MiB");
        assert_eq!(job["settings"]["timeout"], Value::Null);
        assert_eq!((&job["settings"]["instances"], &job["settings"]["fresh"]), (&1.into(), &false.into()));
        assert_eq!(job["settings"]["retry_on"][0]["factor"], 2);
        assert_eq!(job["settings"]["args"][0], "a\"\n\u{1b}");
        assert_eq!(job["set"], json!(["module", "args", "env", "memory", "retry_on"]));
    }
}
