//! A service that others come after: what it has is counted first, and only then does it say that it is ready. The list
//! is there as long as the service is.
//!
//!     sandhog run --dir DIRECTORY::/stock:rw stock.wasm -- nails=120 rope=40 lamps=7

use sandhog::process;
use std::time::Duration;
use std::{fs, io};

/// How long it takes to count one kind of goods.
const COUNTING: Duration = Duration::from_millis(300);

/// A line for each kind.
fn list(goods: &[String]) -> Result<String, String> {
    let line = |word: &String| match word.split_once('=') {
        Some((kind, count)) if !kind.is_empty() && count.parse::<u32>().is_ok() => {
            Ok(format!("{count} {kind}\n"))
        }
        _ => Err(format!("{word:?} is not KIND=COUNT")),
    };
    goods.iter().map(line).collect()
}

/// Written beside and renamed: a reader finds all of it or nothing.
fn put_up(list: &str) -> io::Result<()> {
    fs::write("/stock/list.new", list)?;
    fs::rename("/stock/list.new", "/stock/list")
}

#[sandhog::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let goods: Vec<String> = std::env::args().skip(1).collect();
    let list = list(&goods)?;
    // One that was killed could not take its list down.
    let _ = fs::remove_file("/stock/list");
    for (done, kind) in (1..).zip(&goods) {
        if process::stopping_within(COUNTING) {
            return Ok(());
        }
        process::progress(done, goods.len() as u64, kind);
    }
    put_up(&list)?;
    println!("counted {} kinds of goods", goods.len());
    process::ready();
    while !process::stopping_within(Duration::MAX) {}
    fs::remove_file("/stock/list")?;
    println!("closed, after those that need it");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goods_have_a_kind_and_a_count() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(list(&words("nails=120 rope=40")), Ok("120 nails\n40 rope\n".into()));
        assert_eq!(list(&words("nails=120 rope")), Err("\"rope\" is not KIND=COUNT".into()));
        assert_eq!(list(&words("nails=many")), Err("\"nails=many\" is not KIND=COUNT".into()));
    }
}
