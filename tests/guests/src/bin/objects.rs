//! objects [COMMAND]…: does with shared objects what it is told, a line for each answer; then the lines of stdin. It starts
//! itself as children (granted as `again`) and tells them what to do in the same words: `a lock l` has the child `a` do it, `a! lock
//! l` does not wait for the answer, and `a?` waits for it.

use sandhog::abi::sandhog::job::objects as raw;
use sandhog::queue::{Queue, Taken};
use sandhog::shared::{Array, Memory, Number, Value};
use sandhog::sync::{
    Barrier, BoundedSemaphore, Condition, ConditionGuard, Event, Guard, Lock, LockError, Locked,
    Permit, RLock, Semaphore,
};
use sandhog::{Child, Connection, Error, Job, Result, Rights, channel, pipe, process};
use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::io::{Write, stdin, stdout};
use std::str::FromStr;
use std::time::Duration;

#[derive(Clone)]
enum Object {
    Lock(Lock),
    Rlock(RLock),
    Semaphore(Semaphore),
    Event(Event),
    Condition(Condition),
    Barrier(Barrier),
    Integer(Value<i64>),
    Byte(Value<u8>),
    Float(Value<f64>),
    Integers(Array<i64>),
    Bytes(Array<u8>),
    Floats(Array<f32>),
    Memory(Memory),
    Queue(Queue),
    Pipe(Connection),
}

enum Held {
    Guard(Guard),
    Condition(ConditionGuard),
    Permit(Permit),
    Taken(Taken),
}

/// What a command comes to.
type Answer = Result<String>;

/// In one word, and what goes with it.
fn word(error: &Error) -> String {
    match error {
        Error::Closed => "closed".into(),
        Error::TimedOut => "timed-out".into(),
        Error::WouldBlock => "would-block".into(),
        Error::TooLarge { max } => format!("too-large {max}"),
        Error::Denied(what) => format!("denied: {what}"),
        Error::NotFound(what) => format!("not-found: {what}"),
        Error::Invalid(why) => format!("invalid: {why}"),
        Error::Poisoned { attempt, verdict } => format!("poisoned {verdict} by {attempt}"),
        Error::Quota(which) => format!("quota: {which}"),
        Error::Stopping => "stopping".into(),
        Error::Broken => "broken".into(),
        other => format!("another error: {other}"),
    }
}

fn invalid(why: impl Display) -> Error {
    Error::Invalid(format!("told {why}"))
}

/// The words of a command.
struct Words<'a>(std::iter::Peekable<std::str::SplitWhitespace<'a>>);

impl<'a> Words<'a> {
    fn of(line: &'a str) -> Self {
        Self(line.split_whitespace().peekable())
    }

    fn next(&mut self) -> Result<&'a str> {
        self.0.next().ok_or_else(|| invalid("too little"))
    }

    fn number<T: FromStr>(&mut self) -> Result<T>
    where
        T::Err: Display,
    {
        let word = self.next()?;
        word.parse().map_err(|error| invalid(format!("{word:?}: {error}")))
    }

    /// `@100`: in milliseconds.
    fn patience(&mut self) -> Result<Option<Duration>> {
        let Some(word) = self.0.next_if(|word| word.starts_with('@')) else { return Ok(None) };
        let ms = word[1..].parse().map_err(|_| invalid(word))?;
        Ok(Some(Duration::from_millis(ms)))
    }
}

/// The same object with less patience, if some is said.
macro_rules! within {
    ($object:expr, $words:expr) => {
        match $words.patience()? {
            Some(patience) => $object.within(patience),
            None => $object.clone(),
        }
    };
}

fn done(result: Result<()>) -> Answer {
    result.map(|()| "done".into())
}

fn text<T: Debug>(result: Result<T>) -> Answer {
    result.map(|value| format!("{value:?}"))
}

