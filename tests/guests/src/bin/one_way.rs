//! one_way COUNT BYTES: takes a flood, fills a sink, and sends batches through an echo; says what came through.

use sandhog::{Connection, Error, Job, Result};

/// Takes so many messages and says whether each is of this size.
fn take(connection: &Connection, count: usize, bytes: usize) -> Result<bool> {
    let (mut messages, mut whole) = (0, true);
    while messages < count {
        for item in &connection.recv_all()? {
            messages += 1;
            whole &= item.body.len() == bytes;
        }
    }
    Ok(whole && messages == count)
}

fn start(job: &Job) -> Result<Connection> {
    job.spawn()?.connection().ok_or(Error::Closed)
}

fn flood(count: usize, bytes: usize) -> Result<String> {
    let connection =
        start(&Job::new("flood").args([count.to_string(), bytes.to_string()]).connected())?;
    let whole = take(&connection, count, bytes)?;
    let end = connection.recv_message();
    Ok(format!("flood: whole {whole}, then {end:?}"))
}

fn sink(count: usize, bytes: usize) -> Result<String> {
    let connection = start(&Job::new("sink").arg(count.to_string()).connected())?;
    let mut batch = connection.batch();
    for _ in 0..count {
        batch.push_bytes(&vec![1; bytes])?;
    }
    batch.flush()?;
    Ok(format!("sink: {} bytes", connection.recv::<u64>()?))
}

/// Numbers, so that their order shows. No more of them on their way than the sockets hold: the echo waits for its parent.
fn echo(count: usize) -> Result<String> {
    let connection = start(&Job::new("echo").arg("batch").connected())?;
    let (mut back, mut in_order) = (0, true);
    for first in (0..count).step_by(500) {
        let end = count.min(first + 500);
        let mut batch = connection.batch();
        (first..end).try_for_each(|number| batch.push(&number))?;
        batch.flush()?;
        while back < end {
            for item in &connection.recv_all()? {
                in_order &= item.decode::<usize>()? == back;
                back += 1;
            }
        }
    }
    Ok(format!("echo: {back} back, in order {in_order}"))
}

#[sandhog::main]
fn main() -> Result<()> {
    let (count, bytes) =
        (sandhog_test_guests::number(1, "COUNT"), sandhog_test_guests::number(2, "BYTES"));
    let (count, bytes) = (count as usize, bytes as usize);
    println!("{}\n{}\n{}", flood(count, bytes)?, sink(count, bytes)?, echo(count)?);
    Ok(())
}
