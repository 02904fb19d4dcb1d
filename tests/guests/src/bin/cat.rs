//! Copies stdin to stdout in pieces of 64 KiB, as they come.

use std::io::{Read, Write};

fn main() -> std::io::Result<()> {
    let (mut input, mut output) =
        (sandhog_test_guests::raw_stream(0), sandhog_test_guests::raw_stream(1));
    let mut buffer = vec![0; 64 << 10];
    loop {
        match input.read(&mut buffer)? {
            0 => return Ok(()),
            read => output.write_all(&buffer[..read])?,
        }
    }
}
