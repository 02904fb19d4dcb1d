//! Jobs that accept clients themselves: where they listen, by the standard library of WASI 0.1 and by the guests' interface, and
//! how connections and listeners are passed on. `sockets_kept` has those that a daemon keeps up.

use rustix::process::{Pid, Signal, kill_process};
use sandhog_harness::{Command, Outcome, Running, guest, is_root, process, until};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
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

    fn wait(self) -> Outcome {
        self.running.wait()
    }
}

fn address_in(line: &str) -> SocketAddr {
    let address = line.strip_prefix("sandhog: listening on ").and_then(|text| text.parse().ok());
    address.unwrap_or_else(|| panic!("{line:?} says no address"))
}

/// A job that listens at any free port.
fn listens(name: &str, words: &[&str]) -> Command {
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

/// A dispatcher with so many children.
fn dispatcher(children: usize, words: &[&str]) -> Listening {
    let run = listens("dispatcher", &[&[children.to_string().as_str()], words].concat());
    Listening::of(run.flag(format!("--child=answerer={}", guest("answerer").display())))
}

/// How many answers each child gave to so many clients, one after the other.
fn answers(address: SocketAddr, count: usize) -> BTreeMap<String, usize> {
    let mut by_child = BTreeMap::new();
    for number in 0..count {
        let answer = ask(connect(address), &format!("client {number}"));
        let (child, line) = answer.split_once(": ").unwrap_or_else(|| panic!("{answer:?}"));
        assert_eq!(line, format!("client {number}\n"));
        *by_child.entry(child.to_owned()).or_default() += 1;
    }
    by_child
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
fn directories_are_found_behind_the_sockets() {
    let scratch = sandhog_harness::Folder::new();
    scratch.file("word", "found");
    let listening = Listening::of(listens("accepts", &["beside-a-directory"]).dir(scratch.path(), "::/in"));
    assert_eq!(ask(connect(listening.address), "and a socket"), "AND A SOCKET\n");
    assert_eq!(listening.wait().text(), "found\n");
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
fn a_dispatcher_passes_each_client_on_to_the_next_of_its_children() {
    let listening = dispatcher(3, &[]);
    let by_child = answers(listening.address, 30);
    let expected = ["0", "1", "2"].map(|child| (child.to_owned(), 10));
    assert_eq!(by_child, expected.into());
    listening.running.signal(Signal::TERM);
    let outcome = listening.wait();
    assert_eq!(outcome.verdict["verdict"], "stopped", "{outcome:#?}");
    assert_eq!(outcome.verdict["graceful"], true, "{outcome:#?}");
}

#[test]
fn a_child_that_dies_takes_its_own_client_along_and_nobody_else() {
    let listening = dispatcher(2, &[]);
    assert_eq!(answers(listening.address, 4).len(), 2);
    // The one that has this client ends, and with it the connection, and whoever is sent to it until its end is known.
    assert_eq!(ask(connect(listening.address), "die"), "");
    assert!(lost(listening.address, 10) <= 1);
    assert_eq!(answers(listening.address, 10), [("0".to_owned(), 5), ("1".to_owned(), 5)].into());
    // From outside, and while it is busy.
    let all = || process::descendants(listening.running.pid).into_iter();
    let workers: Vec<u32> = all().filter(|pid| process::name_of(*pid).as_deref() == Some("sandhog-worker")).collect();
    assert!(workers.len() >= 3, "{workers:?}");
    let youngest = Pid::from_raw(i32::try_from(workers.into_iter().max().unwrap()).unwrap()).unwrap();
    kill_process(youngest, Signal::KILL).unwrap();
    assert!(lost(listening.address, 10) <= 1);
    assert_eq!(answers(listening.address, 10), [("0".to_owned(), 5), ("1".to_owned(), 5)].into());
}

/// How many of so many clients, one after the other, get no answer.
fn lost(address: SocketAddr, count: usize) -> usize {
    let mut lost = 0;
    for _ in 0..count {
        let mut client = connect(address);
        let mut answer = String::new();
        let asked = client.write_all(b"x\n").and_then(|()| client.read_to_string(&mut answer));
        lost += usize::from(asked.is_err() || answer.is_empty());
    }
    lost
}

#[test]
fn a_sender_waits_while_too_many_sockets_are_on_their_way() {
    let run = listens("dispatcher", &["1"]).flag("--max-files=16");
    let listening = Listening::of(run.flag(format!("--child=answerer={}", guest("answerer").display())));
    // The only child is busy with it, and takes nobody else.
    let silent = connect(listening.address);
    let clients: Vec<_> = (0..100).map(|_| connect(listening.address)).collect();
    std::thread::sleep(Duration::from_millis(300));
    drop(silent);
    for client in clients {
        assert_eq!(ask(client, "x"), "0: x\n");
    }
}

#[test]
fn children_accept_from_a_listener_that_was_passed_to_them() {
    let listening = dispatcher(2, &["listener"]);
    // Each client goes to one of them; which, the kernel says.
    let by_child = answers(listening.address, 40);
    assert_eq!(by_child.values().sum::<usize>(), 40);
    assert!(by_child.keys().all(|child| ["0", "1"].contains(&child.as_str())), "{by_child:?}");
    listening.running.signal(Signal::TERM);
    assert_eq!(listening.wait().verdict["graceful"], true);
}

#[test]
fn a_connection_goes_there_and_back_and_its_first_holder_need_not_stay() {
    let listening = Listening::of(passes("there-and-back").flag("--net=passed"));
    assert_eq!(ask(connect(listening.address), "hello"), "HELLO\n");
    let outcome = listening.wait();
    assert_eq!((outcome.code, outcome.text()), (0, "true\ntake it again true\n"), "{outcome:#?}");
}

fn passes(word: &str) -> Command {
    listens("passes_sockets", &[word]).flag(format!("--child=child={}", guest("passes_sockets").display()))
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
    let number = std::os::fd::AsRawFd::as_raw_fd(&theirs);
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
    let script = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";
    let from = std::os::fd::OwnedFd::from(passed);
    let number = std::os::fd::AsRawFd::as_raw_fd(&from);
    let shell = format!("exec 3<&{number}; {script}");
    let run = |grant: &str| {
        let fd = from.try_clone().unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&fd);
        let shell = shell.replace(&format!("<&{}", std::os::fd::AsRawFd::as_raw_fd(&from)), &format!("<&{number}"));
        Command::guest("accepts").flag(format!("--net={grant}")).under(&["sh", "-c", &shell]).pass_on(fd)
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
