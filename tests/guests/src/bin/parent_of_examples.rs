//! Runs an example of the SDK's as its child, grants it what it has itself, sends back whatever it sends, and ends as it ends.

use sandhog::{Error, Job, Result, Source, wait_any};
use std::process::ExitCode;

#[sandhog::main]
fn main() -> Result<ExitCode> {
    let modules = ["echo", "hello-handler", "speak"];
    let example = modules.into_iter().fold(Job::new("example").connected(), Job::module).spawn()?;
    let messages = example.connection().ok_or(Error::Closed)?;
    while wait_any(&[Source::Message(&messages), Source::Ended(&example)])?.contains(&0) {
        match messages.recv_message() {
            Ok(message) => messages.send_message(&message)?,
            Err(Error::Closed) => break,
            Err(error) => return Err(error),
        }
    }
    let verdict = example.wait()?;
    if !verdict.success() {
        eprintln!("the example {verdict}");
    }
    Ok(ExitCode::from(u8::try_from(verdict.code).unwrap_or(1)))
}
