//! Where jobs accept clients themselves: the sockets that listen for them. They outlive attempts, each of which gets duplicates.
//!
//! Must not: accept anybody, decide when a job is up, wait. To listen at a numeric address asks nobody, so the one task does it
//! itself.

use super::fronts::{Fronts, meets};
use rustix::net::{Shutdown, shutdown};
use sandhog_protocol::causes;
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Those of all jobs.
#[derive(Default)]
pub(super) struct Ports {
    pub(super) jobs: HashMap<String, Vec<Arc<Port>>>,
    /// Jobs of which it is to be looked whether they listen still.
    pub(super) changed: BTreeSet<String>,
    /// The daemon ends: nothing listens any more.
    is_over: bool,
}

/// One of them. Jobs share one only while the first is about to give it up.
pub(super) struct Port {
    /// As the job has it: port 0 is another one in `address`.
    asked: SocketAddr,
    pub(super) address: SocketAddr,
    socket: Arc<OwnedFd>,
    /// Nobody else listens with it: jobs that still have a duplicate have no use for it any more.
    ends: bool,
}

impl Drop for Port {
    fn drop(&mut self) {
        if self.ends {
            // Where that fails it ends with the last job that has it.
            let _ = shutdown(&self.socket, Shutdown::Both);
        }
    }
}

impl Ports {
    /// Sockets for a job that is to listen at these addresses, in their order; those that it has already among them. `is_free`: of
    /// another job, whether it gives up where it listens.
    ///
    /// # Errors
    /// Why it can't, and what to do about it.
    pub(super) fn prepare(
        &self,
        fronts: &Fronts,
        job: &str,
        asked: &[SocketAddr],
        is_free: impl Fn(&str) -> bool,
    ) -> Result<Vec<Arc<Port>>, String> {
        let mut own: Vec<Arc<Port>> = self.jobs.get(job).cloned().unwrap_or_default();
        let mut ports = Vec::new();
        for address in asked {
            let port = match own.iter().position(|port| port.asked == *address) {
                Some(place) => own.remove(place),
                None => self.another(fronts, *address, &is_free).map_err(|reason| format!("{address}: {reason}"))?,
            };
            ports.push(port);
        }
        Ok(ports)
    }

    fn another(&self, fronts: &Fronts, asked: SocketAddr, is_free: impl Fn(&str) -> bool) -> Result<Arc<Port>, String> {
        let holder = |holder: &str, at: SocketAddr| {
            format!("the job {holder} listens at {at}: choose another port for one of the two")
        };
        match (self.holder(asked), fronts.holder(asked)) {
            (Some((job, port)), _) if port.address == asked && is_free(job) => return Ok(Arc::clone(port)),
            (Some((job, port)), _) => return Err(holder(job, port.address)),
            (None, Some((job, at))) => return Err(holder(job, at)),
            (None, None) => {}
        }
        let (listener, ends) = fronts.open(asked).map_err(|error| causes::one_line(&error))?;
        let address = listener.address();
        let socket = listener.for_job().map_err(|error| causes::one_line(&error))?;
        Ok(Arc::new(Port { asked, address, socket, ends }))
    }

    /// The job that is in the way of whoever wants to listen there.
    pub(super) fn holder(&self, asked: SocketAddr) -> Option<(&str, &Arc<Port>)> {
        let all = self.jobs.iter().flat_map(|(job, ports)| ports.iter().map(move |port| (job.as_str(), port)));
        all.into_iter().find(|(_, port)| meets(port.address, asked))
    }

    /// The job listens with these from now on. Those that are new.
    pub(super) fn put(&mut self, job: &str, ports: Vec<Arc<Port>>) -> Vec<SocketAddr> {
        self.changed.insert(job.to_owned());
        if self.is_over {
            return Vec::new();
        }
        let before = self.jobs.insert(job.to_owned(), ports).unwrap_or_default();
        let is_new = |port: &&Arc<Port>| !before.iter().any(|other| Arc::ptr_eq(other, port));
        self.jobs.get(job).into_iter().flatten().filter(is_new).map(|port| port.address).collect()
    }

    /// For an attempt of the job.
    pub(super) fn sockets(&self, job: &str) -> Vec<Arc<OwnedFd>> {
        self.jobs.get(job).into_iter().flatten().map(|port| Arc::clone(&port.socket)).collect()
    }

    /// It listens no more; where it did.
    pub(super) fn close(&mut self, job: &str) -> Vec<SocketAddr> {
        self.jobs.remove(job).into_iter().flatten().map(|port| port.address).collect()
    }

    /// The daemon ends: clients are refused from now on.
    pub(super) fn end(&mut self) {
        self.is_over = true;
        self.jobs.clear();
    }
}
