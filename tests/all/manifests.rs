//! `sandhog.toml`, checked before anything is started: what it comes to, and one clear sentence for what is wrong with it.

use sandhog_harness::{Folder, Outcome, Site};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;

/// Exit code of what is not even tried.
const REFUSED: i32 = 126;

fn check(site: &Site) -> Outcome {
    site.sandhog(&["check"])
}

/// Nothing was started, and nothing was made for it.
fn expect_untouched(site: &Site) {
    let ours: Vec<_> = site.0.names().into_iter().filter(|name| name == "state" || name == "runtime").collect();
    assert!(ours.is_empty(), "{ours:?}");
}

/// What `check` says of a bad manifest; `up` says the same, and neither does anything.
#[track_caller]
fn refused(folder: &Site) -> String {
    let checked = check(folder);
    for words in [&["check", "--json"][..], &["up"], &["up", "--dry-run"], &["up", "--json"]] {
        let outcome = folder.sandhog(words);
        assert_eq!((outcome.code, outcome.text()), (REFUSED, ""), "{words:?}: {outcome:#?}");
        assert_eq!(outcome.stderr, checked.stderr, "{words:?}");
    }
    assert_eq!((checked.code, checked.text()), (REFUSED, ""), "{checked:#?}");
    expect_untouched(folder);
    checked.stderr
}

/// The manifest has one fault, and this is said of it: `LINE:COLUMN: …`.
#[track_caller]
fn expect_fault(manifest: &str, fault: &str) {
    assert_eq!(refused(&Site::with_manifest(manifest)), format!("sandhog: sandhog.toml:{fault}\n"));
}

/// A job with one more line, which is the fourth.
fn job(line: &str) -> String {
    format!("name = \"site\"\n[job.web]\nmodule = \"a.wasm\"\n{line}\n")
}

#[test]
fn a_manifest_is_checked_and_every_setting_printed() {
    let folder = Site::with_manifest(job("memory = \"64MiB\"\nenv = { TOKEN = \"secret\" }"));
    let checked = check(&folder);
    assert_eq!((checked.code, checked.stderr.as_str()), (0, ""), "{checked:#?}");
    let module = format!("module = {:?}", fs::canonicalize(folder.0.join("a.wasm")).unwrap());
    for line in
        ["name = \"site\"", "[job.web]", &module, "memory = \"64MiB\"", "# env = [\"TOKEN\"]: values are not shown"]
    {
        assert!(checked.text().lines().any(|other| other == line), "{line}\n{}", checked.text());
    }
    for default in ["strategy = \"one-for-one\"", "restart = \"on-failure\"", "grace = \"5s\"", "instances = 1"] {
        let is_marked = |line: &str| line.starts_with(default) && line.ends_with("# default");
        assert!(checked.text().lines().any(is_marked), "{default}\n{}", checked.text());
    }
    assert!(!checked.text().contains("secret"), "a variable may hold one: {}", checked.text());
    expect_untouched(&folder);
}

#[test]
fn what_check_prints_is_a_manifest_that_comes_to_the_same() {
    let settings = |folder: &Site| -> Value {
        let checked = folder.sandhog(&["check", "--json"]);
        assert_eq!(checked.code, 0, "{checked:#?}");
        serde_json::from_str::<Value>(checked.text()).unwrap()["jobs"][0]["settings"].clone()
    };
    let folder = Site::with_manifest(job("memory = \"64MiB\"\nbackoff = { first = \"1s\" }\nretry_on = [\"failed\"]"));
    let first = settings(&folder);
    assert_eq!((&first["memory"], &first["backoff.first"]), (&"64MiB".into(), &"1s".into()), "{first:#}");
    folder.0.file("sandhog.toml", check(&folder).stdout);
    assert_eq!(settings(&folder), first);
}

#[test]
fn tools_get_each_setting_and_whether_it_was_written() {
    let checked = Site::with_manifest(job("instances = 3")).sandhog(&["check", "--json"]);
    let json: Value = serde_json::from_str(checked.text()).unwrap();
    let web = &json["jobs"][0];
    assert_eq!((&web["name"], &json["groups"][0]["name"]), (&"web".into(), &"site".into()), "{json:#}");
    assert_eq!((&web["settings"]["instances"], &web["settings"]["fresh"]), (&3.into(), &false.into()), "{json:#}");
    assert_eq!(web["set"], serde_json::json!(["module", "instances"]), "{json:#}");
}

#[test]
fn a_dry_run_without_a_daemon_would_create_all_and_starts_none() {
    let folder =
        Site::with_manifest("[job.one]\nmodule = \"a.wasm\"\n[job.two]\nmodule = \"a.wasm\"\nafter = [\"one\"]\n");
    let dry = folder.sandhog(&["up", "--dry-run"]);
    assert_eq!((dry.code, dry.text(), dry.stderr.as_str()), (0, "one: would be created\ntwo: would be created\n", ""));
    let dry: Value = serde_json::from_str(folder.sandhog(&["up", "--dry-run", "--json"]).text()).unwrap();
    assert_eq!(dry["changes"][1]["change"], "create", "{dry:#}");
    expect_untouched(&folder);
}

