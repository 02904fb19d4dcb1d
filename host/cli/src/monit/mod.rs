//! `sandhog monit`: the jobs, live, in the terminal.
//!
//! ```text
//!  keys ─┐                        ┌─▶ draw
//!  feed ─┼─▶ Message ─▶ update ─▶ Model
//!  end  ─┘               └─▶ Effect ─▶ feed (looks elsewhere, asks the daemon for something)
//! ```
//!
//! What is shown and what a key does is pure (`model`, `draw`); whatever may wait does so in a thread of its own.

mod draw;
mod feed;
mod model;
mod screen;
mod spark;

use super::args::MonitArgs;
use super::embedded::Failure;
use super::ending::report;
use super::look;
use super::render::Paper;
use super::render::problem::Problem;
use feed::Feed;
use model::{Effect, Message, Model};
use sandhog_protocol::exit_code;
use sandhog_sys::clock;
use screen::Screen;
use std::io;
use std::sync::mpsc::{Receiver, channel};

/// Shows them until somebody has seen enough; returns the exit code.
pub(super) fn run(args: &MonitArgs) -> u8 {
    report(if args.json { look::try_ps(&args.select, true) } else { watch(&args.select) })
}

fn watch(select: &[String]) -> Result<u8, Failure> {
    if !Paper::of_stdout().is_terminal {
        let problem = Problem::new("monit draws on a terminal, and stdout is none");
        return Err(Failure {
            problem: problem.with_hint("sandhog ps prints the same once, sandhog ps --json for scripts"),
            code: exit_code::REFUSED,
        });
    }
    let (tell, told) = channel();
    let feed = Feed::start(select.to_vec(), tell.clone())?;
    let mut screen = Screen::open(&tell).map_err(|error| Failure::of(&error))?;
    let shown = show(&mut screen, &feed, &told);
    // Before anything is said about it.
    drop(screen);
    shown.map(|()| exit_code::SUCCESS).map_err(|error| Failure::of(&error))
}

/// Until a key or a signal ends it.
fn show(screen: &mut Screen, feed: &Feed, told: &Receiver<Message>) -> io::Result<()> {
    let mut model = Model::new();
    loop {
        model.now_ms = clock::now_ms();
        screen.draw(&model)?;
        let Ok(first) = told.recv() else { return Ok(()) };
        // All that has come meanwhile, then one picture.
        for message in std::iter::once(first).chain(told.try_iter()) {
            match model::update(&mut model, message) {
                Effect::None => {}
                Effect::Look(label) => feed.look(label),
                Effect::Ask(verb, select) => feed.ask(verb, select),
                Effect::Quit => return Ok(()),
            }
        }
    }
}
