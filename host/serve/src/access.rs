//! One line for each request, for people and their programs: the common log format with what Sandhog knows beside, or JSON. Pure.
//!
//! Must not: let anything through that a client or a guest could make a second line, another field or a command of a terminal of.

use sandhog_protocol::http::{Request, RequestEnd, Version};
use sandhog_spec::text::is_plain;
use sandhog_spec::time;
use std::fmt::Write;

/// What is known of a request beside what its worker says.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// When it ended, in milliseconds since 1970-01-01 UTC.
    pub at_ms: u64,
    /// The client's address with its port.
    pub peer: &'a str,
    pub job: &'a str,
    /// The number of its worker among those of the job.
    pub instance: u32,
    /// The id of its worker's attempt: with the request's number it names the request.
    pub attempt: &'a str,
    pub request: &'a Request,
}

/// The common log format, then the time in microseconds, instance, attempt and number, and how it ended:
///
/// ```text
/// 192.0.2.7 - - [30/Nov/2026:17:22:51 +0000] "GET /a?b=c HTTP/1.1" 200 1234 870us 2 01KB…/17 answered
/// ```
///
/// What is not a printable character of ASCII, a quote or a backslash is written as `\xHH`, byte for byte, as nginx does.
#[must_use]
pub fn common(entry: &Entry<'_>) -> String {
    let Entry { at_ms, peer, instance, attempt, request, .. } = entry;
    let mut line = String::with_capacity(160 + request.target.len());
    escape_bytes(&mut line, host(peer));
    line.push_str(" - - [");
    let _ = write!(line, "{}", time::at(*at_ms).strftime("%d/%b/%Y:%H:%M:%S +0000"));
    line.push_str("] \"");
    if request.method.is_empty() && request.target.is_empty() {
        line.push('-');
    } else {
        escape_bytes(&mut line, &request.method);
        line.push(' ');
        escape_bytes(&mut line, &request.target);
        line.push(' ');
        line.push_str(version(request.version));
    }
    // Writing to a String does not fail.
    let _ = match request.status {
        0 => write!(line, "\" - {}", request.sent_bytes),
        status => write!(line, "\" {status} {}", request.sent_bytes),
    };
    let _ = write!(line, " {}us {instance} ", request.micros);
    escape_bytes(&mut line, attempt);
    let _ = write!(line, "/{} {}", request.number, end(&request.end));
    line
}

/// One object with each field by its name.
#[must_use]
pub fn json(entry: &Entry<'_>) -> String {
    let Entry { at_ms, peer, job, instance, attempt, request } = entry;
    let mut line = String::with_capacity(320 + request.target.len());
    line.push_str("{\"time\":");
    quote(&mut line, &time::utc(*at_ms));
    for (name, value) in [
        ("peer", *peer),
        ("job", *job),
        ("method", request.method.as_str()),
        ("target", request.target.as_str()),
        ("version", version(request.version)),
        ("attempt", *attempt),
        ("end", end(&request.end)),
    ] {
        let _ = write!(line, ",\"{name}\":");
        quote(&mut line, value);
    }
    for (name, value) in [
        ("status", u64::from(request.status)),
        ("received_bytes", request.received_bytes),
        ("sent_bytes", request.sent_bytes),
        ("us", request.micros),
        ("instance", u64::from(*instance)),
        ("connection", request.connection),
        ("request", request.number),
    ] {
        let _ = write!(line, ",\"{name}\":{value}");
    }
    line.push('}');
    line
}

/// An address without its port.
fn host(peer: &str) -> &str {
    let host = peer.rsplit_once(':').map_or(peer, |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

const fn version(version: Version) -> &'static str {
    match version {
        Version::Http10 => "HTTP/1.0",
        Version::Http11 => "HTTP/1.1",
        Version::Http2 => "HTTP/2.0",
    }
}

/// How a request ended, as a word.
#[must_use]
pub const fn end(end: &RequestEnd) -> &'static str {
    match end {
        RequestEnd::Answered => "answered",
        RequestEnd::Abandoned => "abandoned",
        RequestEnd::Refused => "refused",
        RequestEnd::Overloaded => "overloaded",
        RequestEnd::Late => "late",
        RequestEnd::Failed(_) => "failed",
    }
}

fn escape_bytes(line: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' | 0..=0x20 | 0x7f.. => drop(write!(line, "\\x{byte:02X}")),
            plain => line.push(char::from(plain)),
        }
    }
}

/// A string of JSON in which every character that does not show as itself is written by its number.
fn quote(line: &mut String, text: &str) {
    line.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => line.extend(['\\', character]),
            plain if is_plain(plain) => line.push(plain),
            hidden => {
                for unit in hidden.encode_utf16(&mut [0; 2]) {
                    let _ = write!(line, "\\u{unit:04x}");
                }
            }
        }
    }
    line.push('"');
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn request() -> Request {
        Request {
            number: 17,
            connection: 5,
            method: "GET".into(),
            target: "/a?b=c".into(),
            version: Version::Http11,
            status: 200,
            received_bytes: 17,
            sent_bytes: 1234,
            micros: 870,
            end: RequestEnd::Answered,
        }
    }

    fn entry(request: &Request) -> Entry<'_> {
        let at_ms = 1_796_059_371_120;
        Entry { at_ms, peer: "192.0.2.7:41234", job: "api", instance: 2, attempt: "01KB", request }
    }

    #[test]
    fn a_line_of_the_common_format_says_what_the_others_say_and_more() {
        assert_eq!(
            common(&entry(&request())),
            r#"192.0.2.7 - - [30/Nov/2026:17:22:51 +0000] "GET /a?b=c HTTP/1.1" 200 1234 870us 2 01KB/17 answered"#
        );
    }

    #[test]
    fn an_object_has_each_field() {
        assert_eq!(
            json(&entry(&request())),
            r#"{"time":"2026-11-30T17:22:51.120Z","peer":"192.0.2.7:41234","job":"api","method":"GET","target":"/a?b=c","version":"HTTP/1.1","attempt":"01KB","end":"answered","status":200,"received_bytes":17,"sent_bytes":1234,"us":870,"instance":2,"connection":5,"request":17}"#
        );
    }

    #[test]
    fn nothing_gets_out_of_its_field_or_its_line() {
        let hostile = "/\" 200 0\n\r\x1b[2J\u{9b}\u{202e}\\é /x";
        let request = Request { target: hostile.into(), method: "G\"\n".into(), ..request() };
        let line = common(&entry(&request));
        assert!(line.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{line}");
        assert_eq!(line.matches('"').count(), 2);
        assert!(line.contains(
            r#""G\x22\x0A /\x22\x20200\x200\x0A\x0D\x1B[2J\xC2\x9B\xE2\x80\xAE\x5C\xC3\xA9\x20/x HTTP/1.1""#
        ));
        let object = json(&entry(&request));
        assert!(object.chars().all(is_plain), "{object}");
        assert!(object.contains(r#""target":"/\" 200 0\u000a\u000d\u001b[2J\u009b\u202e\\é /x""#), "{object}");
        let mut line = String::new();
        quote(&mut line, "\u{e0001}");
        assert_eq!(line, r#""\udb40\udc01""#);
    }

    #[test]
    fn a_request_that_could_not_be_read_is_a_dash() {
        let empty = Request { method: String::new(), target: String::new(), status: 0, ..request() };
        let line = common(&Entry { peer: "[2001:db8::1]:80", ..entry(&empty) });
        assert!(line.starts_with("2001:db8::1 - - ["), "{line}");
        assert!(line.contains("] \"-\" - 1234 "), "{line}");
    }
}
