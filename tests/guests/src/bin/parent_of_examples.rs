//! Runs an example of the SDK's as its child, grants it what it has itself, sends back whatever it sends, and ends as it ends.

use sandhog::queue::Queue;
use sandhog::shared::Value;
use sandhog::sync::Lock;
use sandhog::{Error, Job, Result, Rights, Source, wait_any};
use std::process::ExitCode;

#[sandhog::main]
fn main() -> Result<ExitCode> {
    let modules = ["echo", "hello-handler", "speak"];
    let job = modules.into_iter().fold(Job::new("example").connected(), Job::module);
    let job = job.lock("accounts", &Lock::open("accounts")?);
    let job = job.value("balance", &Value::<i64>::open("balance")?, Rights::READ_WRITE);
    let job = job.queue("tasks", &Queue::open("tasks")?, Rights::PUT | Rights::GET);
    let example = job.spawn()?;
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
