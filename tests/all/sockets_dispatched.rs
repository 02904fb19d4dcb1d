//! Facts about the dispatcher, the example of a job that passes each of its clients on to a child: who gets whom, and who loses what
//! when a child dies.

use crate::sockets::{Listening, ask, connect, listens};
use rustix::process::Signal;
use sandhog_harness::{Command, Process, guest, process, until};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// Clients that the dispatcher lets be on their way to one child (`ON_THEIR_WAY`).
const ON_THEIR_WAY: usize = 8;

fn dispatches(children: usize, words: &[&str], child: &str) -> Command {
    let run = listens("dispatcher", &[&[children.to_string().as_str()], words].concat());
    run.flag(format!("--child=answerer={}", guest(child).display()))
}

/// A dispatcher with so many children.
fn dispatcher(children: usize, words: &[&str]) -> Listening {
    Listening::of(dispatches(children, words, "answerer"))
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

/// The answer to a line; none where the connection ends without one.
fn answer(mut client: &TcpStream, line: &str) -> Option<String> {
    let mut answer = String::new();
    let asked = client.write_all(format!("{line}\n").as_bytes()).and_then(|()| client.read_to_string(&mut answer));
    asked.ok().map(|_| answer).filter(|answer| !answer.is_empty())
}

/// Clients that have connected here, and that nobody has accepted yet: /proc/net/tcp (proc_net_tcp.rst), where a listening
/// socket's `rx_queue` is their number.
fn not_accepted(address: SocketAddr) -> usize {
    let SocketAddr::V4(address) = address else { panic!("{address}") };
    let local = format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port());
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = { rows }.find(|row| row.get(1) == Some(&local.as_str()) && row.get(3) == Some(&"0A")).unwrap();
    usize::from_str_radix(row[4].split_once(':').unwrap().1, 16).unwrap()
}

/// The workers below a process in the order of their starts: a dispatcher's own comes before its children's.
fn workers(below: u32) -> Vec<u32> {
    let mut workers: Vec<_> =
        process::named_below(below, "sandhog-worker").into_iter().filter_map(Process::of).collect();
    workers.sort_unstable_by_key(|worker| (worker.start, worker.pid));
    workers.into_iter().map(|worker| worker.pid).collect()
}

/// Kills the child that was started last; back when it is gone.
fn kill_youngest(below: u32) {
    // The dispatcher's own is the first.
    let all = until("both children", || Some(workers(below)).filter(|all| all.len() == 3));
    let youngest = all[2];
    process::send(youngest, Signal::KILL);
    until("its end", || (!process::is_there(youngest)).then_some(()));
}

/// Clients of a dispatcher with two children, of which each is at one that says nothing. All others wait behind these two.
struct Crowd {
    silent: [TcpStream; 2],
    others: Vec<TcpStream>,
}

impl Crowd {
    /// As many on their way as may be, and so many beyond them.
    fn with_more(address: SocketAddr, more: usize) -> Self {
        let silent = [connect(address), connect(address)];
        let other = |_| {
            let mut client = connect(address);
            client.write_all(b"behind\n").unwrap();
            client
        };
        let others = (0..2 * ON_THEIR_WAY + more).map(other).collect();
        // Of those that are accepted two are not on their way any more, and nobody is done.
        until("all to be where they stay", || (not_accepted(address) == more).then_some(()));
        Self { silent, others }
    }

    /// One of the two was inside of a child that has died. Everybody else is answered.
    fn loses_one(self) {
        let answered = self.silent.iter().filter(|client| answer(client, "here").is_some()).count();
        assert_eq!(answered, 1);
        for mut client in self.others {
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            assert!(answer.ends_with(": behind\n"), "{answer:?}");
        }
    }
}

/// Twenty clients at the same time, and five kills.
pub(crate) fn kills(address: SocketAddr, below: u32) {
    for _ in 0..5 {
        let crowd = Crowd::with_more(address, 4);
        kill_youngest(below);
        crowd.loses_one();
    }
    assert_eq!(answers(address, 10), [("0".to_owned(), 5), ("1".to_owned(), 5)].into());
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
    let crowd = Crowd::with_more(listening.address, 4);
    assert_eq!(answer(&crowd.silent[0], "die"), None);
    crowd.loses_one();
}

#[test]
fn a_child_that_is_killed_takes_its_own_client_along_and_nobody_else() {
    let listening = dispatcher(2, &[]);
    kills(listening.address, listening.running.pid);
}

#[test]
fn a_dispatcher_that_stops_passes_everybody_on_whom_it_has_accepted() {
    let listening = dispatcher(2, &[]);
    let crowd = Crowd::with_more(listening.address, 0);
    listening.running.signal(Signal::TERM);
    kill_youngest(listening.running.pid);
    crowd.loses_one();
    let outcome = listening.wait();
    assert_eq!(outcome.verdict["graceful"], true, "{outcome:#?}");
}

#[test]
fn a_dispatcher_accepts_no_more_than_may_be_on_their_way() {
    let listening = Listening::of(dispatches(1, &[], "answerer").flag("--max-files=16"));
    let silent = connect(listening.address);
    let clients: Vec<_> = (0..100).map(|_| connect(listening.address)).collect();
    until("the others to wait", || (not_accepted(listening.address) == 100 - ON_THEIR_WAY).then_some(()));
    drop(silent);
    for client in clients {
        assert_eq!(ask(client, "x"), "0: x\n");
    }
}

#[test]
fn a_dispatcher_whose_children_end_at_once_ends_and_says_why() {
    let outcome = dispatches(2, &[], "panics").run();
    let reason = "over a limit: 5 children in a row that ended at once, the last of them trapped: ";
    assert_eq!(outcome.code, 1, "{outcome:#?}");
    assert!(outcome.stderr.contains(reason), "{outcome:#?}");
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
