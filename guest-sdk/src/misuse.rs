//! What the attributes refuse to take.
//!
//! ```compile_fail
//! #[sandhog::main]
//! async fn main() {}
//! ```
//!
//! ```compile_fail
//! #[sandhog::main]
//! fn start() {}
//! # fn main() {}
//! ```
//!
//! ```compile_fail
//! #[sandhog::main(threads = 4)]
//! fn main() {}
//! ```
//!
//! ```compile_fail
//! #[sandhog::main]
//! fn main() -> Result<(), Vec<u8>> { Ok(()) } // An error that can't be displayed.
//! ```
//!
//! ```compile_fail
//! #[sandhog::handler]
//! fn handle() -> Result<u32, String> { Ok(1) }
//! ```
//!
//! ```compile_fail
//! #[sandhog::handler]
//! fn handle(task: u32) {}
//! ```
//!
//! ```compile_fail
//! #[sandhog::handler]
//! fn handle<T: Into<u32>>(task: T) -> Result<u32, String> { Ok(task.into()) }
//! ```
//!
//! ```compile_fail
//! struct Unreadable;
//! #[sandhog::handler]
//! fn handle(task: Unreadable) -> Result<u32, String> { Ok(1) }
//! ```
//!
//! ```compile_fail
//! # use sandhog::http::Request;
//! #[sandhog::http]
//! fn handle(request: Request) {}
//! ```
//!
//! ```compile_fail
//! # use sandhog::http::Request;
//! #[sandhog::http]
//! fn handle(request: Request) -> u32 { 200 } // A status alone is no answer.
//! ```
//!
//! What they take, though commas and arrows stand in it:
//!
//! ```no_run
//! use std::collections::HashMap;
//!
//! #[sandhog::handler]
//! fn handle(task: HashMap<String, (u8, u8)>,) -> Result<sandhog::Bytes, String> {
//!     Ok(sandhog::Bytes(task.into_values().map(|(first, _)| first).collect()))
//! }
//! ```
