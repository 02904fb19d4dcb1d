//! A daemon that does not answer: after some seconds that is said, once, and the command goes on waiting.
//!
//! Some requests take long though all is well: to wait until a job is ready, to follow a log that nobody writes to. So
//! before anything is said the daemon is asked something that it answers at once, over a connection of its own.
//!
//! Must not: give up. Ctrl-C does.

use super::render::{self, problem::Problem};
use sandhog_spec::units::print_duration;
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// How long nobody wonders: all that a daemon does at once takes milliseconds, on a busy machine some hundreds.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the daemon has for what it answers at once.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// Between two looks at a daemon that answers, at the most: the first pause is [`PATIENCE`], each one twice the last.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Between two tries to connect where the daemon has no place for a connection.
const CONNECT_PAUSE: Duration = Duration::from_millis(500);

/// How long a request may take while all is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Little,
    AsLongAsItTakes,
}

/// Where it is said: on stderr, unless something else is on the screen.
pub(super) type Tell = Box<dyn Fn(Problem) + Send>;

/// Between what the screen shows.
pub(super) fn on_stderr() -> Tell {
    Box::new(|problem| {
        render::progress::clear();
        render::report(&problem);
    })
}

/// What is known of a daemon's silence. It is over with every byte that comes.
pub(super) struct Silence {
    tell: Tell,
    heard: Cell<Option<Instant>>,
    /// The number of the daemon's process, as the kernel names it.
    process: Cell<Option<i32>>,
    told: RefCell<Option<Told>>,
}

/// What was said last of this silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Hangs,
    IsSlow,
}

/// What came of the question that is answered at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ping {
    Answered,
    Silent,
    /// Nobody listens any more: what waits will know soon.
    Gone,
}

impl Silence {
    pub(super) fn new(tell: Tell) -> Self {
        Self { tell, heard: Cell::new(None), process: Cell::new(None), told: RefCell::new(None) }
    }

    /// Something has come.
    pub(super) fn is_broken(&self) {
        self.heard.set(Some(Instant::now()));
        self.hear(Ping::Answered, Takes::AsLongAsItTakes);
    }

    /// Whose silence it is.
    pub(super) fn is_of(&self, process: Option<i32>) {
        self.process.set(process);
    }

    /// Waits for this, and says so where the daemon at this socket does not answer meanwhile.
    pub(super) async fn over<T>(&self, socket: &Path, takes: Takes, work: impl Future<Output = T>) -> T {
        *self.told.borrow_mut() = None;
        self.is_broken();
        tokio::select! {
            biased;
            answer = work => answer,
            never = self.watch(socket, takes) => match never {},
        }
    }

    async fn watch(&self, socket: &Path, takes: Takes) -> Infallible {
        let mut pause = PATIENCE;
        let mut next = Instant::now() + PATIENCE;
        loop {
            sleep_until(next).await;
            let until = self.heard.get().map_or(next, |heard| heard + PATIENCE);
            if until > Instant::now() {
                // Something has come since.
                (pause, next) = (PATIENCE, until);
                continue;
            }
            self.hear(ping(socket).await, takes);
            pause = (pause * 2).min(PAUSE_MAX);
            next = Instant::now() + pause;
        }
    }

    /// What is to be said of it, if anything.
    fn hear(&self, ping: Ping, takes: Takes) {
        let mut told = self.told.borrow_mut();
        let problem = match (ping, takes, *told) {
            (Ping::Silent, _, Some(Told::Hangs)) | (Ping::Gone, _, _) => return,
            (Ping::Silent, _, _) => {
                *told = Some(Told::Hangs);
                self.hangs(whole_seconds(self.heard.get()))
            }
            (Ping::Answered, _, Some(Told::Hangs)) => {
                *told = None;
                Problem::new(format!("{} answers again", self.daemon()))
            }
            (Ping::Answered, Takes::Little, None) => {
                *told = Some(Told::IsSlow);
                self.is_slow(whole_seconds(self.heard.get()))
            }
            (Ping::Answered, _, _) => return,
        };
        (self.tell)(problem);
    }

