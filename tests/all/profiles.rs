//! `[profile.NAME]`: what `up --profile` changes, who keeps it, and what `check` says of it.

use sandhog_harness::{Command, Daemon, Site, quick, told};
use sandhog_protocol::control::Phase;
use serde_json::{Value, json};

const SITE: &str = "[job.web]\nmodule = \"a.wasm\"\n\n[profile.production.job.web]\nmemory = \"256MiB\"\n\
                    env = { TOKEN = true }\n[profile.staging.defaults]\nmemory = \"96MiB\"\n";

/// Two jobs, one of which a profile changes.
fn shop() -> String {
    let jobs = ["web", "api"].map(|name| told(name, &["listen", "ready"], "ready = \"notify\""));
    let profile = "[profile.production.job.web]\nmemory = \"300MiB\"\nenv = { MODE = \"live\" }\n\
                   [profile.test.job.web]\nmemory = \"200MiB\"\n";
    quick("name = \"shop\"", &[jobs.concat(), profile.into()])
}

/// What the daemon says of a job: its profile, its memory, and the attempt that runs.
fn seen(daemon: &Daemon, job: &str) -> (Value, Value, Option<String>) {
    let shown = daemon.json(&["show", job]);
    let instance = daemon.instance(job);
    assert_eq!(shown["spec"]["profile"], json!(instance.profile), "{shown:#}");
    (shown["spec"]["profile"].clone(), shown["spec"]["memory"].clone(), instance.attempt)
}

#[test]
fn a_profile_changes_its_jobs_is_shown_and_stays_until_the_next_up() {
    let mut daemon = Daemon::start();
    daemon.up_well(&shop());
    let (profile, memory, api) = (seen(&daemon, "web").0, seen(&daemon, "web").1, seen(&daemon, "api").2);
    assert_eq!((profile, memory), (Value::Null, Value::Null));
    let has = |line: &str| line.split_whitespace().next() == Some("profile");
    assert!(!daemon.well(&["show", "web"]).text().lines().any(has));

    let up = daemon.well(&["up", "--profile", "production"]);
    for line in ["web: changed: env, memory, profile", "api: changed: profile", "ready: 2 instances"] {
        assert!(up.text().lines().any(|other| other == line), "{line}: {up:#?}");
    }
    let live = (json!("production"), json!("300MiB"));
    let (profile, memory, _) = seen(&daemon, "web");
    assert_eq!((profile, memory), live);
    assert_eq!(seen(&daemon, "api").2, api, "nothing of it has changed: it runs on");
    assert!(
        daemon.well(&["show", "web"]).text().lines().any(|line| line.split_whitespace().eq(["profile", "production"]))
    );
    assert_eq!(daemon.json(&["ps", "web"])[0]["profile"], "production");

    // Whoever starts it again starts the same.
    for words in [["restart", "web"], ["reload", "web"]] {
        daemon.well(&words);
        let (profile, memory, _) = seen(&daemon, "web");
        assert_eq!((profile, memory), live, "{words:?}");
    }
    daemon.stop();
    daemon.start_again();
    daemon.until_phase("web", Phase::Running);
    let (profile, memory, _) = seen(&daemon, "web");
    assert_eq!((profile, memory), live, "after the daemon's end");

    // What the next one is given counts, and a profile that goes is no secret.
    let other = daemon.well(&["up", "--profile", "test"]);
    assert_eq!(other.stderr, "", "a profile was asked for");
    assert_eq!(seen(&daemon, "web").1, "200MiB");
    let sentence = "sandhog: warning: up without a profile: until now api, web had the profile test; --profile test brings \
                    it back\n";
    for words in [&["up", "--dry-run"][..], &["up"]] {
        assert_eq!(daemon.well(words).stderr, sentence.replace("api, web", "web, api"), "{words:?}");
    }
    let (profile, memory, _) = seen(&daemon, "web");
    assert_eq!((profile, memory), (Value::Null, Value::Null));
    assert_eq!(daemon.well(&["up"]).stderr, "", "it is said once");
}

