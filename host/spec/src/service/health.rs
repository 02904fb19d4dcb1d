//! The request of a health check: what a worker that serves HTTP is asked.

use super::error::{Error, Reason};
use crate::setting::words::{ISOLATIONS, meaning};
use crate::setting::{Setting, Wrong, time};
use crate::units::duration;
use sandhog_protocol::control::JobSpec;
use sandhog_protocol::http::TARGET;
use sandhog_protocol::plan::Isolation;
use std::time::Duration;

/// A `GET` of this path has to be answered well within this time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthRequest {
    /// It begins with a slash, and is visible ASCII.
    pub path: String,
    pub timeout: Duration,
}

impl HealthRequest {
    /// The one that is written, if any.
    ///
    /// # Errors
    /// It is no path; there is another check; nobody would be there to answer.
    pub(super) fn of(spec: &JobSpec) -> Result<Option<Self>, Error> {
        let timeout = duration(time(Setting::HealthTimeout, spec.health.timeout.as_ref())?.unwrap_or_default());
        let is_alone = match spec.isolation.as_deref() {
            Some(word) => meaning(Setting::Isolation, word, &ISOLATIONS)? == Some(Isolation::Process),
            None => false,
        };
        if is_alone && spec.listen.is_some() && spec.health.heartbeat.is_some() {
            return Err(Wrong::whole(Setting::HealthHeartbeat, Reason::Alone).into());
        }
        let Some(path) = &spec.health.path else { return Ok(None) };
        let wrong = |reason| Err(Wrong::text(Setting::HealthPath, path, reason).into());
        if !path.starts_with('/') || path.len() > TARGET || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return wrong(Reason::HealthPath(TARGET));
        }
        if !spec.health.command.is_empty() {
            return wrong(Reason::TwoChecks);
        }
        if is_alone {
            return wrong(Reason::Alone);
        }
        Ok(Some(Self { path: path.clone(), timeout }))
    }
}
