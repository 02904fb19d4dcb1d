//! Output whose writes stay whole: the worker writes the length of each call of the guest's before its bytes, and calls are
//! passed on as a whole, as many at once as there are. So lines that are written in one call are not torn where several runs
//! write to one file.
//!
//! A bare pipe would not do: it takes a write of more than a page (PIPE_BUF, pipe(7)) in parts where it is full, and what is
//! read from it has no borders.

use super::end::{End, ended};
use super::manner::CHUNK;
use super::meter::Meter;
use super::mover::{Failure, lies_in, rings_before, when_ready, write_all};
use rustix::event::PollFlags;
use sandhog_protocol::limits::OUTPUT_CALL_HEADER;
use std::os::fd::{AsFd, OwnedFd};

/// Most of one call that is held back until the rest of it is there, in bytes. What is longer is passed on in parts.
const HELD: usize = 1 << 20;

/// Goes through one stream. A worker that writes other lengths than it should moves nothing but its own borders.
#[derive(Default)]
struct Calls {
    /// The begin of a length.
    header: Vec<u8>,
    /// What is still to come of the call that has begun, in bytes.
    left: usize,
    /// What has come, calls before it included.
    held: Vec<u8>,
    /// So much of that is whole.
    whole: usize,
}

impl Calls {
    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left == 0 {
                let wanted = OUTPUT_CALL_HEADER - self.header.len();
                let (head, rest) = bytes.split_at(wanted.min(bytes.len()));
                self.header.extend_from_slice(head);
                bytes = rest;
                if let Ok(length) = <[u8; OUTPUT_CALL_HEADER]>::try_from(&*self.header) {
                    self.header.clear();
                    self.left = u32::from_le_bytes(length) as usize;
                }
                continue;
            }
            let (part, rest) = bytes.split_at(self.left.min(bytes.len()));
            self.held.extend_from_slice(part);
            self.left -= part.len();
            if self.left == 0 {
                self.whole = self.held.len();
            }
            bytes = rest;
        }
        if self.held.len() - self.whole > HELD {
            self.whole = self.held.len();
        }
    }

    /// What can be passed on by now.
    fn pass(&mut self, mut to: impl FnMut(&[u8]) -> Result<(), End>) -> Result<(), End> {
        if self.whole > 0 {
            to(&self.held[..self.whole])?;
            self.held.drain(..self.whole);
            self.whole = 0;
        }
        Ok(())
    }
}

/// As [`super::pump`], call by call. The limit cuts the last one.
pub(super) fn pump(from: &OwnedFd, to: impl AsFd, meter: &Meter, over: Option<&OwnedFd>) -> End {
    let mut calls = Calls::default();
    let mut pass = |bytes: &[u8]| pass_on(bytes, &to, meter);
    let end = move_all(from, &mut calls, &mut pass, over);
    // The last call of a worker that was ended may not have come to its end.
    calls.whole = calls.held.len();
    match (end, calls.pass(pass)) {
        (End::Finished, Err(end)) | (end, _) => end,
    }
}

fn move_all(
    from: &OwnedFd,
    calls: &mut Calls,
    pass: &mut impl FnMut(&[u8]) -> Result<(), End>,
    over: Option<&OwnedFd>,
) -> End {
    let mut buffer = vec![0; CHUNK];
    // Known once it is over.
    let mut rest = None;
    loop {
        if rest.is_none() && over.is_some_and(|over| rings_before((from, PollFlags::IN), over)) {
            rest = Some(lies_in(from));
        }
        let max = usize::try_from(rest.unwrap_or(u64::MAX)).unwrap_or(usize::MAX).min(buffer.len());
        if max == 0 {
            return End::Finished;
        }
        let read = match when_ready(from, PollFlags::IN, || rustix::io::read(from, &mut buffer[..max])) {
            Ok(0) => return End::Finished,
            Ok(read) => read,
            Err(errno) => return ended(Failure::Read(errno)),
        };
        rest = rest.map(|rest| rest.saturating_sub(read as u64));
        calls.take(&buffer[..read]);
        if let Err(end) = calls.pass(&mut *pass) {
            return end;
        }
    }
}

