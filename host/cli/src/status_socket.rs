//! Tells whoever asks how this command is: `sandhog ps --all` connects, gets one line, and is hung up on.
//!
//! Must not: read anything, keep a connection, or wake up while nobody asks; or fail the command.

use rustix::net::{SendFlags, send};
use sandhog_dirs::pools::Place;
use sandhog_protocol::pool_status::TEXT;
use sandhog_runtime::privilege;
use serde::Serialize;
use std::io;
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::task::JoinHandle;

/// After a connection that could not be taken, such as for want of descriptors.
const REST: Duration = Duration::from_secs(1);

/// Somebody may ask for as long as this is there.
pub(super) struct Listening {
    task: JoinHandle<()>,
    _place: Place,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Lets this command be asked; `now`: what it says. None: there is no place for it, which is no reason not to run.
pub(super) fn listen<S: Serialize + 'static>(now: impl Fn() -> S + Send + 'static) -> Option<Listening> {
    let (listener, place) = Place::take(&privilege::who(), |name| std::env::var_os(name)).ok()?;
    let listener = UnixListener::from_std(listener).ok()?;
    let task = tokio::spawn(answer(listener, now));
    Some(Listening { task, _place: place })
}

async fn answer<S: Serialize>(listener: UnixListener, now: impl Fn() -> S) {
    loop {
        match listener.accept().await {
            // A socket that is new has room for a line. Whoever has gone is not told.
            Ok((stream, _)) => {
                let _ = send(&stream, &line(&now()), SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(_) => tokio::time::sleep(REST).await,
        }
    }
}

pub(super) fn line(status: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(status).unwrap_or_default();
    line.push(b'\n');
    line
}

/// A text as long as one may be in a line.
pub(super) fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TEXT));
    text
}
