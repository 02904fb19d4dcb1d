mod profiles;

use super::*;
use crate::job::Surroundings;
use crate::service::group::FAULTS_MAX;
use crate::setting::{Setting, Takes};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A folder with one link that leaves it, and one that does not.
fn resolve(path: &Path) -> Option<PathBuf> {
    let text = path.to_str()?;
    Some(match text.strip_prefix("/srv/site/out") {
        Some(rest) => format!("/etc{rest}").into(),
        None => text.replace("/srv/site/in", "/srv/site/data").into(),
    })
}

fn variable(name: &str) -> Option<OsString> {
    use std::os::unix::ffi::OsStringExt;
    match name {
        "HOME" => Some("/home/me".into()),
        "BYTES" => Some(OsString::from_vec(vec![0xff])),
        _ => None,
    }
}

fn parse_in(file: &str, text: &str) -> Result<Manifest, Vec<Fault>> {
    parse_with(file, text, None).map_err(|error| match error {
        Error::Faults(faults) => faults,
        Error::NoProfile { .. } => panic!("{error}"),
    })
}

fn parse_with(file: &str, text: &str, profile: Option<&str>) -> Result<Manifest, Error> {
    let surroundings = Surroundings { is_root: false, variable: &variable };
    Manifest::parse(text, &Around { file, profile, surroundings, resolve: &resolve })
}

fn parse(text: &str) -> Manifest {
    parse_in("/srv/site/sandhog.toml", text).unwrap()
}

fn faults(text: &str) -> Vec<String> {
    let faults = parse_in("/srv/site/sandhog.toml", text).unwrap_err();
    faults.into_iter().map(|Fault { line, column, text }| format!("{line}:{column}: {text}")).collect()
}

/// The only fault of a job with this line.
fn fault(line: &str) -> String {
    let all = faults(&format!("[job.web]\nmodule = \"web.wasm\"\n{line}\n"));
    assert_eq!(all.len(), 1, "{all:?}");
    all[0].clone()
}

const WHOLE: &str = r#"
name = "shop"
strategy = "one-for-all"

[group.batch]
strategy = "rest-for-one"

[defaults]
memory = "64MiB"
env = { LANG = "C", TZ = "UTC" }
backoff = { first = "1s", max = "1m" }
stop_on = ["denied"]
time-zone = "Europe/Berlin"

[job.web]
module = "web.wasm"
args = ["--port", "80"]
dir = ["data", "in/x::/x:rw", "/opt", "../other"]
env = { LANG = "de", HOME = true }
after = ["db"]
max-file = "1MiB"
backoff.max = "2m"
stop_on = []
retry_on = ["failed", { verdict = "memory", factor = 2, max = "1GiB" }]
child = ["resize=bin/resize.wasm"]
stdin = "input"
health = { command = ["check.wasm", "fast"], interval = "5s" }

[job.db]
module = "/opt/db.wasm"
memory = "1GiB"
env = ["A=1=2", "HOME"]

[job.report]
module = "report.wasm"
group = "batch"
schedule = "@daily"
"#;

#[test]
fn a_manifest_is_its_jobs_in_the_order_of_the_file() {
    let manifest = parse(WHOLE);
    assert_eq!(manifest.source, "/srv/site/sandhog.toml");
    let group = |name: &str, strategy: &str| GroupSpec { name: name.into(), strategy: Some(strategy.into()) };
    assert_eq!(manifest.groups, [group("shop", "one-for-all"), group("batch", "rest-for-one")]);
    let names: Vec<_> = manifest.jobs.iter().map(|job| (job.name.as_str(), job.group.as_str())).collect();
    assert_eq!(names, [("web", "shop"), ("db", "shop"), ("report", "batch")]);
    assert_eq!(manifest.services.len(), 3);
}

