//! `[profile.NAME]`.

use super::*;

const FILE: &str = "/srv/site/sandhog.toml";

const SHOP: &str = r#"
name = "shop"
[group.batch]
[defaults]
memory = "64MiB"
grace = "1s"
env = { LANG = "C" }
[job.web]
module = "web.wasm"
memory = "128MiB"
args = ["--fast", "--loud"]
env = { MODE = "test", LEVEL = "debug" }
dir = ["pages"]
[job.report]
module = "report.wasm"
group = "batch"

[profile.production]
strategy = "one-for-all"
[profile.production.group.batch]
strategy = "rest-for-one"
[profile.production.defaults]
memory = "256MiB"
max-file = "2MiB"
[profile.production.job.web]
args = ["--quiet"]
env = { MODE = "live", TOKEN = "x" }
dir = ["/srv/pages::/pages"]

[profile.small.defaults]
memory = "32MiB"
"#;

fn with(text: &str, profile: &str) -> Manifest {
    parse_with(FILE, text, Some(profile)).unwrap()
}

/// What is wrong with a manifest of a job, whichever profile is chosen. The first line that is given is the third.
fn profile_faults(lines: &str) -> Vec<String> {
    let text = format!("[job.web]\nmodule = \"web.wasm\"\n{lines}\n[profile.other]\n");
    let without = faults(&text);
    let told = parse_with(FILE, &text, Some("other")).unwrap_err();
    let Error::Faults(told) = told else { panic!("{told}") };
    let told: Vec<_> = told.iter().map(|fault| format!("{}:{}: {}", fault.line, fault.column, fault.text)).collect();
    assert_eq!(told, without, "with another profile");
    without
}

#[test]
fn a_profile_changes_settings_by_name_and_leaves_the_others() {
    let manifest = with(SHOP, "production");
    let [web, report] = manifest.jobs.as_slice() else { panic!("{:?}", manifest.jobs) };
    assert_eq!(web.args, ["--quiet"], "a list takes the place of another");
    assert_eq!(web.dir, ["/srv/pages::/pages:ro"]);
    let env: Vec<_> = web.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(env, ["LANG=C", "LEVEL=debug", "MODE=live", "TOKEN=x"], "a table adds to another");
    assert_eq!((web.grace.as_deref(), web.max_file.as_deref()), (Some("1s"), Some("2MiB")));
    assert_eq!(web.memory.as_deref(), Some("128MiB"), "the job's own word goes before defaults, a profile's too");
    assert_eq!(report.memory.as_deref(), Some("256MiB"));
    assert_eq!((report.group.as_str(), report.module.as_str()), ("batch", "/srv/site/report.wasm"));
    let strategies: Vec<_> = manifest.groups.iter().map(|group| group.strategy.as_deref()).collect();
    assert_eq!(strategies, [Some("one-for-all"), Some("rest-for-one")]);
    assert!(manifest.jobs.iter().all(|job| job.profile.as_deref() == Some("production")));
    assert!(manifest.is_set(1, Setting::MaxFile) && !manifest.is_set(1, Setting::MaxFiles));
}

#[test]
fn without_a_profile_nothing_of_any_holds() {
    let manifest = parse(SHOP);
    let base = parse(SHOP.split("\n[profile.").next().unwrap());
    assert_eq!((&manifest.jobs, &manifest.groups), (&base.jobs, &base.groups));
    assert_eq!((manifest.profile, manifest.profiles), (None, vec!["production".to_owned(), "small".into()]));
    let small = with(SHOP, "small");
    assert_eq!(small.jobs[1].memory.as_deref(), Some("32MiB"));
    assert_eq!((small.jobs[0].args.len(), small.groups), (2, base.groups));
}

#[test]
fn a_profile_that_is_not_there_is_told_those_that_are() {
    let sentence = |text: &str, profile: &str| parse_with(FILE, text, Some(profile)).unwrap_err().to_string();
    assert_eq!(sentence(SHOP, "prod"), "there is no profile \"prod\"; there are production, small");
    let one = "[job.web]\nmodule = 'a'\n[profile.live]\n";
    assert_eq!(sentence(one, "\u{1b}[2J"), "there is no profile \"\\u{1b}[2J\"; there is live");
    assert_eq!(sentence("[job.web]\nmodule = 'a'\n", "live"), "there is no profile \"live\"; the manifest has none");
}

