//! Sockets that whoever starts `sandhog serve` passes to it, as systemd does (sd_listen_fds(3)).

use rustix::process::Signal;
use sandhog_harness::{
    Command, Outcome,
    http::Client,
    service::{BY_PATH, command},
};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};

/// `sandhog serve` with these at the numbers 3, 4, …, and `LISTEN_FDS` as many as is said. `pid`: an expression of the shell that
/// the command takes the place of.
fn with(sockets: Vec<OwnedFd>, count: usize, pid: &str, listen: &[&str]) -> Command {
    let passed = sockets.iter().enumerate().map(|(index, socket)| format!(" {}<&{}", index + 3, socket.as_raw_fd()));
    // Numbers that are in nobody's way: those that are passed by their numbers come first.
    let script = format!("export LISTEN_PID={pid} LISTEN_FDS={count}; exec \"$@\"{}", passed.collect::<String>());
    let run = command(listen, &["--access-log", "none"], BY_PATH).under(&["bash", "-c", &script, "bash"]);
    sockets.into_iter().fold(run, Command::pass_on)
}

/// Above every number that is passed. Of numbers over 9, only bash(1) knows what `<&10` means; dash(1) does not.
pub(crate) fn above(socket: impl Into<OwnedFd>) -> OwnedFd {
    rustix::io::fcntl_dupfd_cloexec(socket.into(), 100).unwrap()
}

fn listener() -> (TcpListener, OwnedFd) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let passed = above(listener.try_clone().unwrap());
    (listener, passed)
}

#[track_caller]
fn is_refused(outcome: &Outcome, words: &str) {
    assert_eq!(outcome.code, 126, "{outcome:#?}");
    assert!(outcome.stderr.contains(words), "no {words:?}: {outcome:#?}");
}

#[test]
fn two_sockets_that_are_passed_are_served_and_outlive_the_command() {
    let (listeners, sockets): (Vec<_>, Vec<_>) = [listener(), listener()].into_iter().unzip();
    let running = with(sockets, 2, "$$", &[]).start();
    for (line, listener) in listeners.iter().enumerate() {
        let address = listener.local_addr().unwrap();
        assert_eq!(running.stderr.line(line), format!("sandhog: serving on http://{address}/"));
        assert_eq!(Client::connect(address).unwrap().get("/").unwrap().expect(200), "done\n");
    }
    running.signal(Signal::TERM);
    assert_eq!(running.wait().code, 0);
    // Whoever passed them has them still: the next command loses no client.
    listeners.iter().for_each(|listener| drop(Client::connect(listener.local_addr().unwrap()).unwrap()));
}

#[test]
fn where_to_listen_is_said_once() {
    let outcome = with(vec![listener().1], 1, "$$", &["--listen", "127.0.0.1:0"]).run();
    is_refused(&outcome, "--listen: systemd has passed a socket already (LISTEN_FDS)");
}

#[test]
fn what_is_passed_has_to_be_a_socket_that_listens_for_streams() {
    let datagrams = above(UdpSocket::bind("127.0.0.1:0").unwrap());
    let outcome = with(vec![listener().1, datagrams], 2, "$$", &[]).run();
    is_refused(
        &outcome,
        "the inherited descriptor 4 is no socket that listens for streams: it is a socket of another kind",
    );
    let outcome = with(vec![above(std::fs::File::open("/dev/null").unwrap())], 1, "$$", &[]).run();
    is_refused(&outcome, "the inherited descriptor 3 is no socket that listens for streams");
}

#[test]
fn a_descriptor_that_is_not_there_is_named() {
    let outcome = with(vec![listener().1], 2, "$$", &[]).run();
    is_refused(&outcome, "LISTEN_FDS: the descriptor 4 is not open");
}

#[test]
fn what_was_passed_to_another_process_is_not_taken() {
    let outcome = with(vec![listener().1], 1, "1", &[]).run();
    is_refused(&outcome, "there is no address to listen on");
    let outcome = with(vec![listener().1], 1, "own", &[]).run();
    is_refused(&outcome, "LISTEN_PID is \"own\", which is no process id");
}