fn open(kind: &str, name: &str) -> Result<Object> {
    Ok(match kind {
        "lock" => Object::Lock(Lock::open(name)?),
        "rlock" => Object::Rlock(RLock::open(name)?),
        "semaphore" => Object::Semaphore(Semaphore::open(name)?),
        "event" => Object::Event(Event::open(name)?),
        "condition" => Object::Condition(Condition::open(name)?),
        "barrier" => Object::Barrier(Barrier::open(name)?),
        "i64" => Object::Integer(Value::open(name)?),
        "u8" => Object::Byte(Value::open(name)?),
        "f64" => Object::Float(Value::open(name)?),
        "i64s" => Object::Integers(Array::open(name)?),
        "u8s" => Object::Bytes(Array::open(name)?),
        "f32s" => Object::Floats(Array::open(name)?),
        "memory" => Object::Memory(Memory::open(name)?),
        "queue" => Object::Queue(Queue::open(name)?),
        "pipe" => Object::Pipe(pipe::open(name)?),
        _ => return Err(invalid(kind)),
    })
}

fn new(kind: &str, words: &mut Words) -> Result<Object> {
    Ok(match kind {
        "lock" => Object::Lock(Lock::new()?),
        "rlock" => Object::Rlock(RLock::new()?),
        "semaphore" => Object::Semaphore(Semaphore::new(words.number()?)?),
        "bounded" => Object::Semaphore((*BoundedSemaphore::new(words.number()?)?).clone()),
        "event" => Object::Event(Event::new()?),
        "condition" => Object::Condition(Condition::new()?),
        "barrier" => Object::Barrier(Barrier::new(words.number()?)?),
        "i64" => Object::Integer(Value::new(words.number()?)?),
        "u8" => Object::Byte(Value::new(words.number()?)?),
        "f64" => Object::Float(Value::new(words.number()?)?),
        "i64s" => Object::Integers(Array::new(words.number()?)?),
        "u8s" => Object::Bytes(Array::new(words.number()?)?),
        "f32s" => Object::Floats(Array::new(words.number()?)?),
        "memory" => Object::Memory(Memory::new(words.number()?)?),
        "queue" => Object::Queue(Queue::new(words.number()?, words.number()?)?),
        _ => return Err(invalid(kind)),
    })
}

/// Sizes that the SDK has no number for.
fn new_raw(kind: &str, words: &mut Words) -> Answer {
    match kind {
        "semaphore" => drop(raw::create_semaphore(words.number()?, false)?),
        "bounded" => drop(raw::create_semaphore(words.number()?, true)?),
        "barrier" => drop(raw::create_barrier(words.number()?)?),
        "array" => drop(raw::create_array(raw::Element::F64, words.number()?)?),
        "memory" => drop(raw::create_memory(words.number()?)?),
        "queue" => drop(raw::create_queue(words.number()?, words.number()?)?),
        _ => return Err(invalid(kind)),
    }
    Ok("there".into())
}

/// Operations of a value, whatever it is made of.
fn on_value<T: Number + FromStr<Err: Display>>(
    value: &Value<T>,
    verb: &str,
    words: &mut Words,
) -> Answer {
    match verb {
        "get" => text(value.get()),
        "set" => done(value.set(words.number()?)),
        "add" => text(value.add(words.number()?)),
        // So many times: what several do at once.
        "count" => {
            let (times, amount) = (words.number::<u64>()?, words.number()?);
            done((0..times).try_for_each(|_| value.add(amount).map(drop)))
        }
        "swap" => text(value.swap(words.number()?)),
        "cas" => text(value.compare_exchange(words.number()?, words.number()?)),
        _ => Err(invalid(verb)),
    }
}

/// Operations of an array.
fn on_array<T: Number + FromStr<Err: Display>>(
    array: &Array<T>,
    verb: &str,
    words: &mut Words,
) -> Answer {
    match verb {
        "len" => Ok(array.len().to_string()),
        "get" => text(array.get(words.number()?)),
        "set" => done(array.set(words.number()?, words.number()?)),
        "add" => text(array.add(words.number()?, words.number()?)),
        "read" => text(array.read(words.number()?, words.number()?)),
        "write" => {
            let index = words.number()?;
            let mut numbers = Vec::new();
            while words.0.peek().is_some() {
                numbers.push(words.number()?);
            }
            done(array.write(index, &numbers))
        }
        _ => Err(invalid(verb)),
    }
}

