//! Jobs that accept clients themselves, kept up by a daemon: who has the port and when, and that no client is refused while an
//! attempt takes another one's place. And a job that was taken over, which sends other things than sockets.

use crate::serve_daemon::until_refused;
use crate::serve_load::own_address;
use crate::sockets::{ask, connect};
use crate::sockets_dispatched::kills;
use rustix::process::Signal;
use sandhog_harness::{Daemon, module, process, until};
use sandhog_protocol::control::{Instance, Phase};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

/// A dispatcher with two children that listens here, with further lines.
fn job(name: &str, address: SocketAddr, lines: &str) -> String {
    format!(
        "[job.{name}]\nmodule = {:?}\nargs = [\"2\"]\nchild = [\"answerer={}\"]\nnet = [\"listen:{address}\"]\n\
         ready = \"notify\"\nbackoff.first = \"10ms\"\nbackoff.max = \"50ms\"\n{lines}\n",
        module("dispatcher"),
        module("answerer")
    )
}

fn gate(port: u16, lines: &str) -> (Daemon, SocketAddr) {
    let (daemon, address) = (Daemon::start(), own_address(port));
    daemon.up_well(&job("gate", address, lines));
    (daemon, address)
}

fn answered(address: SocketAddr) {
    let answer = ask(connect(address), "x");
    assert!(answer.ends_with(": x\n"), "{answer:?}");
}

/// Clients, one after the other, until it is dropped.
struct Clients {
    stop: Arc<AtomicBool>,
    connected: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Clients {
    fn of(address: SocketAddr) -> Self {
        let (stop, connected, refused) = <(Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let (stopped, counted, lost) = (Arc::clone(&stop), Arc::clone(&connected), Arc::clone(&refused));
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                // Whether it is answered is for the attempt that has it; whether it is let in, for the socket.
                let to = if TcpStream::connect(address).is_ok() { &counted } else { &lost };
                to.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { stop, connected, refused, thread: Some(thread) }
    }

    /// More of them are let in from here on.
    fn go_on(&self) {
        let before = self.connected.load(Ordering::Relaxed);
        until("more clients", || (self.connected.load(Ordering::Relaxed) > before + 5).then_some(()));
    }

    /// How many were refused.
    fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        self.refused.load(Ordering::Relaxed)
    }
}

fn kill(pid: u32) {
    process::send(pid, Signal::KILL);
}

#[test]
fn no_client_is_refused_while_an_attempt_takes_another_ones_place() {
    let (daemon, address) = gate(8461, "");
    answered(address);
    let clients = Clients::of(address);
    clients.go_on();
    daemon.well(&["reload", "gate"]);
    clients.go_on();
    daemon.well(&["restart", "gate"]);
    clients.go_on();
    let is_up = |it: &Instance| it.phase == Phase::Running && it.pid.is_some();
    let before = daemon.until_instance("gate being up", "gate", is_up);
    kill(before.pid.unwrap());
    daemon.until_instance("gate being another", "gate", |it| it.attempt != before.attempt && is_up(it));
    clients.go_on();
    assert_eq!(clients.end(), 0, "{}", daemon.story());
    answered(address);
}

#[test]
fn a_child_of_a_service_takes_its_own_client_along_and_nobody_else() {
    let (daemon, address) = gate(8467, "");
    kills(address, daemon.pid());
    assert_eq!(daemon.count("gate", "restarting"), 0, "{}", daemon.story());
}

#[test]
fn a_port_of_a_job_that_accepts_is_open_as_long_as_something_of_it_is_up() {
    let (daemon, address) = gate(8462, "instances = 2");
    daemon.well(&["stop", "gate/0"]);
    answered(address);
    daemon.well(&["stop", "gate"]);
    until_refused(address);
    daemon.well(&["start", "gate"]);
    answered(address);
    daemon.well(&["scale", "gate", "0"]);
    until_refused(address);
    daemon.well(&["scale", "gate", "1"]);
    answered(address);
    daemon.well(&["delete", "gate"]);
    until_refused(address);
    let told = daemon.events();
    let count = |kind: &str| told.iter().filter(|event| event.kind.as_str() == kind).count();
    assert_eq!((count("listening"), count("closed") >= 2), (3, true), "{told:#?}");
}

#[test]
fn an_up_of_a_job_that_accepts_has_its_ports_or_changes_nothing() {
    let (daemon, address) = gate(8463, "");
    let other = own_address(8464);
    let taken = TcpListener::bind(other).unwrap();
    let refused = daemon.up(&job("gate", other, ""));
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains(&format!("the port of {other} is taken")), "{refused:#?}");
    answered(address);
    drop(taken);
    // Another job's, whether it accepts or serves HTTP.
    let twice = daemon.up(&[job("gate", address, ""), job("door", address, "")].concat());
    assert!(twice.stderr.contains("the job gate has this address"), "{twice:#?}");
    daemon.up_well(&job("gate", other, ""));
    answered(other);
    until_refused(address);
    // A job of another name takes the port over.
    daemon.up_well(&job("door", other, ""));
    answered(other);
}

