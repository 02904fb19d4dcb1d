//! Answers to HTTP requests, for a library with [`#[sandhog::http]`](macro@crate::http). Its module exports
//! `wasi:http/incoming-handler` 0.2, so that every server of that interface can call it.
//!
//! ```standalone_crate
//! use sandhog::http::{Request, Response};
//!
//! fn handle(mut request: Request) -> std::io::Result<Response> {
//!     match (request.method(), request.path()) {
//!         ("GET", "/") => Ok(Response::text("Hello\n")),
//!         ("POST", "/echo") => Ok(Response::bytes(request.read_body()?)),
//!         _ => Ok(Response::status(404)),
//!     }
//! }
//!
//! # fn main() {
//! assert_eq!(handle(Request::get("/")).unwrap().content(), Some(b"Hello\n".as_slice()));
//! assert_eq!(handle(Request::get("/else")).unwrap().code(), 404);
//! # }
//! ```
//!
//! Must not: know a server. What is beyond its limits (time, sizes) the server refuses before or behind the function.

mod answer;
mod request;
mod response;

pub use answer::Writer;
pub use request::{Body, Request};
pub use response::{IntoResponse, Response};

/// What the attribute expands to. No part of the interface.
#[doc(hidden)]
pub mod export {
    pub use super::answer::answer;
    pub use wasip2 as bindings;
    pub use wasip2::exports::http::incoming_handler::Guest;
    pub use wasip2::http::proxy::export;
    pub use wasip2::http::types::{IncomingRequest, ResponseOutparam};
}

/// Names of headers are the same in any case.
fn find<'a>(headers: &'a [(String, Vec<u8>)], name: &str) -> Option<&'a [u8]> {
    headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice())
}
