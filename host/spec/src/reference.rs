//! Documents out of the list of settings: a manifest with every key, a reference for people, a manual page, and a schema
//! for editors, and one of the API.
//!
//! Must not: know a setting by its name.

mod api;
mod man;
mod markdown;
mod sample;
mod schema;
mod sentences;

pub use api::job_spec;
pub use man::man;
pub use markdown::markdown;
pub use sample::sample;
pub use schema::schema;

#[cfg(test)]
mod tests;
