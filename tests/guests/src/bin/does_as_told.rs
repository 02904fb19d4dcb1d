//! Does as it is told: by its arguments at first, and then by messages, each of which it answers when it is done.
//!
//! - `ready`, `retire WHY`, `progress TEXT`, `print TEXT`, `log TEXT`: says so
//! - `lines COUNT`: prints so many lines, with their numbers
//! - `beat MS`: sends a heartbeat so often from now on; `beat 0`: no more; `beats COUNT`: so many
//!   now, 50 ms apart
//! - `take MIB`: takes so much memory and writes to all of it; `spin MS`: computes for so long
//! - `listen`: listens for being asked to stop, and ends then with a word; `linger MS`: so much later; `deaf`:
//!   goes on then
//! - `exit CODE`, `trap`, `hang`: ends, crashes, or never does anything any more
//! - `before TRY WHAT`, `from TRY WHAT`: does that in tries of its before that one, or from it on
//! - `with FILE WHAT`: does that if there is this file
//! - `spawn NAME`: starts a child that does the same, and prints that it is born
//! - `who`: prints its name, instance and try

use sandhog::{
    Child, Connection, Error, Job, Source, Stdio, channel, process, wait_any, wait_any_within,
};
use std::time::{Duration, Instant};

#[derive(Default)]
struct Told {
    beat: Option<Duration>,
    listens: bool,
    deaf: bool,
    linger: Duration,
    memory: Vec<Vec<u8>>,
    children: Vec<Child>,
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}

impl Told {
    fn act(&mut self, words: &str) {
        let (word, rest) = words.split_once(' ').unwrap_or((words, ""));
        match word {
            "ready" => process::ready(),
            "retire" => process::retire(rest),
            "progress" => process::progress(1, 2, rest),
            "print" => println!("{rest}"),
            "lines" => (0..number(rest)).for_each(|line| println!("line {line}")),
            "log" => sandhog::info!("{rest}"),
            "beat" => {
                self.beat =
                    Some(Duration::from_millis(number(rest))).filter(|beat| !beat.is_zero());
                process::heartbeat();
            }
            "beats" => (0..number(rest)).for_each(|_| {
                std::thread::sleep(Duration::from_millis(50));
                process::heartbeat();
            }),
            "take" => self.memory.push(vec![1; (number(rest) as usize) << 20]),
            "spin" => spin(Duration::from_millis(number(rest))),
            "listen" => self.listens = !process::stopping(),
            "linger" => self.linger = Duration::from_millis(number(rest)),
            "deaf" => self.deaf = true,
            "exit" => std::process::exit(number(rest) as i32),
            "trap" => std::process::abort(),
            "hang" => loop {
                std::thread::sleep(Duration::from_secs(3600));
            },
            "before" | "from" | "with" => self.act_if(word, rest),
            "spawn" => {
                let child = Job::new(rest).arg("print born").connected();
                let child = child.stdout(Stdio::Inherit).spawn();
                self.children.push(child.unwrap());
            }
            "who" => {
                let me = process::identity();
                println!("{}, instance {}, try {}", me.job, me.instance, me.try_number);
            }
            _ => panic!("told {words:?}"),
        }
    }

    fn act_if(&mut self, word: &str, rest: &str) {
        let (when, what) = rest.split_once(' ').unwrap_or((rest, ""));
        let holds = match word {
            "with" => std::fs::exists(when).unwrap_or(false),
            _ => (u64::from(process::identity().try_number) < number(when)) == (word == "before"),
        };
        if holds {
            self.act(what);
        }
    }

    /// What it is told next; none where there is something else to be done first.
    fn hear(&self, parent: &Connection) -> Option<String> {
        let message = [Source::Message(parent), Source::Stopping];
        let sources = if self.listens { &message[..] } else { &message[..1] };
        let ready = match self.beat {
            Some(beat) => wait_any_within(sources, beat),
            None => wait_any(sources),
        };
        match ready.as_deref() {
            Ok([0, ..]) => Some(parent.recv().unwrap()),
            Err(Error::TimedOut) => None,
            Ok(_) if self.deaf => {
                // There is nothing more to be told by anybody else.
                Some(parent.recv().unwrap())
            }
            Ok(_) => {
                std::thread::sleep(self.linger);
                println!("goodbye");
                std::process::exit(0)
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn spin(time: Duration) {
    let from = Instant::now();
    while from.elapsed() < time {}
}

#[sandhog::main]
fn main() {
    let mut told = Told::default();
    for words in std::env::args().skip(1) {
        told.act(&words);
    }
    let parent = channel::parent().expect("somebody to be told by");
    loop {
        match told.hear(&parent) {
            Some(words) => {
                told.act(&words);
                parent.send(&format!("did {words}")).unwrap();
            }
            None => process::heartbeat(),
        }
    }
}
