//! What the operator's words open, on the way from a session to the fleet: a path may lead to a disk that is slow or gone,
//! and the fleet's task waits for none.
//!
//! Must not: change anything; see [`super::apply`] and [`super::requests`] for what follows.

use super::refusal::{Refusal, RefusalKind};
use sandhog_protocol::causes;
use sandhog_protocol::control::{ApplyRequest, JobSpec};
use sandhog_runtime::granted::{Opener, Settled, exposed, exposing};
use sandhog_runtime::own_directories::OwnDirectories;
use sandhog_runtime::privilege;
use sandhog_spec::job::Surroundings;
use sandhog_spec::service::Service;
use sandhog_spec::text::escape;
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

/// An [`ApplyRequest`] with its jobs checked, and all that they may use opened.
pub(super) struct Prepared {
    pub apply: ApplyRequest,
    pub jobs: Vec<(JobSpec, Arc<Service>, Arc<Settled>)>,
    /// Its source, by all names under which the fleet knows that manifest.
    pub sources: BTreeSet<String>,
    /// What the operator should know of it, a sentence each.
    pub warnings: Vec<String>,
}

/// What is there already.
pub(super) struct Known {
    /// The manifests that jobs come from.
    pub sources: BTreeSet<String>,
    /// The jobs that are not among the new ones.
    pub others: Vec<(String, Arc<Settled>)>,
}

/// A job that is to be opened anew, or that has been: what it is, as its [`Service`].
pub(super) type Named = (String, Arc<Service>);

/// Jobs, and what each may use; or why not, in a sentence.
pub(super) type Opened = Vec<(Named, Result<Arc<Settled>, String>)>;

/// What a job depends on beside its settings. Variables were passed on by whoever described it.
pub(super) fn surroundings() -> Surroundings<'static> {
    Surroundings { is_root: privilege::is_root(), variable: &|_| None }
}

/// Checks the jobs and opens what they may use. Blocks.
///
/// # Errors
/// The first job that is wrong, or that names something that is not there: all of it or nothing.
pub(super) fn prepare(apply: ApplyRequest, known: &Known, own: &OwnDirectories) -> Result<Prepared, Refusal> {
    let mut opener = Opener::now(own);
    let mut jobs = Vec::new();
    for spec in &apply.jobs {
        let invalid = |error: String| {
            let sentence = format!("the job {}: {error}", escape(&spec.name));
            Refusal::new(RefusalKind::Invalid, sentence)
        };
        let service = Service::new(spec, surroundings()).map_err(|error| invalid(error.to_string()))?;
        let settled = opener.settle(&service, None).map_err(|error| invalid(causes::one_line(&error)))?;
        // Where none is named it is the default one.
        let spec = JobSpec { group: service.group.clone(), ..spec.clone() };
        jobs.push((spec, Arc::new(service), Arc::new(settled)));
    }
    let sources = apply.source.iter().flat_map(|source| names_of(source, &known.sources)).collect();
    let warnings = warnings(&jobs, known, apply.source.as_deref());
    Ok(Prepared { apply, jobs, sources, warnings })
}

/// What lies where a job could put something else in its place.
fn warnings(jobs: &[(JobSpec, Arc<Service>, Arc<Settled>)], known: &Known, source: Option<&str>) -> Vec<String> {
    let services: Vec<&Service> = jobs.iter().map(|(_, service, _)| service.as_ref()).collect();
    let others = known.others.iter().map(|(_, settled)| settled.as_ref());
    let exposed = exposed(&services, others, source.map(Path::new));
    let new = exposed.into_iter().map(|exposed| match exposed.job {
        Some(index) => format!("{}: {exposed}", services[index].job.name),
        None => exposed.to_string(),
    });
    let settled = || jobs.iter().map(|(.., settled)| settled.as_ref());
    let old = known.others.iter().filter_map(|(name, other)| {
        let path = exposing(settled(), other)?.path.as_deref().unwrap_or_default();
        Some(format!(
            "{name}: a path of it leads through {path:?}, which a job may write now: that job can lead it elsewhere"
        ))
    });
    new.chain(old).collect()
}

/// The same for jobs that are there. Blocks.
pub(super) fn open(jobs: Vec<Named>, own: &OwnDirectories) -> Opened {
    let mut opener = Opener::now(own);
    let open = |named: Named| {
        let settled = opener.settle(&named.1, None).map(Arc::new).map_err(|error| causes::one_line(&error));
        (named, settled)
    };
    jobs.into_iter().map(open).collect()
}

/// The manifest's path, and those by which it was named before: one that leads to the same file through a link is the same
/// manifest.
fn names_of(source: &str, known: &BTreeSet<String>) -> Vec<String> {
    let folder = |source: &str| {
        let status = Path::new(source).parent()?.metadata().ok()?;
        Some((status.dev(), status.ino()))
    };
    let name = |source: &str| Path::new(source).file_name().map(ToOwned::to_owned);
    let here = folder(source);
    let is_same = |other: &&String| name(other) == name(source) && here.is_some() && folder(other) == here;
    known.iter().filter(is_same).cloned().chain([source.to_owned()]).collect()
}
