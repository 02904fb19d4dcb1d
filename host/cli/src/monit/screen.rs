//! The terminal: taken over, drawn on, and given back whatever happens.

use super::draw::draw;
use super::model::{Message, Model};
use crate::surroundings;
use crossterm::event::{Event, read};
use ratatui::DefaultTerminal;
use std::io;
use std::sync::mpsc::Sender;
use std::thread::Builder;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind};

/// A terminal in our hands. Dropped, it is as it was before; a panic gives it back as well.
pub(super) struct Screen {
    terminal: DefaultTerminal,
}

impl Screen {
    /// Takes the terminal over; keys and signals become messages.
    ///
    /// # Errors
    /// It is no terminal that can be drawn on, or this machine has no more threads.
    pub(super) fn open(tell: &Sender<Message>) -> io::Result<Self> {
        // Before the terminal is taken over: from then on no signal may end this without giving it back.
        let signals = Signals::catch()?;
        let tell_end = tell.clone();
        Builder::new().name("signals".into()).spawn(move || signals.tell(&tell_end))?;
        let screen = Self { terminal: ratatui::try_init()? };
        let tell = tell.clone();
        Builder::new().name("keys".into()).spawn(move || tell_keys(&tell))?;
        Ok(screen)
    }

    pub(super) fn draw(&mut self, model: &Model) -> io::Result<()> {
        self.terminal.draw(|frame| draw(frame, model)).map(drop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // If it fails, there is no terminal any more to say it on.
        let _ = ratatui::try_restore();
    }
}

/// Until nobody listens. A terminal that can't be read any more is gone.
fn tell_keys(tell: &Sender<Message>) {
    loop {
        let message = match read() {
            Ok(Event::Key(key)) => Message::Key(key),
            Ok(Event::Resize(..)) => Message::Resized,
            Ok(Event::FocusGained | Event::FocusLost | Event::Mouse(_) | Event::Paste(_)) => continue,
            Err(_) => Message::Quit,
        };
        let is_over = matches!(message, Message::Quit);
        if tell.send(message).is_err() || is_over {
            return;
        }
    }
}

/// SIGTERM, SIGHUP and SIGINT, which end it as `q` does, where they are not to be ignored.
struct Signals {
    runtime: Runtime,
    terminate: Option<Signal>,
    hangup: Option<Signal>,
    interrupt: Option<Signal>,
}

impl Signals {
    /// From here on they end nothing by themselves.
    fn catch() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (terminate, hangup, interrupt) = {
            let _inside = runtime.enter();
            (
                surroundings::hear(SignalKind::terminate())?,
                surroundings::hear(SignalKind::hangup())?,
                surroundings::hear(SignalKind::interrupt())?,
            )
        };
        Ok(Self { runtime, terminate, hangup, interrupt })
    }

    fn tell(mut self, tell: &Sender<Message>) {
        self.runtime.block_on(async {
            tokio::select! {
                _ = surroundings::next(&mut self.terminate) => {}
                _ = surroundings::next(&mut self.hangup) => {}
                _ = surroundings::next(&mut self.interrupt) => {}
            }
        });
        // Nobody listens any more where it is over already.
        let _ = tell.send(Message::Quit);
    }
}
