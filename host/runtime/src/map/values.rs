//! Bytes into values of JSON, one after the other, with white space between them or none.
//!
//! Must not: say what is JSON: it finds where a value ends if it is one, and whoever reads it says the rest.

use super::split::Piece;

/// A place in the input. Lines and columns begin with 1, and a column is a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub byte: u64,
    pub line: u64,
    pub column: u64,
}

impl Place {
    /// The place of what stands at this line and column of a text that begins here; both begin with 1.
    #[must_use]
    pub fn within(self, text: &[u8], line: usize, column: usize) -> Self {
        let before = text.split_inclusive(|byte| *byte == b'\n').take(line.saturating_sub(1));
        let byte = before.map(<[u8]>::len).sum::<usize>() + column.saturating_sub(1);
        let column = column.max(1) as u64;
        Self {
            byte: self.byte + byte as u64,
            line: self.line + line.saturating_sub(1) as u64,
            column: if line <= 1 { self.column + column - 1 } else { column },
        }
    }

    fn pass(&mut self, byte: u8) {
        self.byte += 1;
        self.column += 1;
        if byte == b'\n' {
            self.line += 1;
            self.column = 1;
        }
    }
}

/// A value, or what stands where one should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub began: Place,
    pub piece: Piece,
}

/// Where in the input it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Between,
    /// In an array or an object, so deep; in a text of it.
    Nested {
        depth: u64,
        text: bool,
    },
    /// In a text that is a value of its own.
    Text,
    /// In a number, a literal, or what is none.
    Scalar,
}

/// Values, as their bytes come.
#[derive(Debug)]
pub struct Values {
    longest: usize,
    at: At,
    /// The byte before was a backslash in a text.
    escaped: bool,
    open: Vec<u8>,
    /// Bytes of the open one.
    length: usize,
    began: Place,
    place: Place,
}

impl Values {
    /// `longest`: bytes that one may have.
    #[must_use]
    pub fn new(longest: usize) -> Self {
        let place = Place { byte: 0, line: 1, column: 1 };
        Self { longest, at: At::Between, escaped: false, open: Vec::new(), length: 0, began: place, place }
    }

    /// Takes more bytes and appends what is whole by them.
    pub fn push(&mut self, bytes: &[u8], found: &mut Vec<Found>) {
        for byte in bytes {
            self.take(*byte, found);
            self.place.pass(*byte);
        }
    }

    /// Nothing more comes: what was begun is the last one, be it whole or not.
    pub fn finish(&mut self, found: &mut Vec<Found>) {
        if self.at != At::Between {
            self.end(found);
        }
    }

    fn take(&mut self, byte: u8, found: &mut Vec<Found>) {
        let is_space = matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        if self.at == At::Scalar && (is_space || matches!(byte, b'{' | b'[' | b'"')) {
            self.end(found);
        }
        if self.at == At::Between {
            if is_space {
                return;
            }
            self.began = self.place;
            self.at = match byte {
                b'{' | b'[' => At::Nested { depth: 0, text: false },
                b'"' => At::Text,
                _ => At::Scalar,
            };
            self.keep(byte);
            if let At::Nested { depth, .. } = &mut self.at {
                *depth = 1;
            }
            return;
        }
        self.keep(byte);
        let escaped = std::mem::take(&mut self.escaped);
        let is_over = match &mut self.at {
            At::Between | At::Scalar => false,
            At::Text | At::Nested { text: true, .. } if escaped => false,
            At::Text | At::Nested { text: true, .. } if byte == b'\\' => {
                self.escaped = true;
                false
            }
            At::Text => byte == b'"',
            At::Nested { text: text @ true, .. } => {
                *text = byte != b'"';
                false
            }
            At::Nested { depth, text } => {
                match byte {
                    b'"' => *text = true,
                    b'{' | b'[' => *depth += 1,
                    b'}' | b']' => *depth -= 1,
                    _ => {}
                }
                *depth == 0
            }
        };
        if is_over {
            self.end(found);
        }
    }

