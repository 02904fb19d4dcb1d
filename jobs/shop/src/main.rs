//! A service that comes after stock (`after = ["stock"]`): it is started when that is ready, and stopped before that is. So
//! the list is there whenever it looks.
//!
//!     sandhog run --dir DIRECTORY::/stock shop.wasm

use sandhog::process;
use std::fs;
use std::time::Duration;

/// How often it looks.
const LOOK: Duration = Duration::from_secs(1);

/// The kinds of goods of a list, without their counts.
fn kinds(list: &str) -> Vec<&str> {
    list.lines().filter_map(|line| line.split_once(' ')).map(|(_, kind)| kind).collect()
}

fn look() -> Result<String, String> {
    fs::read_to_string("/stock/list").map_err(|error| format!("stock is not ready: {error}"))
}

#[sandhog::main]
fn main() -> Result<(), String> {
    println!("stock was ready before me: {}", kinds(&look()?).join(", "));
    process::ready();
    let mut looks = 1;
    while !process::stopping_within(LOOK) {
        look()?;
        looks += 1;
        process::progress(looks, None, "looks");
    }
    look()?;
    println!("stock is still there as I go");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_what_stands_behind_the_count() {
        assert_eq!(kinds("120 nails\n7 oil lamps\n"), ["nails", "oil lamps"]);
        assert!(kinds("").is_empty());
    }
}
