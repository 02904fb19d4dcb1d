//! Probes.
use sandhog_protocol::plan::Access;
use sandhog_protocol::worker::ProbeReport;
use std::os::fd::OwnedFd;

pub(crate) fn run(_name: &str, _directories: &[(OwnedFd, Access)]) -> ProbeReport {
    ProbeReport { stopped: false, detail: "unknown".into() }
}
