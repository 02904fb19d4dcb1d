//! The description of the routes and bodies. A test makes it of them and of their types: `./just openapi` renews it.

/// `docs/openapi.json`, which is OpenAPI 3.1.
pub(super) const DOCUMENT: &str = include_str!("../../../../docs/openapi.json");
