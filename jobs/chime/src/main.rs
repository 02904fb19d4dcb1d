//! A job for a schedule: says what time it is, and ends. It does not know when it runs; `schedule` does.
//!
//!     sandhog run chime.wasm

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970 as a clock shows them, in UTC.
fn clock(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

#[sandhog::main]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("it is {} UTC", clock(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_begins_anew_each_day() {
        assert_eq!(clock(0), "00:00:00");
        assert_eq!(clock(86_399), "23:59:59");
        assert_eq!(clock(86_400 + 3_661), "01:01:01");
    }
}
