//! Each kind of object that a guest can make, used by one guest alone, and what comes of it in a line for each call. Nothing else of
//! the interface is used: whoever includes this decides how it is linked.

use sandhog::queue::Queue;
use sandhog::shared::{Array, Memory, Value};
use sandhog::sync::{Barrier, BoundedSemaphore, Condition, Event, Lock, RLock, Semaphore};
use sandhog::{Error, Result};
use std::fmt::Debug;
use std::time::Duration;

const SOON: Duration = Duration::from_millis(1);

fn tell<T: Debug>(what: &str, came: T) {
    println!("{what}: {came:?}");
}

pub fn main() {
    if let Err(error) = all() {
        println!("ended: {error}");
    }
}

fn all() -> Result<()> {
    locks()?;
    semaphores()?;
    event_and_barrier()?;
    condition()?;
    values()?;
    arrays()?;
    memory()?;
    queue()?;
    tell(
        "too many",
        (0..100).map(|_| Lock::new()).collect::<Result<Vec<_>>>().map(|all| all.len()),
    );
    Ok(())
}

fn locks() -> Result<()> {
    let lock = Lock::new()?;
    let guard = lock.lock()?;
    tell("lock", guard.token());
    tell("locked", lock.try_lock().map(|guard| guard.is_some()).map_err(Error::from));
    tell("locked for a while", lock.within(SOON).lock().map(drop).map_err(Error::from));
    tell("release", guard.release());
    tell("release what is free", lock.release());
    let lock = RLock::new()?;
    let (outer, inner) = (lock.lock()?, lock.lock()?);
    tell("rlock", (outer.token(), inner.token()));
    tell("release both", (inner.release(), outer.release(), lock.release()));
    tell("no such lock", Lock::open("nothing").map(drop));
    tell("a long name", Lock::open(&"x".repeat(300)).map(drop));
    Ok(())
}

fn semaphores() -> Result<()> {
    let semaphore = Semaphore::new(2)?;
    let permits = (semaphore.acquire()?, semaphore.acquire()?);
    tell("permits", (permits.0.token(), permits.1.token(), semaphore.permits()));
    tell("no permit", semaphore.try_acquire().map(|permit| permit.is_some()));
    tell("no permit for a while", semaphore.within(SOON).acquire().map(drop));
    drop(permits);
    tell("one more", (semaphore.release(), semaphore.permits()));
    let bounded = BoundedSemaphore::new(1)?;
    tell("over the bound", (bounded.release(), bounded.permits()));
    Ok(())
}

fn event_and_barrier() -> Result<()> {
    let event = Event::new()?;
    tell("event", (event.is_set(), event.within(SOON).wait(), event.within(SOON).is_set_in_time()));
    tell("set", (event.set(), event.is_set(), event.wait(), event.clear(), event.is_set()));
    let barrier = Barrier::new(1)?;
    tell("barrier", (barrier.parties(), barrier.wait(), barrier.waiting(), barrier.is_broken()));
    tell(
        "broken",
        (barrier.abort(), barrier.is_broken(), barrier.wait(), barrier.reset(), barrier.wait()),
    );
    let barrier = Barrier::new(2)?;
    tell("alone", (barrier.within(SOON).wait(), barrier.wait()));
    tell("no parties", Barrier::new(0).map(drop));
    Ok(())
}

fn condition() -> Result<()> {
    let condition = Condition::new()?.within(SOON);
    let mut guard = condition.lock()?;
    tell("condition", (guard.token(), guard.wait(), guard.notify(1), guard.notify_all()));
    tell("wait for", (guard.wait_for(|| Ok(false)), guard.wait_for(|| Ok(true))));
    tell("release", guard.release());
    Ok(())
}

fn values() -> Result<()> {
    let value = Value::new(-3_i16)?;
    tell("value", (value.get(), value.set(i16::MAX), value.add(2), value.get(), value.swap(7)));
    tell("compare", (value.compare_exchange(7, 8), value.compare_exchange(7, 9), value.get()));
    let value = Value::new(u64::MAX)?;
    tell("unsigned", (value.get(), value.add(1), value.get()));
    let value = Value::new(0.5_f64)?;
    tell(
        "float",
        (
            value.get(),
            value.add(0.25),
            value.swap(f64::NAN),
            value.get(),
            value.set(1e300),
            value.get(),
        ),
    );
    let guard = value.lock()?;
    tell("its lock", (guard.token(), guard.release()));
    Ok(())
}

fn arrays() -> Result<()> {
    let array = Array::<u16>::new(5)?;
    tell("array", (array.len(), array.set(4, 9), array.add(4, 1), array.get(4), array.get(5)));
    tell("bulk", (array.write(1, &[1, 2, 3]), array.to_vec(), array.read(3, 3)));
    tell("compare", array.compare_exchange(1, 1, 5));
    let array = Array::<f32>::new(2)?;
    tell("floats", (array.set(1, 0.1), array.add(1, 1.0), array.get(1), array.to_vec()));
    tell("its lock", array.lock()?.release());
    tell("empty", Array::<u8>::new(0).map(drop));
    Ok(())
}

fn memory() -> Result<()> {
    let memory = Memory::new(10)?;
    tell("memory", (memory.size(), memory.write(7, b"abc"), memory.read(6, 4), memory.read(10, 0)));
    tell("beyond", (memory.write(8, b"abc"), memory.read(0, 11), memory.read(usize::MAX, 2)));
    tell("too large", Memory::new(usize::MAX).map(drop));
    Ok(())
}

fn queue() -> Result<()> {
    let queue = Queue::new(4, 1000)?.within(SOON);
    tell(
        "put",
        (
            queue.put(&("a", 1)),
            queue.put_bytes(b"bytes"),
            queue.put_bytes(&[7; 900]),
            queue.try_put(&"x".repeat(90)),
        ),
    );
    tell("too large", queue.put_bytes(&[0; 2000]));
    tell("size", (queue.len(), queue.bytes(), queue.is_empty()));
    tell(
        "get",
        (
            queue.get::<(String, i32)>(),
            queue.get_bytes(),
            queue.get_bytes().map(|bytes| bytes.len()),
        ),
    );
    tell("nothing", (queue.try_get::<u8>(), queue.get::<u8>(), queue.within(SOON).join()));
    tell(
        "done",
        (queue.task_done(), queue.task_done(), queue.task_done(), queue.task_done(), queue.join()),
    );
    let mut batch = queue.batch();
    (1..4_u32).try_for_each(|number| batch.push(&number))?;
    tell("batch", (batch.flush(), queue.len()));
    let taken = queue.take()?;
    tell(
        "taken",
        (taken.token(), taken.decode::<u32>(), queue.len(), taken.give_back(), queue.len()),
    );
    let taken = queue.take()?;
    tell("again", (taken.token(), taken.decode::<u32>(), taken.acknowledge()));
    let rest = queue.get_all(9)?;
    tell("rest", rest.iter().map(|item| item.decode::<u32>()).collect::<Result<Vec<_>>>());
    tell("close", (queue.close(), queue.put(&1), queue.get::<u8>(), queue.take().map(drop)));
    tell("no items", Queue::new(0, 1).map(drop));
    Ok(())
}
