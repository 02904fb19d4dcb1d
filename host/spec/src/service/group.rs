//! Whether services go together: their names, and who comes after whom.

use super::Service;
use crate::nearest::nearest;
use crate::objects::print_kind;
use crate::setting::Setting;
use crate::text::escape;
use crate::units::print_size;
use std::collections::HashMap;
use std::net::SocketAddr;

/// Most faults that are told at once: whoever reads them has enough to do, and looking for what was meant takes time.
pub const FAULTS_MAX: usize = 20;

/// Most jobs of a circle that are shown.
const SHOWN: usize = 10;

/// What is wrong with one of several services.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which of them.
    pub index: usize,
    pub error: Error,
    /// Which other one it does not go with, where its place is worth knowing.
    pub other: Option<usize>,
}

/// What is wrong with a service among others. The text names the key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("there are two jobs called {0}; each needs a name of its own")]
    SameName(String),
    #[error(
        "the job {0} and the group {0} are called the same, so that commands can't tell them apart; rename one of them"
    )]
    NamedAsGroup(String),
    #[error("after \"{}\": there is no such job{}", escape(.after), .near.as_ref().map_or_else(String::new, |near| format!("; did you mean {near}?")))]
    Missing { after: String, near: Option<String> },
    #[error("after \"{0}\": a job can't come after itself")]
    Itself(String),
    #[error(
        "after \"{after}\": it is in the group {theirs}, and this job in {own}; jobs wait for jobs of their own group"
    )]
    OtherGroup { after: String, theirs: String, own: String },
    #[error("after \"{0}\": it runs by a schedule and is not kept up, so nothing can wait for it")]
    Scheduled(String),
    #[error("after: the jobs wait for each other in a circle: {0}")]
    Circle(String),
    #[error("objects \"{}\": {own} here, and {theirs} in the job {other}; an object of a group is one thing", escape(.name))]
    Object { name: String, own: String, other: String, theirs: String },
    #[error("{} {address}: the job {other} has this address; each needs its own, or port 0 for any that is free", .setting.key())]
    Listen { setting: Setting, address: SocketAddr, other: String },
    #[error(
        "objects_memory {own}: it is {theirs} in the job {other}, and jobs of a group have one memory for their objects"
    )]
    ObjectsMemory { own: String, other: String, theirs: String },
}

impl Error {
    /// The setting that it is about; None: the job as a whole.
    pub const fn setting(&self) -> Option<Setting> {
        match self {
            Self::SameName(_) | Self::NamedAsGroup(_) => None,
            Self::Missing { .. } | Self::Itself(_) | Self::OtherGroup { .. } | Self::Scheduled(_) | Self::Circle(_) => {
                Some(Setting::After)
            }
            Self::Object { .. } => Some(Setting::Objects),
            Self::Listen { setting, .. } => Some(*setting),
            Self::ObjectsMemory { .. } => Some(Setting::ObjectsMemory),
        }
    }
}

/// What is wrong with these services together, at most [`FAULTS_MAX`]. `groups` are names of groups that may have no job.
pub fn check<'a>(services: &[&'a Service], groups: impl IntoIterator<Item = &'a str>) -> Vec<Fault> {
    let mut set = Set { services, positions: HashMap::new(), faults: Vec::new() };
    set.names(groups);
    let edges: Vec<_> = (0..services.len()).map(|index| set.befores(index)).collect();
    set.circles(&edges);
    set.objects();
    set.addresses();
    set.faults
}

struct Set<'a, 'b> {
    services: &'b [&'a Service],
    /// Of each name.
    positions: HashMap<&'a str, usize>,
    faults: Vec<Fault>,
}