#[test]
fn no_manifest_is_a_sentence() {
    let folder = Site::with_manifest("");
    fs::remove_file(folder.0.join("sandhog.toml")).unwrap();
    assert_eq!(
        refused(&folder),
        "sandhog: there is no sandhog.toml in this folder\n  hint: go to the folder that has it, or name the file\n"
    );
    folder.sandhog(&["check", "x.toml"]).reported(REFUSED, "sandhog: there is no manifest at \"x.toml\"\n");
}

#[test]
fn a_manifest_that_is_no_utf8_is_told_the_byte() {
    let said = refused(&Site::with_manifest(b"name = \"s\"\n# \xc3\xa9 \xff\n"));
    assert_eq!(said, "sandhog: sandhog.toml:2:5: the byte 0xff is not UTF-8\n  hint: save it as UTF-8\n");
}

#[test]
fn a_manifest_of_ten_mebibytes_is_not_read() {
    let said = refused(&Site::with_manifest(vec![b'#'; 10 << 20]));
    assert_eq!(
        said,
        "sandhog: the manifest \"sandhog.toml\" has 10485760 bytes, more than the limit of 1048576\n  \
         hint: a manifest is a list of jobs; put what they work with into files of their own\n"
    );
}

#[test]
fn a_pipe_in_a_manifests_place_is_not_waited_for() {
    let folder = Site::with_manifest("");
    fs::remove_file(folder.0.join("sandhog.toml")).unwrap();
    folder.0.fifo("sandhog.toml");
    let said = refused(&folder);
    assert!(said.starts_with("sandhog: \"sandhog.toml\" is no regular file (a pipe"), "{said}");
}

#[test]
fn jobs_that_wait_for_each_other_in_a_circle_are_named() {
    let jobs = [("a", "b"), ("b", "c"), ("c", "a")];
    let text: String =
        jobs.iter().map(|(name, after)| format!("[job.{name}]\nmodule = 'a.wasm'\nafter = ['{after}']\n")).collect();
    expect_fault(&text, "3:9: after: the jobs wait for each other in a circle: a → b → c → a");
    expect_fault(&job("after = ['web']"), "4:9: after \"web\": a job can't come after itself");
}

#[test]
fn two_jobs_of_one_name_are_told_where_both_are() {
    expect_fault(
        "[job.web]\nmodule = 'a.wasm'\n\n[job.web]\nmodule = 'b.wasm'\n",
        "4:6: [job.web] is there twice, first in line 1; every table, and so every job, needs a name of its own",
    );
}

#[test]
fn an_unknown_verdict_is_told_its_neighbour() {
    expect_fault(
        &job("retry_on = ['memroy']"),
        "4:12: retry_on \"memroy\": there is no such word; did you mean memory?",
    );
    expect_fault(&job("stop_on = ['denyed']"), "4:11: stop_on \"denyed\": there is no such word; did you mean denied?");
}

#[test]
fn an_unknown_key_is_told_its_neighbour() {
    expect_fault(&job("memroy = '1GiB'"), "4:1: there is no key memroy; did you mean memory?");
    expect_fault(&job("backoff = { fisrt = '1s' }"), "4:13: there is no key fisrt in backoff; did you mean first?");
    expect_fault("[jobs.web]\nmodule = 'a.wasm'\n", "1:2: there is no key jobs; did you mean job?");
}

#[test]
fn a_number_without_its_unit_is_told_an_example() {
    expect_fault(
        &job("memory = 64"),
        "4:10: memory = 64: the unit is missing; write text with a number and a unit, such as \"64MiB\"",
    );
    expect_fault(
        &job("grace = \"30\""),
        "4:9: grace \"30\": the unit is missing; write one of ms, s, m, h, d, such as 30s",
    );
}

#[test]
fn a_path_that_leaves_its_folder_by_a_link_is_refused() {
    let outside = Folder::new();
    outside.file("a.wasm", "");
    let real = fs::canonicalize(outside.path()).unwrap();
    for (line, position, what) in [
        ("dir = ['out']", "4:8: dir \"out\"", ""),
        ("stdin = 'out/a.wasm'", "4:9: stdin \"out/a.wasm\"", "/a.wasm"),
        ("child = ['c=out/a.wasm']", "4:10: child \"out/a.wasm\"", "/a.wasm"),
        ("health.command = ['out/a.wasm']", "4:19: health.command \"out/a.wasm\"", "/a.wasm"),
    ] {
        let folder = Site::with_manifest(job(line));
        symlink(outside.path(), folder.0.join("out")).unwrap();
        let said = refused(&folder);
        let reason = format!("leaves the manifest's folder by a link, to \"{}{what}\"", real.display());
        let rest = "write that path itself if it is meant";
        assert_eq!(said, format!("sandhog: sandhog.toml:{position}: {reason}; {rest}\n"));
    }
}

