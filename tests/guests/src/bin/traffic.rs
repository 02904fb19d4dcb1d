//! Does whatever traffic its parent asks for, until the parent has gone: what the benchmarks measure.

use sandhog::{Connection, Error, Result, channel, process};
use std::hint::black_box;

/// What is wanted, how many messages or calls, and how many bytes each.
type Request = (String, usize, usize);

fn echo(parent: &Connection, count: usize) -> Result<()> {
    for _ in 0..count {
        parent.send_message(&parent.recv_message()?)?;
    }
    Ok(())
}

fn sink(parent: &Connection, count: usize) -> Result<()> {
    let mut bytes = 0;
    for _ in 0..count {
        bytes += parent.recv_bytes()?.len();
    }
    parent.send(&bytes)
}

fn sink_batches(parent: &Connection, count: usize) -> Result<()> {
    let (mut messages, mut bytes) = (0, 0);
    while messages < count {
        for item in &parent.recv_all()? {
            messages += 1;
            bytes += item.body.len();
        }
    }
    parent.send(&bytes)
}

fn flood(parent: &Connection, count: usize, bytes: usize) -> Result<()> {
    let body = vec![7; bytes];
    (0..count).try_for_each(|_| parent.send_bytes(&body))
}

fn flood_batches(parent: &Connection, count: usize, bytes: usize) -> Result<()> {
    let body = vec![7; bytes];
    let mut batch = parent.batch();
    (0..count).try_for_each(|_| batch.push_bytes(&body))?;
    batch.flush()
}

/// Answers by the nanoseconds that all of them took.
fn host_calls(parent: &Connection, count: usize) -> Result<()> {
    let before = process::uptime();
    for _ in 0..count {
        black_box(process::uptime());
    }
    parent.send(&((process::uptime() - before).as_nanos() as u64))
}

fn serve(parent: &Connection) -> Result<()> {
    loop {
        let (what, count, bytes): Request = parent.recv()?;
        match what.as_str() {
            "echo" => echo(parent, count)?,
            "sink" => sink(parent, count)?,
            "sink-batches" => sink_batches(parent, count)?,
            "flood" => flood(parent, count, bytes)?,
            "flood-batches" => flood_batches(parent, count, bytes)?,
            "host-calls" => host_calls(parent, count)?,
            _ => return Err(Error::Invalid(format!("no traffic of the name {what:?}"))),
        }
    }
}

#[sandhog::main]
fn main() -> Result<()> {
    let parent = channel::parent().ok_or(Error::NotFound("a parent to talk to".into()))?;
    match serve(&parent) {
        Err(Error::Closed) => Ok(()),
        other => other,
    }
}