#[test]
fn paths_are_the_folders_and_become_absolute() {
    let web = &parse(WHOLE).jobs[0];
    assert_eq!(web.module, "/srv/site/web.wasm");
    assert_eq!(
        web.dir,
        ["/srv/site/data::data:ro", "/srv/site/in/x::/x:rw", "/opt::/opt:ro", "/srv/site/../other::../other:ro"]
    );
    assert_eq!(web.child, ["resize=/srv/site/bin/resize.wasm"]);
    assert_eq!(web.stdin.as_deref(), Some("/srv/site/input"));
    assert_eq!(web.health.command, ["/srv/site/check.wasm", "fast"]);
    assert_eq!(parse("[job.a]\nmodule = './x/./a.wasm'").jobs[0].module, "/srv/site/x/a.wasm");
}

#[test]
fn a_jobs_own_key_wins_tables_merge_and_lists_replace() {
    let manifest = parse(WHOLE);
    let [web, db, report] = &manifest.jobs[..] else { panic!() };
    assert_eq!((web.memory.as_deref(), db.memory.as_deref()), (Some("64MiB"), Some("1GiB")));
    let env = |job: &JobSpec| job.env.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
    assert_eq!(env(web), ["HOME=/home/me", "LANG=de", "TZ=UTC"]);
    assert_eq!(env(db), ["A=1=2", "HOME=/home/me"]);
    assert_eq!((web.backoff.first.as_deref(), web.backoff.max.as_deref()), (Some("1s"), Some("2m")));
    assert_eq!((web.stop_on.len(), db.stop_on.len()), (0, 1));
    // What is about the clock concerns those that have one.
    assert_eq!((web.time_zone.as_deref(), report.time_zone.as_deref()), (None, Some("Europe/Berlin")));
    assert!(
        manifest.is_set(0, Setting::Memory)
            && manifest.is_set(0, Setting::BackoffMax)
            && !manifest.is_set(0, Setting::Cpu)
    );
    assert!(!manifest.is_set(0, Setting::TimeZone) && manifest.is_set(2, Setting::TimeZone));
}

#[test]
fn the_group_is_called_as_the_folder_where_it_has_no_name() {
    let name = |file, text| parse_in(file, text).unwrap().groups[0].name.clone();
    let job = "[job.web]\nmodule = 'a.wasm'";
    assert_eq!(name("/srv/my shop/sandhog.toml", job), "my-shop");
    assert_eq!(name("/sandhog.toml", job), "default");
    assert_eq!(name("/srv/web/sandhog.toml", job), "web-jobs");
    assert_eq!(name("/srv/42/sandhog.toml", ""), "default");
}

#[test]
fn a_manifest_without_jobs_is_one() {
    assert!(parse("").jobs.is_empty());
    assert!(parse("\u{feff}# nothing yet\r\n").jobs.is_empty());
}

#[test]
fn an_unknown_key_is_told_its_neighbour_and_its_place() {
    assert_eq!(fault("memroy = \"1GiB\""), "3:1: there is no key memroy; did you mean memory?");
    assert_eq!(fault("  max-chldren = 3"), "3:3: there is no key max-chldren; did you mean max_children?");
    assert_eq!(fault("backoff.fisrt = '1s'"), "3:9: there is no key fisrt in backoff; did you mean first?");
    assert_eq!(fault("recycle = { cpu = '1s' }"), "3:13: there is no key cpu in recycle; there are memory");
    assert!(fault("\"\\u001b[2J\" = 1").starts_with("3:1: there is no key \\u{1b}[2J; there are group, module, args"));
    assert_eq!(faults("[jobs.a]\nmodule = 'a'\n"), ["1:2: there is no key jobs; did you mean job?"]);
    assert_eq!(
        faults("memory = '1GiB'\nnonsense = 1\n"),
        [
            "1:1: memory is a key of jobs; write it into [job.NAME], or into [defaults] for all of them",
            "2:1: there is no key nonsense; a manifest has name, strategy, group, defaults, job, profile",
        ]
    );
    assert_eq!(faults("[group.g]\nrestart = 'never'"), ["2:1: there is no key restart in a group; it has strategy"]);
    assert_eq!(
        fault("retry_on = [{ verdict = 'memory', fcator = 2 }]"),
        "3:35: there is no key fcator in retry_on; it has verdict, factor, max"
    );
}

