//! A handler that greets: a function that is called for each task. It has no file, no variable and no network, unless it is
//! granted some.

use serde::{Deserialize, Serialize};

/// A task: any type that serde can read. `{"name": "Ada", "times": 2}` in JSON.
#[derive(Deserialize)]
struct Task {
    name: String,
    times: usize,
}

/// An answer: any type that serde can write.
#[derive(Debug, PartialEq, Serialize)]
struct Answer {
    text: String,
}

#[sandhog::handler]
fn handle(task: Task) -> Result<Answer, String> {
    if task.name.is_empty() {
        return Err("somebody has no name".into());
    }
    Ok(Answer { text: vec![format!("Hello, {}!", task.name); task.times].join(" ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_a_name_is_greeted() {
        let answer = handle(Task { name: "Ada".into(), times: 2 });
        assert_eq!(answer, Ok(Answer { text: "Hello, Ada! Hello, Ada!".into() }));
    }

    #[test]
    fn whoever_has_none_is_not() {
        assert!(handle(Task { name: String::new(), times: 1 }).is_err());
    }
}
