//! The work of an executable inside its sealed processes.

use sandhog_channel::Large;
use sandhog_ipc::FrameBuffer;
use sandhog_protocol::plan::{Access, Entry, Kind, Metering, Program, Work};
use sandhog_protocol::spawn::Loaded;
use sandhog_protocol::worker::FromWorker;
use std::fs::File;
use std::os::fd::{BorrowedFd, OwnedFd};

/// The work of an executable's workers. It is done in processes that are sealed already.
pub trait Workload {
    /// What a zygote loads once, and each of its workers starts from.
    type Module;

    /// Whether zygotes of this program are this executable's.
    fn serves(program: Program) -> bool;

    /// Loads the compiled module in `file`, in the zygote.
    ///
    /// # Errors
    /// Why it can't be loaded, for the coordinator.
    fn load(metering: Metering, coredump: bool, kind: Kind, file: File) -> Result<Self::Module, Loaded>;

    /// Whether workers of this module answer tasks that come through their connection.
    fn entry(module: &Self::Module) -> Entry;

    /// Goes once through what [`Self::work`] will do, without anything of a guest's, in a worker that waits for its task. Failing,
    /// it changes nothing.
    fn warm(module: &Self::Module);

    /// Does one attempt's work and says how it ended. `None` where the assignment is not this executable's, or there is nobody
    /// to tell.
    fn work(assignment: Assignment<'_, Self::Module>) -> Option<FromWorker>;
}

/// All that a worker starts from.
pub struct Assignment<'a, M> {
    /// What its zygote is for: it does that work, and no other.
    pub program: Program,
    pub work: Work,
    /// To the coordinator.
    pub channel: BorrowedFd<'a>,
    /// What has come from there already.
    pub buffer: FrameBuffer,
    /// What has come beside that: to a keeper.
    pub fds: Vec<OwnedFd>,
    /// To its parent, where it has one.
    pub connection: Option<OwnedFd>,
    /// The file for its core dump, where one is wanted.
    pub coredump: Option<OwnedFd>,
    /// How it sends large messages.
    pub large: Large,
    /// TCP sockets that listen, in the order of the plan.
    pub listeners: Vec<OwnedFd>,
    /// Granted, in the order of the plan.
    pub directories: Vec<(OwnedFd, Access)>,
    /// The loaded module, where the work is a guest.
    pub module: Option<M>,
}
