//! A command in a shell with job control: Ctrl-Z halts it with all that it runs, `fg` and `bg` let it go on; reading from a
//! terminal in the background halts it as well.

use super::surroundings;
use sandhog_runtime::coordinator::Coordinator;
use sandhog_sys::descriptors::StandardStream;
use sandhog_sys::signal;
use std::sync::Arc;
use tokio::signal::unix::SignalKind;

/// From here on such signals halt the workers before they stop this process. Those that whoever started it lets it ignore stay
/// ignored.
///
/// # Errors
/// As sigaction(2).
pub(super) fn heed(coordinator: &Arc<Coordinator>) -> std::io::Result<()> {
    for number in [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU] {
        let Some(mut signals) = surroundings::hear(SignalKind::from_raw(number))? else { continue };
        let coordinator = Arc::clone(coordinator);
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                let stop = || {
                    // A read that waits for a terminal may have asked before `fg` came: it goes on.
                    if number == libc::SIGTSTP || is_in_background() {
                        let _ = signal::let_happen(number);
                    }
                };
                coordinator.suspend(stop).await;
            }
        });
    }
    Ok(())
}

/// One of the streams is a terminal that is another process group's now.
fn is_in_background() -> bool {
    let own = rustix::process::getpgrp();
    StandardStream::ALL.iter().any(|stream| rustix::termios::tcgetpgrp(stream.borrow()).is_ok_and(|group| group != own))
}
