//! The use that requests of one worker make of their job's objects and children, by path. A file of these guests and not of the
//! library: whoever links the SDK's imports is made a component, and the other guests are core modules.

use sandhog::queue::Queue;
use sandhog::sync::{Barrier, Condition, Event, Lock};
use sandhog::{Job, Result};
use std::time::Duration;

/// None: it is another path.
pub fn by_path(path: &str) -> Option<String> {
    let done = match path {
        "/hold" => hold(),
        "/lock" => lock(),
        "/free" => Lock::open("lock").map(|lock| match lock.try_lock() {
            Ok(Some(_)) => "free\n".to_owned(),
            Ok(None) | Err(_) => "taken\n".to_owned(),
        }),
        "/set" => Event::open("go").and_then(|go| go.set()).map(|()| "set\n".to_owned()),
        "/put" => Queue::open("tasks")
            .and_then(|tasks| tasks.put_bytes(b"task"))
            .map(|()| "put\n".to_owned()),
        "/get" => Queue::open("tasks")
            .and_then(|tasks| tasks.get_bytes())
            .map(|task| format!("{}\n", task.len())),
        "/child" => child(),
        "/await" => await_notice(),
        "/await-briefly" => await_briefly(),
        "/notify" => notify(),
        "/meet" => {
            Barrier::open("meet").and_then(|meet| meet.wait()).map(|index| format!("{index}\n"))
        }
        "/met" => met(),
        "/meet-anew" => {
            Barrier::open("meet").and_then(|meet| meet.reset()).map(|()| "whole\n".to_owned())
        }
        _ => return None,
    };
    Some(done.unwrap_or_else(|error| format!("{error}\n")))
}

/// Holds the lock until the event is set.
fn hold() -> Result<String> {
    let (lock, go) = (Lock::open("lock")?, Event::open("go")?);
    let guard = lock.lock();
    let waited = go.wait();
    drop(guard);
    waited.map(|()| "held\n".to_owned())
}

fn lock() -> Result<String> {
    let lock = Lock::open("lock")?;
    let had = if lock.lock().is_ok() { "had\n" } else { "not had\n" };
    Ok(had.to_owned())
}

/// Waits until it is notified, and says whether its lock is held then.
fn await_notice() -> Result<String> {
    let Ok(mut guard) = Condition::open("change")?.lock() else {
        return Ok("not had\n".to_owned());
    };
    guard.wait()?;
    guard.release()?;
    Ok("notified\n".to_owned())
}

/// The same for a moment.
fn await_briefly() -> Result<String> {
    let change = Condition::open("change")?.within(Duration::from_millis(20));
    let Ok(mut guard) = change.lock() else { return Ok("not had\n".to_owned()) };
    let waited = guard.wait();
    guard.release()?;
    waited.map(|()| "notified\n".to_owned())
}

fn notify() -> Result<String> {
    let Ok(guard) = Condition::open("change")?.lock() else { return Ok("not had\n".to_owned()) };
    guard.notify_all()?;
    guard.release()?;
    Ok("told\n".to_owned())
}

/// How many are at the barrier, or that it is broken.
fn met() -> Result<String> {
    let meet = Barrier::open("meet")?;
    Ok(if meet.is_broken()? { "broken\n".to_owned() } else { format!("{}\n", meet.waiting()?) })
}

/// How its child has ended.
fn child() -> Result<String> {
    Ok(format!("{}\n", Job::new("child").spawn()?.wait()?))
}