#[test]
fn columns_count_characters() {
    assert_eq!(fault("net = \"é\"; x"), "3:10: this is no TOML: unexpected key or value, expected newline, `#`");
    assert_eq!(
        fault("env = { \"Ä\" = 1 }"),
        "3:15: env.Ä takes text, such as \"C\", or true to pass it on, and not a number"
    );
}

#[test]
fn a_number_has_a_unit_where_it_needs_one() {
    assert_eq!(
        fault("memory = 64"),
        "3:10: memory = 64: the unit is missing; write text with a number and a unit, such as \"64MiB\""
    );
    assert_eq!(
        fault("grace = 1.5"),
        "3:9: grace = 1.5: the unit is missing; write text with a number and a unit, such as \"5s\""
    );
    assert_eq!(
        fault("grace = \"30\""),
        "3:9: grace \"30\": the unit is missing; write one of ms, s, m, h, d, such as 30s"
    );
}

#[test]
fn a_value_of_another_type_is_told_which_goes_here() {
    for (line, text) in [
        ("restart = true", "3:11: restart takes text, such as \"always\", and not true or false"),
        ("instances = '4'", "3:13: instances takes a whole number, such as 1, and not text"),
        ("instances = 4.0", "3:13: instances takes a whole number, such as 1, and not a number with a fraction"),
        ("instances = -1", "3:13: instances = -1: below zero"),
        ("fuel = 99999999999999999999", "3:8: fuel = 99999999999999999999: more than can be counted"),
        ("fresh = 1", "3:9: fresh takes true or false, such as true, and not a number"),
        ("after = 'db'", "3:9: after takes a list, such as [\"db\"], and not text"),
        ("args = [80]", "3:9: args takes text, such as [\"--fast\"], and not a number"),
        ("backoff = 3", "3:11: backoff takes a table, such as { first = \"100ms\" }, and not a number"),
        ("env = 1", "3:7: env takes a table, such as { MODE = \"shop\", HOME = true }, and not a number"),
        ("schedule = 2026-01-01", "3:12: schedule takes text, such as \"30 2 * * *\", and not a date or a time of day"),
        (
            "retry_on = [{ factor = 2 }]",
            "3:13: retry_on: the verdict is missing; write verdict = \"memory\", factor = 2",
        ),
    ] {
        assert_eq!(fault(line), text);
    }
    assert_eq!(faults("[[job]]\nmodule = 'a'"), ["1:1: job takes a table, such as [job.NAME], and not a list"]);
    assert_eq!(faults("job.web = 1"), ["1:11: job.web takes a table, such as [job.web], and not a number"]);
    assert_eq!(faults("name = 1"), ["1:8: name takes text, such as \"site\", and not a number"]);
}

#[test]
fn counts_are_written_in_any_way_that_toml_has() {
    let spec = &parse("[job.a]\nmodule = 'a'\nfuel = 1_000\nmax_files = 0x40").jobs[0];
    assert_eq!((spec.fuel, spec.max_files), (Some(1000), Some(64)));
}

#[test]
fn a_key_in_both_spellings_is_one_key() {
    assert_eq!(
        fault("max-file = '1MiB'\nmax_file = '2MiB'"),
        "4:1: max-file and max_file are one key; leave one of them out"
    );
}

#[test]
fn two_jobs_of_one_name_are_told_where_both_are() {
    assert_eq!(
        faults("[job.web]\nmodule = 'a'\n\n[job.web] # again\nmodule = 'b'\n"),
        ["4:6: [job.web] is there twice, first in line 1; every table, and so every job, needs a name of its own"],
        "that its keys are there twice too is no other fault"
    );
    assert_eq!(
        faults("[job.web]\nmodule = 'a'\nmodule = 'b'\n"),
        ["3:1: the key module is there twice; leave one of them out"]
    );
}