#[test]
fn a_dry_run_says_what_a_profile_would_change() {
    let daemon = Daemon::start();
    daemon.up_well(&shop());
    let dry = daemon.json(&["up", "--dry-run", "--profile", "production"]);
    let change = |job: &str, keys: &[&str]| json!({ "job": job, "change": "change", "keys": keys });
    assert_eq!(
        dry["changes"],
        json!([change("web", &["env", "memory", "profile"]), change("api", &["profile"])]),
        "{dry:#}"
    );
    assert_eq!(seen(&daemon, "web").0, Value::Null);
}

#[test]
fn check_shows_what_comes_of_a_profile() {
    let folder = Site::with_manifest(SITE);
    let memory = |run: Command| -> (Value, Value) {
        let checked = run.run();
        assert_eq!(checked.code, 0, "{checked:#?}");
        let json: Value = serde_json::from_str(checked.text()).unwrap();
        assert_eq!(json["profiles"], json!(["production", "staging"]), "{json:#}");
        (json["profile"].clone(), json["jobs"][0]["settings"]["memory"].clone())
    };
    let check = ["check", "--json"];
    assert_eq!(memory(folder.command(&check)), (Value::Null, json!("512MiB")));
    let production = folder.command(&["check", "--json", "--profile", "production"]).env("TOKEN", "x");
    assert_eq!(memory(production), (json!("production"), json!("256MiB")));
    // The environment has the default, and the flag goes before it.
    assert_eq!(memory(folder.command(&check).env("SANDHOG_PROFILE", "staging")), (json!("staging"), json!("96MiB")));
    assert_eq!(memory(folder.command(&check).env("SANDHOG_PROFILE", "")).0, Value::Null);
    let none = folder.command(&["check", "--json", "--profile", ""]).env("SANDHOG_PROFILE", "staging");
    assert_eq!(memory(none).0, Value::Null);
    let text = folder.sandhog(&["check", "--profile", "staging"]);
    assert!(text.text().starts_with("# with the profile staging\n"), "{text:#?}");
}

#[test]
fn a_profile_that_is_not_there_is_told_those_that_are_and_where_its_name_is_from() {
    let folder = Site::with_manifest(SITE);
    let sentence = "sandhog: sandhog.toml: there is no profile \"prod\"; there are production, staging\n";
    for words in [&["check"][..], &["up"], &["up", "--dry-run"], &["up", "--watch"]] {
        folder.sandhog(&[words, &["--profile", "prod"]].concat()).reported(126, sentence);
    }
    let hint =
        "  hint: the name is from SANDHOG_PROFILE; unset it, or write --profile NAME, or --profile '' for none\n";
    let outcome = folder.command(&["up"]).env("SANDHOG_PROFILE", "prod").run();
    outcome.reported(126, &format!("{sentence}{hint}"));
    assert!(!folder.0.join("state").exists(), "no daemon was started");
}

#[test]
fn each_profile_is_checked_whichever_is_chosen_but_what_it_needs_where_it_is() {
    let broken = SITE.replace("96MiB", "96");
    let folder = Site::with_manifest(&broken);
    let said = folder.sandhog(&["check"]).stderr;
    assert!(said.starts_with("sandhog: sandhog.toml:8:10: memory \"96\": the unit is missing"), "{said}");
    for words in [&["check", "--profile", "production"][..], &["up"], &["up", "--dry-run", "--profile", "staging"]] {
        let outcome = folder.command(words).env("TOKEN", "x").run();
        assert_eq!((outcome.code, outcome.stderr.as_str()), (126, said.as_str()), "{words:?}");
    }
    // A variable, a file and an identity of another machine.
    let elsewhere = format!("{SITE}[profile.live.job.web]\nmodule = \"built-there.wasm\"\n");
    let folder = Site::with_manifest(&elsewhere);
    assert_eq!(folder.sandhog(&["check"]).code, 0);
    let production = folder.sandhog(&["check", "--profile", "production"]);
    production.reported(
        126,
        "sandhog: sandhog.toml:6:17: env.TOKEN: it is not set here, so there is nothing to pass on; set it, or write a value\n",
    );
    let live = folder.sandhog(&["check", "--profile", "live"]);
    assert!(live.code == 126 && live.stderr.contains("sandhog.toml:10:10: module "), "{live:#?}");
}
