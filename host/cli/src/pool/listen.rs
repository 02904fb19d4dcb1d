//! What the program says, as it comes, by a thread of its own: the descriptors may be anything that can be read.
//!
//! Must not: read ahead by more than a batch. Whoever takes no more makes the program wait.

use super::messages::{Broken, Reader};
use crate::args::Protocol;
use crate::ipc::lines::Input;
use sandhog_protocol::causes;
use sandhog_protocol::pool::ToPool;
use std::io;
use std::os::fd::OwnedFd;
use std::thread;
use tokio::sync::mpsc;

/// Most messages that are handed over together, and most bytes of their tasks beside the last one: waking up whoever takes
/// them costs more than reading a small one.
const BATCH: usize = 128;
const BATCH_BYTES: usize = 64 << 10;

/// What was heard.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Message(ToPool),
    /// What is no message, in words. Nothing follows.
    Nonsense(String),
    /// Nothing follows.
    End,
}

/// Begins to read.
///
/// # Errors
/// No thread can be started.
pub(super) fn listen(input: OwnedFd, protocol: Protocol) -> io::Result<mpsc::Receiver<Vec<Heard>>> {
    let (heard, hears) = mpsc::channel(1);
    let mut reader = Reader::new(Input(input), protocol);
    thread::Builder::new().name("pool in".into()).spawn(move || {
        let mut is_over = false;
        while !is_over {
            let batch = next_batch(&mut reader);
            is_over = !matches!(batch.last(), Some(Heard::Message(_)));
            if heard.blocking_send(batch).is_err() {
                return;
            }
        }
    })?;
    Ok(hears)
}

/// At least one thing. Messages that came together go together.
fn next_batch(reader: &mut Reader<impl io::Read>) -> Vec<Heard> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    loop {
        let heard = hear(reader.next());
        if let Heard::Message(ToPool::Task(task)) = &heard {
            bytes += task.bytes();
        }
        let goes_on = matches!(heard, Heard::Message(_));
        batch.push(heard);
        if !goes_on || batch.len() == BATCH || bytes >= BATCH_BYTES || !reader.has_message() {
            return batch;
        }
    }
}

fn hear(next: Result<Option<ToPool>, Broken>) -> Heard {
    match next {
        Ok(Some(message)) => Heard::Message(message),
        Ok(None) => Heard::End,
        // It has gone without reading all that was written.
        Err(Broken::Read(error)) if error.kind() == io::ErrorKind::ConnectionReset => Heard::End,
        Err(broken) => Heard::Nonsense(causes::one_line(&broken)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn messages_that_come_together_go_together_and_nonsense_is_the_last() {
        let text = b"{\"type\":\"statistics\"}\n{\"type\":\"close\"}\noops\n{\"type\":\"close\"}\n";
        let mut reader = Reader::new(&text[..], Protocol::Json);
        let batch = next_batch(&mut reader);
        assert_eq!(batch[..2], [Heard::Message(ToPool::Statistics), Heard::Message(ToPool::Close)]);
        assert!(matches!(&batch[2..], [Heard::Nonsense(text)] if text.starts_with("line 3: ")));
        assert_eq!(next_batch(&mut Reader::new(&b""[..], Protocol::Msgpack)), [Heard::End]);
    }

    #[test]
    fn a_program_waits_that_nobody_listens_to() {
        let (reader, mut writer) = io::pipe().unwrap();
        let mut hears = listen(reader.into(), Protocol::Json).unwrap();
        let writing = thread::spawn(move || {
            let line = format!("{}{{\"type\":\"statistics\"}}\n", " ".repeat(1000));
            (0..2000).for_each(|_| writer.write_all(line.as_bytes()).unwrap());
        });
        let first = hears.blocking_recv().unwrap();
        assert!(!writing.is_finished(), "two megabytes were taken that nobody had asked for");
        let mut count = first.len();
        while let Some(batch) = hears.blocking_recv() {
            count += batch.iter().filter(|heard| **heard != Heard::End).count();
        }
        writing.join().unwrap();
        assert_eq!(count, 2000);
    }
}
