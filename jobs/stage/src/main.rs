//! A stage of the pipeline: takes a piece, sends back what becomes of it, until the parent has gone.

use sandhog::{Error, channel};
use std::collections::BTreeMap;

/// What one stage does to a piece.
fn work(stage: &str, piece: &[String]) -> Result<Vec<String>, String> {
    Ok(match stage {
        "split" => {
            piece.iter().flat_map(|line| line.split_whitespace()).map(str::to_owned).collect()
        }
        "shout" => piece.iter().map(|word| word.to_uppercase()).collect(),
        "count" => {
            let mut counts = BTreeMap::new();
            piece.iter().for_each(|word| *counts.entry(word).or_insert(0) += 1);
            counts.into_iter().map(|(word, count)| format!("{count} {word}")).collect()
        }
        unknown => return Err(format!("no stage is called {unknown:?}")),
    })
}

#[sandhog::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let stage = std::env::args().nth(1).ok_or("usage: stage split|shout|count")?;
    loop {
        match channel::recv::<Vec<String>>() {
            Ok(piece) => channel::send(&work(&stage, &piece)?)?,
            Err(Error::Closed) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
