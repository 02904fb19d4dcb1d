//! What the next daemon makes of what it finds: its fleet, held against what was asked for. Without processes: the fleet says what
//! it would start, and nothing is started.

use super::asked::State;
use crate::fleet::restored::{self, Restored};
use crate::fleet::settle::surroundings;
use crate::fleet::store::Stored;
use crate::fleet::store::rows::ENDED;
use sandhog_protocol::control::EndedAttempt;
use sandhog_protocol::verdict::{LostCause, Verdict};
use sandhog_spec::service::Service;
use sandhog_supervisor::state::{Event, Fleet, InstanceId};
use std::collections::BTreeMap;
use std::time::Duration;

/// When the next daemon begins.
const FOUND_MS: u64 = 1_000_000_000;

/// How the attempts of each instance ended, newest first, with its job.
type Ends = BTreeMap<InstanceId, (String, Vec<EndedAttempt>)>;

/// `state`: what is there, by what was asked for.
pub(super) fn check(stored: Stored, state: &State) {
    let (fleet, mut ends) = restore(stored);
    for (job, row, mut ended) in state.instances() {
        let seen = fleet.see(row.id).unwrap_or_else(|| panic!("instance {} is unknown to the fleet", row.id));
        let found = (seen.wanted, seen.failed, seen.finished, seen.restarts);
        assert_eq!(found, (row.wanted, row.failed, row.finished, row.restarts), "instance {} for the fleet", row.id);
        let (job_then, mut found) = ends.remove(&row.id).unwrap_or_else(|| panic!("nobody knows {}", row.id));
        assert_eq!(job_then, job, "instance {} for people", row.id);
        if let Some(attempt) = row.attempt {
            let lost = found.drain(..1.min(found.len())).next();
            let is_lost = |lost: &EndedAttempt| matches!(lost.verdict, Verdict::Lost { cause: LostCause::Daemon, .. });
            let is_told =
                lost.as_ref().is_some_and(|lost| is_lost(lost) && lost.attempt == attempt && lost.at_ms == FOUND_MS);
            assert!(is_told, "{attempt} ran, and its end is {lost:?}");
            ended.truncate(ENDED - 1);
        }
        assert_eq!(found, ended, "how attempts of instance {} ended", row.id);
    }
    assert_eq!(ends, BTreeMap::new(), "instances that were deleted, for people");
}

/// As the daemon does it, but for what jobs may use and for processes.
fn restore(stored: Stored) -> (Fleet, Ends) {
    let (mut fleet, mut ends) = (Fleet::new(1), Ends::new());
    for group in stored.groups {
        let _ = fleet.step(restored::group(group), Duration::ZERO);
    }
    for job in stored.jobs {
        let service = Service::new(&job.spec, surroundings()).expect("it was kept up before");
        let Restored { definition, instances, mut members, lost } =
            Restored::new(&job.spec, &service, job.instances, FOUND_MS);
        for (id, end) in lost {
            let member = members.iter_mut().find(|(of, _)| *of == id).expect("one of the job is lost");
            member.1.ended(end);
        }
        ends.extend(members.into_iter().map(|(id, member)| (id, (member.job, member.ends.into()))));
        let _ = fleet.step(Event::Define { definition, instances }, Duration::ZERO);
    }
    (fleet, ends)
}
