//! Rights and bounds from one generation to the next, by guests that ask for all that they could want.

use sandhog_harness::{Command, Folder, Outcome, guest};
use std::fs;

fn parent(job: &str, children: &[(&str, &str)]) -> Command {
    children
        .iter()
        .fold(Command::guest(job), |run, (name, file)| run.flag(format!("--child={name}={}", guest(file).display())))
}

fn told<'a>(outcome: &'a Outcome, what: &str) -> &'a str {
    let found = outcome.text().lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(": "));
    found.unwrap_or_else(|| panic!("nothing about {what}: {outcome:#?}"))
}

#[test]
fn rights_get_no_wider_from_generation_to_generation() {
    let scratch = Folder::new();
    fs::create_dir_all(scratch.join("sub/deep")).unwrap();
    scratch.file("sub/deep/text", "a text\n");
    scratch.file("sub/text", "of the parent\n");
    let modules = [("again", "passes_on"), ("hello", "hello"), ("read", "read_file"), ("write", "write_file")];
    let run = parent("passes_on", &modules).flag("--allow-detached").dir(scratch.path(), "::/in:rw");
    let outcome = run.run();
    outcome.is(0, "completed");
    let denied = [
        "to write",
        "above",
        "the other module",
        "the other module for its child",
        "memory",
        "time",
        "files",
        "a life of its own",
    ];
    for what in denied {
        let reason = told(&outcome, &format!("child: {what}"));
        assert!(reason.starts_with("not granted: "), "{what}: {reason}");
    }
    assert!(told(&outcome, "child: a way out").starts_with("invalid: "), "{outcome:#?}");
    for what in ["its own module", "the other module"] {
        let reason = told(&outcome, &format!("grandchild: {what}"));
        assert!(reason.starts_with("not granted: "), "{what}: {reason}");
    }
    for what in ["reads above", "reads where its parent may", "writes"] {
        let end = told(&outcome, &format!("grandchild: {what}"));
        assert!(end.starts_with("failed with code "), "{what}: {end}");
    }
    assert_eq!(told(&outcome, "grandchild: reads"), "completed");
    let lines: Vec<_> = outcome.text().lines().collect();
    assert!(lines.contains(&"grandchild: memory 67108864"), "{outcome:#?}");
    assert!(lines.contains(&"a text") && !lines.contains(&"of the parent"), "{outcome:#?}");
    assert_eq!((told(&outcome, "a child"), told(&outcome, "a grandchild")), ("completed", "completed"));
    assert_eq!((scratch.names(), fs::read_dir(scratch.join("sub/deep")).unwrap().count()), (vec!["sub".into()], 1));
}

#[test]
fn there_are_no_more_generations_than_are_granted() {
    for (flags, deepest) in [(&[][..], 3), (&["--max-child-depth=1"], 1), (&["--max-child-depth=7"], 7)] {
        let run = flags.iter().fold(parent("descends", &[("again", "descends")]), Command::flag);
        let outcome = run.run();
        outcome.is(0, "completed");
        assert!(told(&outcome, "deepest").starts_with(&format!("{deepest}, quota true: ")), "{outcome:#?}");
    }
}

#[test]
fn children_of_all_generations_count_together() {
    let run = parent("descends", &[("again", "descends")]).flag("--max-child-depth=9").flag("--max-children=4");
    let outcome = run.run();
    outcome.is(0, "completed");
    assert!(told(&outcome, "deepest").starts_with("4, quota true: "), "{outcome:#?}");
}
