//! What a crew is to keep up.

use super::opened::Opened;
use sandhog_protocol::control::JobSpec;
use sandhog_runtime::objects::Group;
use sandhog_spec::job::Job;
use sandhog_spec::service::{self, Boosts, Rules};
use sandhog_supervisor::scale;
use std::sync::Arc;

/// What is to be kept up.
pub struct CrewSettings {
    pub job: Job,
    /// See [`rules`].
    pub rules: Rules,
    /// From how many workers to how many; where both are the same, there are as many.
    pub scale: scale::Config,
}

/// The rules of a job that serves: always started again, ready when it says so, its workers out of shared zygotes; the rest as
/// for each service.
///
/// # Errors
/// The list of settings contradicts itself.
pub fn rules() -> Result<Rules, service::Error> {
    let spec = JobSpec {
        restart: Some("always".into()),
        ready: Some("notify".into()),
        shared_zygote: true,
        ..JobSpec::default()
    };
    Rules::of(&spec, Boosts::default())
}

/// What is kept up, with what it may use.
pub(super) struct Keep {
    pub(super) job: Arc<Job>,
    pub(super) rules: Rules,
    pub(super) scale: scale::Config,
    pub(super) opened: Opened,
    pub(super) group: Option<Group>,
}
