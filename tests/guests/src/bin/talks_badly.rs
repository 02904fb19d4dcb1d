//! talks_badly CASE [BYTES]: parents and children that do not read, send at once, or hang up; says what comes of it.
//! The children are this program, too: a case is then what the child does.

use sandhog::{Child, Connection, Error, Job, Result, Stdio, channel};
use sandhog_test_guests::{arg, number};
use std::io::{self, Write};
use std::time::Duration;

/// Messages of a child that its parent does not read: far more than any socket holds.
const MANY: u64 = 20_000;
const SMALL: usize = 1000;

/// Children that do not read.
const CHILDREN: usize = 16;

/// Few enough for every socket.
const FEW: u64 = 3;

fn start(case: &str) -> Result<(Child, Connection)> {
    let job = Job::new("again").arg(case).arg(number(2, "BYTES").to_string()).connected();
    let child = job.stdin(Stdio::Piped).stdout(Stdio::Inherit).spawn()?;
    let connection = child.connection().ok_or(Error::Closed)?;
    Ok((child, connection))
}

/// Message `number` of this size, which begins with its number.
fn message(number: u64, bytes: usize) -> Vec<u8> {
    let mut body = vec![number as u8; bytes.max(8)];
    body[..8].copy_from_slice(&number.to_le_bytes());
    body
}

fn send(connection: &Connection, numbers: std::ops::Range<u64>, bytes: usize) -> Result<()> {
    numbers.into_iter().try_for_each(|number| connection.send_bytes(&message(number, bytes)))
}

/// So many, each whole and in its place.
fn take(connection: &Connection, count: u64, bytes: usize) -> Result<bool> {
    let mut whole = true;
    for number in 0..count {
        whole &= connection.recv_bytes()? == message(number, bytes);
    }
    Ok(whole)
}

/// Sends until there is no room any more; returns the number of the next one.
fn fill(connection: &Connection, from: u64, bytes: usize) -> (u64, Error) {
    let mut number = from;
    loop {
        match connection.send_bytes(&message(number, bytes)) {
            Ok(()) => number += 1,
            Err(error) => return (number, error),
        }
    }
}

/// What gave up was not sent: its child gets what was sent before, and then the end.
fn deaf_child(bytes: usize) -> Result<()> {
    let (child, connection) = start("reads-late")?;
    let (sent, error) = fill(&connection.within(Duration::from_millis(30)), 0, bytes);
    let (sent, at_once) = fill(&connection.within(Duration::ZERO), sent, bytes);
    println!("some sent {}, then {error:?}, {at_once:?}", sent > 0);
    if let Some(stdin) = &mut child.stdin() {
        writeln!(stdin, "{sent}").map_err(|_| Error::Closed)?;
    }
    println!("whole {}", connection.recv::<bool>()?);
    connection.disconnect();
    println!("{}", child.wait()?);
    Ok(())
}

fn reads_late(parent: &Connection, bytes: usize) -> Result<()> {
    let mut line = String::new();
    io::stdin().read_line(&mut line).map_err(|_| Error::Closed)?;
    let sent: u64 = line.trim().parse().map_err(|_| Error::Closed)?;
    parent.send(&take(parent, sent, bytes)?)?;
    println!("child: {:?}", parent.recv_bytes().map(|body| body.len()));
    Ok(())
}

/// A parent that does not read makes its child wait, and has lost nothing when it reads after all.
fn deaf_parent() -> Result<()> {
    let (child, connection) = start("sends-much")?;
    println!("{:?}", child.within(Duration::from_millis(30)).wait().map(|verdict| verdict.kind));
    println!("whole {}, then {:?}", take(&connection, MANY, SMALL)?, connection.recv_bytes());
    println!("{}", child.wait()?);
    Ok(())
}

/// A parent that does not read and lets go of all that leads to its child.
fn careless_parent() -> Result<()> {
    let (child, connection) = start("is-hung-up-on")?;
    // It is there, and sends.
    sandhog::wait_any(&[sandhog::Source::Message(&connection)])?;
    drop(connection);
    let mut stdin = child.stdin();
    println!("{:?}", child.within(Duration::from_millis(30)).wait().map(|verdict| verdict.kind));
    drop(child);
    // Its child has gone when nobody reads its stdin any more.
    let byte = |stdin: &mut sandhog::Writer| stdin.write(b"\n").is_ok();
    while stdin.as_mut().is_some_and(byte) {}
    Ok(())
}

fn is_hung_up_on(parent: &Connection) -> Result<()> {
    let (number, error) = fill(parent, 0, SMALL);
    println!("child: some sent {}, then {error:?}", number > 0);
    Ok(())
}

