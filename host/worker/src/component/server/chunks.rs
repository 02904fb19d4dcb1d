//! Where a body in chunks ends. Source: RFC 9112, section 7.1, as strict as hyper is: lines end with both characters, sizes fit
//! into 64 bits.
//!
//! Must not: keep anything of the body.

/// The place in such a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunks {
    /// Before the first digit of a chunk's size.
    Start,
    Size(u64),
    /// Behind the digits, and spaces.
    Spaces(u64),
    Extension(u64),
    SizeEnd(u64),
    Data(u64),
    DataReturn,
    DataFeed,
    /// At the beginning of a line behind the last chunk.
    Line,
    Trailer,
    TrailerEnd,
    LastFeed,
}

/// What some bytes of a body come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Come {
    /// All are of the body, and it goes on here.
    On(Chunks),
    /// It ends behind so many of them.
    End(usize),
    /// It is none.
    Broken,
}

impl Chunks {
    /// Goes through bytes that come next.
    pub(super) fn through(self, bytes: &[u8]) -> Come {
        let (mut place, mut at) = (self, 0);
        while let Some(byte) = bytes.get(at) {
            if let Self::Data(left) = place {
                let rest = (bytes.len() - at) as u64;
                let taken = left.min(rest);
                // At most what there is.
                at += taken as usize;
                place = if taken == left { Self::DataReturn } else { Self::Data(left - taken) };
                continue;
            }
            at += 1;
            place = match (place, *byte) {
                (Self::LastFeed, b'\n') => return Come::End(at),
                (place, byte) => match place.behind(byte) {
                    Some(next) => next,
                    None => return Come::Broken,
                },
            };
        }
        Come::On(place)
    }

    fn behind(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Start, byte) => Self::Size(digit(byte)?),
            (Self::Size(size), b' ' | b'\t') | (Self::Spaces(size), b' ' | b'\t') => Self::Spaces(size),
            (Self::Size(size) | Self::Spaces(size), b';') => Self::Extension(size),
            (Self::Size(size) | Self::Spaces(size) | Self::Extension(size), b'\r') => Self::SizeEnd(size),
            (Self::Size(size), byte) => Self::Size(size.checked_mul(16)?.checked_add(digit(byte)?)?),
            (Self::Extension(_), b'\n') | (Self::Spaces(_), _) => return None,
            (Self::Extension(size), _) => Self::Extension(size),
            (Self::SizeEnd(0), b'\n') => Self::Line,
            (Self::SizeEnd(size), b'\n') => Self::Data(size),
            (Self::DataReturn, b'\r') => Self::DataFeed,
            (Self::DataFeed, b'\n') => Self::Start,
            (Self::Line, b'\r') => Self::LastFeed,
            (Self::Trailer, b'\r') => Self::TrailerEnd,
            (Self::Line | Self::Trailer, _) => Self::Trailer,
            (Self::TrailerEnd, b'\n') => Self::Line,
            (
                Self::SizeEnd(_)
                | Self::Data(_)
                | Self::DataReturn
                | Self::DataFeed
                | Self::TrailerEnd
                | Self::LastFeed,
                _,
            ) => {
                return None;
            }
        })
    }
}

fn digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However it is cut.
    fn end(body: &[u8]) -> Come {
        let whole = Chunks::Start.through(body);
        for cut in 0..body.len() {
            let (first, second) = body.split_at(cut);
            let in_two = match Chunks::Start.through(first) {
                Come::On(place) => match place.through(second) {
                    Come::End(at) => Come::End(cut + at),
                    other @ (Come::On(_) | Come::Broken) => other,
                },
                other @ (Come::End(_) | Come::Broken) => other,
            };
            assert_eq!(in_two, whole, "{} cut at {cut}", String::from_utf8_lossy(body));
        }
        whole
    }

    #[test]
    fn a_body_ends_behind_the_empty_line_after_its_last_chunk() {
        for body in [
            &b"0\r\n\r\n"[..],
            b"3\r\nabc\r\n0\r\n\r\n",
            b"A;x=\"y\"\r\n0123456789\r\n000 \t;z\r\nTrailer: one\r\nOther: two\r\n\r\n",
            b"5\r\n\r\n0\r\n\r\n0\r\n\r\n",
        ] {
            assert_eq!(end(body), Come::End(body.len()));
            assert_eq!(end(&[body, b"GET / HTTP/1.1\r\n\r\n"].concat()), Come::End(body.len()));
        }
    }

    #[test]
    fn what_is_no_chunk_is_found_at_once() {
        for body in [
            &b"\r\n"[..],
            b"x\r\n",
            b"-1\r\n",
            b"0x1\r\n",
            b" 1\r\n",
            b"1 1\r\n",
            b"1\n",
            b"1;a\nb\r\n",
            b"1\r\nab",
            b"1\r\na\n",
            b"0\r\n\rX",
            b"0\r\nA: b\rX",
            b"ffffffffffffffff0\r\n",
        ] {
            assert_eq!(end(body), Come::Broken, "{}", String::from_utf8_lossy(body));
        }
    }
}
