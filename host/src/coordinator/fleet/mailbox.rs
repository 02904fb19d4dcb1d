//! The daemon's end of a job's connection: messages go in by `send`, what comes out are events, and answers to whoever waits
//! for one.

use super::actor::{Inbox, Message};
use crate::ipc::json;
use crate::supervisor::state::AttemptNumber;
use crate::sys::ready::watch;
use sandhog_channel::{Endpoint, Error, Format, Timeout};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot};

/// Messages that are taken from a job before others have their turn, and how long it has to wait for the next ones: what
/// nobody reads but the events must not keep the daemon busy.
const TAKEN: u32 = 100;
const PAUSE: Duration = Duration::from_millis(100);

/// Longest message that is shown as an event, in bytes: some thousands of them are kept.
const SHOWN: usize = 4 << 10;

/// Letters that wait to be sent.
const LETTERS: usize = 64;

/// A message for a job.
pub(super) struct Letter {
    pub format: Format,
    pub body: Vec<u8>,
    /// Where its next message goes, where somebody waits for that.
    pub answer: Option<oneshot::Sender<Result<String, String>>>,
    /// Whether it was sent.
    pub sent: oneshot::Sender<Result<(), String>>,
}

#[derive(Clone)]
pub(super) struct Mailbox(mpsc::Sender<Letter>);

impl Mailbox {
    /// # Errors
    /// No more descriptors.
    pub(super) fn open(end: OwnedFd, attempt: AttemptNumber, inbox: Inbox) -> io::Result<Self> {
        let socket = watch(end.try_clone()?)?;
        let (sender, letters) = mpsc::channel(LETTERS);
        let clerk = Clerk {
            endpoint: Endpoint::new(end, sandhog_protocol::limits::MESSAGE),
            attempt,
            inbox,
            waiting: VecDeque::new(),
        };
        tokio::spawn(clerk.serve(socket, letters));
        Ok(Self(sender))
    }

    /// # Errors
    /// The letter comes back where too many wait already, or the job has gone.
    pub(super) fn post(&self, letter: Letter) -> Result<(), Letter> {
        self.0.try_send(letter).map_err(|error| match error {
            mpsc::error::TrySendError::Full(letter) | mpsc::error::TrySendError::Closed(letter) => letter,
        })
    }
}

struct Clerk {
    endpoint: Endpoint,
    attempt: AttemptNumber,
    inbox: Inbox,
    /// Who waits for an answer; the first one gets the next message.
    waiting: VecDeque<oneshot::Sender<Result<String, String>>>,
}

impl Clerk {
    /// Until the job has gone, or nobody can send to it any more.
    async fn serve(mut self, socket: AsyncFd<OwnedFd>, mut letters: mpsc::Receiver<Letter>) {
        loop {
            let open = tokio::select! {
                letter = letters.recv() => match letter {
                    Some(letter) => {
                        self.send(letter);
                        true
                    }
                    None => false,
                },
                ready = socket.readable() => match ready {
                    Ok(mut ready) => match self.take() {
                        Taken::All => {
                            ready.clear_ready();
                            true
                        }
                        Taken::Some => {
                            tokio::time::sleep(PAUSE).await;
                            true
                        }
                        Taken::Closed => false,
                    },
                    Err(_) => false,
                },
            };
            if !open {
                return;
            }
        }
    }

    fn send(&mut self, letter: Letter) {
        let Letter { format, body, answer, sent } = letter;
        let said = match self.endpoint.send(format, &body, Timeout::Now) {
            Ok(()) => {
                self.waiting.extend(answer);
                Ok(())
            }
            Err(Error::WouldBlock) => Err("it has not read what was sent to it before".into()),
            Err(Error::Closed) => Err("it has closed its connection".into()),
            Err(error) => Err(error.to_string()),
        };
        // Whoever sent it may have gone.
        let _ = sent.send(said);
    }

    fn take(&mut self) -> Taken {
        for _ in 0..TAKEN {
            match self.endpoint.recv(Timeout::Now) {
                Ok(message) => self.hear(message.format, &message.body),
                Err(Error::WouldBlock) => return Taken::All,
                Err(_) => return Taken::Closed,
            }
        }
        Taken::Some
    }

    fn hear(&mut self, format: Format, body: &[u8]) {
        // Those who have stopped waiting don't count.
        let waits = std::iter::from_fn(|| self.waiting.pop_front()).find(|waits| !waits.is_closed());
        let shown = body.len() <= SHOWN;
        let text = (shown || waits.is_some()).then(|| text_of(format, body));
        if let (Some(waits), Some(text)) = (waits, &text) {
            let _ = waits.send(text.clone());
        }
        let text = text.filter(|_| shown).and_then(Result::ok);
        let _ = self.inbox.send(Message::Heard { attempt: self.attempt, bytes: body.len(), text });
    }
}

enum Taken {
    /// Nothing is there any more.
    All,
    /// There may be more.
    Some,
    Closed,
}

/// A message as JSON, as on `--ipc`.
fn text_of(format: Format, body: &[u8]) -> Result<String, String> {
    let mut text = Vec::new();
    let sayable = json::say(format, body).map_err(|error| format!("its message is no MessagePack: {error}"))?;
    sayable.write(&mut text).map_err(|error| error.to_string())?;
    String::from_utf8(text).map_err(|error| error.to_string())
}

/// JSON as a message.
///
/// # Errors
/// One sentence.
pub(super) fn message_of(text: &str) -> Result<(Format, Vec<u8>), String> {
    json::read(text.as_bytes()).map_err(|error| format!("the message can't be sent: {error}"))
}