fn on_memory(memory: &Memory, verb: &str, words: &mut Words) -> Answer {
    match verb {
        "size" => Ok(memory.size().to_string()),
        "read" => {
            let bytes = memory.read(words.number()?, words.number()?)?;
            Ok(String::from_utf8_lossy(&bytes).replace('\0', "."))
        }
        "write" => done(memory.write(words.number()?, words.next()?.as_bytes())),
        "fill" => done(memory.write(words.number()?, &vec![b'x'; words.number()?])),
        _ => Err(invalid(verb)),
    }
}

fn on_semaphore(semaphore: &Semaphore, verb: &str) -> Answer {
    match verb {
        "give" => done(semaphore.release()),
        "permits" => text(semaphore.permits()),
        _ => Err(invalid(verb)),
    }
}

fn on_event(event: &Event, verb: &str, words: &mut Words) -> Answer {
    match verb {
        "set" => done(event.set()),
        "clear" => done(event.clear()),
        "is-set" => text(event.is_set()),
        "wait" => done(within!(event, words).wait()),
        _ => Err(invalid(verb)),
    }
}

fn on_barrier(barrier: &Barrier, verb: &str, words: &mut Words) -> Answer {
    match verb {
        "wait" => text(within!(barrier, words).wait()),
        "reset" => done(barrier.reset()),
        "abort" => done(barrier.abort()),
        "parties" => Ok(barrier.parties().to_string()),
        "waiting" => text(barrier.waiting()),
        "is-broken" => text(barrier.is_broken()),
        _ => Err(invalid(verb)),
    }
}

fn on_pipe(end: &Connection, verb: &str, words: &mut Words) -> Answer {
    match verb {
        "send" => done(end.send(words.next()?)),
        "send-bytes" => done(end.send_bytes(words.next()?.as_bytes())),
        "disconnect" => {
            end.disconnect();
            Ok("done".into())
        }
        "recv" => within!(end, words).recv(),
        "recv-bytes" => {
            Ok(String::from_utf8_lossy(&within!(end, words).recv_bytes()?).into_owned())
        }
        _ => Err(invalid(verb)),
    }
}

fn on_queue(queue: &Queue, verb: &str, words: &mut Words) -> Answer {
    let queue = within!(queue, words);
    match verb {
        "put" => done(queue.put(words.next()?)),
        "put-size" => done(queue.put_bytes(&vec![7; words.number()?])),
        // Numbers from the first to before the second, under the name of whoever puts them.
        "put-range" => {
            let (from, to): (u64, u64) = (words.number()?, words.number()?);
            let name = words.next()?;
            done((from..to).try_for_each(|number| queue.put(&(name, number))))
        }
        "put-batch" => {
            let (from, to): (u64, u64) = (words.number()?, words.number()?);
            let mut batch = queue.batch();
            (from..to).try_for_each(|number| batch.push(&number))?;
            done(batch.flush())
        }
        "get" => queue.get(),
        "get-bytes" => text(queue.get_bytes().map(|bytes| bytes.len())),
        "get-batch" => {
            let arrived = queue.get_all(words.number()?)?;
            let numbers =
                arrived.iter().map(|item| item.decode::<u64>()).collect::<Result<Vec<_>>>();
            text(numbers)
        }
        // Until it is closed: how many, and whether each putter's numbers came in their order.
        "drain" => {
            let (mut count, mut last, mut in_order) = (0_u64, BTreeMap::new(), true);
            for item in queue.iter::<(String, u64)>() {
                let (name, number) = item?;
                count += 1;
                in_order &= last.insert(name, number).is_none_or(|before| before < number);
            }
            Ok(format!("{count} in order {in_order}"))
        }
        "drain-taken" => {
            let mut numbers = Vec::new();
            for taken in queue.iter_taken() {
                let taken = taken?;
                numbers.push(taken.decode::<(String, u64)>()?.1);
                taken.acknowledge()?;
            }
            text(Ok(numbers))
        }
        "done" => done(queue.task_done()),
        "join" => done(queue.join()),
        "size" => text(queue.len()),
        "bytes" => text(queue.bytes()),
        "close" => done(queue.close()),
        _ => Err(invalid(verb)),
    }
}

