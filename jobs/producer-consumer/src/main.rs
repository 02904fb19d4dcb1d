//! A producer, two consumers, and a queue between them. The queue is bounded: a producer that is faster waits. When there is
//! nothing more it closes the queue, and the consumers end when they have got what is left.
//!
//!     sandhog run --max-objects 1 --child consumer=producer-consumer.wasm producer-consumer.wasm -- 1000

use sandhog::queue::Queue;
use sandhog::{Job, Rights, channel};

const CONSUMERS: usize = 2;

/// How many numbers it got, and their sum.
fn consume() -> sandhog::Result<()> {
    let (mut count, mut sum) = (0_u64, 0_u64);
    for number in Queue::open("numbers")?.iter::<u64>() {
        count += 1;
        sum += number?;
    }
    channel::send(&(count, sum))
}

fn produce(numbers: u64) -> sandhog::Result<()> {
    let queue = Queue::new(16, 1 << 12)?;
    let job = Job::new("consumer").arg("consume").queue("numbers", &queue, Rights::GET).connected();
    let consumers = (0..CONSUMERS).map(|_| job.spawn()).collect::<sandhog::Result<Vec<_>>>()?;
    for number in 1..=numbers {
        queue.put(&number)?;
    }
    queue.close()?;
    let (mut count, mut sum) = (0, 0);
    for consumer in &consumers {
        let (its_count, its_sum): (u64, u64) = consumer.recv()?;
        count += its_count;
        sum += its_sum;
    }
    println!("{count} numbers went through the queue, their sum is {sum}");
    Ok(())
}

#[sandhog::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    match std::env::args().nth(1).as_deref() {
        Some("consume") => Ok(consume()?),
        numbers => Ok(produce(numbers.unwrap_or("1000").parse()?)?),
    }
}
