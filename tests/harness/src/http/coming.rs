//! A body that goes on: lines that come when something happens.
//!
//! Must not: wait for more than was asked for. A line is given as soon as it is there.

use super::answer::{Answer, Reader};
use super::connection::Connection;
use std::io::{self, BufRead, BufReader, Read};

/// The body of an answer, line by line.
pub struct Coming(BufReader<Body>);

struct Body {
    connection: Connection,
    reader: Reader,
    is_chunked: bool,
    /// Of the piece that is being read.
    left: usize,
}

impl Coming {
    /// Behind the head of an answer.
    pub(super) fn of(head: &Answer, connection: Connection, reader: Reader) -> Self {
        let length = head.header("content-length").and_then(|length| length.parse().ok());
        Self(BufReader::new(Body { connection, reader, is_chunked: head.is_chunked(), left: length.unwrap_or(0) }))
    }

    /// The next line with its end; empty behind the last one.
    ///
    /// # Errors
    ///
    /// The connection was cut, or nothing came for as long as a test waits.
    pub fn next_line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        Ok(line)
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_chunked && self.left == 0 {
            let size = self.reader.line(&mut self.connection)?;
            self.left = usize::from_str_radix(&size, 16).map_err(io::Error::other)?;
            self.is_chunked = self.left > 0;
        }
        let length = self.left.min(buffer.len());
        let read = self.reader.at_most(&mut self.connection, &mut buffer[..length])?;
        self.left -= read;
        if self.is_chunked && self.left == 0 {
            self.reader.line(&mut self.connection)?;
        }
        Ok(read)
    }
}
