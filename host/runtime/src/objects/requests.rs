//! The requests of one attempt to its group's objects, within its rights.
//!
//! Must not: make anything, or wait for anybody but the group.

use super::asked::{Given, Handed, Quota, Wanted, Who};
use super::group::Group;
use sandhog_protocol::objects::{Kind, Member, ObjectId, Right};
use sandhog_protocol::request::{ChildObject, Refused, Reply};
use sandhog_spec::job::Job;
use sandhog_spec::text::escape;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// One attempt as somebody who uses objects.
pub(crate) struct Requests<'a> {
    pub group: Option<&'a Group>,
    pub who: Arc<Who>,
    pub job: &'a Job,
    /// Those that its parent had for it.
    pub handed: &'a BTreeMap<String, ObjectId>,
}

type ReplyAndFds = (Reply, Vec<OwnedFd>);

impl Requests<'_> {
    pub(crate) async fn attach(&self, name: &str) -> ReplyAndFds {
        told(match named(self.job, self.handed, name) {
            Ok(wanted) => self.enter(wanted).await,
            Err(refused) => Err(refused),
        })
    }

    pub(crate) async fn create(&self, kind: Kind) -> ReplyAndFds {
        told(match new(self.job, kind) {
            Ok(wanted) => self.enter(wanted).await,
            Err(refused) => Err(refused),
        })
    }

    async fn enter(&self, wanted: Wanted) -> Result<Given, Refused> {
        match self.group {
            Some(group) => group.enter(Arc::clone(&self.who), wanted).await,
            None => Err(Refused::Denied("no object was granted (--object)".into())),
        }
    }

    /// # Errors
    /// What no honest worker says, as for the next one.
    pub(crate) async fn detach(&self, object: ObjectId) -> Result<(), String> {
        match self.group {
            Some(group) => group.leave(self.who.attempt.clone(), object).await,
            None => Err("an object that it never had".into()),
        }
    }

    /// # Errors
    /// As [`Requests::detach`].
    pub(crate) async fn hang_up(&self, object: ObjectId, end: Right) -> Result<(), String> {
        match self.group {
            Some(group) => group.hang_up(self.who.attempt.clone(), object, end).await,
            None => Err("a pipe that it never had".into()),
        }
    }

    pub(crate) async fn waits(&self, object: ObjectId) -> Result<(), String> {
        match self.group {
            Some(group) => group.waits(object).await,
            None => Err("an object that it never had".into()),
        }
    }

    pub(crate) async fn dead(&self, member: Member) -> ReplyAndFds {
        let dead = match self.group {
            Some(group) => group.dead(member).await,
            None => None,
        };
        (Reply::Dead(dead.map(Box::new)), Vec::new())
    }

    /// Hands objects to a child; what is handed is used from now on, until the child's end is told. `part`: so many without a name
    /// may the child make, out of this job's own.
    pub(crate) async fn hand(&self, child: &str, objects: Vec<ChildObject>, part: u32) -> Result<Vec<Handed>, Refused> {
        let quota = Quota { part, most: self.job.object_quota.unnamed };
        match self.group {
            _ if objects.is_empty() && part == 0 => Ok(Vec::new()),
            Some(group) => group.hand(self.who.attempt.clone(), child.into(), objects, quota).await,
            None => Err(Refused::Denied("the parent has no objects itself (--object)".into())),
        }
    }
}

fn told(given: Result<Given, Refused>) -> ReplyAndFds {
    match given {
        Ok(Given { attached, fds }) => (Reply::Attached(Box::new(attached)), fds),
        Err(refused) => (Reply::NotAttached(refused), Vec::new()),
    }
}

/// The object that a job means by a name.
fn named(job: &Job, handed: &BTreeMap<String, ObjectId>, name: &str) -> Result<Wanted, Refused> {
    if let Some(object) = handed.get(name) {
        return Ok(Wanted::Handed { object: *object });
    }
    let grant = job.grants.objects.iter().find(|grant| grant.name == name);
    let wanted = grant.map(|grant| Wanted::Named { name: name.into(), kind: grant.kind, rights: grant.rights.clone() });
    wanted.ok_or_else(|| {
        let shown: String = escape(name).chars().take(QUOTED).collect();
        Refused::NotFound(format!("no object was granted under the name {shown} (--object)"))
    })
}

/// Most characters of a name that a refusal quotes.
const QUOTED: usize = 100;

fn new(job: &Job, kind: Kind) -> Result<Wanted, Refused> {
    match job.object_quota.unnamed {
        0 => Err(Refused::Denied("this job may make no objects (--max-objects)".into())),
        most => Ok(Wanted::New { kind, most }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandhog_protocol::objects::Right;
    use sandhog_spec::job::{Settings, Surroundings};

    fn job(objects: &[&str], max_objects: u64) -> Job {
        let settings = Settings {
            module: "a.wasm".into(),
            objects: objects.iter().map(Into::into).collect(),
            max_objects: Some(max_objects),
            ..Settings::default()
        };
        Job::new(settings, Surroundings { is_root: false, variable: &|_| None }).unwrap()
    }

    #[test]
    fn a_name_means_what_the_parent_gave_or_what_was_granted_and_nothing_else() {
        let job = job(&["tasks: queue(3) put", "x: lock"], 0);
        let handed = [("x".to_owned(), ObjectId(7))].into();
        assert_eq!(named(&job, &handed, "x"), Ok(Wanted::Handed { object: ObjectId(7) }));
        let kind = Kind::Queue { items: 3, bytes: 1 << 20 };
        let wanted = Wanted::Named { name: "tasks".into(), kind, rights: [Right::Put].into() };
        assert_eq!(named(&job, &handed, "tasks"), Ok(wanted));
        let Err(Refused::NotFound(text)) = named(&job, &handed, &"\u{1b}".repeat(100_000)) else { panic!() };
        assert!(text.len() < 1000 && text.is_ascii(), "{text}");
    }

    #[test]
    fn only_who_may_makes_objects() {
        assert!(matches!(new(&job(&["x: lock"], 0), Kind::Lock), Err(Refused::Denied(_))));
        assert_eq!(new(&job(&[], 5), Kind::Lock), Ok(Wanted::New { kind: Kind::Lock, most: 5 }));
    }
}