#[test]
fn names_with_control_characters_slashes_and_look_alikes_are_refused_harmlessly() {
    let rule = "use only ASCII letters, digits, \".\", \"_\" and \"-\"";
    for (written, shown, bad) in [
        ("a/b", "a/b", "\"/\" (U+002F)"),
        ("a\\nb", "a\\nb", "\"\\n\" (U+000A)"),
        ("\\u001b[2J", "\\u{1b}[2J", "\"\\u{1b}\" (U+001B)"),
        // Cyrillic е, a letter that goes from right to left, and one without width.
        ("w\u{435}b", "w\u{435}b", "\"\u{435}\" (U+0435)"),
        ("w\u{202e}b", "w\\u{202e}b", "\"\\u{202e}\" (U+202E)"),
        ("w\u{200b}b", "w\\u{200b}b", "\"\\u{200b}\" (U+200B)"),
    ] {
        let fault = format!("1:6: the name of the job \"{shown}\" holds {bad}; {rule}");
        expect_fault(&format!("[job.\"{written}\"]\nmodule = 'a.wasm'\n"), &fault);
    }
    expect_fault("[job.all]\nmodule = 'a.wasm'\n", "1:6: no job is called \"all\": that means all of them");
}

/// The same rule on the command line, before any daemon is asked.
#[test]
fn a_bad_name_of_a_new_job_is_refused_before_a_daemon_is_started() {
    let folder = Site::with_manifest("");
    for (name, shown) in [("a/b", "a/b"), ("a\nb", "a\\nb"), ("\u{1b}[2J", "\\u{1b}[2J"), ("w\u{435}b", "w\u{435}b")] {
        let outcome = folder.sandhog(&["start", "a.wasm", "--name", name]);
        // Should there be one, it would outlive the test.
        folder.sandhog(&["down", "--daemon"]);
        assert_eq!((outcome.code, outcome.text()), (REFUSED, ""), "{outcome:#?}");
        assert!(outcome.stderr.contains(&format!("the name of the job \"{shown}\" holds ")), "{outcome:#?}");
        assert!(!outcome.stderr.contains('\u{1b}') && outcome.stderr.lines().count() <= 2, "{outcome:#?}");
        expect_untouched(&folder);
    }
}

#[test]
fn what_is_no_toml_is_told_its_place() {
    let said = refused(&Site::with_manifest("[job.web]\nmodule = a.wasm\n"));
    assert!(said.starts_with("sandhog: sandhog.toml:2:10: this is no TOML: "), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn modules_and_directories_that_are_not_there_are_told_their_places() {
    let folder = Site::with_manifest("[job.web]\nmodule = 'b.wasm'\ndir = ['data']\n");
    let said = refused(&folder);
    let root = fs::canonicalize(folder.0.path()).unwrap();
    assert_eq!(
        said,
        format!(
            "sandhog: sandhog.toml has 2 faults\n    sandhog.toml:2:10: module \"{0}/b.wasm\": there is no such \
             module\n    sandhog.toml:3:7: dir \"{0}/data\": there is no such directory\n",
            root.display()
        )
    );
}

/// Hostile text, and far more faults than anybody reads.
#[test]
fn whatever_it_holds_the_answer_is_short_and_harmless() {
    for text in [
        format!("a = {}", "[".repeat(500_000)),
        "[job.a]\n".repeat(100_000),
        format!("[job.{}]", "x".repeat(1 << 19)),
        "\0".repeat(1 << 20),
        "\u{1b}]0;owned\u{7}".repeat(1000),
        (0..1000).map(|number| format!("[job.j{number}]\nx\u{9b} = 1\n")).collect(),
    ] {
        let said = refused(&Site::with_manifest(text));
        assert!(said.len() < 8 << 10 && said.lines().count() <= 21, "{said}");
        assert!(!said.contains(|it: char| it.is_control() && it != '\n'), "{said:?}");
    }
}

/// The largest that is allowed, as one chain: nothing here is quadratic, or it would not be over in time.
#[test]
fn ten_thousand_jobs_in_one_chain_are_checked() {
    let mut text = String::from("[job.j0]\nmodule = 'a.wasm'\n");
    for number in 1..10_000 {
        text.push_str(&format!("[job.j{number}]\nmodule='a.wasm'\nafter=['j{}']\n", number - 1));
    }
    let folder = Site::with_manifest(text);
    let checked = folder.sandhog(&["up", "--dry-run"]);
    assert_eq!((checked.code, checked.text().lines().count()), (0, 10_000), "{}", checked.stderr);
    expect_untouched(&folder);
}
