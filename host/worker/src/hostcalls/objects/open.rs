//! How a guest gets a handle.
//!
//! Must not: know what the object does.

use super::super::view::{HANDLES, Parts};
use super::define::Define;
use super::handle::{Handle, Model, Of};
#[cfg(feature = "hostile")]
use super::raw;
use crate::session::{self, Attachment};

/// A resource, and how one is opened by its name.
pub(super) fn resource<M: Model>(objects: &mut impl Define) -> wasmtime::Result<()> {
    objects.resource::<M>()?;
    objects.named::<Of<M>>(&format!("open-{}", M::NAME), |Parts { session, table }, name| {
        #[cfg(feature = "hostile")]
        if let Some(raw) = raw::open(Parts { session, table }, &name) {
            return raw.map_err(Into::into);
        }
        let attached = session.attach(name);
        Ok(attached.and_then(|attachment| hand_out(Parts { session, table }, attachment))?)
    })
}

/// A handle for the guest.
///
/// # Errors
/// [`session::Error::Invalid`] where the object is of another kind; [`session::Error::Quota`].
pub(super) fn hand_out<M: Model>(parts: Parts<'_>, attachment: Attachment) -> Result<Of<M>, session::Error> {
    let Parts { session, table } = parts;
    let handle = match Handle::<M>::new(attachment) {
        Ok(handle) => handle,
        Err(attachment) => {
            session.let_go(&attachment)?;
            return Err(session::Error::Invalid(format!("it is no {}", M::NAME)));
        }
    };
    let attachment = handle.attachment().clone();
    match table.push(handle) {
        Ok(handle) => Ok(handle),
        Err(_) => {
            session.let_go(&attachment)?;
            Err(session::Error::Quota(format!("{HANDLES} handles")))
        }
    }
}