impl<'a> Set<'a, '_> {
    fn name(&self, index: usize) -> &'a str {
        &self.services[index].job.name
    }

    fn is_full(&self) -> bool {
        self.faults.len() >= FAULTS_MAX
    }

    fn add(&mut self, index: usize, error: Error) {
        if !self.is_full() {
            self.faults.push(Fault { index, error, other: None });
        }
    }

    fn add_with(&mut self, index: usize, other: usize, error: Error) {
        if !self.is_full() {
            self.faults.push(Fault { index, error, other: Some(other) });
        }
    }

    /// Each listens somewhere else, where the port is not any.
    fn addresses(&mut self) {
        let mut listening = HashMap::new();
        for index in 0..self.services.len() {
            let job = &self.services[index].job;
            let http = job.http.iter().map(|http| (Setting::Listen, http.listen));
            let own = job.grants.net.listen.iter().map(|address| (Setting::Net, *address));
            for (setting, address) in http.chain(own).filter(|(_, address)| address.port() != 0) {
                let first = *listening.entry(address).or_insert(index);
                if first != index {
                    let other = self.name(first).to_owned();
                    self.add_with(index, first, Error::Listen { setting, address, other });
                }
            }
        }
    }

    /// Jobs of one group that name an object mean the same thing, and have one memory for all of theirs.
    fn objects(&mut self) {
        let (mut named, mut memory) = (HashMap::new(), HashMap::new());
        for index in 0..self.services.len() {
            let service = self.services[index];
            let group = service.group.as_str();
            for grant in &service.job.grants.objects {
                let (first, kind) = *named.entry((group, grant.name.as_str())).or_insert((index, grant.kind));
                if kind != grant.kind {
                    let [own, theirs] = [grant.kind, kind].map(print_kind);
                    let (name, other) = (grant.name.clone(), self.name(first).to_owned());
                    self.add_with(index, first, Error::Object { name, own, other, theirs });
                }
            }
            if !service.job.has_objects() {
                continue;
            }
            let bytes = service.job.object_quota.memory_bytes;
            let (first, theirs) = *memory.entry(group).or_insert((index, bytes));
            if theirs != bytes {
                let [own, theirs] = [bytes, theirs].map(print_size);
                let other = self.name(first).to_owned();
                self.add_with(index, first, Error::ObjectsMemory { own, other, theirs });
            }
        }
    }

    fn names(&mut self, groups: impl IntoIterator<Item = &'a str>) {
        for index in 0..self.services.len() {
            let name = self.name(index);
            if self.positions.insert(name, index).is_some() {
                self.add(index, Error::SameName(name.into()));
            }
        }
        let of_services = self.services.iter().map(|service| service.group.as_str());
        let mut groups: Vec<_> = groups.into_iter().chain(of_services).collect();
        groups.sort_unstable();
        groups.dedup();
        for group in groups {
            if let Some(index) = self.positions.get(group) {
                self.add(*index, Error::NamedAsGroup(group.into()));
            }
        }
    }

    /// The services that this one comes after, as far as there are such.
    fn befores(&mut self, index: usize) -> Vec<usize> {
        let mut befores = Vec::new();
        for after in &self.services[index].after {
            match self.before(index, after) {
                Ok(before) => befores.push(before),
                Err(Some(error)) => self.add(index, error),
                Err(None) => {}
            }
        }
        befores
    }

    fn before(&self, index: usize, after: &str) -> Result<usize, Option<Error>> {
        if self.is_full() {
            return Err(None);
        }
        let Some(before) = self.positions.get(after).copied() else {
            let near = nearest(after, self.positions.keys().copied()).map(str::to_owned);
            return Err(Some(Error::Missing { after: after.into(), near }));
        };
        let (own, other) = (self.services[index], self.services[before]);
        if own.job.name == other.job.name {
            return Err(Some(Error::Itself(after.into())));
        }
        if own.group != other.group {
            let (theirs, own) = (other.group.clone(), own.group.clone());
            return Err(Some(Error::OtherGroup { after: after.into(), theirs, own }));
        }
        if other.schedule.is_some() {
            return Err(Some(Error::Scheduled(after.into())));
        }
        Ok(before)
    }

    /// Depth first, with a way of our own instead of the stack: the way may be as long as there are services.
    fn circles(&mut self, edges: &[Vec<usize>]) {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            OnTheWay,
            Done,
        }
        let mut marks = vec![Mark::New; edges.len()];
        for start in 0..edges.len() {
            let mut way = Vec::new();
            if marks[start] == Mark::New {
                marks[start] = Mark::OnTheWay;
                way.push((start, edges[start].iter()));
            }
            while let Some((index, rest)) = way.last_mut() {
                let Some(next) = rest.next() else {
                    marks[*index] = Mark::Done;
                    way.pop();
                    continue;
                };
                match marks[*next] {
                    Mark::New => {
                        marks[*next] = Mark::OnTheWay;
                        way.push((*next, edges[*next].iter()));
                    }
                    Mark::OnTheWay if !self.is_full() => {
                        let circle = way.iter().map(|(index, _)| *index).skip_while(|index| index != next);
                        let error = Error::Circle(self.shown(&circle.collect::<Vec<_>>()));
                        self.add(*next, error);
                    }
                    Mark::OnTheWay | Mark::Done => {}
                }
            }
        }
    }

    /// `a → b → a`; of a long one its beginning.
    fn shown(&self, circle: &[usize]) -> String {
        let mut names: Vec<_> = circle.iter().take(SHOWN).map(|index| self.name(*index)).collect();
        let more = (circle.len() > SHOWN).then(|| format!("… {} more", circle.len() - SHOWN));
        names.extend(more.as_deref());
        names.extend(circle.first().map(|index| self.name(*index)));
        names.join(" → ")
    }
}
