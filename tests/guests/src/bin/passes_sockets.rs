//! A job that gives sockets to its children and to other jobs, well or badly: its first argument says how, and it is its own child.

use sandhog::net::{self, Handle, TcpStream};
use sandhog::{Error, Job, Result, channel, pipe, process};
use std::io::{BufRead, BufReader, Write};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

fn client() -> Result<TcpStream> {
    net::listeners()[0].within(SOON).accept()
}

fn told<T>(what: &str, result: Result<T>) {
    match result {
        Ok(_) => println!("{what}: well"),
        Err(error) => println!("{what}: {error}"),
    }
}

fn echo(stream: &TcpStream) {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    (&*stream).write_all(line.to_uppercase().as_bytes()).unwrap();
}

/// To a child with the right, which sends it back; and this end has it all the while.
fn there_and_back() -> Result<()> {
    let child = Job::new("child").arg("sends-back").connected().passed().spawn()?;
    let client = client()?;
    println!("{}", net::listeners()[0].local_addr()? != client.peer_addr()?);
    child.send_with("take it", &client)?;
    drop(client);
    let word: String = child.recv()?;
    let client = child.take_handle().and_then(Handle::stream);
    println!("{word} {}", child.take_handle().is_none());
    child.wait()?;
    client.as_ref().map(echo);
    Ok(())
}

fn send_back() -> Result<()> {
    let word: String = channel::recv()?;
    let Some(handle) = channel::take_handle() else {
        return Err(Error::NotFound("no handle".into()));
    };
    channel::send_with(&format!("{word} again"), &handle)
}

/// What is refused leaves the sender its socket.
fn refused() -> Result<()> {
    let client = client()?;
    let without = Job::new("child").arg("receives").connected().spawn()?;
    told("a child without the right", without.send_with("x", &client));
    told("too large", without.send_with(&"x".repeat(70_000), &client));
    let gone = Job::new("child").arg("ends").connected().passed().spawn()?;
    gone.wait()?;
    told("a child that has gone", gone.send_with("x", &client));
    if let Some(parent) = channel::parent() {
        told("a program outside", parent.send_with("x", &client));
    }
    without.kill();
    echo(&client);
    Ok(())
}

/// So many clients, each sent to one child as soon as there is room; and says so once when there was none.
fn pass_on(count: usize) -> Result<()> {
    let child = Job::new("child").arg("echoes").connected().passed().spawn()?;
    let mut was_full = false;
    for _ in 0..count {
        let client = client()?;
        match child.within(Duration::ZERO).send_with("yours", &client) {
            Err(Error::WouldBlock) => {
                if !std::mem::replace(&mut was_full, true) {
                    println!("full");
                }
                child.send_with("yours", &client)?;
            }
            other => other?,
        }
    }
    child.connection().iter().for_each(sandhog::Connection::disconnect);
    child.wait().map(drop)
}

fn echo_all() -> Result<()> {
    while channel::recv::<String>().is_ok() {
        channel::take_handle().and_then(Handle::stream).as_ref().map(echo);
    }
    Ok(())
}

/// A child that was given a pipe's end, and not the right.
fn by_pipe() -> Result<()> {
    let pipe = pipe::Pipe::new()?;
    let child =
        Job::new("child").arg("receives-by-pipe").connected().pipe("talk", pipe.second).spawn()?;
    let client = client()?;
    pipe.first.send_with("with", &client)?;
    pipe.first.send("without")?;
    println!("{}", child.recv::<String>()?);
    child.wait()?;
    echo(&client);
    Ok(())
}

fn receive_by_pipe() -> Result<()> {
    let talk = pipe::open("talk")?;
    let first = talk.recv::<String>().map_err(|error| error.to_string());
    let handle = talk.take_handle().is_some();
    channel::send(&format!("{first:?} {handle} {:?}", talk.recv::<String>()))
}

/// What comes by the pipe, so many messages unless it closes, and whether a socket came with each.
fn hear_by_pipe(count: usize) -> Result<()> {
    let talk = pipe::open("talk")?;
    process::ready();
    for _ in 0..count {
        match talk.recv::<String>() {
            Err(Error::Closed) => break,
            heard => println!("{heard:?} {}", talk.take_handle().is_some()),
        }
    }
    Ok(())
}

/// Accepts from a listener that comes by the pipe, where nobody is.
fn accept_by_pipe() -> Result<()> {
    let talk = pipe::open("talk")?;
    process::ready();
    let word: String = talk.recv()?;
    let listener = talk.take_handle().and_then(Handle::listener).ok_or(Error::Closed)?;
    told(&word, listener.within(Duration::ZERO).accept());
    told(&word, listener.within(Duration::from_millis(10)).accept());
    talk.send("done")
}

/// Lends its listener to another job by the pipe, until that is done.
fn lend_by_pipe(word: &str) -> Result<()> {
    let talk = pipe::open("talk")?;
    talk.send_with(word, &net::listeners().remove(0))?;
    talk.recv::<String>().map(drop)
}

/// Sends these words by the pipe, each with a socket.
fn lie_by_pipe(words: impl Iterator<Item = String>) -> Result<()> {
    let talk = pipe::open("talk")?;
    let listener = net::listeners().remove(0);
    words.for_each(|word| told(&word, talk.send_with(&word, &listener)));
    Ok(())
}

/// Opens as many as it may.
fn fill() -> Result<()> {
    let mut clients = Vec::new();
    let error = loop {
        match client() {
            Ok(client) => clients.push(client),
            Err(error) => break error,
        }
    };
    println!("{} and then {error}", clients.len());
    Ok(())
}

#[sandhog::main]
fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("there-and-back") => there_and_back(),
        Some("sends-back") => send_back(),
        Some("refused") => refused(),
        Some("passes-on") => {
            pass_on(arguments.next().and_then(|count| count.parse().ok()).unwrap_or(1))
        }
        Some("echoes") => echo_all(),
        Some("receives") => channel::recv::<String>().map(drop),
        Some("by-pipe") => by_pipe(),
        Some("receives-by-pipe") => receive_by_pipe(),
        Some("hears-by-pipe") => {
            hear_by_pipe(arguments.next().and_then(|count| count.parse().ok()).unwrap_or(1))
        }
        Some("accepts-by-pipe") => accept_by_pipe(),
        Some("lends-by-pipe") => lend_by_pipe(&arguments.next().unwrap_or_default()),
        Some("lies-by-pipe") => lie_by_pipe(arguments),
        Some("fills") => fill(),
        Some("wants-a-child-with-the-right") => {
            told("a child", Job::new("child").arg("ends").passed().spawn());
            Ok(())
        }
        _ => Ok(()),
    }
}
