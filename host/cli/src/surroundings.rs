//! What this process has inherited of signals, put in order once, at the start, whatever the command is.
//!
//! Ignored signals stay ignored, as nohup(1) and `trap '' INT` mean it: whoever wants to hear of one asks [`hear`], since
//! tokio would put its handler over it. SIGPIPE is ignored by the standard library: who reads no more is an error of writing.

use sandhog_sys::inherited;
use sandhog_sys::process::SingleThreaded;
use sandhog_sys::signal as disposition;
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Puts it in order. What is started from here on inherits it.
pub(super) fn settle(token: &SingleThreaded) {
    // None of these calls fails with a signal that there is.
    let _ = disposition::unblock_all(token);
    // Where it is ignored the kernel reaps, and whoever waits for a child is told that there is none.
    let _ = disposition::restore_default(libc::SIGCHLD);
    // A write beyond RLIMIT_FSIZE is EFBIG, and the end of neither command nor daemon.
    let _ = disposition::ignore(libc::SIGXFSZ);
}

/// Listens for a signal; None where whoever started this process lets it ignore that one.
///
/// # Errors
/// As for [`signal`].
pub(super) fn hear(kind: SignalKind) -> io::Result<Option<Signal>> {
    if inherited::ignores(kind.as_raw_value()) { Ok(None) } else { signal(kind).map(Some) }
}

/// Asks with this exit code at a signal, and ends the command with it at once where it was asked before: the spawner clears away
/// behind it. One that the command was started to ignore does neither.
///
/// # Errors
/// As for [`signal`].
pub(super) fn ask_to_stop(ask: &watch::Sender<Option<u8>>, kind: SignalKind, code: u8) -> io::Result<()> {
    let Some(mut signals) = hear(kind)? else { return Ok(()) };
    let ask = ask.clone();
    tokio::spawn(async move {
        while signals.recv().await.is_some() {
            if ask.send_replace(Some(code)).is_some() {
                std::process::exit(code.into());
            }
        }
    });
    Ok(())
}

/// The next signal; never one that is ignored.
pub(super) async fn next(heard: &mut Option<Signal>) -> Option<()> {
    match heard {
        Some(signal) => signal.recv().await,
        None => std::future::pending().await,
    }
}