#[test]
fn names_of_jobs_are_checked_where_they_stand() {
    for (header, start) in [
        ("[job.\"w\u{435}b\"]", "1:6: the name of the job \"w\u{435}b\" holds \"\u{435}\" (U+0435)"),
        ("[job.\"a/b\"]", "1:6: the name of the job \"a/b\" holds \"/\" (U+002F)"),
        ("[job.\"a\\nb\"]", "1:6: the name of the job \"a\\nb\" holds \"\\n\" (U+000A)"),
        ("[job.\"\\u001b[2J\"]", "1:6: the name of the job \"\\u{1b}[2J\" holds \"\\u{1b}\" (U+001B)"),
        ("[job.all]", "1:6: no job is called \"all\""),
        ("[job.7]", "1:6: the name of the job \"7\" is a number"),
    ] {
        let all = faults(&format!("{header}\nmodule = 'a'\n"));
        assert_eq!(all.len(), 1, "{all:?}");
        assert!(all[0].starts_with(start), "{}", all[0]);
    }
    assert!(faults("[group.'a b']\n")[0].starts_with("1:8: the name of the group \"a b\" holds \" \" (U+0020)"));
    assert!(faults("name = 'all'\n")[0].starts_with("1:8: no group is called \"all\""));
}

#[test]
fn a_path_that_leaves_the_folder_by_a_link_is_refused() {
    let rest = "; write that path itself if it is meant";
    for (line, start) in [
        ("dir = ['data', 'out/x::/x']", "3:16: dir \"out/x\": leaves the manifest's folder by a link, to \"/etc/x\""),
        ("stdin = 'out'", "3:9: stdin \"out\": leaves the manifest's folder by a link, to \"/etc\""),
        ("child = ['a=./out']", "3:10: child \"./out\": leaves the manifest's folder by a link, to \"/etc\""),
        (
            "health.command = ['out/c']",
            "3:19: health.command \"out/c\": leaves the manifest's folder by a link, to \"/etc/c\"",
        ),
    ] {
        assert_eq!(fault(line), format!("{start}{rest}"));
    }
    assert_eq!(
        faults("[job.a]\nmodule = 'out/a.wasm'"),
        [format!("2:10: module \"out/a.wasm\": leaves the manifest's folder by a link, to \"/etc/a.wasm\"{rest}")]
    );
    // On purpose.
    parse("[job.a]\nmodule = '/etc/a.wasm'\nstdin = '../out'");
}

#[test]
fn what_a_job_can_not_be_is_told_at_the_key() {
    assert_eq!(fault("restart = 'allways'"), "3:11: restart \"allways\": there is no such word; did you mean always?");
    assert_eq!(fault("health = { failure_threshold = 0 }"), "3:32: health.failure_threshold 0: write 1 or more");
    assert_eq!(
        fault("retry_on = ['memroy']"),
        "3:12: retry_on \"memroy\": there is no such word; did you mean memory?"
    );
    assert_eq!(
        fault("user = '0'"),
        "3:8: user 0: a guest is never root; leave user out for an identity that nobody else has"
    );
    assert_eq!(faults("[job.a]\n"), ["1:6: there is no module: the job needs module = \"FILE\""]);
    assert_eq!(fault("time_zone = 'UTC'"), "3:13: time_zone: is for jobs with a schedule, and this one has none");
    assert_eq!(
        fault("env = { PATH = true }"),
        "3:16: env.PATH: it is not set here, so there is nothing to pass on; set it, or write a value"
    );
    assert_eq!(fault("env = ['BYTES']"), "3:8: env.BYTES: its value is not UTF-8, and guests get UTF-8");
    assert_eq!(fault("env = ['A=1', 'A=2']"), "3:15: env: A is there twice; leave one of them out");
    assert_eq!(
        faults("strategy = 'one-for-al'"),
        ["1:12: strategy \"one-for-al\": there is no such word; did you mean one-for-all?"]
    );
}

