//! Answers `GET /metrics` on an address of its own, and nothing else.
//!
//! It reads one head of a request, of a bounded length in a bounded time, looks at its first line only, answers, and closes. A
//! library that speaks all of HTTP would read far more of what strangers send.
//!
//! Must not: read a body, keep a connection, or have more than [`CONNECTIONS`] of them.

use sandhog_serve::listener::Listener;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// At the same time: whoever collects numbers has one, and a person looks beside. One more is closed at once.
const CONNECTIONS: usize = 16;

/// Longest head of a request, in bytes: what common clients send is a tenth of it.
const HEAD: usize = 8 << 10;

/// From the beginning of a connection to its end.
const TIME: Duration = Duration::from_secs(5);

/// After a connection that could not be taken, such as for want of descriptors.
const REST: Duration = Duration::from_secs(1);

/// Where numbers are answered.
pub(super) struct Metrics {
    listener: std::net::TcpListener,
    address: SocketAddr,
}

impl Metrics {
    pub(super) fn of(listener: &Listener) -> io::Result<Self> {
        let socket = listener.as_fd().try_clone_to_owned()?;
        Ok(Self { listener: socket.into(), address: listener.address() })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers for as long as the process lives. `page`: the numbers as they are now.
    pub(super) fn serve(self, page: impl Fn() -> String + Send + Sync + 'static) -> io::Result<()> {
        let listener = TcpListener::from_std(self.listener)?;
        let (places, page) = (Arc::new(Semaphore::new(CONNECTIONS)), Arc::new(page));
        tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
                        let page = Arc::clone(&page);
                        tokio::spawn(async move {
                            // Whoever is too slow, or has gone, gets nothing.
                            let _ = tokio::time::timeout(TIME, talk(stream, || page())).await;
                            drop(place);
                        });
                    }
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(_) => tokio::time::sleep(REST).await,
                }
            }
        });
        Ok(())
    }
}

async fn talk(mut stream: TcpStream, page: impl Fn() -> String) -> io::Result<()> {
    let answer = match head(&mut stream).await? {
        Some(head) => answer(asked(&head), page),
        None => answer(Asked::TooLong, page),
    };
    stream.write_all(&answer).await?;
    stream.shutdown().await?;
    // What is left unread would make the kernel send a reset, which may overtake the answer.
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// Up to the empty line; None: it is longer than it may be.
async fn head(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut head = Vec::with_capacity(1024);
    loop {
        let mut part = [0; 1024];
        let count = stream.read(&mut part).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(&part[..count]);
        if head.windows(4).any(|end| end == b"\r\n\r\n") {
            return Ok(Some(head));
        }
        if head.len() > HEAD {
            return Ok(None);
        }
    }
}

/// What a request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Page,
    /// The same without its body.
    Head,
    Elsewhere,
    OtherMethod,
    TooLong,
    Nonsense,
}

/// By its first line: `METHOD SP TARGET SP HTTP/1.x` (RFC 9112, 3).
fn asked(head: &[u8]) -> Asked {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Asked::Nonsense;
    };
    if !matches!(version, b"HTTP/1.0" | b"HTTP/1.1") {
        return Asked::Nonsense;
    }
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    match (path, method) {
        (b"/metrics", b"GET") => Asked::Page,
        (b"/metrics", b"HEAD") => Asked::Head,
        (b"/metrics", _) => Asked::OtherMethod,
        _ => Asked::Elsewhere,
    }
}

fn answer(asked: Asked, page: impl Fn() -> String) -> Vec<u8> {
    let (status, body) = match asked {
        Asked::Page | Asked::Head => ("200 OK", page()),
        Asked::Elsewhere => ("404 Not Found", "the numbers are at /metrics\n".into()),
        Asked::OtherMethod => ("405 Method Not Allowed", "GET /metrics\n".into()),
        Asked::TooLong => ("431 Request Header Fields Too Large", "the head of the request is too long\n".into()),
        Asked::Nonsense => ("400 Bad Request", "this is no request of HTTP/1\n".into()),
    };
    let kind = match asked {
        Asked::Page | Asked::Head => sandhog_serve::prometheus::CONTENT_TYPE,
        Asked::Elsewhere | Asked::OtherMethod | Asked::TooLong | Asked::Nonsense => "text/plain; charset=utf-8",
    };
    let allow = if asked == Asked::OtherMethod { "Allow: GET, HEAD\r\n" } else { "" };
    let length = body.len();
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{allow}Connection: close\r\n\r\n"
    );
    if asked != Asked::Head {
        answer.push_str(&body);
    }
    answer.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn only_the_numbers_are_there() {
        for (head, what) in [
            ("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", Asked::Page),
            ("GET /metrics?x=1 HTTP/1.0\r\n\r\n", Asked::Page),
            ("HEAD /metrics HTTP/1.1\r\n\r\n", Asked::Head),
            ("POST /metrics HTTP/1.1\r\n\r\n", Asked::OtherMethod),
            ("GET / HTTP/1.1\r\n\r\n", Asked::Elsewhere),
            ("GET /metrics/x HTTP/1.1\r\n\r\n", Asked::Elsewhere),
            ("GET http://a/metrics HTTP/1.1\r\n\r\n", Asked::Elsewhere),
            ("GET  /metrics HTTP/1.1\r\n\r\n", Asked::Nonsense),
            ("GET /metrics\r\n\r\n", Asked::Nonsense),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Asked::Nonsense),
            ("\r\n\r\n", Asked::Nonsense),
        ] {
            assert_eq!(asked(head.as_bytes()), what, "{head:?}");
        }
    }

    /// What a client gets that sends this and no more.
    fn client(address: SocketAddr, sends: &[u8]) -> String {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        // An answer may come before all is sent.
        let _ = stream.write_all(sends);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text);
        text
    }

    #[tokio::test]
    async fn a_client_gets_the_numbers_and_whoever_sends_too_much_is_told_so() {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let metrics = Metrics::of(&listener).unwrap();
        let address = metrics.address();
        metrics.serve(|| "sandhog_http_workers 1\n".into()).unwrap();
        let long = [b"GET /metrics HTTP/1.1\r\nA: ".as_slice(), &vec![b'x'; 2 * HEAD]].concat();
        let ask = move || (client(address, b"GET /metrics HTTP/1.1\r\n\r\n"), client(address, &long));
        let (page, refusal) = tokio::task::spawn_blocking(ask).await.unwrap();
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
        assert!(page.ends_with("Content-Length: 23\r\nConnection: close\r\n\r\nsandhog_http_workers 1\n"), "{page}");
        assert!(refusal.starts_with("HTTP/1.1 431 "), "{refusal}");
    }
}
