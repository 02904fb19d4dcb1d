//! Requests to a daemon byte by byte, and what it says of bad ones.
//!
//! Must not: know a route.

use sandhog_harness::http::{Answer, Client};
use std::path::Path;

/// It was refused with this status and a sentence, which is harmless to a terminal.
#[track_caller]
pub(super) fn refused(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{}", String::from_utf8_lossy(&answer.body));
    let sentence = answer.json()["error"].as_str().unwrap_or_else(|| panic!("no sentence: {answer:?}")).to_owned();
    assert!(!sentence.is_empty() && sentence.len() < 2000 && !sentence.contains(char::is_control), "{sentence:?}");
    sentence
}

/// A connection of its own.
#[track_caller]
pub(super) fn connect(socket: &Path) -> Client {
    Client::to_socket(socket).unwrap_or_else(|error| panic!("{socket:?}: {error}"))
}

/// The bytes of a request. Even an empty body has a length.
pub(super) fn request(method: &str, path: &str, body: &str) -> String {
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nHost: sandhog\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// A request on a connection of its own.
#[track_caller]
pub(super) fn ask(socket: &Path, method: &str, path: &str, body: &str) -> Answer {
    let mut client = connect(socket);
    client.send(request(method, path, body)).unwrap();
    client.answer().unwrap_or_else(|broken| panic!("{method} {path}: {broken}"))
}