#[test]
fn a_fault_of_the_defaults_is_told_once_and_where_it_stands() {
    let jobs: String = (0..50).map(|number| format!("[job.j{number}]\nmodule = 'a'\n")).collect();
    assert_eq!(
        faults(&format!("[defaults]\nmemory = '1B'\n{jobs}")),
        ["2:10: memory 1B: less than 64KiB, one page of WebAssembly memory; leave memory out for 512MiB"]
    );
    assert_eq!(
        faults("[defaults]\nschedule = '@daily'\n"),
        ["2:1: schedule is of one job, and no default; write it into [job.NAME]"]
    );
}

#[test]
fn jobs_are_checked_together() {
    assert_eq!(
        faults(
            "[job.a]\nmodule = 'a'\nafter = ['b']\n[job.b]\nmodule = 'a'\nafter = ['c']\n[job.c]\nmodule = 'a'\nafter = ['a']\n"
        ),
        ["3:9: after: the jobs wait for each other in a circle: a → b → c → a"]
    );
    assert_eq!(
        faults("[job.web]\nmodule = 'a'\nafter = ['databse']\n[job.database]\nmodule = 'a'\n"),
        ["3:9: after \"databse\": there is no such job; did you mean database?"]
    );
    let listening = |port| {
        format!("[job.a]\nmodule = 'a'\nlisten = '[::1]:{port}'\n[job.b]\nmodule = 'a'\nlisten = '[::1]:{port}'\n")
    };
    assert_eq!(
        faults(&listening(80)),
        ["6:10: listen [::1]:80: the job a has this address; each needs its own, or port 0 for any that is free \
             (line 3, column 10)"]
    );
    assert_eq!(parse(&listening(0)).services.len(), 2);
    assert_eq!(
        faults("name = 'web'\n[job.web]\nmodule = 'a'\n"),
        [
            "2:6: the job web and the group web are called the same, so that commands can't tell them apart; rename one of them"
        ]
    );
    assert_eq!(
        faults("name = 'web'\n[group.web]\nstrategy = 'one-for-all'\n"),
        ["2:8: web is the group of the whole manifest; write its strategy at the beginning, before all tables"]
    );
}

#[test]
fn all_faults_are_told_in_the_order_of_the_text_and_not_more_than_one_can_read() {
    assert_eq!(
        faults("nme = 'x'\n[job.a]\nmodule = 'a'\nmemory = 1\ncpu = 'x'\n[job.b]\n").len(),
        3,
        "a job that could not be read is not checked as well"
    );
    let jobs: String = (0..1000).map(|number| format!("[job.j{number}]\nx = 1\n")).collect();
    assert_eq!(faults(&jobs).len(), FAULTS_MAX);
    assert_eq!(faults(&"x\n".repeat(1000)).len(), FAULTS_MAX);
}

#[test]
fn ten_thousand_jobs_are_a_manifest_and_one_more_is_too_many() {
    let jobs = |count: usize| -> String {
        (0..count).map(|number| format!("[job.j{number}]\nmodule='a'\nafter=['j{}']\n", number + 1)).collect()
    };
    let mut text = jobs(9_999);
    text.push_str("[job.j9999]\nmodule='a'\n");
    assert_eq!(parse(&text).jobs.len(), JOBS_MAX);
    text.push_str("[job.j10000]\nmodule='a'\n");
    assert_eq!(faults(&text), ["30000:6: 10001 jobs are more than 10000, the most of one manifest"]);
}

