//! Three children in a row, each of which works on what the one before it made: `split` makes words of lines, `shout` makes
//! them large, `count` counts them. All three work at once, on different lines.
//!
//!     sandhog run --child stage=stage.wasm pipeline.wasm < TEXT

use sandhog::{Child, Connection, Job, Source, wait_any};
use std::error::Error;
use std::io::{self, BufRead};

/// A child and what it is busy with. It gets a new piece when it has given the last one back: so no queue grows, and nobody
/// waits for somebody who waits for him.
struct Stage {
    child: Child,
    connection: Connection,
    busy: bool,
}

fn start(name: &str) -> Result<Stage, Box<dyn Error>> {
    let child = Job::new("stage").arg(name).connected().spawn()?;
    let connection = child.connection().ok_or("the stage has no connection")?;
    Ok(Stage { child, connection, busy: false })
}

/// Brings the lines through all stages, and gives what the last one makes to `done`.
fn run(
    stages: &mut [Stage],
    lines: impl Iterator<Item = io::Result<String>>,
    mut done: impl FnMut(Vec<String>),
) -> Result<(), Box<dyn Error>> {
    // What waits in front of each stage: one piece at most.
    let mut waiting: Vec<Option<Vec<String>>> = vec![None; stages.len()];
    let mut lines = lines.fuse();
    loop {
        if waiting[0].is_none() {
            waiting[0] = lines.next().transpose()?.map(|line| vec![line]);
        }
        for (stage, piece) in stages.iter_mut().zip(&mut waiting).filter(|(stage, _)| !stage.busy) {
            if let Some(piece) = piece.take() {
                stage.connection.send(&piece)?;
                stage.busy = true;
            }
        }
        // The last one first: what it gives back makes room for the others.
        let ready = |at: usize| stages[at].busy && waiting.get(at + 1).is_none_or(Option::is_none);
        let places: Vec<usize> = (0..stages.len()).rev().filter(|at| ready(*at)).collect();
        if places.is_empty() {
            return Ok(());
        }
        let sources: Vec<_> =
            places.iter().map(|at| Source::Message(&stages[*at].connection)).collect();
        let at = places[wait_any(&sources)?[0]];
        let piece = stages[at].connection.recv()?;
        stages[at].busy = false;
        match waiting.get_mut(at + 1) {
            Some(next) => *next = Some(piece),
            None => done(piece),
        }
    }
}

#[sandhog::main]
fn main() -> Result<(), Box<dyn Error>> {
    let mut stages = [start("split")?, start("shout")?, start("count")?];
    run(&mut stages, io::stdin().lock().lines(), |counts| {
        counts.iter().for_each(|count| println!("{count}"))
    })?;
    for stage in &stages {
        // A stage ends when nobody talks to it any more.
        stage.connection.disconnect();
        let verdict = stage.child.wait()?;
        if !verdict.success() {
            return Err(format!("a stage {verdict}").into());
        }
    }
    Ok(())
}
