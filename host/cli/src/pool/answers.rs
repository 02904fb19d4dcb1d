//! What the program is told, by a thread of its own. What a task wrote is read when its turn has come, one task at a time.
//!
//! Must not: keep more than one answer in memory beside those that wait for it, which whoever sends them bounds.

use super::messages::form_of;
use super::outcome::Telling;
use crate::args::Protocol;
use crate::ipc::lines::{CHUNK, Output};
use sandhog_protocol::pool::FromPool;
use std::io::{self, BufWriter, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use tokio::sync::{mpsc, oneshot};

/// Most answers that wait to be written. Each task that has one still holds its place among those under way.
const WAITING: usize = 64;

/// Something to be told, and what is free again when it has been written.
pub(super) struct Told<P> {
    pub telling: Telling,
    pub place: P,
}

/// Where answers go to.
pub(super) struct Answers<P> {
    pub tell: mpsc::Sender<Told<P>>,
    /// How the writing has ended, once nobody tells anything any more, or nobody reads.
    pub written: oneshot::Receiver<io::Result<()>>,
}

/// Begins to write.
///
/// # Errors
/// No thread can be started.
pub(super) fn answers<P: Send + 'static>(output: OwnedFd, protocol: Protocol) -> io::Result<Answers<P>> {
    let (tell, told) = mpsc::channel(WAITING);
    let (say, written) = oneshot::channel();
    let output = Output { fd: output, written: Arc::default() };
    thread::Builder::new().name("pool out".into()).spawn(move || {
        let mut output = BufWriter::with_capacity(CHUNK, output);
        let ended = write_all(told, protocol, &mut output);
        if ended.is_err() {
            // Else it would try again to write what it could not.
            let _ = output.into_parts();
        }
        // Nobody may wait for it.
        let _ = say.send(ended);
    })?;
    Ok(Answers { tell, written })
}

/// Until nobody tells anything any more. Answers are held back only while there are more.
fn write_all<P>(mut told: mpsc::Receiver<Told<P>>, protocol: Protocol, output: &mut impl Write) -> io::Result<()> {
    loop {
        let next = match told.try_recv() {
            Ok(next) => next,
            Err(mpsc::error::TryRecvError::Disconnected) => return output.flush(),
            Err(mpsc::error::TryRecvError::Empty) => {
                output.flush()?;
                let Some(next) = told.blocking_recv() else { return Ok(()) };
                next
            }
        };
        output.write_all(&said(next.telling, protocol))?;
        drop(next.place);
    }
}

/// What cannot be said is told in words: each task is answered.
fn said(telling: Telling, protocol: Protocol) -> Vec<u8> {
    let message = telling.into_message();
    match (form_of(&message, protocol), message.id()) {
        (Ok(said), _) => said,
        (Err(unsayable), Some(id)) => {
            let text = sandhog_protocol::causes::one_line(&unsayable);
            form_of(&FromPool::Invalid { id: id.clone(), text }, protocol).unwrap_or_default()
        }
        (Err(_), None) => Vec::new(),
    }
}
