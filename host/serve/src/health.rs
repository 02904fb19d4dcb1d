//! The request of a health check: a worker is asked by a connection of its own that no client has, and its answer is read as from
//! somebody hostile: the line with the status, and nothing behind it.
//!
//! Must not: keep more of an answer than [`HEAD`] bytes, or say that a worker is well that has not said so in time.

use crate::dispatcher::{Asker, Standing};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use sandhog_spec::service::HealthRequest;
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::net::UnixStream as StdStream;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::watch;

/// Longest line with a status, in bytes. RFC 9112 sets no bound; common ones have 20.
const HEAD: usize = 8 << 10;

/// Those of a worker that is well: success, or somewhere else (RFC 9110, 15.3 and 15.4).
const WELL: RangeInclusive<u16> = 200..=399;

/// The pause after an answer that was none, while a worker becomes ready; it doubles with each further one, up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Asks a worker once.
pub async fn is_well(asker: &Asker, request: &HealthRequest) -> bool {
    let answered = tokio::time::timeout(request.timeout, answered(asker, &request.path)).await;
    matches!(answered, Ok(Ok(Some(status))) if WELL.contains(&status))
}

/// Asks a worker until it has answered well, and lets it have clients then; `standing`: its own. False: it has ended.
pub async fn admit(asker: &Asker, mut standing: watch::Receiver<Standing>, request: &HealthRequest) -> bool {
    let well = async {
        let mut pause = PAUSE;
        while !is_well(asker, request).await {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    };
    tokio::select! {
        () = well => {
            asker.admit();
            true
        }
        () = gone(&mut standing) => false,
    }
}

/// Comes back when the dispatcher knows it no more.
async fn gone(standing: &mut watch::Receiver<Standing>) {
    while standing.changed().await.is_ok() {}
}

async fn answered(asker: &Asker, path: &str) -> io::Result<Option<u16>> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    asker.ask(theirs)?;
    let mut stream = UnixStream::from_std(StdStream::from(ours))?;
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: sandhog-health\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut line = Vec::with_capacity(64);
    while line.len() < HEAD && !line.contains(&b'\n') {
        if (&mut stream).take(HEAD as u64 - line.len() as u64).read_buf(&mut line).await? == 0 {
            break;
        }
    }
    Ok(status(&line))
}

/// `HTTP/1.x SP 3DIGIT SP …CRLF` (RFC 9112, 4): what it says, if it is one.
fn status(bytes: &[u8]) -> Option<u16> {
    let line = bytes.split(|byte| *byte == b'\n').next().filter(|line| line.len() < bytes.len())?;
    let rest = line.strip_suffix(b"\r")?;
    let rest = rest.strip_prefix(b"HTTP/1.1 ").or_else(|| rest.strip_prefix(b"HTTP/1.0 "))?;
    let (digits, reason) = rest.split_at_checked(3)?;
    if !digits.iter().all(u8::is_ascii_digit) || !(reason.is_empty() || reason.starts_with(b" ")) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_says_the_status_and_what_is_no_such_line_says_none() {
        for (bytes, says) in [
            (&b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"[..], Some(200)),
            (b"HTTP/1.0 503 \r\n", Some(503)),
            (b"HTTP/1.1 204\r\n", Some(204)),
            (b"HTTP/1.1 200 OK", None),
            (b"HTTP/1.1 200 OK\n", None),
            (b"HTTP/1.1 2000 OK\r\n", None),
            (b"HTTP/1.1 +20 OK\r\n", None),
            (b"HTTP/1.1 20\r\n", None),
            (b"HTTP/2.0 200 OK\r\n", None),
            (b" HTTP/1.1 200 OK\r\n", None),
            (b"\r\nHTTP/1.1 200 OK\r\n", None),
            (b"\x00\xff\r\n", None),
            (b"\n", None),
            (b"", None),
        ] {
            assert_eq!(status(bytes), says, "{:?}", bytes.escape_ascii().to_string());
        }
    }
}
