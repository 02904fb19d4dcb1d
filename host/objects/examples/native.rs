//! The cost of objects without a guest, beside the native equivalent if there is one. It measures processor time if one
//! process works, because a busy machine does not change that, and otherwise wall time. It takes the best of several
//! rounds.
//!
//! `cargo run --release --locked -p sandhog-objects --example native`

#![expect(clippy::cast_precision_loss, reason = "measurements, shown with a few digits")]

use rustix::time::{ClockId, clock_gettime};
use sandhog_objects::{Page, Segment};
use sandhog_objects_model::{Event, Item, Object, Problem, Queue, Until, Words};
use sandhog_protocol::objects::{Element, Kind, Member, ObjectId};
use sandhog_sys::child::{self, Ended};
use sandhog_sys::futex::{self, While};
use sandhog_sys::shared::{self, Access, Shared};
use std::hint::black_box;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

const ROUNDS: usize = 9;

const US: [Member; 2] = [Member { seat: 1, generation: 1 }, Member { seat: 2, generation: 1 }];

/// An object's memory, which each process maps for itself.
struct Made {
    kind: Kind,
    file: OwnedFd,
    pages: [OwnedFd; 2],
}

impl Made {
    fn new(kind: Kind) -> io::Result<Self> {
        let bytes = Object::bytes(kind).ok_or(io::ErrorKind::InvalidInput)?;
        let page = || shared::create(c"page", Page::BYTES);
        let made = Self { kind, file: shared::create(c"object", bytes)?, pages: [page()?, page()?] };
        shared::allocate(made.file.as_fd(), bytes)?;
        let object = Object::of(kind).ok_or(io::ErrorKind::InvalidInput)?;
        object.initialise(&made.open(0)?);
        Ok(made)
    }

    fn open(&self, member: usize) -> io::Result<Segment> {
        let page = Arc::new(Page::map(self.pages[member].try_clone()?, US[member])?);
        Segment::map(self.file.try_clone()?, ObjectId(1), self.kind, true, page)
    }
}

/// Nanoseconds by this clock of one of so many that `work` does.
fn best(clock: ClockId, each: u32, mut work: impl FnMut()) -> f64 {
    let now = || {
        let now = clock_gettime(clock);
        now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
    };
    let rounds = (0..ROUNDS).map(|_| {
        let begin = now();
        work();
        (now() - begin) / f64::from(each)
    });
    rounds.fold(f64::INFINITY, f64::min)
}

/// Of this process alone.
fn time(each: u32, work: impl FnMut()) -> f64 {
    best(ClockId::ThreadCPUTime, each, work)
}

/// The same while another process does `other` each time.
fn time_beside(each: u32, mut work: impl FnMut(), other: impl Fn()) -> f64 {
    best(ClockId::Monotonic, each, || {
        let pid = child::start(|| {
            other();
            0
        });
        work();
        assert_eq!(child::wait(pid), Ended::Exited(0));
    })
}

/// Nothing else is at work that could be in the way.
fn sure<T>(result: Result<T, Problem>) -> T {
    result.unwrap_or_else(|problem| panic!("{problem}"))
}

fn say(what: &str, ns: f64, beside: &str) {
    println!("{what:<44} {ns:>10.1} ns {beside}");
}

macro_rules! object {
    ($made:expr, $kind:ident) => {
        match Object::of($made.kind) {
            Some(Object::$kind(object)) => object,
            other => unreachable!("{other:?}"),
        }
    };
}

fn locks() -> io::Result<()> {
    const EACH: u32 = 1_000_000;
    let lock = |segment: &Segment, me| {
        let Some(Object::Lock(lock)) = Object::of(Kind::Lock) else { unreachable!() };
        for _ in 0..EACH {
            black_box(sure(lock.acquire(segment, me, Until::Never)));
            sure(lock.release(segment, me));
        }
    };
    let made = Made::new(Kind::Lock)?;
    let mine = made.open(0)?;
    say("lock and unlock, uncontended", time(EACH, || lock(&mine, US[0])), "");
    let theirs = made.open(1)?;
    say("the same by two contenders, each", time_beside(2 * EACH, || lock(&mine, US[0]), || lock(&theirs, US[1])), "");
    let made = Made::new(Kind::Rlock)?;
    let (mine, rlock) = (made.open(0)?, object!(made, Rlock));
    let ns = time(EACH, || {
        for _ in 0..EACH {
            black_box(sure(rlock.acquire(&mine, US[0], Until::Never)));
            sure(rlock.release(&mine, US[0]));
        }
    });
    say("rlock, the same", ns, "");
    let made = Made::new(Kind::Semaphore { permits: 1 })?;
    let (mine, semaphore) = (made.open(0)?, object!(made, Semaphore));
    let ns = time(EACH, || {
        for _ in 0..EACH {
            black_box(sure(semaphore.acquire(&mine, US[0], Until::Never)));
            sure(semaphore.release(&mine, US[0]));
        }
    });
    say("semaphore, the same", ns, "");
    Ok(())
}

fn values() -> io::Result<()> {
    const EACH: u32 = 1_000_000;
    let made = Made::new(Kind::Value { element: Element::I64 })?;
    let (mine, value) = (made.open(0)?, object!(made, Value));
    let ns = time(EACH, || {
        for _ in 0..EACH {
            black_box(sure(value.add_integer(&mine, 1)));
        }
    });
    say("value, atomic addition", ns, "");
    let ns = time(EACH, || {
        for _ in 0..EACH {
            sure(value.lock().acquire(&mine, US[0], Until::Never));
            black_box(sure(value.add_integer(&mine, 1)));
            sure(value.lock().release(&mine, US[0]));
        }
    });
    say("value, addition under its lock", ns, "");
    Ok(())
}

