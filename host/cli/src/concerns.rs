//! Which events concern what was selected.

use sandhog_protocol::control::{Event, Instance, JobSummary};
use std::collections::BTreeSet;

/// What an event may be about.
pub(super) enum Concerns {
    All,
    Some {
        /// Jobs as a whole.
        jobs: BTreeSet<String>,
        ids: BTreeSet<u64>,
    },
}

impl Concerns {
    /// Those that the words select; `instances` and `jobs`, those as a whole, are what the daemon takes them for. Of a job
    /// as a whole its later instances are selected, too.
    pub(super) fn of(select: &[String], instances: Vec<Instance>, jobs: Vec<JobSummary>) -> Self {
        if select.iter().any(|word| word == "all") {
            return Self::All;
        }
        let jobs = jobs.into_iter().map(|line| line.job).collect();
        Self::Some { jobs, ids: instances.iter().map(|instance| instance.id).collect() }
    }

    pub(super) fn has(&self, event: &Event) -> bool {
        match self {
            Self::All => true,
            Self::Some { jobs, ids } => {
                event.id.is_some_and(|id| ids.contains(&id)) || event.job.as_ref().is_some_and(|job| jobs.contains(job))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples::{event, running};
    use sandhog_protocol::control::EventKind;

    fn about(job: &str, id: u64) -> Event {
        Event { job: Some(job.into()), id: Some(id), ..event(EventKind::Ready, "") }
    }

    #[test]
    fn a_job_is_selected_with_its_later_instances_and_an_id_alone() {
        let web = JobSummary { job: "web".into(), group: "default".into(), instances: 1 };
        let concerns = Concerns::of(&["web".into(), "9".into()], vec![running(1, "web"), running(9, "db")], vec![web]);
        assert!(concerns.has(&about("web", 1)));
        assert!(concerns.has(&about("web", 77)));
        assert!(concerns.has(&about("db", 9)));
        assert!(!concerns.has(&about("db", 10)));
        assert!(!concerns.has(&Event { job: None, id: None, ..event(EventKind::DaemonStarted, "") }));
    }

    #[test]
    fn all_has_the_daemons_own_as_well() {
        let concerns = Concerns::of(&["all".into()], Vec::new(), Vec::new());
        assert!(concerns.has(&Event { job: None, id: None, ..event(EventKind::DaemonStarted, "") }));
    }
}
