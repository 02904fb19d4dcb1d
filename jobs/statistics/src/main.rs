//! Mean and deviation of a large array, by four workers that need not copy it to each other: each reads its part, and adds what
//! comes of it to the sums of all.
//!
//!     sandhog run --max-objects 2 --child worker=statistics.wasm statistics.wasm -- 100000

use sandhog::shared::Array;
use sandhog::{Job, Result, Rights, process};

const WORKERS: usize = 4;

/// The sum of all numbers, and that of their squares.
fn sums(numbers: &[f64]) -> [f64; 2] {
    numbers
        .iter()
        .fold([0.0, 0.0], |[sum, squares], number| [sum + number, squares + number * number])
}

fn mean_and_deviation([sum, squares]: [f64; 2], count: usize) -> (f64, f64) {
    let mean = sum / count as f64;
    (mean, (squares / count as f64 - mean * mean).sqrt())
}

/// Where a part begins, and how many numbers it has.
fn part(worker: usize, count: usize) -> (usize, usize) {
    let begin = |worker| worker * count / WORKERS;
    (begin(worker), begin(worker + 1) - begin(worker))
}

fn work(worker: usize) -> Result<()> {
    let (samples, totals) = (Array::<f64>::open("samples")?, Array::<f64>::open("totals")?);
    let (begin, count) = part(worker, samples.len());
    let sums = sums(&samples.read(begin, count)?);
    sums.iter().enumerate().try_for_each(|(at, sum)| totals.add(at, *sum).map(drop))
}

fn run(count: usize) -> Result<()> {
    let (samples, totals) = (Array::<f64>::new(count)?, Array::<f64>::new(2)?);
    let numbers: Vec<_> = (1..=count).map(|number| number as f64).collect();
    samples.write(0, &numbers)?;
    let job = Job::new("worker").array("samples", &samples, Rights::READ);
    let job = job.array("totals", &totals, Rights::WRITE);
    let start = |worker: usize| job.clone().data(&worker)?.spawn();
    let workers = (0..WORKERS).map(start).collect::<Result<Vec<_>>>()?;
    workers.iter().try_for_each(|worker| worker.wait().map(drop))?;
    let (mean, deviation) = mean_and_deviation([totals.get(0)?, totals.get(1)?], count);
    println!("{count} samples: mean {mean:.2}, deviation {deviation:.2}");
    Ok(())
}

#[sandhog::main]
fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    match process::initial_data()? {
        Some(worker) => Ok(work(worker)?),
        None => Ok(run(std::env::args().nth(1).as_deref().unwrap_or("100000").parse()?)?),
    }
}

#[test]
fn parts_are_the_whole() {
    let parts: Vec<_> = (0..WORKERS).map(|worker| part(worker, 10)).collect();
    assert_eq!(parts, [(0, 2), (2, 3), (5, 2), (7, 3)]);
    assert_eq!(mean_and_deviation(sums(&[1.0, 3.0]), 2), (2.0, 1.0));
}