#[test]
fn a_profile_has_the_faults_of_a_job_with_their_places_whether_or_not_it_is_chosen() {
    for (lines, fault) in [
        ("[profile.p.job.web]\nmemroy = '1GiB'", "4:1: there is no key memroy; did you mean memory?"),
        (
            "[profile.p.job.web]\ntimeout = 30",
            "4:11: timeout = 30: the unit is missing; write text with a number and a unit, such as \"1h\"",
        ),
        ("[profile.p.defaults]\nmodule = 'x'", "4:1: module is of one job, and no default; write it into [job.NAME]"),
        ("[profile.p.job.wep]\nmemory = '1GiB'", "3:16: there is no job wep in the manifest; did you mean web?"),
        (
            "[profile.p.job.database]",
            "3:16: there is no job database in the manifest; a profile changes what the manifest has, so write [job.database] too",
        ),
        (
            "[profile.p.group.night]",
            "3:18: there is no group night in the manifest; a profile changes what the manifest has, so write [group.night] too",
        ),
        (
            "[profile.p.group.site]",
            "3:18: site is the group of the whole manifest; write its strategy into [profile.p]",
        ),
        ("[profile.p]\nname = 'x'", "4:1: name is of the whole manifest, and the same in each profile"),
        ("[profile.p.profile.q]", "3:12: there is no profile in a profile"),
        (
            "[profile.p]\nmemory = '1GiB'",
            "4:1: memory is a key of jobs; write it into [profile.p.job.NAME], or into [profile.p.defaults] for all of them",
        ),
        ("[profile.p]\njobs = 1", "4:1: there is no key jobs in a profile; did you mean job?"),
        (
            "[profile.p]\nnonsense = 1",
            "4:1: there is no key nonsense in a profile; it has strategy, group, defaults, job",
        ),
        (
            "[profile.p]\ndefaults = 1",
            "4:12: profile.p.defaults takes a table, such as [profile.p.defaults], and not a number",
        ),
        (
            "[profile.'a b']",
            "3:10: the name of the profile \"a b\" holds \" \" (U+0020); use only ASCII letters, digits, \".\", \"_\" and \"-\"",
        ),
    ] {
        assert_eq!(profile_faults(lines), [fault], "{lines}");
    }
}

#[test]
fn a_fault_that_only_a_profile_brings_about_names_it_and_one_of_all_is_told_once() {
    let both = "stdin = 'none'\nafter = ['db']\n[job.db]\nmodule = 'db.wasm'\n\
                [profile.p.job.db]\nschedule = '@daily'\n[profile.q]\n";
    assert_eq!(
        profile_faults(both),
        [
            "4:9: after \"db\": it runs by a schedule and is not kept up, so nothing can wait for it (with the profile p)"
        ]
    );
    let all = profile_faults("memory = 5\n[profile.p.job.web]\nmemory = 6\n[profile.q]");
    assert_eq!(all.len(), 2, "{all:?}");
    assert!(all[0].starts_with("3:10: memory = 5: ") && all[1].starts_with("5:10: memory = 6: "), "{all:?}");
}

#[test]
fn what_depends_on_the_place_is_expected_of_the_profile_that_is_chosen_only() {
    let text = "[job.web]\nmodule = 'a'\nenv = { TOKEN = true }\n[profile.live.job.web]\nenv = { SECRET = true }\n\
                [profile.test.job.web]\nenv = { TOKEN = 'x' }\n\
                [profile.kept.job.web]\nuser = 'keep'\nenv = { TOKEN = 'x' }\n";
    // Only somebody who is not root keeps an identity.
    let surroundings = Surroundings { is_root: true, variable: &variable };
    let around = |profile| Around { file: FILE, profile, surroundings, resolve: &resolve };
    let told = |profile: Option<&'static str>| match Manifest::parse(text, &around(profile)) {
        Ok(manifest) => manifest.jobs[0].env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
        Err(Error::Faults(faults)) => faults.iter().map(|fault| format!("{}:{}", fault.line, fault.column)).collect(),
        Err(Error::NoProfile { .. }) => Vec::new(),
    };
    assert_eq!(told(None), ["3:17"], "it is not set here");
    assert_eq!(told(Some("test")), ["TOKEN=x"], "nobody asks for it then");
    assert_eq!(told(Some("live")), ["3:17", "5:18"]);
    assert_eq!(told(Some("kept")), ["9:8"], "and nobody but whoever chooses it hears of that");
}

#[test]
fn too_many_profiles_are_refused_before_they_are_read() {
    let text = |count: usize| -> String {
        (0..count).map(|number| format!("[profile.p{number}]\n")).collect::<String>() + "[job.web]\nmodule = 'a'\n"
    };
    assert_eq!(parse(&text(PROFILES_MAX)).profiles.len(), PROFILES_MAX);
    assert_eq!(faults(&text(PROFILES_MAX + 1)), ["17:10: 17 profiles are more than 16, the most of one manifest"]);
}
