//! Transfers between accounts. Each takes from one and gives to another: two steps that nobody may see half done, so that they
//! are done under a lock. In the end not a cent has got lost.
//!
//!     sandhog run --max-objects 2 --child clerk=bank.wasm bank.wasm -- 500

use sandhog::shared::Array;
use sandhog::sync::Lock;
use sandhog::{Job, Result, Rights, process};
use std::hash::{BuildHasher, RandomState};

const ACCOUNTS: usize = 10;
const CLERKS: u64 = 3;
const BEGIN: i64 = 100;

/// From which account to which other one, and how much, by a random number.
fn order(number: u64) -> (usize, usize, i64) {
    let from = number as usize % ACCOUNTS;
    let to = (from + 1 + (number >> 8) as usize % (ACCOUNTS - 1)) % ACCOUNTS;
    (from, to, (number >> 16) as i64 % BEGIN)
}

fn transfer(accounts: &Array<i64>, lock: &Lock, number: u64) -> Result<bool> {
    let (from, to, amount) = order(number);
    let _guard = lock.lock()?;
    let (left, there) = (accounts.get(from)?, accounts.get(to)?);
    if left < amount {
        return Ok(false);
    }
    accounts.set(from, left - amount)?;
    accounts.set(to, there + amount)?;
    Ok(true)
}

fn clerk(transfers: u64) -> Result<()> {
    let (accounts, lock) = (Array::open("accounts")?, Lock::open("bank")?);
    let luck = RandomState::new();
    let mut refused = 0;
    for turn in 0..transfers {
        refused += u64::from(!transfer(&accounts, &lock, luck.hash_one(turn))?);
    }
    sandhog::info!("a clerk goes home"; transfers = transfers, refused = refused);
    Ok(())
}

fn bank(transfers: u64) -> Result<()> {
    let (accounts, lock) = (Array::<i64>::new(ACCOUNTS)?, Lock::new()?);
    accounts.write(0, &[BEGIN; ACCOUNTS])?;
    let job = Job::new("clerk").data(&transfers)?.lock("bank", &lock);
    let job = job.array("accounts", &accounts, Rights::READ_WRITE);
    let clerks = (0..CLERKS).map(|_| job.spawn()).collect::<Result<Vec<_>>>()?;
    clerks.iter().try_for_each(|clerk| clerk.wait().map(drop))?;
    let total: i64 = accounts.to_vec()?.iter().sum();
    println!("{} transfers, and the total is {total}", CLERKS * transfers);
    Ok(())
}

#[sandhog::main]
fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    match process::initial_data()? {
        Some(transfers) => Ok(clerk(transfers)?),
        None => Ok(bank(std::env::args().nth(1).as_deref().unwrap_or("500").parse()?)?),
    }
}

#[test]
fn nobody_pays_to_himself() {
    let orders = (0..100_000_u64).map(|number| order(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let is_right =
        |(from, to, amount)| from != to && from < ACCOUNTS && to < ACCOUNTS && amount < BEGIN;
    assert!(orders.into_iter().all(is_right));
}