#[test]
fn a_job_that_accepts_is_up_again_with_its_daemon() {
    let (mut daemon, address) = gate(8465, "");
    answered(address);
    daemon.kill();
    until_refused(address);
    daemon.start_again();
    until("the job to be up again", || TcpStream::connect(address).is_ok().then_some(()));
    answered(address);
    daemon.well(&["down"]);
    until_refused(address);
}

#[test]
fn a_listener_that_was_passed_on_ends_with_the_job_that_it_was_granted_to() {
    let daemon = Daemon::start();
    let address = own_address(8466);
    let manifest = job("gate", address, "").replace("args = [\"2\"]", "args = [\"2\", \"listener\"]");
    daemon.up_well(&manifest);
    answered(address);
    daemon.well(&["stop", "gate"]);
    until_refused(address);
}

/// What a job of the group hears by a pipe of one that sends these words, each with a socket.
fn heard(net: &str, words: &[&str], port: u16) -> Vec<String> {
    heard_by(["hears-by-pipe", "lies-by-pipe"], net, words, port)
}

/// What it does that hears, and what the other one does.
fn heard_by([hears, lies]: [&str; 2], net: &str, words: &[&str], port: u16) -> Vec<String> {
    let daemon = Daemon::start_taken_over();
    let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    let manifest = format!(
        "[job.hears]\nmodule = {module:?}\nargs = [\"{hears}\", \"{count}\"]\nobjects = [\"talk: pipe first\"]\nnet = [{net}]\n\
         ready = \"notify\"\nrestart = \"never\"\n\
         [job.lies]\nmodule = {module:?}\nargs = [\"{lies}\", {words}]\nobjects = [\"talk: pipe second\"]\n\
         net = [\"listen:{address}\"]\nafter = [\"hears\"]\nrestart = \"never\"\nready = \"50ms\"\n",
        module = module("passes_sockets"),
        count = words.len(),
        words = quoted.join(", "),
        address = own_address(port),
    );
    daemon.up_and_on(&manifest);
    daemon.until_event("hears", "ended", 1);
    daemon.log_of("hears")
}

#[test]
fn what_is_no_socket_of_tcp_closes_the_connection() {
    for (word, said) in [
        ("lie:stream", "no socket of TCP"),
        ("lie:twice", "2 descriptors instead of 1"),
        ("lie:none", "0 descriptors instead of 1"),
        ("lie:bare", "1 descriptors instead of 0"),
    ] {
        let lines = heard("\"passed\"", &["first", word, "after"], 8470);
        assert_eq!(lines.first().map(String::as_str), Some("Ok(\"first\") true"), "{word}: {lines:#?}");
        assert!(lines.len() == 2 && lines[1].contains(said) && lines[1].ends_with(" false"), "{word}: {lines:#?}");
    }
}

#[test]
fn descriptors_without_number_are_closed_and_the_connection_goes_on() {
    let lines = heard("\"passed\"", &["lie:many", "after"], 8471);
    assert!(lines[0].contains("no file is left") && lines[0].ends_with(" false"), "{lines:#?}");
    assert_eq!(lines[1..], ["Ok(\"after\") true"]);
}

#[test]
fn a_job_of_the_group_without_the_right_gets_no_socket() {
    let lines = heard("", &["first", "second"], 8472);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines.iter().all(|line| line.contains("this job may take none") && line.ends_with(" false")), "{lines:#?}");
}

#[test]
fn nobody_makes_another_wait_at_a_listener_that_both_have() {
    for word in ["honest", "lie:waits"] {
        let lines = heard_by(["accepts-by-pipe", "lends-by-pipe"], "\"passed\"", &[word], 8474);
        let expected = ["it would have had to wait", "the time was over"].map(|why| format!("{word}: {why}"));
        assert_eq!(lines, expected);
    }
}
