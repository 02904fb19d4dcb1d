//! What requests of one worker do with the objects and the children that their job was granted, as a path says.

use sandhog::queue::Queue;
use sandhog::sync::{Event, Lock};
use sandhog::{Job, Result};

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

/// How its child has ended.
fn child() -> Result<String> {
    Ok(format!("{}\n", Job::new("child").spawn()?.wait()?))
}
