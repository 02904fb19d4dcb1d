//! A pool of workers that are ready, `sandhog pool` by way of the Rust library, and one task or many for it.

use super::Outcome;
use super::peers::Peers;
use sandhog_client::{CommandTask, Input, Job, Limits, Pool, RunningPool, Task, Verdict};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Tasks that are under way where many are done: so many that no worker waits for this process.
const UNDER_WAY: usize = 64;
/// A pool that has nothing to do fills up within this.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is asked how far it is.
const LOOK: Duration = Duration::from_millis(2);

/// Each task with a process of its own.
pub(crate) struct Pooled {
    pool: RunningPool,
    work: Work,
}

/// What its module is, and what each task is.
#[derive(Clone, Copy)]
pub(crate) enum Work {
    /// A program with these arguments.
    Command(&'static [&'static str]),
    /// A handler that is told a name.
    Handler,
}

impl Pooled {
    /// So many tasks at a time.
    pub(crate) fn start(peers: &Peers, guest: &str, work: Work, workers: u32) -> Outcome<Self> {
        Ok(Self { pool: pool(peers, guest).workers(workers).start()?, work })
    }

    /// A pool of programs that holds so many workers ready.
    pub(crate) fn ready(peers: &Peers, guest: &str, ready: u32) -> Outcome<Self> {
        let pooled = Self { pool: pool(peers, guest).workers(1).ready(ready).start()?, work: Work::Command(&[]) };
        pooled.fill(ready)?;
        Ok(pooled)
    }

    /// From before a task is sent until its end is known, in microseconds.
    pub(crate) fn one(&self) -> Outcome<f64> {
        let before = Instant::now();
        self.submit()?.wait()?;
        Ok(before.elapsed().as_secs_f64() * 1e6)
    }

    /// So many tasks, as many at a time as it has workers, in microseconds.
    pub(crate) fn many(&self, count: usize) -> Outcome<f64> {
        let before = Instant::now();
        let mut under_way = VecDeque::new();
        for _ in 0..count {
            if under_way.len() == UNDER_WAY
                && let Some(first) = under_way.pop_front()
            {
                Given::wait(first)?;
            }
            under_way.push_back(self.submit()?);
        }
        under_way.into_iter().try_for_each(Given::wait)?;
        Ok(before.elapsed().as_secs_f64() * 1e6)
    }

    /// What a program's verdict says.
    pub(crate) fn verdict(&self) -> Outcome<Verdict> {
        Ok(self.pool.run(Input::default())?.verdict)
    }

    fn submit(&self) -> Outcome<Given> {
        Ok(match self.work {
            Work::Command(arguments) => {
                let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
                let input = Input { arguments, stdin: Vec::new() };
                Given::Command(self.pool.submit_input(input, Limits::default())?)
            }
            Work::Handler => Given::Handler(self.pool.submit("Ada")?),
        })
    }

    /// Waits until so many workers have no task.
    fn fill(&self, ready: u32) -> Outcome<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let idle = self.pool.statistics()?.idle;
            if idle >= u64::from(ready) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("a pool has {idle} of {ready} workers ready").into());
            }
            std::thread::sleep(LOOK);
        }
    }
}

fn pool(peers: &Peers, guest: &str) -> Pool {
    Pool::of(Job::new(peers.guest(guest)).executable(&peers.sandhog))
}

/// A task that is under way.
enum Given {
    Command(CommandTask),
    Handler(Task<String>),
}

impl Given {
    fn wait(self) -> Outcome<()> {
        match self {
            Self::Command(task) => {
                let verdict = task.wait()?.verdict;
                if verdict.is_success() { Ok(()) } else { Err(format!("a task ended with {verdict:?}").into()) }
            }
            Self::Handler(task) => Ok(task.wait()?.map(drop)?),
        }
    }
}
