//! The table of `objects`.

use super::phase;
use super::table::table;
use super::time::rough;
use sandhog_protocol::control::SharedObject;

/// What there is to say where there is nothing to list.
pub const NOTHING: &str = "\
no objects: no job that is up uses any
  objects = [\"tasks: queue(100) put\"]   in a job of sandhog.toml grants one
";

/// Most names of holders or waiters in a cell: one line is for one object.
const NAMES: usize = 3;

/// An object a line.
pub fn text(objects: &[SharedObject], now_ms: u64) -> String {
    if objects.is_empty() {
        return NOTHING.into();
    }
    let rows: Vec<_> = objects.iter().map(|object| row(object, now_ms)).collect();
    table(["GROUP", "OBJECT", "KIND", "HELD BY", "WAITING", "LEVEL", "BYTES", "MEMORY", "USERS", "AGE"], &rows)
}

fn row(object: &SharedObject, now_ms: u64) -> [String; 10] {
    let holders = object.holders.iter().map(|holder| format!("{}/{}", holder.job, holder.instance));
    let since = |since_ms: u64| rough(now_ms.saturating_sub(since_ms));
    let waiters = object.waiters.iter().map(|of| format!("{}/{} {}", of.job, of.instance, since(of.since_ms)));
    let or_none = |number: Option<u64>| number.map_or_else(|| "-".into(), |number| number.to_string());
    let is_queue = object.kind.starts_with("queue");
    [
        object.group.clone(),
        object.name.clone().unwrap_or_else(|| format!("#{}", object.object)),
        object.kind.clone(),
        few(holders.collect()),
        few(waiters.collect()),
        or_none(object.level),
        object.bytes.filter(|_| is_queue).map_or_else(|| "-".into(), phase::memory),
        phase::memory(object.memory_bytes),
        object.users.to_string(),
        since(object.created_ms),
    ]
}

/// The first ones, and how many more.
fn few(names: Vec<String>) -> String {
    match names.len() {
        0 => "-".into(),
        1..=NAMES => names.join(", "),
        all => format!("{}, {} more", names[..NAMES].join(", "), all - NAMES),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::shows;
    use sandhog_protocol::control::{ObjectUser, ObjectWaiter};

    fn object(name: Option<&str>, kind: &str, holders: &[&str], waiters: &[(&str, u64)]) -> SharedObject {
        let holder = |job: &&str| ObjectUser { job: (*job).into(), instance: 0, attempt: "a".into() };
        let waiter = |(job, since_ms): &(&str, u64)| ObjectWaiter {
            job: (*job).into(),
            instance: 1,
            attempt: "b".into(),
            since_ms: *since_ms,
        };
        SharedObject {
            group: "shop".into(),
            name: name.map(Into::into),
            object: 7,
            kind: kind.into(),
            users: 3,
            holders: holders.iter().map(holder).collect(),
            waiters: waiters.iter().map(waiter).collect(),
            level: Some(2),
            bytes: Some(2048),
            token: Some(1),
            memory_bytes: 1 << 20,
            created_ms: 10_000,
        }
    }

    #[test]
    fn an_object_is_a_line() {
        let objects = [
            object(Some("tasks"), "queue(100, 1MiB)", &[], &[("get", 85_000), ("more", 84_000)]),
            object(None, "lock", &["a", "b\u{1b}", "c", "d", "e"], &[]),
        ];
        shows("objects", &text(&objects, 90_000));
        shows("objects-nothing", &text(&[], 0));
    }
}