    fn daemon(&self) -> String {
        match self.process.get().filter(|process| *process > 0) {
            Some(process) => format!("the daemon, process {process},"),
            None => "the daemon".into(),
        }
    }

    fn hangs(&self, silence: Duration) -> Problem {
        let silence = print_duration(silence);
        let problem = Problem::new(format!("{} has not answered for {silence}; still waiting", self.daemon()));
        // Of one that has no place for a connection the kernel names no process.
        let how =
            self.process.get().map(|process| format!(" (kill -CONT {process} lets it go on)")).unwrap_or_default();
        problem.with_hint(format!("it may be stopped{how} or the machine too busy; Ctrl-C ends this command"))
    }

    fn is_slow(&self, silence: Duration) -> Problem {
        let silence = print_duration(silence);
        let daemon = self.daemon();
        let problem = Problem::new(format!("{daemon} answers, but not what it was asked {silence} ago; still waiting"));
        problem.with_hint(
            "the disk of its state directory may be full or slow: sandhog events says so; Ctrl-C ends this command",
        )
    }
}

/// Whole seconds since then.
fn whole_seconds(since: Option<Instant>) -> Duration {
    Duration::from_secs(since.map_or(0, |since| since.elapsed().as_secs()))
}

/// Asks what is answered at once.
async fn ping(socket: &Path) -> Ping {
    let asked = async {
        let mut stream = loop {
            match UnixStream::connect(socket).await {
                // It has more connections than it takes, and takes no more.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(CONNECT_PAUSE).await,
                connected => break connected?,
            }
        };
        stream.write_all(b"GET /v1/daemon HTTP/1.1\r\nhost: sandhog\r\nconnection: close\r\n\r\n").await?;
        stream.read(&mut [0]).await
    };
    match timeout(ANSWERS_WITHIN, asked).await {
        Ok(Ok(_)) => Ping::Answered,
        Ok(Err(_)) => Ping::Gone,
        Err(_) => Ping::Silent,
    }
}

/// Says something, once, where this lives for long. Dropping it waits for its thread.
pub(super) struct Late {
    over: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Late {
    pub(super) fn says(problem: Problem, after: Duration) -> Self {
        let (over, is_over) = channel();
        let tell = on_stderr();
        let wait = move || {
            if is_over.recv_timeout(after) == Err(RecvTimeoutError::Timeout) {
                tell(problem);
            }
        };
        // Without the thread it takes as long, only without a word.
        Self { over: Builder::new().name("late".into()).spawn(wait).ok().map(|thread| (over, thread)) }
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        if let Some((over, thread)) = self.over.take() {
            drop(over);
            // It has nothing to return.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    fn silence() -> (Silence, Arc<Mutex<Vec<String>>>) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let tell = Arc::clone(&told);
        let silence = Silence::new(Box::new(move |problem| tell.lock().unwrap().push(problem.to_text(false))));
        silence.is_of(Some(4242));
        (silence, told)
    }

    #[test]
    fn a_daemon_that_hangs_is_told_once_and_so_is_that_it_answers_again() {
        let (silence, told) = silence();
        for _ in 0..3 {
            silence.hear(Ping::Silent, Takes::AsLongAsItTakes);
        }
        silence.hear(Ping::Answered, Takes::AsLongAsItTakes);
        silence.hear(Ping::Answered, Takes::AsLongAsItTakes);
        let told = told.lock().unwrap();
        let [hangs, again] = &told[..] else { panic!("{told:?}") };
        assert!(hangs.starts_with("sandhog: the daemon, process 4242, has not answered for 0s; still waiting\n"));
        assert!(hangs.contains("kill -CONT 4242"), "{hangs}");
        assert_eq!(again, "sandhog: the daemon, process 4242, answers again\n");
    }

    #[test]
    fn what_may_take_long_is_no_fault_of_a_daemon_that_answers() {
        let (silence, told) = silence();
        silence.hear(Ping::Answered, Takes::AsLongAsItTakes);
        silence.hear(Ping::Gone, Takes::Little);
        assert!(told.lock().unwrap().is_empty());
        silence.hear(Ping::Answered, Takes::Little);
        silence.hear(Ping::Answered, Takes::Little);
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("answers, but not what it was asked"), "{told:?}");
    }
}
