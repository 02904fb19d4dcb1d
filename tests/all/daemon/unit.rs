//! `sandhog startup`: a unit that systemd takes, and that is as closed as it may be.

use sandhog_harness::{Command, Folder, Need, missing};
use serde_json::Value;
use std::process::Output;

/// What the unit's exposure has to be below, by `systemd-analyze security`.
const EXPOSURE: f64 = 2.0;

/// Each unit that there is: by an account of its own, as root, and of a person.
const ALL: [&[&str]; 3] = [&[], &["--root"], &["--user"]];

/// `startup` with these flags.
fn unit(flags: &[&str]) -> String {
    let outcome = Command::sandhog([&["startup"], flags].concat()).run();
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{outcome:#?}");
    outcome.text().to_owned()
}

/// The unit in a file, looked at by `systemd-analyze`; `None` where that is not there.
fn analyzed(flags: &[&str], words: &[&str]) -> Option<Output> {
    let scratch = Folder::new();
    let path = scratch.file("sandhog.service", unit(flags));
    let output = std::process::Command::new("systemd-analyze").args(words).arg(path).env("SYSTEMD_PAGER", "").output();
    if output.is_err() {
        missing(Need::Program, "there is no systemd-analyze");
    }
    output.ok()
}

#[test]
fn the_unit_starts_the_daemon_that_printed_it() {
    for flags in ALL {
        let text = unit(flags);
        let start = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap_or_else(|| panic!("{text}"));
        assert!(start.ends_with("sandhog daemon") || start.ends_with("sandhog\" daemon"), "{start}");
        for line in ["Type=notify", "KillMode=mixed", "[Install]"] {
            assert!(text.lines().any(|other| other == line), "{line} is missing: {text}");
        }
    }
    let json = Command::sandhog(["startup", "--json"]).run();
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert!(json.as_object().unwrap().values().any(|value| value.as_str().is_some_and(|it| it.contains("ExecStart="))));
}

#[test]
fn systemd_takes_the_unit() {
    for flags in ALL {
        let words = if flags == ["--user"] { &["--user", "verify"][..] } else { &["verify"] };
        let Some(output) = analyzed(flags, words) else { return };
        let said = String::from_utf8_lossy(&output.stderr);
        // What it says of other units of this machine's is none of ours.
        let ours: Vec<&str> = said.lines().filter(|line| line.contains("sandhog.service")).collect();
        assert!(ours.is_empty(), "{flags:?}: {said}");
    }
}

#[test]
fn the_units_exposure_is_below_two() {
    let Some(output) = analyzed(&[], &["security", "--offline=true", "--no-pager"]) else { return };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let overall = said.lines().find(|line| line.contains("Overall exposure level"));
    let figure = overall.and_then(|line| line.rsplit(": ").next()?.split_whitespace().next()?.parse::<f64>().ok());
    let figure = figure.unwrap_or_else(|| panic!("{output:?}"));
    println!("exposure {figure}");
    assert!(figure < EXPOSURE, "{said}");
}
