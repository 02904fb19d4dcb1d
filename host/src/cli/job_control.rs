//! A command in a shell with job control: Ctrl-Z halts it with all that it runs, `fg` and `bg` let it go on; reading from a
//! terminal in the background halts it as well.

use crate::coordinator::dispatch::Coordinator;
use crate::sys::{inherited, process, signal};
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal as listen};

/// From here on such signals halt the workers before they stop this process. Those that whoever started it lets it ignore stay
/// ignored.
///
/// # Errors
/// As sigaction(2).
pub(super) fn heed(coordinator: &Arc<Coordinator>) -> std::io::Result<()> {
    for number in [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU] {
        if inherited::ignores(number) {
            continue;
        }
        let (mut signals, coordinator) = (listen(SignalKind::from_raw(number))?, Arc::clone(coordinator));
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                // A read that waits for a terminal asks again and again: what is left over when `fg` has come is stale.
                if number == libc::SIGTSTP || is_in_background() {
                    coordinator.halt(|| drop(signal::let_happen(number))).await;
                } else {
                    // Whoever has asked for it goes on.
                    coordinator.halt(|| ()).await;
                }
            }
        });
    }
    Ok(())
}

/// One of the streams is a terminal that is another process group's now.
fn is_in_background() -> bool {
    let own = rustix::process::getpgrp();
    (0..=2).any(|number| rustix::termios::tcgetpgrp(process::borrow(number)).is_ok_and(|group| group != own))
}