#[derive(Default)]
struct Table {
    objects: BTreeMap<String, Object>,
    held: BTreeMap<String, Vec<Held>>,
}

impl Table {
    fn act(&mut self, line: &str) -> String {
        self.try_act(line).unwrap_or_else(|error| word(&error))
    }

    fn try_act(&mut self, line: &str) -> Answer {
        let mut words = Words::of(line);
        let verb = words.next()?;
        match verb {
            "open" | "new" => {
                let (kind, name) = (words.next()?, words.next()?);
                let object = if verb == "open" { open(kind, name) } else { new(kind, &mut words) }?;
                self.objects.insert(name.into(), object);
                Ok("there".into())
            }
            "new-pipe" => {
                let pipe::Pipe { first, second } = pipe::Pipe::new()?;
                self.objects.insert(words.next()?.into(), Object::Pipe(first));
                self.objects.insert(words.next()?.into(), Object::Pipe(second));
                Ok("there".into())
            }
            // More of one kind than it may have: how many there were, and why there is no other.
            "new-many" => {
                let (kind, most) = (words.next()?, words.number::<usize>()?);
                let mut made = Vec::new();
                while made.len() < most {
                    match new(kind, &mut Words::of("1 1")) {
                        Ok(object) => made.push(object),
                        Err(error) => return Ok(format!("{} then {}", made.len(), word(&error))),
                    }
                }
                Ok(format!("{most}"))
            }
            "new-raw" => new_raw(words.next()?, &mut words),
            "read-raw" => {
                let memory = raw::create_memory(words.number()?)?;
                text(Ok(memory.read(words.number()?, words.number()?)?.len()))
            }
            "load" => self.load(),
            "forget" => {
                let name = words.next()?;
                self.held.remove(name);
                self.objects.remove(name);
                Ok("forgotten".into())
            }
            "sleep" => {
                std::thread::sleep(Duration::from_millis(words.number()?));
                Ok("slept".into())
            }
            "listen" => Ok(process::stopping().to_string()),
            "attempt" => Ok(process::identity().attempt),
            "crash" => std::process::abort(),
            "exit" => std::process::exit(words.number()?),
            "spin" => loop {
                std::hint::spin_loop();
            },
            _ => {
                let name = words.next()?;
                let object = self.objects.get(name).cloned().ok_or_else(|| invalid(name))?;
                self.on(verb, name, &object, &mut words)
            }
        }
    }

    /// Without end: two numbers that are the same whenever nobody holds the lock, permits, and items that are to be done at
    /// least once. It is to be killed anywhere in here.
    fn load(&mut self) -> Answer {
        let (lock, left, right) = (Lock::open("l")?, Value::<i64>::open("x")?, Value::open("y")?);
        let (permits, items) = (Semaphore::open("s")?, Queue::open("q")?);
        let marks = Array::<u8>::open("marks")?;
        loop {
            let guard = match lock.lock() {
                Err(LockError::Poisoned(poisoned)) => {
                    right.set(left.get()?)?;
                    poisoned.into_guard()
                }
                other => other?,
            };
            if left.get()? != right.get()? {
                return Ok("a half step was seen".into());
            }
            left.add(1)?;
            right.add(1)?;
            guard.release()?;
            permits.acquire()?.release()?;
            if let Some(taken) = items.try_take()? {
                marks.add(taken.decode::<(String, u64)>()?.1 as usize, 1)?;
                taken.acknowledge()?;
            }
        }
    }

