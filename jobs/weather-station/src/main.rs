//! A shared counter and a shared temperature. Many sensors count what they have measured, and keep the highest temperature that
//! any of them has seen: an `add`, and a loop of compare and exchange (`update`). Neither needs a lock.
//!
//!     sandhog run --max-objects 2 --child sensor=weather-station.wasm weather-station.wasm -- 1000

use sandhog::shared::Value;
use sandhog::{Job, Result, Rights, process};

const SENSORS: u32 = 3;

/// In degrees; never the same twice in one run, and highest somewhere in the middle.
fn temperature(sensor: u32, turn: u32, turns: u32) -> f64 {
    let noon = f64::from(turns) / 2.0;
    25.0 - (f64::from(turn) - noon).abs() / noon * 10.0 + f64::from(sensor) / 4.0
}

fn sense(sensor: u32, turns: u32) -> Result<()> {
    let (count, highest) = (Value::<u64>::open("count")?, Value::<f64>::open("highest")?);
    for turn in 0..turns {
        let measured = temperature(sensor, turn, turns);
        highest.update(|seen| seen.max(measured))?;
        count.add(1)?;
    }
    Ok(())
}

fn station(turns: u32) -> Result<()> {
    let (count, highest) = (Value::new(0_u64)?, Value::new(f64::NEG_INFINITY)?);
    let job = Job::new("sensor").value("count", &count, Rights::WRITE);
    let job = job.value("highest", &highest, Rights::READ_WRITE);
    let place = |sensor: u32| job.clone().data(&(sensor, turns))?.spawn();
    let sensors = (0..SENSORS).map(place).collect::<Result<Vec<_>>>()?;
    sensors.iter().try_for_each(|sensor| sensor.wait().map(drop))?;
    println!("{} times measured, the highest was {} degrees", count.get()?, highest.get()?);
    Ok(())
}

#[sandhog::main]
fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    match process::initial_data()? {
        Some((sensor, turns)) => Ok(sense(sensor, turns)?),
        None => Ok(station(std::env::args().nth(1).as_deref().unwrap_or("1000").parse()?)?),
    }
}

#[test]
fn it_is_hottest_at_noon() {
    assert_eq!(temperature(2, 500, 1000), 25.5);
    assert!(temperature(0, 0, 1000) < temperature(0, 1, 1000));
}
