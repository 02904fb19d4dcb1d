//! Bytes into tasks that a byte ends: a newline, or NUL. The newline is not part of a task; a carriage return before it is.
//!
//! Must not: keep more of a task than may be.

/// One task's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Whole(Vec<u8>),
    /// It has more bytes than a task may have. They are passed over up to its end.
    TooLong,
}

/// Tasks, as their bytes come.
#[derive(Debug)]
pub struct Splitter {
    end: u8,
    longest: usize,
    open: Vec<u8>,
    /// The rest of the open one is passed over.
    passes: bool,
}

impl Splitter {
    /// `end`: of each; `longest`: bytes that one may have.
    #[must_use]
    pub fn new(end: u8, longest: usize) -> Self {
        Self { end, longest, open: Vec::new(), passes: false }
    }

    /// Takes more bytes and appends what is whole by them. That one is too long is said at once, not at its end.
    pub fn push(&mut self, bytes: &[u8], pieces: &mut impl Extend<Piece>) {
        let mut parts = bytes.split(|byte| *byte == self.end).peekable();
        while let Some(part) = parts.next() {
            let ends = parts.peek().is_some();
            if !self.passes && self.open.len() + part.len() > self.longest {
                self.open = Vec::new();
                self.passes = true;
                pieces.extend([Piece::TooLong]);
            }
            if !self.passes {
                self.open.extend_from_slice(part);
            }
            if ends && !std::mem::take(&mut self.passes) {
                pieces.extend([Piece::Whole(std::mem::take(&mut self.open))]);
            }
        }
    }

    /// Nothing more comes: what was begun is a task too.
    pub fn finish(&mut self, pieces: &mut impl Extend<Piece>) {
        let is_begun = !self.open.is_empty();
        if is_begun && !std::mem::take(&mut self.passes) {
            pieces.extend([Piece::Whole(std::mem::take(&mut self.open))]);
        }
        self.passes = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::random::Random;

    fn split(text: &[u8], longest: usize, chunk: usize) -> Vec<Piece> {
        let (mut splitter, mut pieces) = (Splitter::new(b'\n', longest), Vec::new());
        text.chunks(chunk).for_each(|chunk| splitter.push(chunk, &mut pieces));
        splitter.finish(&mut pieces);
        pieces
    }

    fn whole(text: &str) -> Piece {
        Piece::Whole(text.into())
    }

    #[test]
    fn a_task_is_a_line_with_its_carriage_return_and_an_empty_one_too() {
        for chunk in [1, 2, 3, 100] {
            assert_eq!(split(b"a\r\n\nbc", 9, chunk), [whole("a\r"), whole(""), whole("bc")]);
            assert_eq!(split(b"\n", 9, chunk), [whole("")]);
            assert_eq!(split(b"", 9, chunk), []);
            assert_eq!(split(b"a\n", 9, chunk), [whole("a")]);
        }
    }

    #[test]
    fn one_that_is_too_long_is_said_at_once_and_the_next_ones_are_tasks() {
        for chunk in [1, 2, 7, 100] {
            assert_eq!(split(b"12345\n123456\n1", 5, chunk), [whole("12345"), Piece::TooLong, whole("1")]);
            assert_eq!(split(b"123456", 5, chunk), [Piece::TooLong]);
        }
        let (mut splitter, mut pieces) = (Splitter::new(b'\n', 5), Vec::new());
        for _ in 0..1000 {
            splitter.push(&[b'x'; 1000], &mut pieces);
            assert_eq!((pieces.as_slice(), splitter.open.capacity()), ([Piece::TooLong].as_slice(), 0));
        }
    }

    #[test]
    fn however_the_bytes_come_the_tasks_are_the_same() {
        let mut random = Random(3);
        for _ in 0..2_000 {
            let text: Vec<u8> = (0..random.below(60)).map(|_| b"ab\n"[random.below(3) as usize]).collect();
            let (mut splitter, mut pieces) = (Splitter::new(b'\n', 4), Vec::new());
            let mut rest = text.as_slice();
            while !rest.is_empty() {
                let (chunk, after) = rest.split_at(1 + random.below(rest.len() as u64) as usize);
                splitter.push(chunk, &mut pieces);
                rest = after;
            }
            splitter.finish(&mut pieces);
            let mut lines: Vec<_> = text.split(|byte| *byte == b'\n').collect();
            lines.pop_if(|last| last.is_empty());
            let of = |line: &[u8]| if line.len() > 4 { Piece::TooLong } else { Piece::Whole(line.to_vec()) };
            assert_eq!(pieces, lines.into_iter().map(of).collect::<Vec<_>>());
        }
    }
}
