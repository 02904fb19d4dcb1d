//! How an attempt is ended from outside: below those who ask for it and those who do it.

use sandhog_protocol::verdict::{HealthCheck, StopReason};
use sandhog_supervisor::outcome::Cause;
use tokio::sync::watch;

/// How an attempt is ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopRequest {
    /// With grace, where the guest listens.
    Stop(StopReason),
    /// At once.
    Kill(StopReason),
    /// At once, since this check failed.
    Unhealthy(HealthCheck),
    /// By SIGKILL, since somebody asked for that.
    SigKill,
    /// At once, since its worker broke the rules elsewhere than on its channel; what it sent.
    Breach(&'static str),
}

impl StopRequest {
    /// What it makes of an attempt.
    pub fn cause(self) -> Cause {
        match self {
            Self::Breach(what) => Cause::Breach(what.into()),
            Self::Stop(reason) | Self::Kill(reason) => Cause::Stop(reason),
            Self::Unhealthy(check) => Cause::Unhealthy(check),
            Self::SigKill => Cause::SigKilled,
        }
    }
}

/// Hears of it.
pub type StopRequests = watch::Receiver<Option<StopRequest>>;
