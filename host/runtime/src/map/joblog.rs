//! A line of a job log, in the columns of GNU parallel's `--joblog` and one more: the verdict in words.
//!
//! Must not: open a file.

use super::numbers::Numbers;
use sandhog_spec::text::escape;
use std::time::Duration;

/// The first line.
pub const HEADER: &str = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\tVerdict\n";

/// Longest text of a command in a line, in bytes: a task may have megabytes.
pub const COMMAND: usize = 1 << 10;

/// One task that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// From 1 on, in the order of the input.
    pub number: u64,
    /// Since 1970.
    pub started: Duration,
    pub ran: Duration,
    /// Bytes of the task, and of its output.
    pub sent: u64,
    pub received: u64,
    pub exit: u8,
    pub signal: i32,
    pub command: String,
    pub verdict: String,
}

impl Row {
    /// The line, with its end. Whatever is in the texts, it is one line of ten columns.
    #[must_use]
    pub fn to_line(&self) -> String {
        let cut = &self.command[..self.command.floor_char_boundary(COMMAND)];
        let more = if cut.len() < self.command.len() { "…" } else { "" };
        format!(
            "{}\t:\t{}.{:03}\t{:10}.{:03}\t{}\t{}\t{}\t{}\t{}{more}\t{}\n",
            self.number,
            self.started.as_secs(),
            self.started.subsec_millis(),
            self.ran.as_secs(),
            self.ran.subsec_millis(),
            self.sent,
            self.received,
            self.exit,
            self.signal,
            escape(cut),
            escape(&self.verdict),
        )
    }
}

/// As much of a line as resuming needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Past {
    pub number: u64,
    pub succeeded: bool,
}

impl Past {
    /// Reads a line, of ours or of GNU parallel's; None where it is none of a task: the header, or one that was torn.
    #[must_use]
    pub fn read(line: &str) -> Option<Self> {
        let mut columns = line.split('\t');
        let number = columns.next()?.trim().parse().ok().filter(|number| *number > 0)?;
        let mut next = || columns.nth(5)?.trim().parse::<i64>().ok();
        let exit = next()?;
        let signal = columns.next()?.trim().parse::<i64>().ok()?;
        // The command: without it the line has been torn.
        columns.next()?;
        Some(Self { number, succeeded: exit == 0 && signal == 0 })
    }
}

/// Which tasks are to be passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// None.
    No,
    /// Those that have a line.
    Done,
    /// Those whose last line says that they succeeded.
    Succeeded,
}

impl Resume {
    /// What a line of the past means for the numbers that are passed over.
    pub fn heed(self, past: Past, passed: &mut Numbers) {
        match (self, past.succeeded) {
            (Self::No, _) => {}
            (Self::Done, _) | (Self::Succeeded, true) => passed.insert(past.number),
            (Self::Succeeded, false) => passed.remove(past.number),
        }
    }
}

/// Words as a shell would take them.
#[must_use]
pub fn quoted<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut line = String::new();
    for word in words {
        if !line.is_empty() {
            line.push(' ');
        }
        // What is beyond is not shown.
        if line.len() > COMMAND {
            break;
        }
        let cut = &word[..word.floor_char_boundary(COMMAND + 1)];
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=:,+@%^".contains(&byte);
        if !cut.is_empty() && cut.bytes().all(is_plain) {
            line.push_str(cut);
        } else {
            line.push('\'');
            line.push_str(&cut.replace('\'', "'\\''"));
            line.push('\'');
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::random::Random;

    fn row() -> Row {
        Row {
            number: 3,
            started: Duration::from_millis(1_700_000_000_012),
            ran: Duration::from_millis(1234),
            sent: 5,
            received: 60,
            exit: 0,
            signal: 0,
            command: "resvg.wasm 'a b.svg'".into(),
            verdict: "completed".into(),
        }
    }

    #[test]
    fn a_line_has_the_columns_of_gnu_parallel_and_the_verdict() {
        assert_eq!(
            row().to_line(),
            "3\t:\t1700000000.012\t         1.234\t5\t60\t0\t0\tresvg.wasm 'a b.svg'\tcompleted\n"
        );
        assert_eq!(HEADER.split('\t').count(), row().to_line().split('\t').count());
    }

    #[test]
    fn a_line_of_gnu_parallel_is_read() {
        let theirs = "12\t:\t1700000000.012\t     0.004\t0\t4\t0\t9\techo x";
        assert_eq!(Past::read(theirs), Some(Past { number: 12, succeeded: false }));
        assert_eq!(Past::read(HEADER), None);
        assert_eq!(Past::read(""), None);
        assert_eq!(Past::read("0\t:\t1\t1\t1\t1\t0\t0\tx"), None);
    }

    /// Whatever a guest, or the input, puts into it.
    #[test]
    fn what_was_written_is_read_again_and_a_torn_line_never_is() {
        let mut random = Random(5);
        let pieces = ["\t", "\n", "\r", "\u{1b}[2J", "x", "é", "0", "\u{2028}", " ", "'"];
        let text =
            |random: &mut Random| (0..random.below(12)).map(|_| pieces[random.below(10) as usize]).collect::<String>();
        for _ in 0..5_000 {
            let row = Row {
                number: 1 + random.next() / 2,
                exit: random.below(3) as u8,
                signal: random.below(2) as i32 * 9,
                command: text(&mut random),
                verdict: text(&mut random),
                ..row()
            };
            let line = row.to_line();
            assert_eq!((line.matches('\n').count(), line.matches('\t').count()), (1, 9), "{line:?}");
            let past = Past::read(line.trim_end_matches('\n')).unwrap();
            assert_eq!(past, Past { number: row.number, succeeded: row.exit == 0 && row.signal == 0 });
            let signal_at = line.match_indices('\t').nth(7).unwrap().0;
            let torn = &line[..line.floor_char_boundary(random.below(signal_at as u64 + 1) as usize)];
            assert_eq!(Past::read(torn), None, "{torn:?}");
        }
    }

    #[test]
    fn a_task_of_megabytes_makes_no_line_of_megabytes() {
        let long = "é".repeat(5 << 20);
        let row = Row { command: quoted(["m.wasm", &long]), ..row() };
        assert!(row.command.len() < 2 * COMMAND + 10);
        let line = row.to_line();
        assert!(line.len() < COMMAND + 200 && line.contains("…\t"));
    }

    #[test]
    fn the_last_line_of_a_task_counts_where_failures_are_done_again() {
        let lines = [(1, true), (2, false), (3, true), (2, true), (3, false)];
        let passed = |resume: Resume| {
            let mut passed = Numbers::default();
            lines.iter().for_each(|(number, succeeded)| {
                resume.heed(Past { number: *number, succeeded: *succeeded }, &mut passed);
            });
            [1, 2, 3, 4].map(|number| passed.contains(number))
        };
        assert_eq!(passed(Resume::No), [false; 4]);
        assert_eq!(passed(Resume::Done), [true, true, true, false]);
        assert_eq!(passed(Resume::Succeeded), [true, true, false, false]);
    }

    #[test]
    fn words_are_quoted_as_a_shell_takes_them() {
        assert_eq!(quoted(["a.wasm", "x y", "", "it's", "--o=1"]), "a.wasm 'x y' '' 'it'\\''s' --o=1");
    }
}