fn pass_on(bytes: &[u8], to: &impl AsFd, meter: &Meter) -> Result<(), End> {
    let max = usize::try_from(meter.left()).unwrap_or(usize::MAX).min(bytes.len());
    write_all(to, &bytes[..max]).map_err(ended)?;
    meter.count(max);
    if max < bytes.len() { Err(End::LimitReached) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::{Manner, Over};
    use super::*;
    use rustix::pipe::pipe;
    use std::fs::{self, File};

    const WHOLE: Manner = Manner { beside: None, harmless: false, calls: true };

    /// Its name goes with the first value.
    fn file() -> (tempfile::TempPath, File) {
        let (file, path) = tempfile::NamedTempFile::new().unwrap().into_parts();
        drop(file);
        let file = File::options().append(true).open(&path).unwrap();
        (path, file)
    }

    fn call(bytes: &[u8]) -> Vec<u8> {
        [&u32::try_from(bytes.len()).unwrap().to_le_bytes(), bytes].concat()
    }

    fn sent(bytes: &[u8]) -> OwnedFd {
        let (reads, writes) = pipe().unwrap();
        rustix::io::write(&writes, bytes).unwrap();
        reads
    }

    /// What is passed on, call by call of ours, however it comes.
    fn passed(bytes: &[u8], piece: usize) -> Vec<Vec<u8>> {
        let (mut calls, mut passed) = (Calls::default(), Vec::new());
        for piece in bytes.chunks(piece) {
            calls.take(piece);
            let keep = |bytes: &[u8]| {
                passed.push(bytes.to_vec());
                Ok(())
            };
            calls.pass(keep).unwrap();
        }
        passed
    }

    #[test]
    fn calls_are_passed_on_whole_however_they_come() {
        let bytes = [call(b"one\n"), call(&[b'x'; 10_000]), call(b""), call(b"three\n")].concat();
        assert_eq!(passed(&bytes, usize::MAX), [[&b"one\n"[..], &[b'x'; 10_000], b"three\n"].concat()]);
        for piece in [1, 3, 7, 4096, 9999] {
            let passed = passed(&bytes, piece);
            assert_eq!(passed.concat().len(), 10_010);
            assert!(passed.iter().all(|part| part.ends_with(b"\n") || part.ends_with(b"x")), "{piece}");
            assert!(passed.iter().any(|part| part.windows(10_000).any(|part| part == [b'x'; 10_000])), "{piece}");
        }
    }

    #[test]
    fn of_an_endless_call_no_more_than_a_bound_is_held() {
        let mut calls = Calls::default();
        calls.take(&u32::MAX.to_le_bytes());
        let mut max = 0;
        for _ in 0..100 {
            calls.take(&[b'x'; CHUNK]);
            max = max.max(calls.held.len());
            calls.pass(|_| Ok(())).unwrap();
        }
        assert!(max <= HELD + 2 * CHUNK, "{max}");
    }

    #[test]
    fn everything_arrives_and_is_counted_without_the_lengths() {
        let ((path, file), meter) = (file(), Meter::new(None));
        let bytes = [call(b"one\n"), call(b"two\n"), vec![9, 0, 0, 0, b'e', b'n', b'd']].concat();
        assert_eq!(super::super::pump(&sent(&bytes), &file, &meter, &WHOLE, None), End::Finished);
        assert_eq!((fs::read(&path).unwrap(), meter.passed()), (b"one\ntwo\nend".to_vec(), 11));
    }

    #[test]
    fn the_limit_cuts_a_call() {
        let ((path, file), meter) = (file(), Meter::new(Some(6)));
        let bytes = [call(b"one\n"), call(b"two\n")].concat();
        assert_eq!(pump(&sent(&bytes), &file, &meter, None), End::LimitReached);
        assert_eq!(fs::read(&path).unwrap(), b"one\ntw");
    }

    #[test]
    fn once_it_is_over_what_lies_there_passes_though_somebody_holds_the_other_end() {
        let (path, file) = file();
        let (reads, writes) = pipe().unwrap();
        rustix::io::write(&writes, &call(b"one\n")).unwrap();
        let mut over = Over::new();
        let bell = over.bell().unwrap();
        over.tell();
        assert_eq!(pump(&reads, &file, &Meter::new(None), Some(&bell)), End::Finished);
        assert_eq!(fs::read(&path).unwrap(), b"one\n");
    }
}
