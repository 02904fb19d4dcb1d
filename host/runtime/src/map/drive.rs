//! Takes tasks from the input to workers, and what becomes of them to the output. Holds a bounded number of them, however long
//! the input is, however slow the first of them, or the reader of the output.
//!
//! Must not: decide what a task's end means ([`super::ended`]) or what follows from it for the whole ([`super::conduct`]).

use super::conduct::{Conduct, Next};
use super::ended::{Ended, Of, Result as TaskResult};
use super::joblog::Row;
use super::last::{over_by, print_rest, stop};
use super::order::InOrder;
use super::placeholders::Numbered;
use super::printer::{self, Done, Outputs, Printer};
use super::reading::{self, Reading, Told};
use super::recipe::{LARGEST, Prepared, Recipe, Work};
use super::report::{Report, Trouble};
use super::slots::Slots;
use super::tally::{Halt, Over};
use super::workers::{Wanted, Watcher, Workers};
use crate::driver::GRACE;
use crate::pool::task::{Finished, Input, Outcome, Task};
use crate::stop::StopRequests;
use sandhog_protocol::verdict::{StopReason, Usage};
use sandhog_sys::clock;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep_until};

/// Most tasks between the first that has no result and the last that was begun.
const WINDOW: u64 = 1024;

/// Bytes of tasks under way: four of the largest.
const BYTES: u64 = 4 * LARGEST as u64;

/// Most descriptors of outputs that wait to be printed.
const FILES: usize = 64;

/// Tasks that are read ahead, so that of a short input it is soon known how many there are.
const AHEAD: usize = 1024;

/// Answers of more bytes are made lines beside the loop that everybody waits for.
const LARGE: usize = 64 << 10;

/// How long, after the grace, workers may take to be gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is to be done with all tasks.
pub struct Order {
    pub reading: Reading,
    pub of: Of,
    /// Tasks that workers have at the same time, one waiting for each included.
    pub at_once: usize,
    /// Places among which `{%}` names one.
    pub slots: Option<usize>,
    /// How often a task is tried, 1 at the least.
    pub tries: u64,
    /// How long a task may wait for a worker.
    pub wait: Option<Duration>,
    pub halt: Halt,
    pub in_order: bool,
}

/// Has all tasks done.
pub async fn drive<W: Workers>(
    order: Order,
    outputs: Outputs,
    workers: W,
    mut stops: StopRequests,
    watcher: Arc<dyn Watcher>,
) -> Report {
    let mut driver = Driver::new(order, outputs, workers, Arc::clone(&watcher));
    while !driver.is_over() {
        driver.begin_more();
        watcher.counts(&driver.conduct.tally);
        let event = driver.next(&mut stops).await;
        driver.handle(event);
    }
    driver.finish(&mut stops).await
}

/// A task that workers have.
struct Running {
    /// From 0 on, in the order in which they were begun.
    place: u64,
    number: u64,
    bytes: u64,
    slot: Option<usize>,
    command: String,
    tries_left: u64,
    /// For the next try, where there may be one.
    again: Option<Task>,
}

/// What happens.
enum Event {
    Stop(StopReason),
    /// The printer has ended.
    Printed(Result<(), printer::Error>),
    Joined(Result<Box<(Running, Ended)>, JoinError>),
    /// What was ready is the printer's.
    Handed,
    Told(Option<Told>),
    /// What was to end has not.
    Overdue,
}

struct Driver<W> {
    recipe: Recipe,
    of: Of,
    at_once: usize,
    tries: u64,
    wait: Option<Duration>,
    in_order: bool,
    has_log: bool,
    workers: W,
    wanted: watch::Sender<Wanted>,
    told: mpsc::Receiver<Told>,
    is_read: bool,
    pending: VecDeque<Prepared>,
    /// Bytes of what is pending.
    ahead: u64,
    running: JoinSet<(Running, Ended)>,
    bytes: u64,
    slots: Option<Slots>,
    next_place: u64,
    order: InOrder<Done>,
    ready: Vec<Done>,
    /// Descriptors of what is in `order` and `ready`.
    files: usize,
    printer: Printer,
    printed: Option<Result<(), printer::Error>>,
    conduct: Conduct,
    trouble: Option<Trouble>,
    deadline: Option<Instant>,
}

impl<W: Workers> Driver<W> {
    fn new(order: Order, outputs: Outputs, workers: W, watcher: Arc<dyn Watcher>) -> Self {
        let Order { reading, of, at_once, slots, tries, wait, halt, in_order } = order;
        Self {
            recipe: reading.recipe.clone(),
            of,
            at_once,
            tries,
            wait,
            in_order,
            has_log: outputs.log.is_some(),
            workers,
            wanted: watch::Sender::new(Wanted::Yes),
            told: reading::begin(reading),
            is_read: false,
            pending: VecDeque::new(),
            ahead: 0,
            running: JoinSet::new(),
            bytes: 0,
            slots: slots.map(Slots::new),
            next_place: 0,
            order: InOrder::default(),
            ready: Vec::new(),
            files: 0,
            printer: printer::begin(outputs, watcher),
            printed: None,
            conduct: Conduct::new(halt),
            trouble: None,
            deadline: None,
        }
    }

