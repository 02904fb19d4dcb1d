//! `sandhog serve` for a test: started at any free port, with the guest that does as the path says.

use crate::http_client::{Answer, Broken, Client};
use crate::support::{Outcome, Run, Running};
use rustix::process::{Pid, Signal, kill_process};
use sandhog_harness::{guest, process, until};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// What it says first, before the address.
const SERVING: &str = "sandhog: serving on http://";

/// The guest of the tests, by WASI 0.2, and by 0.3.
pub(crate) const BY_PATH: &str = "http_by_path";
pub(crate) const BY_PATH_0_3: &str = "http_by_path_0_3";

/// A service that runs. Dropping it kills it.
pub(crate) struct Service {
    pub running: Running,
    pub address: SocketAddr,
}

/// `sandhog serve` of a guest, at any free port.
pub(crate) fn serve(flags: &[&str], module: &str) -> Service {
    Service::of(command(&["--listen", "127.0.0.1:0"], flags, module))
}

/// The same with nothing said of an address.
pub(crate) fn command(listen: &[&str], flags: &[&str], module: &str) -> Run {
    let flags = listen.iter().chain(flags).fold(Run::command(["serve"]), |run, flag| run.flag(flag));
    flags.flag(guest(module))
}

impl Service {
    /// Waits for the first line.
    pub(crate) fn of(command: Run) -> Self {
        let running = command.start();
        let line = running.stderr.line(0);
        let address =
            line.strip_prefix(SERVING).and_then(|rest| rest.strip_suffix('/')).and_then(|text| text.parse().ok());
        let address = address.unwrap_or_else(|| panic!("the first line is {line:?}"));
        Self { running, address }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address).unwrap()
    }

    /// One request over a connection of its own.
    pub(crate) fn get(&self, target: &str) -> Result<Answer, Broken> {
        self.client().get(target)
    }

    /// The body of an answer with this status.
    #[track_caller]
    pub(crate) fn expect(&self, target: &str, status: u16) -> String {
        self.get(target).unwrap().expect(status)
    }

    pub(crate) fn who(&self) -> Who {
        Who::of(&self.expect("/who", 200))
    }

    /// It still answers, with a whole answer.
    #[track_caller]
    pub(crate) fn goes_on(&self) {
        assert_eq!(self.expect("/", 200), "done\n");
    }

    /// Its workers, those of a warm pool among them.
    pub(crate) fn workers(&self) -> Vec<u32> {
        let all = process::descendants(self.running.pid).into_iter();
        all.filter(|pid| process::name_of(*pid).as_deref() == Some("sandhog-worker")).collect()
    }

    /// Its workers, once there are so many. The first line says that the first one takes connections; the others follow.
    pub(crate) fn all_workers(&self, count: usize) -> Vec<u32> {
        until("as many workers", || Some(self.workers()).filter(|workers| workers.len() == count))
    }

    /// Waits until so many workers have answered.
    pub(crate) fn until_all_answer(&self, count: usize) {
        let mut seen = BTreeSet::new();
        until("every worker to answer", || {
            seen.insert(self.who().attempt);
            (seen.len() == count).then_some(())
        });
    }

    /// Bytes of memory of the command and all below it that are its own.
    pub(crate) fn memory(&self) -> u64 {
        let all = process::descendants(self.running.pid);
        all.into_iter().chain([self.running.pid]).filter_map(process::resident_bytes).sum()
    }

    pub(crate) fn kill(worker: u32) {
        let pid = Pid::from_raw(i32::try_from(worker).unwrap()).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
    }

    /// Asks it to end, and waits until nobody is let in any more.
    pub(crate) fn begin_to_drain(&self) {
        self.running.signal(Signal::TERM);
        until("the socket to be closed", || Client::connect(self.address).is_err().then_some(()));
    }

    /// Asks it to end, and waits for that.
    pub(crate) fn end(self) -> Outcome {
        self.running.signal(Signal::TERM);
        self.running.wait()
    }
}

/// Who has answered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Who {
    pub attempt: String,
    pub instance: String,
    /// Requests of that instance so far.
    pub served: u64,
}

impl Who {
    pub(crate) fn of(text: &str) -> Self {
        let pairs: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
        Self {
            attempt: pairs["attempt"].to_owned(),
            instance: pairs["instance"].to_owned(),
            served: pairs["served"].parse().unwrap(),
        }
    }
}
