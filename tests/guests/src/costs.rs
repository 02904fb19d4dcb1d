//! What operations on shared objects cost, measured from inside: nanoseconds for each. A part of two programs and of no library:
//! whatever the library has of the SDK makes a component of every guest.

use sandhog::Result;
use sandhog::queue::Queue;
use sandhog::shared::{Array, Value};
use sandhog::sync::{Barrier, Event, Lock, RLock, Semaphore};
use sandhog_test_guests::arg;
use std::hint::black_box;
use std::time::Instant;

/// Operations of each measurement: tenths of a second.
const MANY: u32 = 2_000_000;
/// Of those that wait for the other one.
const SOME: u32 = 50_000;
/// Copies of 4 MB.
const FEW: u32 = 200;
/// In a queue.
const ITEM: [u8; 100] = [7; 100];

/// How long so many of them take each.
fn each(count: u32, mut operation: impl FnMut() -> Result<()>) -> Result<f64> {
    let before = Instant::now();
    for _ in 0..count {
        operation()?;
    }
    Ok(before.elapsed().as_secs_f64() * 1e9 / f64::from(count))
}

fn lock(count: u32) -> Result<f64> {
    let lock = Lock::open("lock")?;
    each(count, || {
        drop(lock.lock()?);
        Ok(())
    })
}

/// Both are there.
fn meet() -> Result<()> {
    Barrier::open("start")?.wait().map(drop)
}

/// One of two that wake each other: what a way there and back takes.
fn wake(mine: &str, other: &str, begins: bool) -> Result<f64> {
    let (mine, other) = (Event::open(mine)?, Event::open(other)?);
    meet()?;
    each(SOME, || {
        if begins {
            other.set()?;
        }
        mine.wait()?;
        mine.clear()?;
        if begins { Ok(()) } else { other.set() }
    })
}

fn put(in_batches: bool) -> Result<f64> {
    let queue = Queue::open("queue")?;
    meet()?;
    if in_batches {
        let mut batch = queue.batch();
        return each(MANY, || batch.push_bytes(&ITEM));
    }
    each(MANY / 4, || queue.put_bytes(&ITEM))
}

fn get(in_batches: bool) -> Result<f64> {
    let queue = Queue::open("queue")?;
    meet()?;
    if !in_batches {
        return each(MANY / 4, || queue.get_bytes().map(|item| drop(black_box(item))));
    }
    let before = Instant::now();
    let mut left = MANY as usize;
    while left > 0 {
        left -= queue.get_all(u32::MAX)?.into_iter().count();
    }
    Ok(before.elapsed().as_secs_f64() * 1e9 / f64::from(MANY))
}

/// Of what was asked for; None: nothing of that name.
pub fn of(what: &str) -> Option<Result<f64>> {
    Some(match what {
        "lock" => lock(MANY),
        "contend" => meet().and_then(|()| lock(MANY / 4)),
        "rlock" => RLock::open("rlock").and_then(|lock| {
            each(MANY, || {
                drop(lock.lock()?);
                Ok(())
            })
        }),
        "semaphore" => Semaphore::open("semaphore")
            .and_then(|permits| each(MANY, || permits.acquire().map(drop))),
        "value-locked" => Value::<i64>::open("value").and_then(|value| {
            each(MANY, || {
                let _guard = value.lock()?;
                value.set(value.get()? + 1)
            })
        }),
        "value-add" => {
            Value::<i64>::open("value").and_then(|value| each(MANY, || value.add(1).map(drop)))
        }
        "array" => Array::<f32>::open("array").and_then(|array| {
            let numbers = vec![1.0; array.len()];
            each(FEW, || array.write(0, black_box(&numbers)))
        }),
        "event-there" => wake("back", "there", true),
        "event-back" => wake("there", "back", false),
        "put" => put(false),
        "get" => get(false),
        "put-batches" => put(true),
        "get-batches" => get(true),
        _ => return None,
    })
}

/// A program that prints it.
pub fn main() {
    let what = arg(1, "what to measure");
    match of(&what) {
        Some(Ok(ns)) => println!("{ns}"),
        Some(Err(error)) => panic!("{what}: {error}"),
        None => panic!("there is nothing called {what:?} to measure"),
    }
}
