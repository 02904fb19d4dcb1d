//! What the head of a request says of where its body ends, and why one is refused before anything is made of it: what two
//! servers in a row may read in two ways.
//!
//! hyper reads heads as well, and is stricter in most; but where it decides, it does not tell. Source: RFC 9112.
//!
//! Must not: read what a request is for.

use hyper::StatusCode;

/// Longest target that hyper takes, in bytes.
const TARGET: usize = u16::MAX as usize - 1;

/// How long a request's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Of(u64),
    Chunks,
    /// Nobody can tell.
    Unknown,
}

/// A whole head, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) length: Length,
    /// The status with which it is refused.
    pub(super) refused: Option<StatusCode>,
}

/// Where a head ends in these bytes that begins there; `from`: no end is before. Lines that end without a carriage return are
/// lines: [`read`] refuses them.
pub(super) fn end(bytes: &[u8], from: usize) -> Option<usize> {
    let blank = blank(bytes);
    let from = from.saturating_sub(3).max(blank);
    let rest = bytes.get(from..)?;
    let found =
        rest.iter().enumerate().filter(|(_, byte)| **byte == b'\n').find_map(|(at, _)| match rest.get(at + 1..)? {
            [b'\n', ..] => Some(at + 2),
            [b'\r', b'\n', ..] => Some(at + 3),
            _ => None,
        });
    found.map(|end| from + end)
}

/// Empty lines before a head, which are none of it. Source: section 2.2.
fn blank(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}

/// Whether these bytes, of a head without an end, are one line.
pub(super) fn is_one_line(bytes: &[u8]) -> bool {
    !bytes[blank(bytes)..].contains(&b'\n')
}

