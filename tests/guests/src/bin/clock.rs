//! Prints what each clock of WASI says, in nanoseconds: `NAME TIME RESOLUTION`, or the errno.
//! Then that the monotonic clock does not go back: `forward` or `back`, over 1,000 readings.

use wasip1::{CLOCKID_MONOTONIC, CLOCKID_REALTIME, Clockid, clock_res_get, clock_time_get};

fn show(name: &str, clock: Clockid) {
    // SAFETY: numbers only.
    match unsafe { (clock_time_get(clock, 1), clock_res_get(clock)) } {
        (Ok(time), Ok(resolution)) => println!("{name} {time} {resolution}"),
        (Err(errno), _) | (_, Err(errno)) => println!("{name} refused({})", errno.name()),
    }
}

fn main() {
    show("realtime", CLOCKID_REALTIME);
    show("monotonic", CLOCKID_MONOTONIC);
    let readings: Vec<_> = (0..1000).map(|_| std::time::Instant::now()).collect();
    println!("{}", if readings.is_sorted() { "forward" } else { "back" });
}
