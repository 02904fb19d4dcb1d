//! What comes from the daemon, and what goes to it: in a thread of its own, so that keys never wait.

use super::model::Message;
use crate::client::{Client, query};
use crate::embedded::Failure;
use crate::render::problem::Problem;
use crate::{ask, look};
use sandhog_daemon::fleet::Verb;
use sandhog_protocol::control::LogLine;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::Builder;
use std::time::Duration;

/// How often everything is looked at: what a person takes in.
const EVERY: Duration = Duration::from_secs(1);

/// Lines of the log that are asked for: a high screen.
const LINES: &str = "200";

enum Order {
    Look(String),
    Ask(Verb, String),
}

/// The way to the thread. It ends with this, after what it is doing.
pub(super) struct Feed {
    orders: Sender<Order>,
}

impl Feed {
    /// Begins to tell.
    ///
    /// # Errors
    /// No daemon runs, or this machine has no more threads.
    pub(super) fn start(select: Vec<String>, tell: Sender<Message>) -> Result<Self, Failure> {
        let silent = tell.clone();
        // Where nobody listens any more it is over.
        let silence = move |problem: Problem| drop(silent.send(Message::Lost(problem.what().into())));
        let client = Client::connect_and_tell(Box::new(silence))?;
        let (orders, ordered) = channel();
        let serve = move || serve(client, &select, &ordered, &tell);
        Builder::new().name("feed".into()).spawn(serve).map_err(|error| Failure::of(&error))?;
        Ok(Self { orders })
    }

    pub(super) fn look(&self, label: String) {
        self.order(Order::Look(label));
    }

    pub(super) fn ask(&self, verb: Verb, select: String) {
        self.order(Order::Ask(verb, select));
    }

    fn order(&self, order: Order) {
        // A thread that has ended has said so.
        let _ = self.orders.send(order);
    }
}

fn serve(mut client: Client, select: &[String], orders: &Receiver<Order>, tell: &Sender<Message>) {
    let mut of = String::new();
    loop {
        let news = see(&mut client, select, &of).unwrap_or_else(|failure| Message::Lost(failure.problem.what().into()));
        if tell.send(news).is_err() {
            return;
        }
        let first = match orders.recv_timeout(EVERY) {
            Ok(order) => Some(order),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        for order in first.into_iter().chain(orders.try_iter()) {
            match order {
                Order::Look(label) => of = label,
                Order::Ask(verb, select) => {
                    // Nobody listens any more: the next round ends it.
                    let _ = tell.send(Message::Notice(carry_out(&mut client, verb, select)));
                }
            }
        }
    }
}

fn see(client: &mut Client, select: &[String], of: &str) -> Result<Message, Failure> {
    let instances = client.get(&look::instances_of(select))?;
    let empty = look::without_instance(client, select)?;
    let mut log = Vec::new();
    if !of.is_empty() {
        // One that is gone has no log; that it is gone, the instances say.
        let _ = client.lines(&query("/v1/logs", &[("select", of), ("lines", LINES)]), &mut |line: LogLine| {
            log.push(line);
            ControlFlow::Continue(())
        });
    }
    Ok(Message::Seen { instances, empty, of: of.to_owned(), log })
}

/// In a sentence, what came of it.
fn carry_out(client: &mut Client, verb: Verb, select: String) -> String {
    let doing = ask::doing(verb);
    match ask::ask(client, verb, vec![select.clone()], false) {
        Ok(done) if done.problems.is_empty() => match done.unchanged.first() {
            Some(one) => format!("{select}: nothing to do: {}", one.reason),
            None => format!("{doing} {select}"),
        },
        Ok(done) => done.problems.join("; "),
        Err(failure) => failure.problem.what().to_owned(),
    }
}
