//! A program of WASI 0.1 that accepts clients itself, by the standard library: from as many descriptors from 3 on as `LISTEN_FDS`
//! says. Its first argument says how.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd};

/// `typenames.witx`, `filetype` and `errno`.
const SOCKET_STREAM: u8 = 6;

fn listener(number: i32) -> TcpListener {
    // SAFETY: the descriptor is this program's, and nobody else uses it.
    unsafe { TcpListener::from_raw_fd(number) }
}

fn echo(client: &TcpStream) {
    let mut line = String::new();
    BufReader::new(client).read_line(&mut line).unwrap();
    (&*client).write_all(line.to_uppercase().as_bytes()).unwrap();
}

/// One client of each, the last first.
fn serve(count: i32) {
    for number in (3..3 + count).rev() {
        let (client, _) = listener(number).accept().unwrap();
        echo(&client);
    }
}

/// Its own flag decides whether it waits.
fn without_waiting() {
    let listener = listener(3);
    listener.set_nonblocking(true).unwrap();
    println!("{:?}", listener.accept().unwrap_err().kind());
    wait_for(3, wasip1::EVENTTYPE_FD_READ);
    let (client, _) = listener.accept().unwrap();
    client.set_nonblocking(true).unwrap();
    println!("{:?}", (&client).read(&mut [0; 8]).unwrap_err().kind());
    wait_for(client.as_raw_fd(), wasip1::EVENTTYPE_FD_WRITE);
    (&client).write_all(b"well?\n").unwrap();
    wait_for(client.as_raw_fd(), wasip1::EVENTTYPE_FD_READ);
    echo(&client);
}

fn wait_for(number: i32, kind: wasip1::Eventtype) {
    let readwrite = wasip1::SubscriptionFdReadwrite { file_descriptor: number as u32 };
    let u = wasip1::SubscriptionUU { fd_read: readwrite };
    let subscription =
        wasip1::Subscription { userdata: 7, u: wasip1::SubscriptionU { tag: kind.raw(), u } };
    // SAFETY: one subscription, and room for one event.
    let event = unsafe {
        let mut event = std::mem::zeroed::<wasip1::Event>();
        assert_eq!(wasip1::poll_oneoff(&subscription, &mut event, 1).unwrap(), 1);
        event
    };
    assert_eq!((event.userdata, event.error.raw()), (7, 0));
}

/// What sockets answer to calls that are not for them.
fn misuse() {
    let listener = listener(3);
    let (client, _) = listener.accept().unwrap();
    for how in [Shutdown::Read, Shutdown::Write, Shutdown::Both] {
        println!("{:?}", client.shutdown(how).unwrap_err().kind());
    }
    // SAFETY: numbers and places of this program's own.
    unsafe {
        let stat = wasip1::fd_fdstat_get(3).unwrap();
        assert_eq!(stat.fs_filetype.raw(), SOCKET_STREAM);
        let number = client.as_raw_fd() as u32;
        println!("{:?}", wasip1::sock_shutdown(3, wasip1::SDFLAGS_RD).unwrap_err());
        println!("{:?}", wasip1::sock_accept(number, 0).unwrap_err());
        println!("{:?}", wasip1::fd_seek(number, 0, wasip1::WHENCE_SET).unwrap_err());
        println!("{:?}", wasip1::sock_shutdown(0, wasip1::SDFLAGS_RD).unwrap_err());
    }
    echo(&client);
}

/// Flags of a file are its own, whatever is so with sockets: append, then non-blocking, then none.
fn set_flags(file: &std::fs::File) {
    let number = file.as_raw_fd() as u32;
    for flags in [wasip1::FDFLAGS_APPEND, wasip1::FDFLAGS_NONBLOCK, 0] {
        // SAFETY: the number of this program's own file.
        unsafe {
            wasip1::fd_fdstat_set_flags(number, flags).unwrap();
            println!("{}", wasip1::fd_fdstat_get(number).unwrap().fs_flags);
        }
    }
}

fn main() {
    let count = std::env::var("LISTEN_FDS").map_or(0, |count| count.parse().unwrap());
    match std::env::args().nth(1).as_deref() {
        Some("without-waiting") => without_waiting(),
        Some("misuse") => misuse(),
        // What lies in a granted directory, whose number comes behind those of the sockets.
        Some("beside-a-directory") => {
            println!("{}", std::fs::read_to_string("/in/word").unwrap());
            set_flags(&std::fs::File::open("/in/word").unwrap());
            serve(count);
        }
        _ => {
            println!("{count}");
            serve(count);
        }
    }
}
