//! A handler that counts the words of a text.

use serde::Serialize;
use std::sync::atomic::{AtomicU32, Ordering};

/// Lives as long as the instance: from the first task to the last, or with `fresh` for one task.
static TASKS: AtomicU32 = AtomicU32::new(0);

#[derive(Serialize)]
struct Count {
    words: usize,
    longest: String,
    /// How many tasks this instance has had, with this one.
    tasks: u32,
}

#[sandhog::handler]
fn handle(text: String) -> Result<Count, &'static str> {
    let tasks = TASKS.fetch_add(1, Ordering::Relaxed) + 1;
    let longest = text
        .split_whitespace()
        .max_by_key(|word| word.chars().count())
        .ok_or("there is no word in it")?;
    Ok(Count { words: text.split_whitespace().count(), longest: longest.to_owned(), tasks })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_words_and_one_is_the_longest() {
        let count = handle("the quick fox".into()).unwrap();
        assert_eq!(
            (count.words, count.longest.as_str(), TASKS.load(Ordering::Relaxed)),
            (3, "quick", 1)
        );
    }
}
