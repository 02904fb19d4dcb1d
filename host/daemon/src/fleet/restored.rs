//! What follows for the fleet, and for people, from what the last daemon has left of a job. Pure: [`super::restore`] has it done.
//!
//! Must not: open what a job may use, or tell anybody.

use super::actor::definition;
use super::index::Member;
use super::store::{InstanceRow, StoredInstance};
use sandhog_protocol::control::{EndedAttempt, GroupSpec, JobSpec};
use sandhog_protocol::verdict::{LostCause, Usage, Verdict};
use sandhog_spec::service::{Service, Strategy};
use sandhog_supervisor::state::{Definition, Event, InstanceId, KnownInstance};
use sandhog_supervisor::verdict_text;

/// A job that is there again.
pub(super) struct Restored {
    pub definition: Definition,
    /// As the fleet has to know them.
    pub instances: Vec<KnownInstance>,
    /// As people know them.
    pub members: Vec<(InstanceId, Member)>,
    /// How the attempts ended that ran when the last daemon was ended.
    pub lost: Vec<(InstanceId, EndedAttempt)>,
}

impl Restored {
    /// `found_ms`: the time of day now, which is when lost attempts are found. Nobody saw them end.
    pub(super) fn new(spec: &JobSpec, service: &Service, old: Vec<StoredInstance>, found_ms: u64) -> Self {
        let mut restored =
            Self { definition: definition(service), instances: Vec::new(), members: Vec::new(), lost: Vec::new() };
        for StoredInstance { row, ended } in old {
            let InstanceRow { id, instance, wanted, failed, finished, attempt, restarts } = row;
            restored.lost.extend(attempt.map(|attempt| (id, lost(attempt, found_ms))));
            restored.members.push((id, Member::new(&spec.name, &spec.group, instance, ended)));
            restored.instances.push(KnownInstance { id, wanted, failed, finished, restarts });
        }
        restored
    }
}

/// The group was checked when it came.
pub(super) fn group(group: GroupSpec) -> Event {
    let strategy = Strategy::new(group.strategy.as_deref()).unwrap_or_default();
    Event::Group { name: group.name, strategy }
}

fn lost(attempt: String, found_ms: u64) -> EndedAttempt {
    let reason = "the daemon was ended from outside, and every worker with it";
    let verdict = Verdict::Lost { reason: reason.into(), cause: LostCause::Daemon };
    EndedAttempt {
        attempt,
        at_ms: found_ms,
        text: verdict_text::brief(&verdict),
        code: sandhog_protocol::exit_code::of(&verdict),
        verdict,
        usage: Usage::default(),
    }
}
