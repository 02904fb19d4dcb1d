//! A worker's stream in pieces of any size: what comes out does not depend on where they are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustix::net::SocketType;
use sandhog_ipc::{FrameBuffer, pair};
use sandhog_protocol::worker::FromWorker;

/// What comes out of a stream, up to its first fault: a text, for not every fault can be compared.
fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let (here, there) = pair(SocketType::STREAM).unwrap();
    let (mut buffer, mut said) = (FrameBuffer::of_worker(), Vec::new());
    for piece in pieces {
        let mut rest = piece;
        while !rest.is_empty() {
            // As much as one read takes: nothing stays in the socket.
            let (now, later) = rest.split_at(rest.len().min(4096));
            rustix::io::write(&here, now).unwrap();
            buffer.fill(&there).unwrap();
            rest = later;
            loop {
                match buffer.take_frame::<FromWorker>() {
                    Ok(Some(message)) => said.push(format!("{message:?}")),
                    Ok(None) => break,
                    Err(error) => {
                        said.push(error.to_string());
                        return said;
                    }
                }
            }
        }
    }
    said
}

fuzz_target!(|input: &[u8]| {
    let Some((size, stream)) = input.split_first() else { return };
    let pieces = stream.chunks(usize::from(*size).max(1));
    assert_eq!(read(pieces), read(std::iter::once(stream)));
});
