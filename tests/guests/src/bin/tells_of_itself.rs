//! Says all that a job knows of itself; with the argument `twice`, a child does the same.

use sandhog::{Job, Result, Stdio, process};

fn tell() -> Result<()> {
    let me = process::identity();
    println!("attempt: {}", me.attempt);
    println!(
        "job: {}, instance {}, try {}, depth {}",
        me.job, me.instance, me.try_number, me.depth
    );
    println!("parent: {}", me.parent.unwrap_or_default());
    println!("arguments: {:?}", process::arguments());
    println!("environment: {:?}", process::environment());
    println!("data: {:?}", process::initial_data::<(String, i64)>()?);
    println!("data again: {:?}", process::initial_data::<(String, i64)>()?);

    let (first, second) = (process::uptime(), process::uptime());
    println!("uptime: runs {}", !first.is_zero() && first <= second);
    let before = process::memory();
    drop(std::hint::black_box(vec![1_u8; 8 << 20]));
    let after = process::memory();
    let grown = after.used >= before.used + (8 << 20) && after.peak >= after.used;
    println!("memory: grown {grown}, peak {}, limit {}", after.peak, after.limit);
    Ok(())
}

#[sandhog::main]
fn main() -> Result<()> {
    tell()?;
    if std::env::args().nth(1).is_some_and(|word| word == "twice") {
        let job = Job::new("again").arg("a b").env("NAME", "väl=ue").data(&("given", -7))?;
        let child = job.memory(32 << 20).stdout(Stdio::Inherit).spawn()?;
        child.wait()?;
        println!("child: {}", child.id());
    }
    Ok(())
}
