//! Services that send what nobody asked for: it costs the daemon a bounded share, and the others nothing.

use sandhog_harness::{Daemon, alone, concerns, module, process::resident_bytes, quick, told};

/// The table of a service that sends so many messages of so many bytes.
fn flood(name: &str, bytes: usize) -> String {
    format!("[job.{name}]\nmodule = {:?}\nargs = [\"1000000000\", \"{bytes}\"]\nrestart = \"never\"\n", module("flood"))
}

#[test]
fn what_is_larger_than_the_daemon_takes_closes_its_connection_and_nobody_waits() {
    alone();
    let daemon = Daemon::start();
    let jobs: Vec<_> = ["a", "b", "c"].iter().map(|name| flood(name, 57 << 20)).collect();
    let memory = || resident_bytes(daemon.pid()).unwrap();
    daemon.up_and_on(&quick("", &[told("other", &["ready"], "ready = \"notify\"\n")]));
    daemon.tell("other", "print x");
    let before = memory();
    daemon.up_and_on(&quick("", &[vec![told("other", &["ready"], "ready = \"notify\"\n")], jobs].concat()));
    for name in ["a", "b", "c"] {
        let event = daemon.until_event(name, "disconnected", 1);
        let reason = "its connection was closed: it sent a message of 57MiB to its parent, which takes at most 1MiB";
        assert_eq!(event.text, reason);
        // It hears that nobody is there.
        daemon.until_event(name, "ended", 1);
        let said = daemon.run(&["send", name, "1", "--wait", "30s"]);
        assert_eq!(said.text(), format!("{name}/0: not sent: it does not run\n"), "{said:#?}");
        assert!(!daemon.events_of(name).iter().any(|event| event.kind.as_str() == "message"));
    }
    daemon.tell("other", "print y");
    let after = memory();
    assert!(after < before + (32 << 20), "{before} and then {after} bytes");
}

#[test]
fn services_that_flood_with_what_may_be_sent_keep_nobody_waiting_and_stay_connected() {
    alone();
    let daemon = Daemon::start();
    let sizes = [("tiny", 0), ("small", 100), ("packets", 60 << 10), ("large", 1 << 20)];
    let mut jobs: Vec<_> = sizes.iter().map(|(name, bytes)| flood(name, *bytes)).collect();
    jobs.push(told("other", &["ready"], "ready = \"notify\"\n"));
    daemon.up_and_on(&quick("", &jobs));
    for (name, _) in sizes {
        daemon.until_event(name, "message", 1);
    }
    let memory = resident_bytes(daemon.pid()).unwrap();
    for turn in 0..20 {
        daemon.tell("other", &format!("print {turn}"));
        assert_eq!(daemon.instances().len(), sizes.len() + 1);
    }
    // Of whoever talks without end the next message is the answer, as of any other.
    let answer = daemon.json(&["send", "small", "1", "--wait", "30s"]);
    assert!(answer[0]["message"].as_str().is_some_and(|text| text.starts_with("{\"$bytes\":")), "{answer}");
    let answer = daemon.run(&["send", "large", "1", "--wait", "30s"]);
    assert_eq!(answer.text(), "large/0: its message is longer than 1MiB as JSON\n", "{answer:#?}");
    let grown = resident_bytes(daemon.pid()).unwrap().saturating_sub(memory);
    assert!(grown < 32 << 20, "{grown} bytes more");
    for (name, _) in sizes {
        let events = daemon.events();
        let bad = events
            .iter()
            .find(|event| concerns(event, name) && ["disconnected", "ended"].contains(&event.kind.as_str()));
        assert_eq!(bad, None, "{name}");
    }
}
