//! A handler: a function that is called for each task. A parent calls it with `Job::handler` and `child.call`, a program outside
//! through `sandhog run --ipc`. A task is whatever serde can read, an answer whatever it can write.

#[sandhog::handler]
fn handle(name: String) -> Result<String, String> {
    if name.is_empty() {
        return Err("whom?".into());
    }
    Ok(format!("Hello, {name}!"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn whoever_comes_is_greeted() {
        assert_eq!(super::handle("Ada".into()), Ok("Hello, Ada!".into()));
    }
}
