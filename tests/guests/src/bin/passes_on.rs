//! Three generations, each of which is given less and asks for more than that; says what comes of each.

use sandhog::{Job, Result, Stdio, process};
use std::time::Duration;

fn try_it(what: &str, job: &Job) {
    let ended = job.spawn().and_then(|child| child.wait()).map(|verdict| verdict.to_string());
    println!("{what}: {}", ended.unwrap_or_else(|error| error.to_string()));
}

fn quiet(module: &str) -> Job {
    Job::new(module).stdout(Stdio::Null)
}

fn again() -> Job {
    Job::new("again").stdout(Stdio::Inherit).stderr(Stdio::Inherit)
}

/// Has /in for writing, and all modules.
fn parent() {
    let child = again().memory(64 << 20).timeout(Duration::from_secs(60)).max_files(20);
    let modules = child.dir("/in/sub", "/sub").module("again").module("read").module("write");
    try_it("a child", &modules);
}

/// Has /sub for reading, and all modules but hello.
fn child() {
    try_it("child: to write", &quiet("again").writable_dir("/sub", "/sub"));
    try_it("child: above", &quiet("again").dir("/in", "/in"));
    try_it("child: a way out", &quiet("again").dir("/sub/..", "/in"));
    try_it("child: the other module", &quiet("hello"));
    try_it("child: the other module for its child", &quiet("again").module("hello"));
    try_it("child: memory", &quiet("again").memory((64 << 20) + 65_536));
    try_it("child: time", &quiet("again").timeout(Duration::from_secs(61)));
    try_it("child: files", &quiet("again").max_files(21));
    try_it("child: a life of its own", &quiet("again").detached());
    try_it("a grandchild", &again().dir("/sub/deep", "/deep").module("read").module("write"));
}

/// Has /deep for reading, and the modules that read and write.
fn grandchild() {
    println!("grandchild: memory {}", process::memory().limit);
    let inherits = |module| Job::new(module).stdout(Stdio::Inherit).dir("/deep", "/deep");
    try_it("grandchild: reads", &inherits("read").arg("/deep/text"));
    try_it("grandchild: reads above", &inherits("read").arg("/deep/../text"));
    try_it("grandchild: reads where its parent may", &inherits("read").arg("/sub/text"));
    try_it("grandchild: writes", &inherits("write").arg("/deep/new").arg("text"));
    try_it("grandchild: its own module", &quiet("again"));
    try_it("grandchild: the other module", &quiet("hello"));
}

#[sandhog::main]
fn main() -> Result<()> {
    match process::identity().depth {
        0 => parent(),
        1 => child(),
        _ => grandchild(),
    }
    Ok(())
}
