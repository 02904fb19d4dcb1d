//! Owns a group's objects: one task that hears attempts and the keeper, asks the book, and does what follows.
//!
//! Must not: decide what somebody may have, read any memory, or wait for anything but news.

mod looks;
mod supply;

use super::asked::{Given, Teller, Wanted, Who};
use super::book::{Book, Entered, Gone};
use super::expected::{ANSWER, Expected, Owed};
use super::keeper::Keeper;
use super::message::{Answer, Message, News};
use super::patience::Patience;
use super::running::Running;
use super::segments;
use super::stock::Stock;
use super::survey::Survey;
use super::watch::Watch;
use crate::coordinator::Coordinator;
use crate::suspension;
use sandhog_protocol::objects::{FromKeeper, LISTED, ObjectId, ToKeeper};
use sandhog_protocol::plan::Walls;
use sandhog_protocol::request::Refused;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// No object has this number: whoever looks at it only shows that it answers.
const NOBODY: ObjectId = ObjectId(0);

/// When nothing is to be done at any time: an hour later it is found that nothing is.
const NEVER: Duration = Duration::from_secs(3600);

pub(super) struct Actor {
    coordinator: Arc<Coordinator>,
    teller: Teller,
    begun: Instant,
    book: Book,
    memory_bytes: u64,
    stock: Stock,
    /// Those who wait for memory that is not there yet.
    waiting: HashMap<ObjectId, Vec<Waiting>>,
    /// Attempts that are to stop.
    stopping: HashSet<String>,
    keeper: Option<Running>,
    /// There was one before.
    had_keeper: bool,
    /// Those that the next one is started behind.
    walls: Walls,
    patience: Patience,
    /// When another one is started.
    restart_at: Option<Duration>,
    /// Why there is none for now.
    given_up: Option<String>,
    expected: Expected,
    surveys: Vec<Survey>,
    watch: Watch,
    /// Nobody uses the group any more; whoever waits for its end.
    is_closing: bool,
    closed: Vec<Answer<()>>,
}

/// Somebody who waits for an object.
struct Waiting {
    attempt: String,
    answer: Answer<Result<Given, Refused>>,
}

/// What a keeper does.
enum Happening {
    Said(FromKeeper),
    News(News),
}

impl Actor {
    pub(super) fn new(coordinator: Arc<Coordinator>, memory_bytes: u64, teller: Teller) -> Self {
        let walls = coordinator.walls();
        Self {
            coordinator,
            teller,
            begun: Instant::now(),
            book: Book::new(segments::bytes, memory_bytes),
            memory_bytes,
            stock: Stock::default(),
            waiting: HashMap::new(),
            stopping: HashSet::new(),
            keeper: None,
            had_keeper: false,
            walls,
            patience: Patience::default(),
            restart_at: None,
            given_up: None,
            expected: Expected::default(),
            surveys: Vec::new(),
            watch: Watch::default(),
            is_closing: false,
            closed: Vec::new(),
        }
    }