    /// An operation of an object: of what holds something, or of its own kind.
    fn on(&mut self, verb: &str, name: &str, object: &Object, words: &mut Words) -> Answer {
        match (verb, object) {
            ("lock", Object::Lock(lock)) => self.keep(name, within!(lock, words).lock()),
            ("lock", Object::Rlock(lock)) => self.keep(name, within!(lock, words).lock()),
            ("lock", Object::Integer(value)) => self.keep(name, within!(value, words).lock()),
            ("lock", Object::Integers(array)) => self.keep(name, within!(array, words).lock()),
            ("lock", Object::Condition(condition)) => {
                self.keep_condition(name, within!(condition, words).lock())
            }
            ("lock-many", Object::Lock(lock)) => {
                for _ in 0..words.number::<u64>()? {
                    drop(lock.lock().or_else(LockError::into_guard)?);
                }
                Ok("done".into())
            }
            // One more, so many times, in two steps that nobody else may come between.
            ("count-locked", Object::Integer(value)) => {
                for _ in 0..words.number::<u64>()? {
                    let guard = value.lock().or_else(LockError::into_guard)?;
                    value.set(value.get()? + 1)?;
                    guard.release()?;
                }
                Ok("done".into())
            }
            ("acquire", Object::Semaphore(semaphore)) => {
                let permit = within!(semaphore, words).acquire()?;
                let token = permit.token();
                self.hold(name, Held::Permit(permit));
                Ok(format!("held {token}"))
            }
            ("take", Object::Queue(queue)) => {
                let taken = within!(queue, words).take()?;
                let answer = format!("{} {}", taken.token(), taken.decode::<String>()?);
                self.hold(name, Held::Taken(taken));
                Ok(answer)
            }
            ("release", _) => self.release(name),
            // Of what this job does not hold.
            ("release-anyway", Object::Lock(lock)) => done(lock.release()),
            ("release-anyway", Object::Rlock(lock)) => done(lock.release()),
            ("ack" | "back", _) => self.settle(name, verb == "ack"),
            ("wait" | "notify" | "notify-all", Object::Condition(_)) => {
                self.on_condition(name, verb, words)
            }
            (_, Object::Semaphore(semaphore)) => on_semaphore(semaphore, verb),
            (_, Object::Event(event)) => on_event(event, verb, words),
            (_, Object::Barrier(barrier)) => on_barrier(barrier, verb, words),
            (_, Object::Integer(value)) => on_value(value, verb, words),
            (_, Object::Byte(value)) => on_value(value, verb, words),
            (_, Object::Float(value)) => on_value(value, verb, words),
            (_, Object::Integers(array)) => on_array(array, verb, words),
            (_, Object::Bytes(array)) => on_array(array, verb, words),
            (_, Object::Floats(array)) => on_array(array, verb, words),
            (_, Object::Memory(memory)) => on_memory(memory, verb, words),
            (_, Object::Queue(queue)) => on_queue(queue, verb, words),
            (_, Object::Pipe(end)) => on_pipe(end, verb, words),
            (_, Object::Lock(_) | Object::Rlock(_) | Object::Condition(_)) => Err(invalid(verb)),
        }
    }

    fn hold(&mut self, name: &str, held: Held) {
        self.held.entry(name.into()).or_default().push(held);
    }

    /// Whether or not the holder before has died.
    fn keep(&mut self, name: &str, locked: Locked<Guard>) -> Answer {
        let (guard, poisoned) = how(locked)?;
        let answer = told(guard.token(), poisoned);
        self.hold(name, Held::Guard(guard));
        Ok(answer)
    }

    fn keep_condition(&mut self, name: &str, locked: Locked<ConditionGuard>) -> Answer {
        let (guard, poisoned) = how(locked)?;
        let answer = told(guard.token(), poisoned);
        self.hold(name, Held::Condition(guard));
        Ok(answer)
    }

    fn last(&mut self, name: &str) -> Result<Held> {
        self.held.get_mut(name).and_then(Vec::pop).ok_or_else(|| invalid("nothing is held"))
    }

    fn release(&mut self, name: &str) -> Answer {
        done(match self.last(name)? {
            Held::Guard(guard) => guard.release(),
            Held::Condition(guard) => guard.release(),
            Held::Permit(permit) => permit.release(),
            Held::Taken(taken) => taken.give_back(),
        })
    }

    fn settle(&mut self, name: &str, acknowledged: bool) -> Answer {
        let Held::Taken(taken) = self.last(name)? else { return Err(invalid("not taken")) };
        done(if acknowledged { taken.acknowledge() } else { taken.give_back() })
    }