#[test]
fn what_is_hostile_is_a_sentence() {
    for text in [
        format!("a{}=1", ".a".repeat(300_000)),
        format!("[a{}]", ".a".repeat(300_000)),
        format!("a={}", "[".repeat(500_000)),
        format!("a={}", "{a=".repeat(200_000)),
        "=\n".repeat(400_000),
        "[job.a]\n".repeat(100_000),
        format!("{} = 1", "x".repeat(1 << 20)),
        format!("name = '{}'", "x".repeat(1 << 20)),
        format!("[job.a]\nmodule = 'a'\nschedule = '{}'", "* ".repeat(400_000)),
        format!("[job.a]\nmodule = 'a'\nmemory = {}", "9".repeat(1 << 20)),
        format!("[job.{}]", "x".repeat(1 << 20)),
        "\0".repeat(1 << 20),
        "\u{1b}[2J".into(),
    ] {
        let faults = faults(&text);
        assert!((1..=FAULTS_MAX).contains(&faults.len()), "{}", faults.len());
        for fault in faults {
            assert!(fault.len() < 600 && !fault.contains(['\u{1b}', '\n', '\0']), "{fault}");
        }
    }
}

#[test]
fn every_field_is_a_key_of_a_manifest_and_of_its_service() {
    // Of services with everything that shows only where it is set.
    let text = "[job.a]\nmodule = 'a'\nschedule = '@daily'\nhealth.command = ['c']\n\
                [job.b]\nmodule = 'a'\nlisten = '127.0.0.1:0'\n";
    let settings = parse(text).services.into_iter().flat_map(|service| service.settings());
    let printed: BTreeSet<_> = settings.map(|(setting, _)| setting).collect();
    assert_eq!(printed, Setting::keys().collect::<BTreeSet<_>>());
    for setting in Setting::keys() {
        assert_eq!(Setting::find(setting.key()), Some(setting), "{} can't be written", setting.key());
    }
}

#[test]
fn every_field_goes_to_its_own_place() {
    // Each alone: no two of them may set the same thing.
    let mut seen = Vec::new();
    for setting in Setting::keys().filter(|setting| *setting != Setting::Module && setting.facts().with.is_none()) {
        let (key, value) = (setting.key(), other_than_usual(setting));
        let spec = Manifest::parse(
            &format!("name = 'g'\n[job.a]\nmodule = 'a'\n{key} = {value}\n"),
            &Around {
                file: "/srv/site/sandhog.toml",
                profile: None,
                surroundings: Surroundings { is_root: true, variable: &variable },
                resolve: &resolve,
            },
        );
        let spec = match spec {
            Ok(manifest) => format!("{:?}", manifest.jobs[0]),
            // There is no such job, which is what it says.
            Err(error) => format!("{error:?}"),
        };
        assert!(!seen.contains(&spec), "{key}");
        seen.push(spec);
    }
}

/// A value of the setting's kind.
fn other_than_usual(setting: Setting) -> String {
    match setting.takes() {
        Takes::Flag(_) => "true".into(),
        _ => setting.example(),
    }
}

#[test]
fn random_bytes_and_pieces_of_a_manifest_never_panic() {
    let mut seed = 7_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for end in (0..WHOLE.len()).filter(|end| WHOLE.is_char_boundary(*end)) {
        drop(parse_in("/srv/site/sandhog.toml", &WHOLE[..end]));
        drop(parse_in("/srv/site/sandhog.toml", &WHOLE[end..]));
    }
    for _ in 0..3_000 {
        let mut bytes = WHOLE.as_bytes().to_vec();
        for _ in 0..=random(6) {
            let at = random(bytes.len());
            match random(3) {
                0 => bytes[at] = b"[]{}='\".,#\n\\ x0\x1b\xff\xc3"[random(18)],
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, b"[]{}='\".,#\n\\ x0\x1b\xff\xc3"[random(18)]),
            }
        }
        drop(parse_in("/srv/site/sandhog.toml", &String::from_utf8_lossy(&bytes)));
    }
    for _ in 0..3_000 {
        let bytes: Vec<_> = (0..random(60)).map(|_| random(256) as u8).collect();
        drop(parse_in("/srv/site/sandhog.toml", &String::from_utf8_lossy(&bytes)));
    }
}
