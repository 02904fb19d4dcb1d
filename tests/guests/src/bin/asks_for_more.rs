//! Asks for children that have more than it has itself, and says what comes of each.

use sandhog::{Job, Message, Result};
use std::time::Duration;

fn try_it(what: &str, job: &Job) {
    let ended = job.spawn().and_then(|child| child.wait()).map(|verdict| verdict.to_string());
    println!("{what}: {}", ended.unwrap_or_else(|error| error.to_string()));
}

fn main() -> Result<()> {
    let job = || Job::new("hello").stdout(sandhog::Stdio::Null);
    try_it("as much", &job());
    try_it("less", &job().memory(16 << 20).timeout(Duration::from_secs(30)).dir("/in", "/data"));
    try_it("another module", &Job::new("elsewhere"));
    try_it("more memory", &job().memory(1 << 40));
    try_it("another directory", &job().dir("/etc", "/etc"));
    try_it("a way out", &job().dir("/in/../..", "/up"));
    try_it("writing", &job().writable_dir("/in", "/in"));
    try_it("a module to pass on", &job().module("elsewhere"));
    try_it("a life of its own", &job().detached());
    try_it("too much to read", &job().data_message(Message::bytes(vec![0; 1 << 20])));
    try_it("a name with a NUL", &job().arg("a\0b"));
    Ok(())
}
