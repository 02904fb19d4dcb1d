//! The harness of the tests: it starts the real executables, watches them, and says how they ended.
//!
//! Must not: know a fact. It takes everything from outside, as people do, and none of the product's own code but its messages.

mod command;
pub mod daemon;
pub mod each_test;
mod folder;
mod group;
pub mod http;
mod in_folder;
mod installed;
mod mounts;
mod needs;
mod outcome;
mod person;
pub mod process;
mod random;
mod running;
pub mod service;
mod site;
mod snapshot;
mod stream;
mod terminal;
pub mod traces;
mod waiting;

pub use command::Command;
pub use daemon::{Daemon, concerns, kinds, quick, told};
pub use each_test::{LIMIT, alone, limit};
pub use folder::{Folder, chown, mode, names_in};
pub use group::Group;
pub use installed::{cache_of, data, guest, hostile, module, program, sandhog, share_secret, state_of, target};
pub use mounts::{mounts, own_mounts};
pub use needs::{Need, missing, root_or_missing};
pub use outcome::Outcome;
pub use person::{Person, is_root};
pub use process::Process;
pub use random::Random;
pub use running::Running;
pub use service::Service;
pub use site::Site;
pub use snapshot::shows;
pub use stream::Stream;
pub use terminal::{Terminal, terminal};
pub use traces::Seen;
pub use waiting::{DEADLINE, PROMISED, until, until_within};
