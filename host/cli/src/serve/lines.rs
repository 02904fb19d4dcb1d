//! Lines on their way to stdout or stderr, through a thread: whoever reads slowly holds up nobody who serves.
//!
//! Must not: keep more than [`WAITING`] lines, or be silent about those that it leaves out.

use sandhog_sys::descriptors::StandardStream;
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;
use tokio::sync::mpsc;

/// Lines that may wait for the thread: those of the busiest tenth of a second. One is at most some KiB long.
const WAITING: usize = 8192;

/// What is written at once at the most, in bytes: what a pipe takes.
const BATCH: usize = 64 << 10;

/// How long the end of this process waits for whoever reads.
const LAST: Duration = Duration::from_secs(1);

/// The way to one stream.
#[derive(Clone)]
pub(super) struct Lines {
    thread: mpsc::Sender<Piece>,
    lost: Arc<AtomicU64>,
}

/// The thread.
pub(super) struct Writer {
    thread: JoinHandle<()>,
    tell: mpsc::Sender<Piece>,
}

enum Piece {
    Line(Vec<u8>),
    /// Nothing comes after this.
    End,
}

impl Lines {
    /// To a stream of this process. `what`: what its lines are, for those that are told how many were left out.
    ///
    /// # Errors
    /// The machine has no descriptors or threads left.
    pub(super) fn to(stream: StandardStream, what: &'static str) -> io::Result<(Self, Writer)> {
        // One that was closed takes nothing: the standard library opens /dev/null in its place.
        let stream = File::from(stream.borrow().try_clone_to_owned()?);
        Self::into(stream, what)
    }

    fn into(stream: impl Write + Send + 'static, what: &'static str) -> io::Result<(Self, Writer)> {
        let (send, lines) = mpsc::channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let left_out = Arc::clone(&lost);
        let write = move || write_all(stream, lines, &left_out, what);
        let thread = Builder::new().name("lines".into()).spawn(write)?;
        let tell = send.clone();
        Ok((Self { thread: send, lost }, Writer { thread, tell }))
    }

    /// A line, with its end. Where there is no room it is counted and left out.
    pub(super) fn try_say(&self, line: impl Into<Vec<u8>>) {
        if self.thread.try_send(Piece::Line(line.into())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The same, but it waits for room.
    pub(super) async fn say(&self, line: Vec<u8>) {
        // Where the thread has ended, nobody reads.
        let _ = self.thread.send(Piece::Line(line)).await;
    }
}

impl Writer {
    /// Waits until all that was said so far is written, for as long as somebody may take to read it.
    pub(super) async fn finish(self) {
        let Self { thread, tell } = self;
        let written = async {
            let _ = tell.send(Piece::End).await;
            let _ = tokio::task::spawn_blocking(move || drop(thread.join())).await;
        };
        let _ = tokio::time::timeout(LAST, written).await;
    }
}

/// Until the end, or nobody reads them.
fn write_all(mut stream: impl Write, mut lines: mpsc::Receiver<Piece>, lost: &AtomicU64, what: &str) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut is_over = false;
    while !is_over && let Some(first) = lines.blocking_recv() {
        let mut next = Some(first);
        while let Some(piece) = next {
            match piece {
                Piece::Line(line) => batch.extend_from_slice(&line),
                Piece::End => is_over = true,
            }
            next = if batch.len() < BATCH && !is_over { lines.try_recv().ok() } else { None };
        }
        if stream.write_all(&batch).and_then(|()| stream.flush()).is_err() {
            return;
        }
        batch.clear();
        match lost.swap(0, Ordering::Relaxed) {
            0 => {}
            count => super::super::render::aside(&format!(
                "sandhog: {count} lines of {what} were left out: whoever reads them is too slow\n"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc as blocking;

    /// A stream whose reader says when it goes on.
    struct Slow {
        go: blocking::Receiver<()>,
        written: blocking::Sender<Vec<u8>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.go.recv().map_err(io::Error::other)?;
            self.written.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn lines_come_whole_and_in_their_order() {
        let (go, hear) = blocking::channel();
        let (written, read) = blocking::channel();
        let (lines, writer) = Lines::into(Slow { go: hear, written }, "a test").unwrap();
        for number in 0..100 {
            lines.try_say(format!("{number}\n"));
        }
        (0..100).for_each(|_| {
            let _ = go.send(());
        });
        writer.finish().await;
        let text: Vec<u8> = read.try_iter().flatten().collect();
        let expected: String = (0..100).map(|number| format!("{number}\n")).collect();
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[tokio::test]
    async fn a_reader_that_stands_still_costs_lines_and_no_time() {
        let (go, hear) = blocking::channel();
        let (written, _read) = blocking::channel();
        let (lines, _writer) = Lines::into(Slow { go: hear, written }, "a test").unwrap();
        // As many as wait, what the thread holds in its hands, and a few more.
        for _ in 0..2 * WAITING + BATCH {
            lines.try_say("\n");
        }
        assert!(lines.lost.load(Ordering::Relaxed) > 0);
        drop(go);
    }

    #[tokio::test]
    async fn a_reader_that_has_gone_ends_the_thread() {
        let (go, hear) = blocking::channel();
        let (written, read) = blocking::channel();
        let (lines, writer) = Lines::into(Slow { go: hear, written }, "a test").unwrap();
        drop((go, read));
        lines.say(b"a\n".to_vec()).await;
        writer.finish().await;
        lines.say(b"b\n".to_vec()).await;
        lines.try_say("c\n");
    }
}
