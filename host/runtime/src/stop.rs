//! How an attempt is ended from outside: below those who ask for it and those who do it.

use sandhog_protocol::verdict::{HealthCheck, StopReason};
use sandhog_supervisor::outcome::Cause;
use tokio::sync::watch;

/// How an attempt is ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// With grace, where the guest listens.
    Stop(StopReason),
    /// At once.
    Kill(StopReason),
    /// At once, since this check failed.
    Unhealthy(HealthCheck),
    /// By SIGKILL, since somebody asked for that.
    Shoot,
}

impl Halt {
    /// What it makes of an attempt.
    pub fn cause(self) -> Cause {
        match self {
            Self::Stop(reason) | Self::Kill(reason) => Cause::Stop(reason),
            Self::Unhealthy(check) => Cause::Unhealthy(check),
            Self::Shoot => Cause::Shot,
        }
    }
}

/// Hears of it.
pub type Halted = watch::Receiver<Option<Halt>>;
