//! `sandhog serve` for a test: started at any free port, with the guest that does as the path says.
//!
//! Must not: know what a worker does with a request.

use crate::command::Command;
use crate::http::{Answer, Broken, Client};
use crate::installed::guest;
use crate::outcome::Outcome;
use crate::process;
use crate::running::Running;
use crate::waiting::until;
use rustix::process::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// What it says first, before the address.
const SERVING: &str = "sandhog: serving on http://";

/// The guest of the tests, by WASI 0.2.
pub const BY_PATH: &str = "http_by_path";
/// The same by WASI 0.3.
pub const BY_PATH_0_3: &str = "http_by_path_0_3";

/// A service that runs. Dropping it kills it.
pub struct Service {
    /// The command.
    pub running: Running,
    /// Where it serves.
    pub address: SocketAddr,
}

/// `sandhog serve` of a guest, at any free port.
pub fn serve(flags: &[&str], module: &str) -> Service {
    Service::of(command(&["--listen", "127.0.0.1:0"], flags, module))
}

/// The same with nothing said of an address.
pub fn command(listen: &[&str], flags: &[&str], module: &str) -> Command {
    Command::sandhog(["serve"]).flags(listen).flags(flags).flag(guest(module))
}

impl Service {
    /// Waits for the first line.
    pub fn of(command: Command) -> Self {
        let running = command.start();
        let line = running.stderr.line(0);
        let address =
            line.strip_prefix(SERVING).and_then(|rest| rest.strip_suffix('/')).and_then(|text| text.parse().ok());
        let address = address.unwrap_or_else(|| panic!("the first line is {line:?}"));
        Self { running, address }
    }

    /// A connection to it.
    pub fn client(&self) -> Client {
        Client::connect(self.address).unwrap()
    }

    /// One request over a connection of its own.
    ///
    /// # Errors
    ///
    /// See [`Broken`].
    pub fn get(&self, target: &str) -> Result<Answer, Broken> {
        self.client().get(target)
    }

    /// The body of an answer with this status.
    #[track_caller]
    pub fn expect(&self, target: &str, status: u16) -> String {
        self.get(target).unwrap().expect(status)
    }

    /// Which worker answers, by a connection of its own.
    pub fn who(&self) -> Who {
        Who::of(&self.expect("/who", 200))
    }

    /// It still answers, with a whole answer.
    #[track_caller]
    pub fn goes_on(&self) {
        assert_eq!(self.expect("/", 200), "done\n");
    }

    /// Its workers, those of a warm pool among them.
    pub fn workers(&self) -> Vec<u32> {
        process::named_below(self.running.pid, "sandhog-worker")
    }

    /// Its workers, once there are so many. The first line says that the first one takes connections; the others follow.
    pub fn all_workers(&self, count: usize) -> Vec<u32> {
        until("as many workers", || Some(self.workers()).filter(|workers| workers.len() == count))
    }

    /// Waits until so many workers have answered.
    pub fn until_all_answer(&self, count: usize) {
        let mut seen = BTreeSet::new();
        until("every worker to answer", || {
            seen.insert(self.who().attempt);
            (seen.len() == count).then_some(())
        });
    }

    /// Bytes of memory of the command and all below it that are its own.
    pub fn memory(&self) -> u64 {
        let all = process::descendants(self.running.pid);
        all.into_iter().chain([self.running.pid]).filter_map(process::resident_bytes).sum()
    }

    /// Ends a worker with SIGKILL.
    pub fn kill(worker: u32) {
        process::send(worker, Signal::KILL);
    }

    /// Asks it to end, and waits until nobody is let in any more.
    pub fn begin_to_drain(&self) {
        self.running.signal(Signal::TERM);
        until("the socket to be closed", || Client::connect(self.address).is_err().then_some(()));
    }

    /// Asks it to end, and waits for that.
    pub fn end(self) -> Outcome {
        self.running.signal(Signal::TERM);
        self.running.wait()
    }
}

/// Who has answered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who {
    /// Of its worker.
    pub attempt: String,
    /// Of the guest, in that worker.
    pub instance: String,
    /// Requests of that instance so far.
    pub served: u64,
}

impl Who {
    /// As `/who` of the guest says it.
    pub fn of(text: &str) -> Self {
        let pairs: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
        Self {
            attempt: pairs["attempt"].to_owned(),
            instance: pairs["instance"].to_owned(),
            served: pairs["served"].parse().unwrap(),
        }
    }
}
