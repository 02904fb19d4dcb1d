//! What a job that Sandhog runs can ask of it, beside WASI: messages to and from its parent ([`channel`]), jobs of its own
//! ([`children`]), what it tells whoever watches it ([`process`]), and what it shares with other jobs of its group: locks and the
//! like ([`sync`]), memory ([`shared`]), queues ([`queue`]), pipes ([`pipe`]). It can accept clients itself ([`net`]); with the
//! feature `http` it answers requests (`http`).
//!
//! ```standalone_crate
//! use sandhog::{Job, Result};
//!
//! #[sandhog::main]
//! fn main() -> Result<()> {
//!     let child = Job::new("echo").connected().spawn()?;
//!     child.send("hello")?;
//!     let answer: String = child.recv()?;
//!     assert_eq!(answer, "hello");
//!     Ok(())
//! }
//! ```
//!
//! # What holds everywhere
//!
//! - **Waiting.** What can wait does so for as long as it takes. Every handle that waits has `within`, which gives the same
//!   handle with less patience: `child.within(Duration::from_secs(1)).recv()`. What gave up has done nothing, and says
//!   [`Error::TimedOut`]; with [`Duration::ZERO`](std::time::Duration::ZERO) it says [`Error::WouldBlock`].
//! - **Messages** are any type that serde knows, as MessagePack with named fields, or raw bytes. One has at most
//!   [`MAX_MESSAGE_BYTES`].
//! - **Rights** are given on the outside (`sandhog run --child NAME=FILE`, `--object "tasks: queue(100) put"`); nothing in here
//!   gives one.
//! - **One thread.** A guest has no threads. A job that is to do two things at once is two jobs.
//! - **On the host's own target** this crate compiles, so that a job's logic can be tested by `cargo test`; whatever would
//!   ask Sandhog panics there.

mod batch;
pub mod channel;
pub mod children;
mod error;
mod handler;
#[cfg(feature = "http")]
pub mod http;
mod message;
pub mod net;
mod packed;
pub mod pipe;
pub mod process;
pub mod queue;
mod rights;
pub mod shared;
mod streams;
pub mod sync;
mod verdict;

/// The bindings that wit-bindgen makes of wit/sandhog.wit, and all unsafe code. `tests/all/bindings.rs` makes them anew.
#[rustfmt::skip]
#[doc(hidden)]
#[allow(unsafe_code, missing_docs, unreachable_pub, dead_code, clippy::all, clippy::pedantic, clippy::restriction)]
pub mod abi;

pub use batch::{Batch, Collects};
pub use channel::Connection;
pub use children::{Child, Job, LiveUsage, Output, Source, Stdio, wait_any, wait_any_within};
pub use error::{Error, Result};
pub use handler::{Bytes, IntoAnswer, Task};
pub use message::{Format, MAX_MESSAGE_BYTES, Message};
pub use packed::{Arrived, Item, MAX_BATCH_BYTES};
pub use rights::Rights;
pub use streams::{Reader, Writer};
pub use verdict::{Kind, Usage, Verdict};

/// Before `fn main() -> Result<(), E>`: an error, whatever can be displayed, is printed to stderr as `error: …`, and the job
/// ends with code 1. `main` may give nothing, an `ExitCode`, or a `Result` of either.
///
/// ```standalone_crate
/// #[sandhog::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let number: u32 = "17".parse()?;
///     println!("{number}");
///     Ok(())
/// }
/// ```
pub use sandhog_sdk_macros::main;

/// Before `fn handle(task: In) -> Result<Out, E>`: makes of a library with `crate-type = ["cdylib"]` a handler, which is called
/// for each task. `In` is any type that serde can read, `Out` any that it can write; [`Bytes`] stands for raw bytes, and a
/// [`Message`] for any of both. The error is whatever can be displayed; the caller gets it as [`Error::Failed`].
///
/// What the library keeps in statics lives from task to task, unless it was started [`fresh`](Job::fresh).
///
/// ```no_run
/// #[sandhog::handler]
/// fn handle(name: String) -> Result<String, String> {
///     Ok(format!("Hello, {name}!"))
/// }
/// ```
pub use sandhog_sdk_macros::handler;

/// Before `fn handle(request: Request) -> Response`: makes of a library with `crate-type = ["cdylib"]` a service, which
/// `sandhog serve` calls for each request. It may return whatever is [`IntoResponse`](http::IntoResponse): also text, or a
/// `Result` whose error can be displayed.
///
/// What the library keeps in statics is gone with the request, unless its instances are reused (`--isolation reuse`).
///
/// ```no_run
/// use sandhog::http::{Request, Response};
///
/// #[sandhog::http]
/// fn handle(request: Request) -> Response {
///     Response::text(format!("Hello from {}\n", request.path()))
/// }
/// ```
#[cfg(feature = "http")]
pub use sandhog_sdk_macros::http;

#[cfg(doctest)]
mod misuse;

/// What the attributes expand to. No part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::abi::handler::{self as abi, Guest, MessageResult, export_handler};
    pub use crate::handler::{End, answer};
    #[cfg(feature = "http")]
    pub use crate::http::export as http;

    /// What a program does before all else: the C library's part, which finds the granted directories. The bindings know of
    /// those constructors, and by that alone the linker leaves them to whoever knows; an older C library's start does not
    /// call them.
    pub fn begin() {
        #[cfg(target_family = "wasm")]
        wit_bindgen::rt::run_ctors_once();
    }
}

use std::time::Duration;

/// How long a handle waits; `None`: for ever.
type Patience = Option<Duration>;

/// As the interface counts. 584 years are for ever.
fn nanoseconds(patience: Patience) -> Option<u64> {
    patience.map(|duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}
