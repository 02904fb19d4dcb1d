//! An object's memory as bytes, for tests of its group: what native code does that has broken out of its guest. Not built into what
//! is installed.

use super::super::view::Parts;
use super::handle::{Handle, Model, Of};
use crate::session;
use sandhog_objects_model::{Memory, Object};

/// What a name begins with that is meant so.
const RAW: &str = "raw:";

/// None: it is not meant.
pub(super) fn open<M: Model>(parts: Parts<'_>, name: &str) -> Option<Result<Of<M>, session::Error>> {
    let name = name.strip_prefix(RAW)?;
    let Parts { session, table } = parts;
    Some(session.attach(name.to_owned()).and_then(|attachment| {
        let memory = Object::bytes(attachment.kind()).and_then(Memory::of).map(Object::Memory);
        let model = memory.and_then(M::of).ok_or_else(|| session::Error::Invalid("no bytes".to_owned()))?;
        let handle = Handle::over(attachment.with_all_rights(), model);
        table.push(handle).map_err(|error| session::Error::Quota(error.to_string()))
    }))
}