    fn keep(&mut self, byte: u8) {
        self.length = self.length.saturating_add(1);
        if self.length <= self.longest {
            self.open.push(byte);
        } else {
            self.open = Vec::new();
        }
    }

    fn end(&mut self, found: &mut Vec<Found>) {
        let length = std::mem::take(&mut self.length);
        let open = std::mem::take(&mut self.open);
        let piece = if length <= self.longest { Piece::Whole(open) } else { Piece::TooLong };
        found.push(Found { began: self.began, piece });
        self.at = At::Between;
        self.escaped = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::random::Random;

    fn found(text: &[u8], chunk: usize) -> Vec<Found> {
        let (mut values, mut found) = (Values::new(1000), Vec::new());
        text.chunks(chunk).for_each(|chunk| values.push(chunk, &mut found));
        values.finish(&mut found);
        found
    }

    fn texts(text: &str) -> Vec<String> {
        let texts = |chunk| -> Vec<String> {
            let whole = |found: Found| match found.piece {
                Piece::Whole(bytes) => String::from_utf8(bytes).unwrap(),
                Piece::TooLong => panic!(),
            };
            found(text.as_bytes(), chunk).into_iter().map(whole).collect()
        };
        assert_eq!(texts(1), texts(1000));
        texts(3)
    }

    #[test]
    fn values_follow_each_other_with_space_between_them_or_none() {
        assert_eq!(
            texts("1 2\n\"a b\"\"c\"[1,[2]]{\"a\":{}}null\ttrue"),
            ["1", "2", "\"a b\"", "\"c\"", "[1,[2]]", "{\"a\":{}}", "null", "true"]
        );
        assert_eq!(texts(r#""a\"b\\" ["]","\"}",{"x":"["}]"#), [r#""a\"b\\""#, r#"["]","\"}",{"x":"["}]"#]);
        assert_eq!(texts(" \n "), [""; 0]);
    }

    #[test]
    fn what_is_no_value_is_a_piece_too_and_has_its_place() {
        assert_eq!(texts("} x,y [1"), ["}", "x,y", "[1"]);
        let all = found(b"1\n  {\"a\":\n 2}\n\n oops", 4);
        let places: Vec<_> = all.iter().map(|found| found.began).collect();
        assert_eq!(
            places,
            [
                Place { byte: 0, line: 1, column: 1 },
                Place { byte: 4, line: 2, column: 3 },
                Place { byte: 16, line: 5, column: 2 },
            ]
        );
        let within = places[1].within(b"{\"a\":\n 2}", 2, 2);
        assert_eq!(within, Place { byte: 11, line: 3, column: 2 });
        assert_eq!(places[1].within(b"{\"a\":\n 2}", 1, 3), Place { byte: 6, line: 2, column: 5 });
    }

    #[test]
    fn one_that_is_too_long_takes_no_memory_and_the_next_ones_are_found() {
        let (mut values, mut found) = (Values::new(100), Vec::new());
        values.push(b"[", &mut found);
        for _ in 0..1000 {
            values.push(b"\"[[[\",", &mut found);
            assert!(values.open.capacity() <= 256 && found.is_empty());
        }
        values.push(b"0] 7 ", &mut found);
        let pieces: Vec<_> = found.into_iter().map(|found| found.piece).collect();
        assert_eq!(pieces, [Piece::TooLong, Piece::Whole(b"7".into())]);
    }

    #[test]
    fn no_bytes_make_it_panic_and_none_are_lost() {
        let mut random = Random(11);
        for _ in 0..5_000 {
            let text: Vec<u8> = (0..random.below(50)).map(|_| b"{}[]\"\\ \n1,:x"[random.below(12) as usize]).collect();
            let all = found(&text, 1 + random.below(9) as usize);
            let is_solid = |byte: &&u8| !b" \n".contains(byte);
            let kept = all.iter().map(|found| match &found.piece {
                Piece::Whole(bytes) => bytes.iter().filter(is_solid).count(),
                Piece::TooLong => 0,
            });
            assert_eq!(kept.sum::<usize>(), text.iter().filter(is_solid).count());
        }
    }
}