/// Whether these bytes may be the beginning of a head: else nobody waits for its end. Source: RFC 9110, sections 5.6.2 and 9.1.
pub(super) fn may_begin(bytes: &[u8]) -> bool {
    let mut method = bytes[blank(bytes)..].split(|byte| *byte == b' ').next().unwrap_or_default().iter();
    method.all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// What a whole head says.
pub(super) fn read(head: &[u8]) -> Head {
    let head = &head[blank(head)..];
    let mut lines = head.split_inclusive(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let (mut lengths, mut codings) = (Named::default(), Named::default());
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        // With a space around the name it is still meant for one of them by somebody: hyper refuses such a head.
        if name.trim_ascii().eq_ignore_ascii_case(b"content-length") {
            lengths.add(value);
        } else if name.trim_ascii().eq_ignore_ascii_case(b"transfer-encoding") {
            codings.add(value);
        }
    }
    let length = match (lengths, codings) {
        (Named::None, Named::None) => Length::Of(0),
        (Named::One(length), Named::None) => number(length).map_or(Length::Unknown, Length::Of),
        (Named::None, Named::One(coding)) if coding.eq_ignore_ascii_case(b"chunked") => Length::Chunks,
        _ => Length::Unknown,
    };
    Head { length, refused: refused(head, first, lengths, codings) }
}

fn refused(head: &[u8], first: &[u8], lengths: Named<'_>, codings: Named<'_>) -> Option<StatusCode> {
    if target(first).len() > TARGET {
        return Some(StatusCode::URI_TOO_LONG);
    }
    // Section 2.2: somebody before us may have taken the line feed for a part of the line.
    if head.split_inclusive(|byte| *byte == b'\n').any(|line| !line.ends_with(b"\r\n")) {
        return Some(StatusCode::BAD_REQUEST);
    }
    match (lengths, codings) {
        (Named::None | Named::One(_), Named::None) => None,
        // Section 6.3: smuggled, or split.
        (Named::Many, Named::None) | (Named::One(_) | Named::Many, Named::One(_) | Named::Many) => {
            Some(StatusCode::BAD_REQUEST)
        }
        (Named::None, Named::Many) => Some(StatusCode::BAD_REQUEST),
        // Section 6.1: whether it is one that we could know is nobody's business before chunks are the last of it.
        (Named::None, Named::One(coding)) => match is_coded(coding) {
            true => Some(StatusCode::NOT_IMPLEMENTED),
            false => None,
        },
    }
}

/// Whether it is in chunks, and in something else within them.
fn is_coded(coding: &[u8]) -> bool {
    let mut codings = coding.rsplit(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    codings.next().is_some_and(|last| last.eq_ignore_ascii_case(b"chunked")) && codings.next().is_some()
}

/// What stands between the spaces of a request's first line.
fn target(first: &[u8]) -> &[u8] {
    first.split(|byte| *byte == b' ').nth(1).unwrap_or_default()
}

fn number(digits: &[u8]) -> Option<u64> {
    let is_one = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_one.then(|| str::from_utf8(digits).ok()?.parse().ok())?
}

/// The values of a field.
#[derive(Clone, Copy, Default)]
enum Named<'a> {
    #[default]
    None,
    One(&'a [u8]),
    Many,
}

impl<'a> Named<'a> {
    fn add(&mut self, value: &'a [u8]) {
        *self = match self {
            Self::None => Self::One(value),
            Self::One(_) | Self::Many => Self::Many,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &str) -> (Length, Option<u16>) {
        let Head { length, refused } = read(format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n").as_bytes());
        (length, refused.map(|status| status.as_u16()))
    }

    #[test]
    fn a_body_has_one_length_or_chunks() {
        assert_eq!(of(""), (Length::Of(0), None));
        assert_eq!(of("content-LENGTH:  17 \r\n"), (Length::Of(17), None));
        assert_eq!(of("Transfer-Encoding: Chunked\r\n"), (Length::Chunks, None));
        assert_eq!(of("X-Content-Length: 5\r\nContent: length\r\n"), (Length::Of(0), None));
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for headers in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nX: y\r\nContent-Length: 5\r\n",
            "Content-Length: 5\r\nTransfer-Encoding: identity\r\n",
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
            "X: y\nTransfer-Encoding: chunked\r\n",
            "X: y\n",
        ] {
            assert_eq!(of(headers).1, Some(400), "{headers:?}");
        }
        assert_eq!(of("Transfer-Encoding: gzip, chunked\r\n"), (Length::Unknown, Some(501)));
        let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(TARGET));
        assert_eq!(read(long.as_bytes()).refused, Some(StatusCode::URI_TOO_LONG));
    }

    #[test]
    fn what_is_no_length_leaves_it_open() {
        for value in ["", "+5", "-5", "5, 5", "0x5", "99999999999999999999", "5 5"] {
            assert_eq!(of(&format!("Content-Length: {value}\r\n")).0, Length::Unknown, "{value:?}");
        }
        for value in ["identity", "chunked, identity", "xchunked", "\x0bchunked", ""] {
            assert_eq!(of(&format!("Transfer-Encoding: {value}\r\n")), (Length::Unknown, None), "{value:?}");
        }
    }

    #[test]
    fn what_is_no_method_begins_no_head() {
        for begins in [&b""[..], b"\r\n", b"G", b"GET /", b"\r\nM-SEARCH * \0"] {
            assert!(may_begin(begins), "{begins:?}");
        }
        for nonsense in [&b"\0"[..], b"\x16\x03\x01", b"\r\n(GET", b"G\r\n"] {
            assert!(!may_begin(nonsense), "{nonsense:?}");
        }
    }

    #[test]
    fn a_head_ends_with_its_first_empty_line_wherever_it_is_cut() {
        for (bytes, expected) in [
            (&b"GET / HTTP/1.1\r\nA: b\r\n\r\nrest"[..], Some(24)),
            (b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", Some(22)),
            (b"GET / HTTP/1.1\n\n", Some(16)),
            (b"GET / HTTP/1.1\n\r\n", Some(17)),
            (b"GET / HTTP/1.1\r\nA: b\r\n\r", None),
            (b"\r\n\r\n\r\n", None),
            (b"", None),
        ] {
            for from in 0..=bytes.len() {
                let before = end(&bytes[..from], 0);
                assert_eq!(before.or_else(|| end(bytes, from)), expected, "{bytes:?} {from}");
            }
        }
    }
}
