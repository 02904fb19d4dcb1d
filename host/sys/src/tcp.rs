//! What the kernel knows of a TCP connection: getsockopt(2) with `TCP_INFO` (tcp(7)), for which no safe crate has a call.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

/// `struct tcp_info` of linux/tcp.h up to the field that is read here: eight bytes, and 32-bit numbers.
const WORDS: usize = 14;

/// `tcpi_last_data_recv` among them, in milliseconds.
const LAST_DATA_RECEIVED: usize = 13;

/// How long ago the last bytes of the other end came; of a connection without any, how long ago it was established.
///
/// # Errors
/// As getsockopt(2): ENOPROTOOPT or EOPNOTSUPP where it is no TCP connection.
pub fn quiet_for(socket: &impl AsFd) -> io::Result<Duration> {
    let mut words = [0_u32; WORDS];
    let mut length = libc::socklen_t::try_from(size_of_val(&words)).map_err(io::Error::other)?;
    // SAFETY: the kernel writes at most `length` bytes, all of `words`, any bits of which are numbers; both outlive the call.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            words.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if answer == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(Duration::from_millis(words[LAST_DATA_RECEIVED].into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    #[test]
    fn it_is_quiet_from_its_beginning_until_bytes_come() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        while quiet_for(&server).unwrap() < Duration::from_millis(30) {
            std::thread::yield_now();
        }
        client.write_all(b"x").unwrap();
        // It only grows but for bytes that come.
        while quiet_for(&server).unwrap() >= Duration::from_millis(30) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn only_tcp_says_so() {
        assert!(quiet_for(&UnixStream::pair().unwrap().0).is_err());
    }
}
