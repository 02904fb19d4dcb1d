//! A server as they were in the beginning: a program for each connection, whose stdout is the connection.

use crate::Outcome;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

/// The word that makes the benchmarks this server.
pub(crate) const WORD: &str = "--cgi-server";

/// Serves until it is killed.
pub(crate) fn serve(address: &str, command: &[String]) -> Outcome<()> {
    let listener = TcpListener::bind(address)?;
    for stream in listener.incoming() {
        let (stream, command) = (stream?, command.to_vec());
        std::thread::spawn(move || drop(answer(stream, &command)));
    }
    Ok(())
}

fn answer(mut stream: TcpStream, command: &[String]) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut piece = [0; 4096];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut piece)? {
            0 => return Ok(()),
            read => head.extend_from_slice(&piece[..read]),
        }
    }
    stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n")?;
    let stdout = Stdio::from(OwnedFd::from(stream.try_clone()?));
    Command::new(&command[0]).args(&command[1..]).stdin(Stdio::null()).stdout(stdout).status()?;
    stream.shutdown(Shutdown::Both)
}
