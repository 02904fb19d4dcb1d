//! `sandhog.toml`: text to jobs that have been checked, each fault with its place.
//!
//! Must not: open a file. The contents of paths and the values of variables are arguments.

mod around;
mod base;
mod environment;
mod error;
mod fault;
mod job;
mod lines;
mod paths;
mod positions;
mod profile;
mod syntax;
mod tables;
mod value;
mod variant;

pub use around::Around;
pub use base::JOBS_MAX;
pub use error::Error;
pub use fault::Fault;
pub use profile::PROFILES_MAX;

use super::service::Service;
use super::setting::Setting;
use base::Base;
use lines::Lines;
use positions::Positions;
use profile::Profile;
use sandhog_protocol::control::{GroupSpec, JobSpec};
use toml::de::DeTable;
use value::Reader;
use variant::Variant;

/// Longest manifest, in bytes: [`JOBS_MAX`] jobs of a hundred bytes each.
pub const LONGEST: u64 = 1 << 20;

/// A manifest, checked.
#[derive(Debug)]
pub struct Manifest {
    /// The absolute path of its file.
    pub source: String,
    /// The profile with which its jobs are described; None: without one.
    pub profile: Option<String>,
    /// The profiles that it has, in the order of the file.
    pub profiles: Vec<String>,
    /// Its own group first.
    pub groups: Vec<GroupSpec>,
    /// In the order of the file; paths are absolute, groups are named.
    pub jobs: Vec<JobSpec>,
    /// The same jobs, checked.
    pub services: Vec<Service>,
    /// Where each of them has its keys.
    positions: Vec<Positions>,
    lines: Lines,
}

impl Manifest {
    /// The manifest in a text of at most [`LONGEST`] bytes, with the profile that is chosen. All of it is checked: without a
    /// profile, and with each that it has.
    ///
    /// # Errors
    /// What is wrong with it, in the order of the text: at most [`super::service::group::FAULTS_MAX`]. Or there is nothing
    /// wrong with it, and it does not have the profile.
    pub fn parse(text: &str, around: &Around<'_>) -> Result<Self, Error> {
        let lines = Lines::new(text);
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            return Err(Error::Faults(syntax::faults(&errors, &lines)));
        }
        let mut reader = Reader::new(around, &lines);
        let base = Base::read(table.get_ref(), &mut reader);
        let profiles = Profile::all(&base, &mut reader);
        let mut chosen = None;
        for profile in [None].into_iter().chain(profiles.iter().map(Some)) {
            let is_chosen = profile.map(|profile| profile.name.as_str()) == around.profile;
            reader.turn_to(profile.map(Profile::spelled), is_chosen);
            let variant = Variant::read(&base, profile, &mut reader);
            chosen = if is_chosen { Some(variant) } else { chosen };
        }
        reader.finish()?;
        let profiles: Vec<_> = profiles.into_iter().map(|profile| profile.name).collect();
        let Some(Variant { groups, jobs, services, positions }) = chosen else {
            return Err(Error::NoProfile { name: around.profile.unwrap_or_default().into(), profiles });
        };
        let profile = around.profile.map(str::to_owned);
        Ok(Self { source: around.file.into(), profile, profiles, groups, jobs, services, positions, lines })
    }

    /// A fault of a job that is known only now.
    pub fn fault(&self, index: usize, setting: Setting, text: String) -> Fault {
        let position = self.positions.get(index).map_or(0, |positions| positions.of(Some(setting)));
        self.lines.fault(position, text)
    }

    /// Whether the job's setting is written in the manifest, not a default of Sandhog's.
    pub fn is_set(&self, index: usize, setting: Setting) -> bool {
        self.positions.get(index).is_some_and(|positions| positions.keys.contains_key(&setting))
    }
}

#[cfg(test)]
mod tests;
