//! Services that come to nothing: the command ends with the reason, however their workers are kept, and a reload leaves what serves.

use rustix::process::Signal;
use sandhog_harness::service::{BY_PATH, Service, command};
use sandhog_harness::{Command, Folder, guest};
use std::fs;

const KINDS: [&str; 3] = ["instance", "reuse", "process"];
const ANYWHERE: [&str; 2] = ["--listen", "127.0.0.1:0"];

#[test]
fn what_is_refused_is_refused_once_with_the_reason() {
    for isolation in KINDS {
        let outcome = command(&ANYWHERE, &["-i", "2", "--isolation", isolation], "hello").run();
        let reason = "refused: it is a program, which runs once, and no server of HTTP: use sandhog run";
        outcome.reported(126, &format!("sandhog: {reason}\n"));
        let flags = ["-i", "2", "--isolation", isolation, "--memory", "1MiB"];
        let outcome = command(&ANYWHERE, &flags, BY_PATH).run();
        assert_eq!(outcome.code, 126, "{isolation}: {outcome:#?}");
        assert_eq!(outcome.stderr.matches("give it more with --memory").count(), 1, "{isolation}: {outcome:#?}");
    }
}

#[test]
fn one_whose_workers_fail_before_they_serve_is_given_up_by_the_intensity_of_restarts() {
    for isolation in KINDS {
        let flags = ["-i", "2", "--isolation", isolation, "--intensity-restarts", "2", "--backoff-first", "1ms"];
        let outcome = command(&ANYWHERE, &flags, "http_traps_at_start.wat").run();
        assert_eq!(outcome.code, 134, "{isolation}: {outcome:#?}");
        assert!(outcome.stderr.contains("no worker is left: 2 restarts in 1m; "), "{isolation}: {outcome:#?}");
        assert!(!outcome.stderr.contains("serving on"), "{isolation}: {outcome:#?}");
        if isolation == "process" {
            assert_eq!(outcome.stderr.matches("the process of a connection: trapped").count(), 3, "{outcome:#?}");
        }
    }
}

#[test]
fn a_reload_of_a_module_that_came_to_nothing_leaves_the_processes_of_the_one_before() {
    let scratch = Folder::new();
    let module = scratch.file("web.wasm", fs::read(guest(BY_PATH)).unwrap());
    let flags = ["--listen", "127.0.0.1:0", "--isolation", "process", "-i", "2"];
    let run = flags.iter().fold(Command::sandhog(["serve"]), |run, flag| run.flag(flag));
    let service = Service::of(run.flag(&module));
    let mut line = 1;
    for (broken, reason) in [("hello", "refused: it is a program"), ("http_traps_at_start.wat", "trapped: ")] {
        fs::write(&module, fs::read(guest(broken)).unwrap()).unwrap();
        service.running.signal(Signal::HUP);
        let mut failures = 0;
        let said = loop {
            let said = service.running.stderr.line(line);
            line += 1;
            failures += u32::from(said.starts_with("sandhog: the process of a connection: "));
            if said.contains("reload") {
                break said;
            }
        };
        assert_eq!(failures, 1, "{broken}: one is tried");
        assert!(said.starts_with(&format!("sandhog: not reloaded, all stays as it was: {reason}")), "{said}");
        service.goes_on();
    }
    fs::write(&module, fs::read(guest(BY_PATH)).unwrap()).unwrap();
    service.running.signal(Signal::HUP);
    assert!(service.running.stderr.line(line).starts_with("sandhog: reloaded: "));
    service.goes_on();
    assert_eq!(service.end().code, 0);
}
