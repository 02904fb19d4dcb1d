//! A job that greets. It has no file, no variable and no network, unless `sandhog run` grants it some.

/// What the job is about, apart from where its words come from and go to: this is what the tests look at.
fn greeting(names: &[String]) -> Result<String, String> {
    if names.iter().any(String::is_empty) {
        return Err("somebody has no name".into());
    }
    match names {
        [] => Ok("Hello, world!".into()),
        [one] => Ok(format!("Hello, {one}!")),
        [first @ .., last] => Ok(format!("Hello, {} and {last}!", first.join(", "))),
    }
}

#[sandhog::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    println!("{}", greeting(&names)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greet(names: &[&str]) -> Result<String, String> {
        greeting(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn everybody_is_greeted() {
        assert_eq!(greet(&[]).unwrap(), "Hello, world!");
        assert_eq!(greet(&["Ada"]).unwrap(), "Hello, Ada!");
        assert_eq!(greet(&["Ada", "Grace", "Edsger"]).unwrap(), "Hello, Ada, Grace and Edsger!");
    }

    #[test]
    fn nobody_is_greeted_without_a_name() {
        assert!(greet(&["Ada", ""]).is_err());
    }
}