    /// Nothing more begins, nothing runs, and all is handed to the printer.
    fn is_over(&self) -> bool {
        let nothing_begins = self.conduct.is_ending() || (self.is_read && self.pending.is_empty());
        let is_handed_on = self.ready.is_empty() || self.printed.is_some() || self.conduct.is_ending();
        nothing_begins && self.running.is_empty() && is_handed_on
    }

    fn begin_more(&mut self) {
        while self.has_room() {
            let Some(prepared) = self.pending.pop_front() else { return };
            self.ahead -= prepared.bytes;
            self.begin(prepared);
        }
    }

    fn has_room(&self) -> bool {
        let behind = if self.in_order { self.order.behind(self.next_place) } else { self.running.len() as u64 };
        let next = self.pending.front().map_or(0, |prepared| prepared.bytes);
        !self.conduct.is_ending()
            && self.running.len() < self.at_once
            && behind + (self.ready.len() as u64) < WINDOW
            && (self.bytes + next <= BYTES || self.running.is_empty())
            && self.files < FILES
            && self.slots.as_ref().is_none_or(Slots::has_free)
    }

    fn begin(&mut self, prepared: Prepared) {
        let Prepared { number, bytes, work, shown } = prepared;
        let slot = self.slots.as_mut().and_then(Slots::take);
        let numbered = Numbered { number, slot: slot.map_or(0, |slot| slot as u64 + 1) };
        let input = work.and_then(|work| match work {
            Work::Message(message) => Ok((Input::Message(message), Vec::new())),
            Work::Command { inputs, stdin } => {
                let arguments = self.recipe.arguments(&inputs, numbered)?;
                let called = if self.has_log { arguments.clone() } else { Vec::new() };
                Ok((Input::Command { arguments, stdin }, called))
            }
        });
        let place = self.next_place;
        self.next_place += 1;
        let arguments = input.as_ref().map(|(_, arguments)| arguments.as_slice()).unwrap_or_default();
        let command = if self.has_log { self.recipe.called(&shown, arguments) } else { String::new() };
        let running = Running { place, number, bytes, slot, command, tries_left: self.tries, again: None };
        self.bytes += bytes;
        match input {
            Ok((input, _)) => self.start(Task { input, client: 0, timeout: None, wait: self.wait }, running),
            Err(why) => self.settle(running, Ended::unfit(&why)),
        }
    }

    fn start(&mut self, task: Task, mut running: Running) {
        running.tries_left = running.tries_left.saturating_sub(1);
        running.again = (running.tries_left > 0).then(|| task.clone());
        let (workers, of, wanted) = (self.workers.clone(), self.of, self.wanted.subscribe());
        self.running.spawn(async move {
            let finished = workers.work(task, wanted.clone()).await;
            let recalled = *wanted.borrow() != Wanted::Yes;
            (running, ended(finished, of, recalled).await)
        });
    }

    /// Waits for the next thing that happens.
    async fn next(&mut self, stops: &mut StopRequests) -> Event {
        let reads =
            self.pending.len() < AHEAD && self.ahead < LARGE as u64 && !self.is_read && !self.conduct.is_ending();
        let prints = !self.ready.is_empty() && self.printed.is_none();
        let (is_stopped, deadline) = (self.conduct.is_stopped(), self.deadline);
        tokio::select! {
            biased;
            reason = stop(stops), if !is_stopped => Event::Stop(reason),
            printed = &mut self.printer.end, if self.printed.is_none() => Event::Printed(printed.unwrap_or(Ok(()))),
            Some(joined) = self.running.join_next() => Event::Joined(joined.map(Box::new)),
            Ok(permit) = self.printer.lists.reserve(), if prints => {
                let ready = std::mem::take(&mut self.ready);
                self.files -= ready.iter().map(Done::files).sum::<usize>();
                permit.send(ready);
                Event::Handed
            }
            told = self.told.recv(), if reads => Event::Told(told),
            () = at(deadline) => Event::Overdue,
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Stop(reason) => self.follow(Next::Stop(reason)),
            Event::Printed(printed) => self.printer_ended(printed),
            Event::Joined(joined) => {
                self.joined(joined.map(|joined| *joined));
                // Those that ended at the same time are handed on together.
                while let Some(joined) = self.running.try_join_next() {
                    self.joined(joined);
                }
            }
            Event::Handed => {}
            Event::Told(told) => self.hear(told),
            Event::Overdue => {
                // They are ended with the workers' own end.
                self.deadline = None;
                self.conduct.tally.ended += self.running.len() as u64;
                self.running = JoinSet::new();
            }
        }
    }

