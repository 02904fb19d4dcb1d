//! How an attempt is ended from outside: below those who ask for it and those who do it.

use sandhog_protocol::verdict::{HealthCheck, StopReason};
use sandhog_supervisor::outcome::Cause;
use sandhog_supervisor::state::End;
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
    /// With grace, for what the supervisor gives as the reason.
    pub fn gently(reason: &End) -> Self {
        reason_of(reason).map_or_else(Self::Unhealthy, Self::Stop)
    }

    /// The same at once.
    pub fn at_once(reason: &End) -> Self {
        reason_of(reason).map_or_else(Self::Unhealthy, Self::Kill)
    }

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

fn reason_of(reason: &End) -> Result<StopReason, HealthCheck> {
    match reason {
        End::Operator => Ok(StopReason::Operator),
        End::Replaced => Ok(StopReason::Replaced),
        End::Unhealthy(check) => Err(*check),
    }
}

/// Hears of it.
pub type StopRequests = watch::Receiver<Option<StopRequest>>;
