//! Workers that take tasks from a queue and put what comes of them into another. A task is acknowledged when it is done: where
//! its worker dies, it comes back, and another worker does it. With `crash` one of the workers dies over a task of its own.
//!
//!     sandhog run --max-objects 2 --child worker=worker-pool.wasm worker-pool.wasm -- crash

use sandhog::queue::Queue;
use sandhog::{Child, Job, Result, Rights};

const WORKERS: u64 = 4;
const TASKS: u64 = 40;
/// Numbers that one task looks at.
const SPAN: u64 = 1000;

fn is_prime(number: u64) -> bool {
    let divides = |divisor| number.is_multiple_of(divisor);
    number > 1 && !(2..).take_while(|divisor| divisor * divisor <= number).any(divides)
}

fn primes(task: u64) -> u64 {
    (task * SPAN..(task + 1) * SPAN).filter(|number| is_prime(*number)).count() as u64
}

fn work(crashes: bool) -> Result<()> {
    let (tasks, results) = (Queue::open("tasks")?, Queue::open("results")?);
    for taken in tasks.iter_taken() {
        let taken = taken?;
        let task: u64 = taken.decode()?;
        if crashes {
            std::process::abort(); // With a task in its hands.
        }
        results.put(&(task, primes(task)))?;
        taken.acknowledge()?;
    }
    Ok(())
}

fn start(tasks: &Queue, results: &Queue, word: &str) -> Result<Child> {
    let job = Job::new("worker").arg(word).queue("tasks", tasks, Rights::GET);
    job.queue("results", results, Rights::PUT).spawn()
}

fn run(crash: bool) -> Result<()> {
    let (tasks, results) = (Queue::new(100, 1 << 16)?, Queue::new(100, 1 << 16)?);
    (0..TASKS).try_for_each(|task| tasks.put(&task))?;
    if crash {
        println!("a worker: {}", start(&tasks, &results, "work-badly")?.wait()?);
    }
    let worker = |_| start(&tasks, &results, "work");
    let workers = (0..WORKERS).map(worker).collect::<Result<Vec<_>>>()?;
    // A worker could die behind its result and before it acknowledged: the same task then comes twice.
    let mut found = [None; TASKS as usize];
    while found.contains(&None) {
        let (task, primes): (u64, u64) = results.get()?;
        found[task as usize] = Some(primes);
    }
    tasks.close()?;
    workers.iter().try_for_each(|worker| worker.wait().map(drop))?;
    let sum: u64 = found.into_iter().flatten().sum();
    println!("{sum} primes below {}", TASKS * SPAN);
    Ok(())
}

#[sandhog::main]
fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("work") => work(false),
        Some("work-badly") => work(true),
        word => run(word == Some("crash")),
    }
}

#[test]
fn a_thousand_numbers_have_168_primes() {
    assert_eq!(primes(0), 168);
    assert!(is_prime(2) && !is_prime(1) && !is_prime(49));
}
