//! The bridge's JSON, which is part of the executable: in the place that its paths name.

#[allow(dead_code, unused_imports)]
mod json;
#[allow(dead_code)]
mod value;

use sandhog_protocol::message::Format;

/// The message that a line says.
pub(crate) fn read(line: &[u8]) -> Option<(Format, Vec<u8>)> {
    json::read(line).ok()
}

/// The line that says a message.
pub(crate) fn say(format: Format, body: &[u8]) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    json::say(format, body).ok()?.write(&mut line).unwrap();
    Some(line)
}
