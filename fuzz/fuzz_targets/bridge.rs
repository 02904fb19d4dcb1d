//! The bridge, both ways: a line that says a message is said again by another line, and a message that a line can say comes
//! back from it; each is one line, and both settle after one turn.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sandhog_ipc::json;
use sandhog_protocol::message::{Format, check};

/// Levels that a line may have (serde_json, "recursion limit").
const READER_LEVELS: usize = 127;

/// The message that a line says.
fn read(line: &[u8]) -> Option<(Format, Vec<u8>)> {
    json::read(line).ok()
}

/// The line that says a message.
fn say(format: Format, body: &[u8]) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    json::say(format, body).ok()?.write(&mut line).unwrap();
    Some(line)
}

fn depth(line: &[u8]) -> usize {
    let (mut depth, mut max, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in line {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => depth += 1,
            b']' | b'}' if !in_text => depth -= 1,
            _ => {}
        }
        max = max.max(depth);
    }
    max
}

fn settles(format: Format, body: &[u8]) {
    if check(format, body).is_err() {
        return;
    }
    let Some(line) = say(format, body) else { return };
    assert!(!line.contains(&b'\n'));
    let Some((back, canonical)) = read(&line) else {
        // A map with keys that are no texts is three levels of JSON, and a reader has an end.
        assert!(depth(&line) >= READER_LEVELS, "{}", String::from_utf8_lossy(&line));
        return;
    };
    assert_eq!(back, format);
    if format != Format::Value {
        assert_eq!(canonical, body);
    }
    assert_eq!(say(back, &canonical).unwrap(), line);
}

fuzz_target!(|input: &[u8]| {
    for format in [Format::Value, Format::Bytes, Format::Failure] {
        settles(format, input);
    }
    if let Some((format, body)) = read(input) {
        settles(format, &body);
    }
});
