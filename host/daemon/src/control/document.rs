//! The OpenAPI document: what is written in `openapi.json`, and a job's settings out of their list.

use hyper::body::Bytes;
use sandhog_spec::reference;
use serde_json::Value;
use std::sync::LazyLock;

/// The description of the routes and bodies.
pub(super) static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
    // That this is JSON, its test holds.
    let mut document: Value = serde_json::from_str(include_str!("openapi.json")).unwrap_or_default();
    document["components"]["schemas"]["JobSpec"] = reference::job_spec();
    document.to_string().into()
});
