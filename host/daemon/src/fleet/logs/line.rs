//! One line of a log file: `2026-11-21T16:13:00.123Z INSTANCE ATTEMPT out|err|log|sandhog|access TEXT`. The text is what the
//! guest wrote, byte by byte.

use sandhog_protocol::control::{LogLine, LogStream};
use sandhog_spec::time;

/// Longest text of one line, in bytes; a longer one becomes several. As much as a pipe holds, so that what a guest
/// writes at once is rarely cut.
pub(super) const LINE_BYTES: usize = 64 << 10;

/// Everything in front of a line's text.
pub(super) struct Head {
    /// Behind the time.
    origin: String,
    at_ms: Option<u64>,
    bytes: Vec<u8>,
}

impl Head {
    /// An attempt's name is one word here, whatever it was.
    pub(super) fn new(instance: u32, attempt: &str, stream: LogStream) -> Self {
        let attempt: String = attempt.chars().filter(char::is_ascii_graphic).collect();
        let attempt = if attempt.is_empty() { "-" } else { &attempt };
        let origin = format!(" {instance} {attempt} {} ", stream);
        Self { origin, at_ms: None, bytes: Vec::new() }
    }

    /// The lines that follow are of this time.
    pub(super) fn stamp(&mut self, at_ms: u64) {
        if self.at_ms != Some(at_ms) {
            self.at_ms = Some(at_ms);
            self.bytes = (time::utc(at_ms) + &self.origin).into_bytes();
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The line, without its end, if it is one. What is no UTF-8 is replaced.
pub(super) fn parse(job: &str, line: &[u8]) -> Option<LogLine> {
    let mut words = line.splitn(5, |byte| *byte == b' ');
    let mut word = || std::str::from_utf8(words.next()?).ok();
    let at_ms = time::parse(word()?)?;
    let (instance, attempt, stream) = (word()?.parse().ok()?, word()?.to_owned(), stream(word()?)?);
    let text = String::from_utf8_lossy(words.next()?).into_owned();
    Some(LogLine { at_ms, job: job.to_owned(), instance, attempt, stream, text })
}

/// Where to cut this text so that at most so many bytes come first: not within a character, where it is UTF-8.
pub(super) fn cut_position(text: &[u8], max: usize) -> usize {
    const LONGEST_CHARACTER: usize = 4;
    let begins_one = |position: &usize| text[*position] & 0b1100_0000 != 0b1000_0000;
    let positions = max.saturating_sub(LONGEST_CHARACTER - 1).max(1)..=max;
    positions.rev().find(begins_one).unwrap_or(max)
}

fn stream(word: &str) -> Option<LogStream> {
    LogStream::ALL.iter().copied().find(|stream| stream.as_str() == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(stream: LogStream, text: &str) -> LogLine {
        LogLine {
            at_ms: 1_795_277_580_123,
            job: "api".into(),
            instance: 3,
            attempt: "a7".into(),
            stream,
            text: text.into(),
        }
    }

    fn written(line: &LogLine) -> Vec<u8> {
        let mut head = Head::new(line.instance, &line.attempt, line.stream);
        head.stamp(line.at_ms);
        [head.bytes(), line.text.as_bytes()].concat()
    }

    #[test]
    fn a_line_is_read_by_people() {
        let bytes = written(&line(LogStream::Sandhog, "it is ready"));
        assert_eq!(String::from_utf8(bytes).unwrap(), "2026-11-21T16:13:00.123Z 3 a7 sandhog it is ready");
    }

    #[test]
    fn what_is_written_is_read_again() {
        for stream in LogStream::ALL.iter().copied() {
            for text in ["", " ", "two  words ", "2026-11-21T16:13:00.123Z 3 a7 out x", "界🦀", "\u{1b}[2J\r\0"] {
                let line = line(stream, text);
                assert_eq!(parse("api", &written(&line)), Some(line));
            }
        }
    }

    #[test]
    fn a_line_that_is_cut_off_is_the_rest_of_it_or_none() {
        let whole = line(LogStream::Err, "text");
        let bytes = written(&whole);
        let head = bytes.len() - "text".len();
        for end in 0..bytes.len() {
            let read = parse("api", &bytes[..end]).map(|line| line.text);
            assert_eq!(read.as_deref(), (end >= head).then(|| &whole.text[..end - head]), "{end}");
        }
    }

    #[test]
    fn what_is_no_time_and_what_is_no_utf8_make_no_error() {
        for line in ["", "x", "2026-13-21T16:13:00.123Z 3 a7 out x", "1969-11-21T16:13:00.123Z 3 a7 out x"] {
            assert_eq!(parse("api", line.as_bytes()), None);
        }
        let line = parse("api", b"2026-11-21T16:13:00.123Z 3 a7 out \xff\xfe").unwrap();
        assert_eq!(line.text, "\u{fffd}\u{fffd}");
        assert_eq!(time::utc(u64::MAX), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn an_attempt_is_one_word() {
        let mut head = Head::new(0, "a b\nc", LogStream::Out);
        head.stamp(0);
        assert_eq!(head.bytes(), b"1970-01-01T00:00:00.000Z 0 abc out ");
        let mut head = Head::new(0, "\n", LogStream::Out);
        head.stamp(0);
        assert_eq!(head.bytes(), b"1970-01-01T00:00:00.000Z 0 - out ");
    }

    #[test]
    fn a_character_is_not_cut() {
        let text = "aé界🦀b".as_bytes();
        let positions: Vec<_> = (1..text.len()).map(|max| cut_position(text, max)).collect();
        assert_eq!(positions, [1, 1, 3, 3, 3, 6, 6, 6, 6, 10]);
        assert_eq!(cut_position(&[0x80; 10], 7), 7, "what is no UTF-8 is cut anywhere");
    }
}
