//! Pipes: a connection between two jobs that did not start each other. What `Pipe` is in Python.
//!
//! A pipe has two ends. One without a name is a [`Pipe`], whose ends its maker hands to children. Of one with a name a job is granted
//! one end: `--object "talk: pipe first"`, `--object "talk: pipe second"`. Between
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

/// A new pipe without a name: both of its ends, of which one or each is for a child. This takes a quota (`--max-objects`), as every
/// object that a job makes.
///
/// What one end sends the other one receives: values, and bytes as they are. An end closes when its job ends, by
/// [`disconnect`](Connection::disconnect), or with its last clone where it was made; the other end has [`Error::Closed`](crate::Error::Closed) then.
///
/// ```standalone_crate
/// use sandhog::pipe::Pipe;
/// use sandhog::{Error, Job};
///
/// # fn main() -> sandhog::Result<()> {
/// let Pipe { first, second } = Pipe::new()?;
/// first.send(&"before there is a child")?;
/// let child = Job::new("hello-handler").connected().pipe("talk", second.clone()).spawn()?;
/// assert_eq!(second.recv::<String>(), Err(Error::Closed)); // It is the child's.
/// child.kill(); // With the child its end is gone.
/// assert_eq!(first.recv::<String>(), Err(Error::Closed));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Pipe {
    /// One end; there is no difference between the two.
    pub first: Connection,
    /// The other end.
    pub second: Connection,
}

impl Pipe {
    /// Makes one. [`Error::Denied`](crate::Error::Denied): this job may make no objects;
    /// [`Error::Quota`](crate::Error::Quota): it has made as many as it may.
    pub fn new() -> Result<Self> {
        let (first, second) = host::create_pipe()?;
        Ok(Self { first: Connection::new(first), second: Connection::new(second) })
    }
}

/// The end that was granted under this name, or that this job's parent has handed to it. Where another job had it before, whatever that one has not received is received here.
///
/// Of a pipe with a name no end is told when the other one closes, by whatever way: `recv` waits for the next job that has it, and
/// so does `send` where there is no room. Use [`within`](Connection::within) where nobody may come.
///
/// [`Error::NotFound`](crate::Error::NotFound): none was granted; [`Error::Invalid`](crate::Error::Invalid): it is no pipe.
pub fn open(name: &str) -> Result<Connection> {
    host::open_pipe(name).map(Connection::new).map_err(Into::into)
}
