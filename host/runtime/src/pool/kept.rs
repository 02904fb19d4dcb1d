//! The output of a pool's workers.
//!
//! Must not: mix what two workers wrote within a line.

use super::captured::Captured;
use crate::observer::Keeper;
use crate::output::{Beside, Harmless, Sink, write_all};
use sandhog_protocol::control::LogStream;
use sandhog_sys::descriptors::StandardStream;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Written<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Keeps what a worker that is there for one task writes, and its children, which inherit its streams.
#[derive(Default)]
pub(super) struct Outputs {
    out: Arc<Mutex<Captured>>,
    err: Arc<Mutex<Captured>>,
}

impl Outputs {
    /// All that there is: stdout and stderr.
    pub(super) fn take(&self) -> [Captured; 2] {
        [&self.out, &self.err].map(|stream| std::mem::take(&mut *locked(stream)))
    }
}

impl Keeper for Outputs {
    fn sink(&self, stream: LogStream) -> Box<dyn Sink> {
        Box::new(Append(Arc::clone(match stream {
            LogStream::Out => &self.out,
            LogStream::Err | LogStream::Log | LogStream::Sandhog | LogStream::Access | LogStream::Unknown(_) => {
                &self.err
            }
        })))
    }
}

struct Append(Arc<Mutex<Captured>>);

impl Sink for Append {
    fn write<'a>(&'a mut self, bytes: &'a [u8]) -> Written<'a> {
        locked(&self.0).append(bytes);
        Box::pin(std::future::ready(()))
    }

    fn end(&mut self) -> Written<'_> {
        Box::pin(std::future::ready(()))
    }
}

fn locked(captured: &Mutex<Captured>) -> MutexGuard<'_, Captured> {
    // Nothing panics while it holds the lock; what is lost of a stream would be noted in it.
    captured.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passes on what a worker writes that does many tasks: whole lines, to the command's stderr, for stdout belongs to the answers.
pub(super) struct Passing {
    /// How output gets to a terminal that is drawn on.
    pub(super) beside: Option<Beside>,
}

impl Keeper for Passing {
    fn sink(&self, _stream: LogStream) -> Box<dyn Sink> {
        let is_terminal = rustix::termios::isatty(StandardStream::Stderr.borrow());
        let (beside, harmless) = (self.beside.clone(), is_terminal.then(Harmless::default));
        Box::new(Lines { unfinished: Vec::new(), beside, harmless })
    }
}

/// The longest line that is waited for, in bytes; what is longer is passed on in parts.
const LINE: usize = 64 << 10;

struct Lines {
    unfinished: Vec<u8>,
    beside: Option<Beside>,
    /// Where stderr is a terminal.
    harmless: Option<Harmless>,
}

impl Lines {
    async fn pass(&self, lines: Vec<u8>) {
        let beside = self.beside.clone();
        let passed = tokio::task::spawn_blocking(move || {
            let ends_a_line = lines.ends_with(b"\n");
            let mut write = || {
                // Where stderr has gone nobody is left to be told.
                let _ = write_all(&StandardStream::Stderr.borrow(), &lines);
                ends_a_line
            };
            match beside {
                Some(beside) => beside(&mut write),
                None => drop(write()),
            }
        });
        let _ = passed.await;
    }
}

impl Sink for Lines {
    fn write<'a>(&'a mut self, bytes: &'a [u8]) -> Written<'a> {
        Box::pin(async move {
            match &mut self.harmless {
                Some(harmless) => self.unfinished.extend(harmless.pass(bytes)),
                None => self.unfinished.extend_from_slice(bytes),
            }
            let whole = match self.unfinished.iter().rposition(|byte| *byte == b'\n') {
                Some(last) => last + 1,
                None if self.unfinished.len() >= LINE => self.unfinished.len(),
                None => return,
            };
            let rest = self.unfinished.split_off(whole);
            let lines = std::mem::replace(&mut self.unfinished, rest);
            self.pass(lines).await;
        })
    }

    fn end(&mut self) -> Written<'_> {
        Box::pin(async move {
            if let Some(harmless) = &mut self.harmless {
                self.unfinished.extend(harmless.finish());
            }
            if !self.unfinished.is_empty() {
                let mut line = std::mem::take(&mut self.unfinished);
                line.push(b'\n');
                self.pass(line).await;
            }
        })
    }
}