/// As much to each of many children as goes without any that reads; how much that was, and of how many messages.
fn deaf_children(bytes: usize) -> Result<()> {
    let children = (0..CHILDREN).map(|_| start("never-reads")).collect::<Result<Vec<_>>>()?;
    let patience = Duration::from_millis(20);
    let body = message(0, bytes);
    let mut sent = 0;
    for (_, connection) in &children {
        let connection = connection.within(patience);
        while connection.send_bytes(&body).is_ok() {
            sent += 1;
        }
    }
    println!("sent {} bytes", sent * bytes);
    children.iter().for_each(|(child, _)| drop(child.stdin()));
    children.iter().try_for_each(|(child, _)| child.wait().map(drop))
}

/// Until its parent lets go of its stdin.
fn never_reads() -> Result<()> {
    io::stdin().read_line(&mut String::new()).map(drop).map_err(|_| Error::Closed)
}

/// A child says more than its parent takes; both hear of it.
fn says_too_much(bytes: usize) -> Result<()> {
    let (child, connection) = start("sends-once")?;
    child.limit(bytes as u64 - 1)?;
    println!("{:?}, then {:?}", connection.recv_bytes(), connection.recv_bytes());
    println!("{:?}", connection.send(&1));
    println!("{}", child.wait()?);
    Ok(())
}

fn sends_once(parent: &Connection, bytes: usize) -> Result<()> {
    let sent = parent.send_bytes(&message(0, bytes));
    // Where it went as a whole before it was looked at, the next one does not.
    let sent = sent.and_then(|()| {
        fill(parent, 1, bytes).1.eq(&Error::Closed).then_some(()).ok_or(Error::WouldBlock)
    });
    println!("child: {:?}, then {:?}", sent.err().unwrap_or(Error::Closed), parent.recv_bytes());
    Ok(())
}

/// One in each direction at once, before either reads.
fn at_once(bytes: usize) -> Result<()> {
    let (child, connection) = start("sends-and-takes")?;
    send(&connection, 0..1, bytes)?;
    println!("parent: whole {}", take(&connection, 1, bytes)?);
    println!("{}", child.wait()?);
    Ok(())
}

fn sends_and_takes(parent: &Connection, bytes: usize) -> Result<()> {
    send(parent, 0..1, bytes)?;
    println!("child: whole {}", take(parent, 1, bytes)?);
    Ok(())
}

/// The parent goes after it has said something; both hear of it.
fn hangs_up() -> Result<()> {
    let (child, connection) = start("hears-the-end")?;
    send(&connection, 0..FEW, SMALL)?;
    connection.disconnect();
    println!("{:?} {:?}", connection.send(&1), connection.recv::<u8>());
    println!("{}", child.wait()?);
    Ok(())
}

fn hears_the_end(parent: &Connection) -> Result<()> {
    let whole = take(parent, FEW, SMALL)?;
    println!("child: whole {whole}, then {:?} {:?}", parent.recv::<u8>(), parent.send(&1));
    Ok(())
}

/// The child goes after it has said something, and lives on; both hear of it.
fn is_left() -> Result<()> {
    let (child, connection) = start("goes")?;
    println!("whole {}, then {:?}", take(&connection, FEW, SMALL)?, connection.recv::<u8>());
    println!("{:?}", connection.send(&1));
    drop(child.stdin());
    println!("{}", child.wait()?);
    Ok(())
}

fn goes(parent: &Connection) -> Result<()> {
    send(parent, 0..FEW, SMALL)?;
    parent.disconnect();
    let mut line = String::new();
    io::stdin().read_line(&mut line).map_err(|_| Error::Closed)?;
    println!("child: {:?} {:?}", parent.send(&1), parent.recv::<u8>());
    Ok(())
}

fn child(case: &str, bytes: usize) -> Result<()> {
    let parent = channel::parent().ok_or(Error::Closed)?;
    match case {
        "reads-late" => reads_late(&parent, bytes),
        "sends-much" => send(&parent, 0..MANY, SMALL),
        "is-hung-up-on" => is_hung_up_on(&parent),
        "sends-and-takes" => sends_and_takes(&parent, bytes),
        "hears-the-end" => hears_the_end(&parent),
        "goes" => goes(&parent),
        "never-reads" => never_reads(),
        "sends-once" => sends_once(&parent, bytes),
        _ => Err(Error::NotFound(case.into())),
    }
}

#[sandhog::main]
fn main() -> Result<()> {
    let (case, bytes) = (arg(1, "CASE"), number(2, "BYTES") as usize);
    match case.as_str() {
        "deaf-child" => deaf_child(bytes),
        "deaf-parent" => deaf_parent(),
        "careless-parent" => careless_parent(),
        "at-once" => at_once(bytes),
        "hangs-up" => hangs_up(),
        "is-left" => is_left(),
        "deaf-children" => deaf_children(bytes),
        "says-too-much" => says_too_much(bytes),
        case => child(case, bytes),
    }
}