    fn joined(&mut self, joined: Result<(Running, Ended), JoinError>) {
        match joined {
            Ok((running, ended)) => self.ended(running, ended),
            Err(error) => self.fail(Trouble::Workers(format!("a task was lost: {error}")), Over::Failed),
        }
    }

    fn hear(&mut self, told: Option<Told>) {
        match told {
            Some(Told::Tasks { tasks, passed }) => {
                self.conduct.tally.passed += passed;
                self.ahead += tasks.iter().map(|task| task.bytes).sum::<u64>();
                self.pending.extend(tasks);
            }
            Some(Told::End(Ok(()))) => {
                self.is_read = true;
                self.conduct.tally.total =
                    Some(self.next_place + self.pending.len() as u64 + self.conduct.tally.passed);
            }
            // What was accepted before is done.
            Some(Told::End(Err(error))) => {
                self.is_read = true;
                self.trouble.get_or_insert(error.into());
                self.conduct.broke_off();
            }
            None => self.is_read = true,
        }
    }

    fn ended(&mut self, mut running: Running, ended: Ended) {
        let again = running.again.take().filter(|_| self.conduct.tries_again(ended.result));
        match again {
            Some(task) => self.start(task, running),
            None => self.settle(running, ended),
        }
    }

    fn settle(&mut self, running: Running, ended: Ended) {
        let Running { place, number, bytes, slot, command, .. } = running;
        self.bytes -= bytes;
        if let (Some(slots), Some(slot)) = (&mut self.slots, slot) {
            slots.free(slot);
        }
        let Ended { result, exit, signal, words, out, err, ran } = ended;
        let next = self.conduct.ended(number, result, exit, &words);
        if let TaskResult::Closed | TaskResult::Refused = result
            && next != Next::GoOn
        {
            self.trouble.get_or_insert(Trouble::Workers(words.clone()));
        }
        let has_result = matches!(result, TaskResult::Succeeded | TaskResult::Failed | TaskResult::Refused);
        let row = (self.has_log && has_result).then(|| Row {
            number,
            started: clock::since_1970().saturating_sub(ran),
            ran,
            sent: bytes,
            received: out.length(),
            exit,
            signal,
            command,
            verdict: words,
        });
        // Of a task without a result nothing is said, for it is done again.
        let done = if has_result { Done { out, err, row } } else { Done::default() };
        self.files += done.files();
        if self.in_order {
            self.order.put(place, done, &mut self.ready);
        } else {
            self.ready.push(done);
        }
        self.follow(next);
    }

    fn follow(&mut self, next: Next) {
        let wanted = match next {
            Next::GoOn | Next::BeginNoMore => return,
            Next::Stop(reason) => {
                self.conduct.stop(reason);
                Wanted::Stopping
            }
            Next::EndAll => Wanted::No,
        };
        // What is to end at once is given no time any more.
        self.wanted.send_if_modified(|now| *now != Wanted::No && std::mem::replace(now, wanted) != wanted);
        self.deadline.get_or_insert(Instant::now() + GRACE + PATIENCE);
    }

    fn printer_ended(&mut self, printed: Result<(), printer::Error>) {
        if let Err(error) = printed {
            let over = over_by(&error);
            self.fail(error.into(), over);
        }
        self.printed = Some(Ok(()));
    }

    fn fail(&mut self, trouble: Trouble, over: Over) {
        self.trouble.get_or_insert(trouble);
        let next = self.conduct.fail(over);
        self.follow(next);
    }

    /// Everything that has a result is printed, in order, with gaps where there is none; then it is over.
    async fn finish(mut self, stops: &mut StopRequests) -> Report {
        self.running.abort_all();
        let mut rest = std::mem::take(&mut self.ready);
        rest.extend(self.order.rest());
        let printed = match self.printed {
            Some(_) => Ok(()),
            None => print_rest(rest, self.printer, stops, &mut self.conduct).await,
        };
        if let Err(error) = printed {
            let _ = self.conduct.fail(over_by(&error));
            self.trouble.get_or_insert(error.into());
        }
        let (tally, over) = self.conduct.into_end();
        Report { tally, over, trouble: self.trouble }
    }
}

/// What a task came to. A large answer takes a while to be a line.
async fn ended(finished: Finished, of: Of, recalled: bool) -> Ended {
    let is_large = matches!(&finished.outcome, Outcome::Answer(message) if message.body.len() > LARGE);
    if !is_large {
        return Ended::new(finished, of, recalled);
    }
    let ended = spawn_blocking(move || Ended::new(finished, of, recalled)).await;
    ended.unwrap_or_else(|error| Ended::new(lost(&error.to_string()), of, recalled))
}

fn lost(why: &str) -> Finished {
    Finished {
        outcome: Outcome::Closed(why.into()),
        attempt: None,
        stdout: Default::default(),
        stderr: Default::default(),
        usage: Usage::default(),
        waited: Duration::ZERO,
        ran: Duration::ZERO,
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
