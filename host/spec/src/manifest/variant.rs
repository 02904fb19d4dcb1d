//! What a manifest comes to without a profile, or with one of them.

use super::base::Base;
use super::job::Draft;
use super::positions::Positions;
use super::profile::Profile;
use super::value::Reader;
use crate::job::Surroundings;
use crate::service::{self, Service, group};
use sandhog_protocol::control::{GroupSpec, JobSpec};

/// The jobs and groups of a manifest.
#[derive(Default)]
pub(super) struct Variant {
    /// Its own group first.
    pub groups: Vec<GroupSpec>,
    /// In the order of the file.
    pub jobs: Vec<JobSpec>,
    /// The same jobs, checked.
    pub services: Vec<Service>,
    /// Where each of them has its keys.
    pub positions: Vec<Positions>,
}

impl Variant {
    /// Whole only where the reader has heard of no fault.
    pub(super) fn read(base: &Base<'_, '_>, profile: Option<&Profile<'_, '_>>, reader: &mut Reader<'_>) -> Self {
        let before = reader.count();
        let mut defaults = Draft::default();
        for table in base.defaults.into_iter().chain(profile.and_then(|profile| profile.defaults)) {
            defaults.read_defaults(table, reader);
        }
        let mut variant = Self { groups: groups(base, profile), ..Self::default() };
        for entry in &base.jobs {
            if reader.is_full() {
                break;
            }
            let draft = Draft::read(*entry, profile, &defaults, base.own(), reader);
            if let Some((draft, service)) = draft.and_then(|draft| checked(draft, reader)) {
                variant.services.push(service);
                variant.jobs.push(draft.spec);
                variant.positions.push(draft.positions);
            }
        }
        // What does not go together is told of jobs that are right by themselves.
        if reader.count() == before {
            variant.check_together(reader);
        }
        variant
    }

    fn check_together(&self, reader: &mut Reader<'_>) {
        let services: Vec<_> = self.services.iter().collect();
        let groups = self.groups.iter().map(|group| group.name.as_str());
        for group::Fault { index, error, other } in group::check(&services, groups) {
            let of = |index: usize| self.positions[index].of(error.setting());
            let there = other.map_or_else(String::new, |other| {
                let (line, column) = reader.place(of(other));
                format!(" (line {line}, column {column})")
            });
            reader.fault(of(index), format!("{error}{there}"));
        }
    }
}

/// The groups, with the strategies of the profile.
fn groups(base: &Base<'_, '_>, profile: Option<&Profile<'_, '_>>) -> Vec<GroupSpec> {
    let mut groups = base.groups.clone();
    let Some(profile) = profile else { return groups };
    for (index, group) in groups.iter_mut().enumerate() {
        let of_profile = profile.groups.iter().find(|other| other.name == group.name);
        let of_profile = of_profile.and_then(|other| other.strategy.as_ref());
        let strategy = if index == 0 { profile.strategy.as_ref() } else { of_profile };
        if let Some(strategy) = strategy {
            group.strategy = Some(strategy.clone());
        }
    }
    groups
}

/// The job with its service, where it has no fault.
fn checked(draft: Draft, reader: &mut Reader<'_>) -> Option<(Draft, Service)> {
    match service(&draft.spec, reader) {
        Ok(service) => Some((draft, service)),
        Err(error) => {
            let hint = error.hint().map_or_else(String::new, |hint| format!("; {hint}"));
            reader.fault(draft.positions.of(error.setting()), format!("{error}{hint}"));
            None
        }
    }
}

/// A profile that is not chosen may be for another machine, where somebody else speaks: root, or not.
fn service(spec: &JobSpec, reader: &Reader<'_>) -> Result<Service, service::Error> {
    let here = reader.surroundings();
    let elsewhere = Surroundings { is_root: !here.is_root, ..here };
    match Service::new(spec, here) {
        Err(error) if !reader.is_chosen() => Service::new(spec, elsewhere).map_err(|_| error),
        checked => checked,
    }
}
