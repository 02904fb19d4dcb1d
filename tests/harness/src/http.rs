//! HTTP/1.1 as tests need it: a client that can be rude, and one that is many ([`load`]).
//!
//! Must not: know Sandhog, or hide a failure. It never tries again by itself, and what it did not get it says.

mod answer;
mod client;
mod coming;
mod connection;
pub mod flood;
pub mod load;

pub use answer::{Answer, Broken};
pub use client::{Client, head};
pub use coming::Coming;