    fn on_condition(&mut self, name: &str, verb: &str, words: &mut Words) -> Answer {
        let Some(Held::Condition(guard)) = self.held.get_mut(name).and_then(|held| held.last_mut())
        else {
            return Err(invalid("not held"));
        };
        done(match verb {
            "wait" => guard.wait(),
            "notify" => guard.notify(words.number()?),
            _ => guard.notify_all(),
        })
    }
}

/// The guard, and why the holder before died.
fn how<G>(locked: Locked<G>) -> Result<(G, Option<String>)> {
    match locked {
        Ok(guard) => Ok((guard, None)),
        Err(LockError::Poisoned(poisoned)) => {
            let death = format!("{} by {}", poisoned.verdict(), poisoned.attempt());
            Ok((poisoned.into_guard(), Some(death)))
        }
        Err(LockError::Failed(error)) => Err(error),
    }
}

fn told(token: u64, poisoned: Option<String>) -> String {
    match poisoned {
        None => format!("held {token}"),
        Some(death) => format!("poisoned {token} {death}"),
    }
}

fn rights(words: &str) -> Result<Rights> {
    let mut rights: Option<Rights> = None;
    for word in words.split(',') {
        let right = match word {
            "acquire" => Rights::ACQUIRE,
            "release" => Rights::RELEASE,
            "set" => Rights::SET,
            "wait" => Rights::WAIT,
            "read" => Rights::READ,
            "write" => Rights::WRITE,
            "put" => Rights::PUT,
            "get" => Rights::GET,
            _ => return Err(invalid(word)),
        };
        rights = Some(rights.map_or(right, |rights| rights | right));
    }
    rights.ok_or_else(|| invalid("no right"))
}

/// With these rights, or all that there are.
fn granted(job: Job, name: &str, object: &Object, said: Option<&str>) -> Result<Job> {
    let rights = |all: Rights| said.map_or(Ok(all), rights);
    Ok(match object {
        Object::Lock(lock) => job.lock(name, lock),
        Object::Rlock(lock) => job.rlock(name, lock),
        Object::Semaphore(semaphore) => {
            job.semaphore(name, semaphore, rights(Rights::ACQUIRE | Rights::RELEASE)?)
        }
        Object::Event(event) => job.event(name, event, rights(Rights::SET | Rights::WAIT)?),
        Object::Condition(condition) => job.condition(name, condition),
        Object::Barrier(barrier) => job.barrier(name, barrier),
        Object::Integer(value) => job.value(name, value, rights(Rights::READ_WRITE)?),
        Object::Byte(value) => job.value(name, value, rights(Rights::READ_WRITE)?),
        Object::Float(value) => job.value(name, value, rights(Rights::READ_WRITE)?),
        Object::Integers(array) => job.array(name, array, rights(Rights::READ_WRITE)?),
        Object::Bytes(array) => job.array(name, array, rights(Rights::READ_WRITE)?),
        Object::Floats(array) => job.array(name, array, rights(Rights::READ_WRITE)?),
        Object::Memory(memory) => job.shared_memory(name, memory, rights(Rights::READ_WRITE)?),
        Object::Queue(queue) => job.queue(name, queue, rights(Rights::PUT | Rights::GET)?),
        Object::Pipe(end) => job.pipe(name, end.clone()),
    })
}

/// As `open` calls it.
fn kind(object: &Object) -> &'static str {
    match object {
        Object::Lock(_) => "lock",
        Object::Rlock(_) => "rlock",
        Object::Semaphore(_) => "semaphore",
        Object::Event(_) => "event",
        Object::Condition(_) => "condition",
        Object::Barrier(_) => "barrier",
        Object::Integer(_) => "i64",
        Object::Byte(_) => "u8",
        Object::Float(_) => "f64",
        Object::Integers(_) => "i64s",
        Object::Bytes(_) => "u8s",
        Object::Floats(_) => "f32s",
        Object::Memory(_) => "memory",
        Object::Queue(_) => "queue",
        Object::Pipe(_) => "pipe",
    }
}

#[derive(Default)]
struct Parent {
    table: Table,
    children: BTreeMap<String, Child>,
}