fn queues() -> io::Result<()> {
    const EACH: u32 = 200_000;
    const BATCH: usize = 64;
    let made = Made::new(Kind::Queue { items: 1000, bytes: 1 << 20 })?;
    let (mine, theirs, queue) = (made.open(0)?, made.open(1)?, object!(made, Queue));
    let body = [7; 100];
    let ns = time(EACH, || {
        for _ in 0..EACH {
            sure(queue.put(&mine, US[0], 0, &[&body], Until::Never));
            black_box(sure(queue.get(&mine, US[0], Until::Never)));
        }
    });
    say("queue, put and get 100 B in one process", ns, "");
    let one_way = |put: &(dyn Fn(Queue) + Sync), get: &dyn Fn(Queue) -> usize| {
        time_beside(
            EACH,
            || {
                let mut got = 0;
                while got < EACH as usize {
                    got += get(queue);
                }
            },
            || put(queue),
        )
    };
    let put = |queue: Queue| (0..EACH).for_each(|_| sure(queue.put(&theirs, US[1], 0, &[&body], Until::Never)));
    let get = |queue: Queue| {
        black_box(sure(queue.get(&mine, US[0], Until::Never)));
        1
    };
    say("queue, 100 B one way between processes", one_way(&put, &get), "");
    let parts: [&[u8]; 1] = [&body];
    let batch = [Item { format: 0, parts: &parts }; BATCH];
    let put = |queue: Queue| {
        (0..EACH as usize / BATCH).for_each(|_| sure(queue.put_batch(&theirs, US[1], &batch, Until::Never)));
    };
    let get = |queue: Queue| sure(queue.get_batch(&mine, US[0], 64, 64 << 10, Until::Never)).len();
    say("queue, the same in batches of 64", one_way(&put, &get), "");
    Ok(())
}

fn there_and_back() -> io::Result<()> {
    const EACH: u32 = 20_000;
    let file = shared::create(c"words", 4096)?;
    let words = Shared::map(file.as_fd(), Access::Write)?;
    let (Some(ball), Some(seen)) = (words.word_mut(0), words.word(0)) else { unreachable!() };
    // Each side waits for its turn, takes it, and wakes the other.
    let play = |side: u32| {
        for round in 0..EACH {
            let turn = 2 * round + side;
            while seen.load() != turn {
                let now = seen.load();
                if now != turn {
                    let _ = futex::wait(While { word: seen, is: now }, None, None);
                }
            }
            ball.store(turn + 1, Ordering::Release);
            futex::wake(seen, 1);
        }
    };
    let raw = time_beside(
        EACH,
        || {
            play(0);
            while seen.load() != 2 * EACH {
                let _ = futex::wait(While { word: seen, is: 2 * EACH - 1 }, None, None);
            }
            ball.store(0, Ordering::Release);
        },
        || play(1),
    );
    say("futex there and back", raw, "");
    let (there, back) = (Made::new(Kind::Event)?, Made::new(Kind::Event)?);
    let event = object!(there, Event);
    let turn = |mine: &Segment, theirs: &Segment, event: Event, begins: bool| {
        for _ in 0..EACH {
            if begins {
                sure(event.set(theirs));
            }
            sure(event.wait(mine, Until::Never));
            sure(event.clear(mine));
            if !begins {
                sure(event.set(theirs));
            }
        }
    };
    let (a, b) = ((back.open(0)?, there.open(0)?), (there.open(1)?, back.open(1)?));
    let ns = time_beside(EACH, || turn(&a.0, &a.1, event, true), || turn(&b.0, &b.1, event, false));
    say("event there and back", ns, &format!("(the futex and {:.1} µs)", (ns - raw) / 1000.0));
    Ok(())
}

fn copies() -> io::Result<()> {
    const BYTES: usize = 4 << 20;
    const EACH: u32 = 50;
    let made = Made::new(Kind::Memory { bytes: BYTES as u64 })?;
    let (mine, memory) = (made.open(0)?, object!(made, Memory));
    let (mut one, mut other) = (vec![1_u8; BYTES], vec![2_u8; BYTES]);
    let raw = time(EACH, || {
        for _ in 0..EACH {
            black_box(&mut other).copy_from_slice(black_box(&one));
        }
    });
    say("memcpy of 4 MiB", raw, &format!("{:.1} GB/s", BYTES as f64 / raw));
    let times = |ns: f64| format!("{:.1} GB/s, {:.2} of memcpy", BYTES as f64 / ns, raw / ns);
    let ns = time(EACH, || (0..EACH).for_each(|_| sure(memory.write(&mine, 0, black_box(&one)))));
    say("memory, 4 MiB written", ns, &times(ns));
    let ns = time(EACH, || (0..EACH).for_each(|_| sure(memory.read(&mine, 0, black_box(&mut one)))));
    say("memory, 4 MiB read", ns, &times(ns));
    black_box(mine.load(0));
    Ok(())
}

fn main() -> io::Result<()> {
    locks()?;
    values()?;
    queues()?;
    there_and_back()?;
    copies()
}
