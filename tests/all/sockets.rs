//! Jobs that accept clients themselves: where they listen, by the standard library of WASI 0.1 and by the guests' interface, and
//! how connections and listeners are passed on. `sockets_dispatched` has one that passes all of its clients on, `sockets_kept` those
//! that a daemon keeps up.

use crate::serve_passed::above;
use sandhog_harness::{Command, Outcome, Running, guest, is_root, until};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command whose job listens, and where. Dropping it kills it.
pub(crate) struct Listening {
    pub running: Running,
    pub address: SocketAddr,
}

impl Listening {
    pub(crate) fn of(run: Command) -> Self {
        let running = run.start();
        let address = address_in(&running.stderr.line(0));
        Self { running, address }
    }

    pub(crate) fn wait(self) -> Outcome {
        self.running.wait()
    }
}

fn address_in(line: &str) -> SocketAddr {
    let address = line.strip_prefix("sandhog: listening on ").and_then(|text| text.parse().ok());
    address.unwrap_or_else(|| panic!("{line:?} says no address"))
}

/// A job that listens at any free port.
pub(crate) fn listens(name: &str, words: &[&str]) -> Command {
    words.iter().fold(Command::guest(name).flag("--net=listen:127.0.0.1:0"), |run, word| run.arg(word))
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

/// Says a line, and gives all that is answered.
pub(crate) fn ask(mut client: TcpStream, line: &str) -> String {
    // One write: who reads without waiting gets a line or nothing.
    client.write_all(format!("{line}\n").as_bytes()).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_program_of_the_standard_library_accepts_where_it_was_granted_to_listen() {
    for by_ordinary_user in [false, true] {
        let run = listens("accepts", &[]).flag("--net=listen:[::1]:0");
        let run = if by_ordinary_user { run.by_ordinary_user() } else { run };
        let running = run.start();
        let [first, second] = [0, 1].map(|line| address_in(&running.stderr.line(line)));
        assert!(first.is_ipv4() && second.is_ipv6() && first.port() > 0 && second.port() > 0);
        // A client that comes before its turn waits, and is answered when that comes.
        let early = connect(first);
        assert_eq!(ask(connect(second), "second"), "SECOND\n");
        assert_eq!(ask(early, "first"), "FIRST\n");
        let outcome = running.wait();
        assert_eq!((outcome.code, outcome.text()), (0, "2\n"), "{outcome:#?}");
    }
}

#[test]
fn a_programs_own_variable_stays_and_a_job_without_a_grant_hears_of_no_socket() {
    let outcome = Command::guest("accepts").run();
    assert_eq!((outcome.code, outcome.text()), (0, "0\n"), "{outcome:#?}");
    let outcome = listens("accepts", &[]).flag("--env=LISTEN_FDS=0").run();
    assert_eq!((outcome.code, outcome.text()), (0, "0\n"), "{outcome:#?}");
}

#[test]
fn directories_are_found_behind_the_sockets_and_their_files_are_as_ever() {
    let scratch = sandhog_harness::Folder::new();
    scratch.file("word", "found");
    let listening = Listening::of(listens("accepts", &["beside-a-directory"]).dir(scratch.path(), "::/in"));
    assert_eq!(ask(connect(listening.address), "and a socket"), "AND A SOCKET\n");
    let outcome = listening.wait();
    // And the flags that the program gave a file.
    assert_eq!(outcome.text(), "found\n1\n4\n0\n", "{outcome:#?}");
}

#[test]
fn whether_a_call_waits_is_the_programs_own_affair() {
    let listening = Listening::of(listens("accepts", &["without-waiting"]));
    listening.running.stdout.until_has("WouldBlock\n");
    let client = connect(listening.address);
    listening.running.stdout.until_has("WouldBlock\nWouldBlock\n");
    let mut line = String::new();
    BufReader::new(&client).read_line(&mut line).unwrap();
    assert_eq!((line.as_str(), ask(client, "yes").as_str()), ("well?\n", "YES\n"));
    assert_eq!(listening.wait().code, 0);
}

#[test]
fn nobody_shuts_a_socket_down_and_what_is_asked_for_makes_sense() {
    let listening = Listening::of(listens("accepts", &["misuse"]));
    assert_eq!(ask(connect(listening.address), "still here"), "STILL HERE\n");
    let outcome = listening.wait();
    let kinds = "Unsupported\nUnsupported\nUnsupported\n";
    let text = outcome.text();
    let rest = text.strip_prefix(kinds).unwrap_or_else(|| panic!("{outcome:#?}"));
    for (line, name) in rest.lines().zip(["NOTSUP", "INVAL", "SPIPE", "NOTSOCK"]) {
        assert!(line.contains(name), "{line:?} is not {name}");
    }
    assert_eq!((rest.lines().count(), outcome.code), (4, 0));
}

#[test]
fn a_connection_goes_there_and_back_and_its_first_holder_need_not_stay() {
    let listening = Listening::of(passes("there-and-back").flag("--net=passed"));
    assert_eq!(ask(connect(listening.address), "hello"), "HELLO\n");
    let outcome = listening.wait();
    assert_eq!((outcome.code, outcome.text()), (0, "true\ntake it again true\n"), "{outcome:#?}");
}

fn passes(word: &str) -> Command {
    passes_with(&[word])
}

fn passes_with(words: &[&str]) -> Command {
    listens("passes_sockets", words).flag(format!("--child=child={}", guest("passes_sockets").display()))
}

#[test]
fn a_sender_waits_while_too_many_sockets_are_on_their_way() {
    let listening = Listening::of(passes_with(&["passes-on", "101"]).flag("--max-files=16"));
    // The only child is busy with it, and takes nobody else.
    let silent = connect(listening.address);
    let clients: Vec<_> = (0..100).map(|_| connect(listening.address)).collect();
    listening.running.stdout.until_has("full\n");
    drop(silent);
    for client in clients {
        assert_eq!(ask(client, "x"), "X\n");
    }
    let outcome = listening.wait();
    assert_eq!((outcome.code, outcome.text()), (0, "full\n"), "{outcome:#?}");
}

#[test]
fn what_can_not_be_sent_leaves_its_sender_the_socket() {
    let listening = Listening::of(passes("refused"));
    assert_eq!(ask(connect(listening.address), "still mine"), "STILL MINE\n");
    let outcome = listening.wait();
    let expected = "a child without the right: not granted: the child was not given the right to take sockets (passed)\n\
        too large: too large: at most 65536 bytes are allowed\n\
        a child that has gone: the other end has gone\n";
    assert_eq!((outcome.code, outcome.text()), (0, expected), "{outcome:#?}");
}

#[test]
fn a_program_outside_is_sent_no_socket() {
    let (theirs, ours) = std::os::unix::net::UnixStream::pair().unwrap();
    let number = theirs.as_raw_fd();
    let run = passes("refused").flag(format!("--ipc={number}")).pass_on(theirs.into());
    let listening = Listening::of(run);
    assert_eq!(ask(connect(listening.address), "x"), "X\n");
    let outcome = listening.wait();
    drop(ours);
    let last = "a program outside: not granted: a program outside takes no sockets; only jobs do\n";
    assert!(outcome.text().ends_with(last), "{outcome:#?}");
}

#[test]
fn a_receiver_without_the_right_is_told_and_the_connection_goes_on() {
    let listening = Listening::of(passes("by-pipe").flag("--max-objects=1"));
    assert_eq!(ask(connect(listening.address), "kept"), "KEPT\n");
    let outcome = listening.wait();
    let denied = "denied: a socket came with a message, and this job may take none (--net passed)";
    let text = outcome.text();
    assert!(text.contains("false Ok(\"without\")"), "{outcome:#?}");
    assert!(text.contains("Err(") && text.contains(denied.strip_prefix("denied: ").unwrap()), "{outcome:#?}");
}

#[test]
fn a_job_without_a_grant_of_the_network_gives_none() {
    let outcome = Command::guest("passes_sockets")
        .arg("wants-a-child-with-the-right")
        .flag(format!("--child=child={}", guest("passes_sockets").display()))
        .run();
    assert_eq!(outcome.text(), "a child: not granted: sockets are not granted (--net)\n", "{outcome:#?}");
}

#[test]
fn open_sockets_count_as_files() {
    let listening = Listening::of(listens("passes_sockets", &["fills"]).flag("--max-files=8"));
    let clients: Vec<TcpStream> = (0..12).map(|_| connect(listening.address)).collect();
    let outcome = listening.wait();
    drop(clients);
    let text = outcome.text();
    let (count, error) = text.split_once(" and then ").unwrap_or_else(|| panic!("{outcome:#?}"));
    assert!((1..=8).contains(&count.parse::<usize>().unwrap()), "{outcome:#?}");
    assert!(error.starts_with("over a limit: "), "{outcome:#?}");
}

#[test]
fn a_port_that_is_taken_and_grants_that_make_no_sense_are_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for (grant, sentence) in [
        (format!("listen:{address}"), format!("the port of {address} is taken")),
        ("listen:192.0.2.1:80".into(), "this machine does not have the address of 192.0.2.1:80".into()),
        ("listen:127.0.0.1".into(), "--net \"listen:127.0.0.1\": there is no port".into()),
        ("listen:example.com:80".into(), "--net \"listen:example.com:80\"".into()),
        ("tcp:127.0.0.1:80".into(), "--net \"tcp:127.0.0.1:80\": there is no such grant".into()),
        ("host".into(), "--net \"host\": there is no such grant; write one of listen, passed, none".into()),
    ] {
        let outcome = Command::guest("hello").flag(format!("--net={grant}")).run();
        assert_eq!(outcome.code, 126, "{grant}: {outcome:#?}");
        assert!(outcome.stderr.contains(&sentence), "{grant}: {outcome:#?}");
    }
    let outcome = Command::guest("hello").flag("--net=none").flag("--net=passed").run();
    assert!(outcome.stderr.contains("none stands alone"), "{outcome:#?}");
}

#[test]
fn a_socket_that_was_passed_takes_the_place_of_one_that_is_bound() {
    let passed = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = passed.local_addr().unwrap();
    let from = OwnedFd::from(passed);
    let run = |grant: &str| {
        let fd = above(from.try_clone().unwrap());
        let shell = format!("exec 3<&{}; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"", fd.as_raw_fd());
        Command::guest("accepts").flag(format!("--net={grant}")).under(&["bash", "-c", &shell]).pass_on(fd)
    };
    let listening = Listening::of(run(&format!("listen:{address}")));
    assert_eq!(listening.address, address);
    assert_eq!(ask(connect(address), "by another hand"), "BY ANOTHER HAND\n");
    assert_eq!(listening.wait().code, 0);
    let outcome = run("listen:127.0.0.1:0").run();
    assert_eq!(outcome.code, 126, "{outcome:#?}");
    assert!(outcome.stderr.contains(&format!("the job may not use the socket at {address}")), "{outcome:#?}");
}

#[test]
fn root_may_listen_below_1024() {
    if !is_root() {
        return sandhog_harness::missing(sandhog_harness::Need::Root, "a port below 1024 needs root");
    }
    let run = Command::guest("accepts").flag(format!("--net=listen:{}", crate::serve_load::own_address(807)));
    let listening = Listening::of(run);
    assert_eq!(ask(connect(listening.address), "low"), "LOW\n");
    assert_eq!(listening.wait().code, 0);
}

#[test]
fn an_inspection_says_what_sockets_are_for() {
    let needs = |name: &str| {
        let outcome = Command::sandhog(["inspect"]).flag(guest(name)).run();
        assert_eq!(outcome.code, 0, "{outcome:#?}");
        outcome.text().contains("--net listen:ADDRESS:PORT")
    };
    assert!(needs("accepts") && needs("dispatcher"));
    assert!(!needs("hello") && !needs("echo"));
}

#[test]
fn a_command_that_ends_leaves_its_port() {
    let listening = Listening::of(listens("accepts", &[]));
    let address = listening.address;
    assert_eq!(ask(connect(address), "x"), "X\n");
    listening.wait();
    until("the port to be closed", || TcpStream::connect(address).is_err().then_some(()));
}