impl Parent {
    /// The answer, or none where nobody waits for one.
    fn hear(&mut self, line: &str) -> Option<String> {
        let (who, rest) = line.split_once(' ').unwrap_or((line, ""));
        let answer = match who {
            "start" => self.start(rest),
            "kill" | "end" | "stop" | "rest" => self.with(rest, |child| watch(child, who)),
            _ if self.children.contains_key(who.trim_end_matches(['!', '?'])) => {
                let (name, ending) = who.split_at(who.trim_end_matches(['!', '?']).len());
                let answer = self.with(name, |child| tell(child, ending, rest));
                if ending == "!" && answer.is_ok() {
                    return None;
                }
                answer
            }
            _ => self.table.try_act(line),
        };
        Some(answer.unwrap_or_else(|error| word(&error)))
    }

    fn with(&self, name: &str, act: impl FnOnce(&Child) -> Answer) -> Answer {
        act(self.children.get(name).ok_or_else(|| invalid(name))?)
    }

    /// `start NAME [+N] [OBJECT[:RIGHT,RIGHT]]…`: with these objects, or with all that there are; it may make N of its own.
    fn start(&mut self, rest: &str) -> Answer {
        let mut words = Words::of(rest);
        let name = words.next()?.to_owned();
        let mut job = Job::new("again").connected();
        let mut opened = Vec::new();
        if let Some(most) = words.0.next_if(|word| word.starts_with('+')) {
            job = job.max_objects(most[1..].parse().map_err(invalid)?);
        }
        for word in words.0 {
            let (object, said) = match word.split_once(':') {
                Some((object, said)) => (object, Some(said)),
                None => (word, None),
            };
            let found = self.table.objects.get(object).ok_or_else(|| invalid(object))?;
            job = granted(job, object, found, said)?;
            opened.push((kind(found), object));
        }
        if opened.is_empty() {
            for (name, object) in &self.table.objects {
                job = granted(job, name, object, None)?;
                opened.push((kind(object), name));
            }
        }
        let job = job.data(&opened)?;
        self.children.insert(name, job.spawn()?);
        Ok("started".into())
    }
}

fn tell(child: &Child, ending: &str, line: &str) -> Answer {
    if ending != "?" {
        child.send(line)?;
    }
    match (ending, line) {
        ("!", _) => Ok(String::new()),
        // Only looks.
        ("?", "now") => Ok(child.try_recv()?.unwrap_or_else(|| "nothing yet".into())),
        _ => child.recv(),
    }
}

fn watch(child: &Child, what: &str) -> Answer {
    match what {
        "kill" => {
            child.kill();
            Ok(child.wait()?.kind.to_string())
        }
        "end" => Ok(child.wait()?.to_string()),
        "stop" => {
            child.stop();
            Ok("asked".into())
        }
        // Until it computes nothing: it waits for something.
        _ => {
            let mut before = child.usage()?.cpu;
            let mut looks = 0;
            while looks < 5 {
                std::thread::sleep(Duration::from_millis(4));
                let now = child.usage()?.cpu;
                looks = if now == before && !now.is_zero() { looks + 1 } else { 0 };
                before = now;
            }
            Ok("rests".into())
        }
    }
}

/// What its arguments and its parent say, until that has gone.
fn obey(parent: &Connection) -> Result<()> {
    let mut table = Table::default();
    for (kind, name) in process::initial_data::<Vec<(String, String)>>()?.unwrap_or_default() {
        table.objects.insert(name.clone(), open(&kind, &name)?);
    }
    std::env::args().skip(1).for_each(|line| println!("{}", table.act(&line)));
    process::ready();
    loop {
        match parent.recv::<String>() {
            Ok(line) => parent.send(&table.act(&line))?,
            Err(Error::Closed) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

#[sandhog::main]
fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    if let Some(parent) = channel::parent() {
        return Ok(obey(&parent)?);
    }
    let mut told = Parent::default();
    let mut hear = |line: &str| {
        if let Some(answer) = told.hear(line) {
            println!("{answer}");
        }
        stdout().flush()
    };
    std::env::args().skip(1).try_for_each(|line| hear(&line))?;
    for line in stdin().lines() {
        hear(&line?)?;
    }
    Ok(())
}
