//! Objects that the jobs of each group share. A group has a place for them from the first attempt that may use some on, until no
//! job of it does. An object with a name stays while a job that is granted it is up, whether or not an attempt of it runs.
//!
//! Must not: wait for them, or know what is in one.

use super::actor::Daemon;
use super::index::Entry;
use super::message::{Inbox, Message};
use super::request::Reply;
use super::select::Named;
use sandhog_protocol::control::{ObjectUser, ObjectWaiter, Phase, SharedObject};
use sandhog_protocol::objects::Kind;
use sandhog_runtime::objects::{Group, Row, Teller, Who};
use sandhog_spec::service::Service;
use sandhog_supervisor::state::{Fleet, InstanceId};
use sandhog_sys::clock::now_ms;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

impl Daemon {
    /// The objects of a job's group, where it may use some.
    pub(super) fn group_of(&mut self, service: &Service) -> Option<Group> {
        if !service.job.has_objects() {
            return None;
        }
        if let Some(group) = self.shared.groups.get(&service.group) {
            return Some(group.clone());
        }
        let bytes = service.job.object_quota.memory_bytes;
        let group = Group::new(&self.coordinator, bytes, self.names_in(&service.group), teller(&self.inbox));
        self.shared.groups.insert(service.group.clone(), group.clone());
        Some(group)
    }

    /// Lets groups know what has become of their jobs.
    pub(super) fn keep_objects(&mut self) {
        for id in &self.touched {
            if let Some(member) = self.index.members.get(id)
                && self.shared.groups.contains_key(&member.group)
            {
                self.shared.see(*id, &member.group, is_up(&self.fleet, *id));
            }
        }
        for name in std::mem::take(&mut self.shared.changed) {
            let Some(group) = self.shared.groups.get(&name) else { continue };
            let user = self.jobs_in(&name).find(|entry| entry.service.job.has_objects());
            match user.map(|entry| entry.service.job.object_quota.memory_bytes) {
                Some(bytes) => {
                    group.set_memory(bytes);
                    group.keep(self.names_in(&name));
                }
                // Attempts that are still to stop have it to themselves.
                None => drop(self.shared.groups.remove(&name)),
            }
        }
    }

    fn jobs_in<'a>(&'a self, group: &str) -> impl Iterator<Item = &'a Entry> {
        self.index.group(group).into_iter().filter_map(|job| self.index.entry(job))
    }

    /// Names and kinds of objects that jobs of a group are granted which are up.
    fn names_in(&self, group: &str) -> BTreeMap<String, Kind> {
        let up = self.jobs_in(group).filter(|entry| entry.instances.values().any(|id| is_up(&self.fleet, *id)));
        let grants = up.flat_map(|entry| &entry.service.job.grants.objects);
        grants.map(|grant| (grant.name.clone(), grant.kind)).collect()
    }

    /// Each group says what is in it, beside this task.
    pub(super) fn look_at_objects(&self, mut reply: Reply<Vec<SharedObject>>) {
        let groups: Vec<_> = self.shared.groups.iter().map(|(name, group)| (name.clone(), group.clone())).collect();
        tokio::spawn(async move {
            let looks = async {
                let mut all = Vec::new();
                for (name, group) in groups {
                    all.extend(group.look().await.into_iter().map(|row| shown(&name, row, now_ms())));
                }
                all
            };
            tokio::select! {
                all = looks => drop(reply.send(Ok(all))),
                // Nobody waits for it any more.
                () = reply.closed() => {}
            }
        });
    }
}

/// Whether an instance runs, or is to run without another word of the operator's.
fn is_up(fleet: &Fleet, id: InstanceId) -> bool {
    fleet.see(id).is_some_and(|seen| match seen.phase {
        Phase::Idle | Phase::Stopped | Phase::Failed => false,
        Phase::Waiting | Phase::Scheduled | Phase::Starting | Phase::Running => true,
        Phase::Stopping | Phase::Backoff | Phase::Unknown(_) => true,
    })
}

fn teller(inbox: &Inbox) -> Teller {
    let inbox = inbox.clone();
    // Where nobody hears it the daemon has ended.
    Arc::new(move |deadlock| drop(inbox.send(Message::Deadlock(deadlock.clone()))))
}

fn shown(group: &str, row: Row, now_ms: u64) -> SharedObject {
    let before = |passed: Duration| now_ms.saturating_sub(sandhog_spec::units::millis(passed));
    let holder =
        |who: &Arc<Who>| ObjectUser { job: who.job.clone(), instance: who.instance, attempt: who.attempt.clone() };
    let waiter = |(who, waited): &(Arc<Who>, Duration)| ObjectWaiter {
        job: who.job.clone(),
        instance: who.instance,
        attempt: who.attempt.clone(),
        since_ms: before(*waited),
    };
    SharedObject {
        group: group.into(),
        object: row.object.0,
        kind: row.kind,
        users: row.users as u64,
        holders: row.holders.iter().map(holder).collect(),
        waiters: row.waiters.iter().map(waiter).collect(),
        level: row.state.as_ref().map(|state| state.level),
        bytes: row.state.as_ref().map(|state| state.bytes),
        token: row.state.as_ref().map(|state| state.token),
        memory_bytes: row.bytes,
        created_ms: before(row.age),
        name: row.name,
    }
}
