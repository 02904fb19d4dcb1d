//! Pipes with a name: a connection between two jobs that did not start each other. What `Pipe` is in Python.
//!
//! A pipe has two ends, and a job is granted one of them: `--object "talk: pipe first"`, `--object "talk: pipe second"`. Between
//! a parent and its child there is a connection already: [`Job::connected`](crate::Job::connected).
//!
//! ```no_run
//! use sandhog::pipe;
//!
//! #[sandhog::main]
//! fn main() -> sandhog::Result<()> {
//!     let talk = pipe::open("talk")?;
//!     talk.send(&("hello", 1))?;
//!     talk.send_bytes(b"raw bytes go as well")?;
//!     let answer: String = talk.recv()?;
//!     println!("{answer}");
//!     Ok(())
//! }
//! ```

use crate::abi::sandhog::job::objects as host;
use crate::channel::Connection;
use crate::error::Result;

/// The end that was granted under this name. Where another job had it before, whatever that one has not received is received here.
///
/// [`Error::NotFound`](crate::Error::NotFound): none was granted; [`Error::Invalid`](crate::Error::Invalid): it is no pipe.
pub fn open(name: &str) -> Result<Connection> {
    host::open_pipe(name).map(Connection::new).map_err(Into::into)
}