    /// Until nobody uses the group any more and its keeper has ended.
    pub(super) async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Message>) {
        let mut is_open = true;
        while !(self.is_closing && self.keeper.is_none()) {
            let wake = tokio::time::Instant::from_std(self.wake());
            tokio::select! {
                message = inbox.recv(), if is_open => match message {
                    Some(message) => self.hear(message),
                    None => {
                        is_open = false;
                        self.close();
                    }
                },
                happening = next(&mut self.keeper) => match happening {
                    Happening::Said(said) => self.said(said),
                    Happening::News(news) => self.news(news),
                },
                () = tokio::time::sleep_until(wake) => {}
            }
            self.tick();
        }
        for answer in self.closed {
            let _ = answer.send(());
        }
    }

    /// Since it begun, but for the time in which it stood still with all workers.
    fn now(&self) -> Duration {
        self.begun.elapsed().saturating_sub(suspension::total())
    }

    fn wake(&self) -> Instant {
        let times = [self.expected.until(), self.restart_at, self.watch.due()];
        let next = times.into_iter().flatten().min().unwrap_or_else(|| self.now() + NEVER);
        self.begun + next + suspension::total()
    }

    /// What time alone brings about.
    fn tick(&mut self) {
        let now = self.now();
        while let Some(owed) = self.expected.overdue(now) {
            self.is_overdue(owed);
        }
        if self.restart_at.is_some_and(|at| at <= now) {
            self.restart_at = None;
            self.start_keeper();
        }
        if self.watch.due().is_some_and(|at| at <= now) {
            self.look_for_deadlocks();
        }
    }

    /// A member that is at work in an object may hold up a recovery, but no other answer.
    fn is_overdue(&mut self, owed: Owed) {
        match owed {
            Owed::Recovered(_) => {
                if self.expected.ask(Owed::State(NOBODY), self.now()) {
                    self.tell_keeper(ToKeeper::Look(NOBODY));
                }
            }
            Owed::Made(_) | Owed::State(_) => {
                self.keeper.iter_mut().for_each(|running| running.silence = ANSWER);
                self.end_keeper("it does not answer");
            }
        }
    }

    fn hear(&mut self, message: Message) {
        match message {
            Message::Enter { who, wanted, answer } => self.enter(&who, wanted, answer),
            Message::Leave { attempt, object, answer } => {
                let left = self.book.leave(&attempt, object);
                let _ = answer.send(left.map(|gone| self.settle(gone)).map_err(|breach| breach.to_string()));
            }
            Message::Waits { object, answer } => {
                let known = self.book.check_known(object);
                if known.is_ok() {
                    self.somebody_waits(object);
                }
                let _ = answer.send(known.map_err(|breach| breach.to_string()));
            }
            Message::HangUp { attempt, object, end, answer } => {
                let left = self.book.hang_up(&attempt, object, end);
                let _ = answer.send(left.map(|gone| self.settle(gone)).map_err(|breach| breach.to_string()));
            }
            Message::Hand { parent, child, objects, quota, answer } => {
                let _ = answer.send(self.book.hand(&parent, &child, &objects, quota));
            }
            Message::NotStarted { parent, child } => {
                let gone = self.book.not_started(&parent, &child);
                self.settle(gone);
            }
            Message::Dead { member, answer } => drop(answer.send(self.book.dead(member))),
            Message::Stop { attempt } => {
                if let Some(member) = self.book.member(&attempt) {
                    self.tell_keeper(ToKeeper::Stop(member));
                }
                self.stopping.insert(attempt);
            }
            Message::Ended { attempt, verdict, code } => {
                self.stopping.remove(&attempt);
                let gone = self.book.ended(&attempt, &verdict, code);
                self.settle(gone);
            }
            Message::Keep(names) => {
                let gone = self.book.keep(names);
                self.settle(gone);
            }
            Message::Memory(bytes) => self.set_memory(bytes),
            Message::Look(answer) => self.show(answer),
            Message::Close(answer) => {
                self.closed.push(answer);
                self.close();
            }
        }
    }

    fn enter(&mut self, who: &Arc<Who>, wanted: Wanted, answer: Answer<Result<Given, Refused>>) {
        let refusal = match &self.given_up {
            _ if self.is_closing => Some("the group's objects have been given up".to_owned()),
            Some(reason) => Some(format!("the keeper of the group's objects can't be kept up: {reason}")),
            None => None,
        };
        if let Some(reason) = refusal {
            let _ = answer.send(Err(Refused::Quota(reason)));
            return;
        }
        self.end_deaf_keeper();
        let entered = match self.book.enter(who, wanted, self.now()) {
            Ok(entered) => entered,
            Err(refused) => return drop(answer.send(Err(refused))),
        };
        if let Err(error) = self.supply(&entered) {
            let _ = answer.send(Err(Refused::Quota(format!("the coordinator can open no more: {error}"))));
            return self.take_back(&who.attempt, &entered);
        }
        if entered.is_made {
            return self.give(&who.attempt, entered.object, answer);
        }
        let waiting = Waiting { attempt: who.attempt.clone(), answer };
        self.waiting.entry(entered.object).or_default().push(waiting);
    }

    /// What could not be made is not there, and what was there is not used.
    fn take_back(&mut self, attempt: &str, entered: &Entered) {
        if entered.new_bytes.is_some() {
            self.book.not_made(entered.object);
            self.forget(entered.object);
        }
        if entered.is_new_member && !self.stock.has_page(entered.member) {
            self.book.forget_member(attempt);
        }
        if let Ok(gone) = self.book.leave(attempt, entered.object) {
            self.settle(gone);
        }
    }

    /// An object can be used by somebody who has waited for it.
    fn give(&mut self, attempt: &str, object: ObjectId, answer: Answer<Result<Given, Refused>>) {
        let Some(attached) = self.book.give(attempt, object) else {
            let _ = answer.send(Err(Refused::NotFound("the object is not there any more".into())));
            return;
        };
        let ends = self.book.entry(object).map(|entry| entry.ends_of(attempt)).unwrap_or_default();
        let given = self.stock.descriptors(&attached, &ends).map(|fds| Given { attached, fds });
        if given.is_err() {
            self.book.take_page_back(attempt);
        }
        let full = |error| Refused::Quota(format!("the coordinator can open no more: {error}"));
        // Where nobody hears it, its attempt has ended, and that is on its way.
        let _ = answer.send(given.map_err(full));
    }

    /// Does what follows from somebody's end.
    fn settle(&mut self, gone: Gone) {
        for (object, end) in gone.hung_up {
            self.stock.hang_up(object, end);
        }
        for object in gone.forgotten {
            self.tell_keeper(ToKeeper::Forget(object));
            self.forget(object);
        }
        if let Some(member) = gone.died {
            // A keeper that has not begun is told later.
            if self.has_keeper() {
                self.tell_keeper(ToKeeper::Died(member));
                self.expected.ask(Owed::Recovered(member), self.now());
            }
            self.need_keeper();
        }
    }

    /// Nothing of an object is left here.
    fn forget(&mut self, object: ObjectId) {
        self.stock.forget(object);
        self.watch.forget(object);
        for waiting in self.waiting.remove(&object).unwrap_or_default() {
            let _ = waiting.answer.send(Err(Refused::Quota("the memory of the object can't be had".into())));
        }
        self.surveys.iter_mut().for_each(|survey| survey.miss(object));
        self.finish_surveys();
    }

    /// Whatever it says that nobody asked for, or that is not so, is its end.
    fn said(&mut self, said: FromKeeper) {
        let is_fine = match said {
            FromKeeper::Made { object, errno } => self.made(object, errno),
            FromKeeper::Recovered { member, held } => {
                match self.expected.answered(Owed::Recovered(member)) {
                    true => {
                        self.stock.forget_page(member);
                        self.book.recovered(member, !held.is_empty()).is_ok()
                    }
                    // Words in memory may name whoever was recovered long ago, or never was.
                    false => self.keeper.as_mut().is_some_and(Running::recovers_a_stranger),
                }
            }
            FromKeeper::State { object, state } => {
                let is_short = state.holders.len() <= LISTED && state.waiters.len() <= LISTED;
                let is_fine = is_short && self.expected.answered(Owed::State(object));
                if is_fine {
                    self.surveys.iter_mut().for_each(|survey| survey.see(object, &state));
                    self.finish_surveys();
                }
                is_fine
            }
        };
        if !is_fine {
            self.end_keeper("it says what nobody asked for");
        }
    }

    fn made(&mut self, object: ObjectId, errno: i32) -> bool {
        if !self.expected.answered(Owed::Made(object)) {
            return false;
        }
        let Some(entry) = self.book.entry(object) else { return true };
        if errno != 0 && entry.is_made {
            // Members use it: there has to be a keeper that can.
            self.end_keeper("it can't take an object over");
            return true;
        }
        if errno != 0 {
            self.book.not_made(object);
            self.tell_keeper(ToKeeper::Forget(object));
            self.forget(object);
            return true;
        }
        self.book.made(object);
        for Waiting { attempt, answer } in self.waiting.remove(&object).unwrap_or_default() {
            self.give(&attempt, object, answer);
        }
        true
    }

    fn close(&mut self) {
        self.is_closing = true;
        self.restart_at = None;
        if let Some(running) = &self.keeper {
            running.keeper.end();
        }
        self.refuse_all("the group's objects have been given up");
    }

    fn refuse_all(&mut self, reason: &str) {
        for (_, all) in self.waiting.drain() {
            for waiting in all {
                let _ = waiting.answer.send(Err(Refused::Quota(reason.to_owned())));
            }
        }
    }
}

/// What the keeper does next; waits for ever where there is none.
async fn next(running: &mut Option<Running>) -> Happening {
    let Some(Running { keeper: Keeper { said, news, .. }, .. }) = running else { return std::future::pending().await };
    tokio::select! {
        Some(said) = said.recv() => Happening::Said(said),
        Some(news) = news.recv() => Happening::News(news),
        else => Happening::News(News::Ended(None)),
    }
}
