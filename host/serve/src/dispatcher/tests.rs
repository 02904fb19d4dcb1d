//! The dispatcher between clients of this process and workers that are played here, by the protocol alone.

mod fake;

use super::{DispatchSettings, Standing, refusal};
use crate::listener::Listener;
use fake::{Heard, Listening, Worker, client, few_files, many_files, read_all, request, soon};
use sandhog_protocol::http::{FromServer, Request, TARGET, ToServer};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

const CONNECTIONS: u32 = 100;

fn settings() -> DispatchSettings {
    let (waiting_max, waiting_for) = (100, Duration::from_secs(3600));
    DispatchSettings { connections_per_worker: CONNECTIONS, connections_in_all: None, waiting_max, waiting_for }
}

fn run(test: impl Future<Output = ()>) {
    many_files();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // Long enough for each machine: what does not come does not come at all.
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(120), test).await }).expect("it comes to an end");
}

/// Whether the client and the holder of the connection hear each other.
async fn talks(client: &TcpStream, held: &std::net::TcpStream) {
    std::io::Write::write_all(&mut &*held, b"hello").unwrap();
    let mut room = [0; 5];
    soon(|| client.try_read(&mut room).is_ok_and(|read| read == 5)).await;
    assert_eq!(&room, b"hello");
}

#[test]
fn a_connection_goes_to_a_worker_that_accepts_with_its_peer() {
    run(async {
        let (dispatcher, hears, address) = Listening::start(settings());
        let worker = Worker::join(&dispatcher, "one");
        let client = client(address).await;
        soon(|| dispatcher.numbers().waiting == 1).await;
        worker.accepts();
        let (id, peer, held) = worker.connection().await;
        assert_eq!((id, peer.parse::<SocketAddr>().unwrap()), (1, client.local_addr().unwrap()));
        talks(&client, &held).await;
        worker.say(&FromServer::Reads { connection: id });
        let ended = vec![request(id, 1), request(id, 2)];
        worker.say(&FromServer::Requests { ended, in_flight: 3 });
        soon(|| dispatcher.numbers().requests == 2).await;
        let numbers = dispatcher.numbers();
        assert_eq!((numbers.workers, numbers.connections, numbers.waiting, numbers.in_flight), (1, 1, 0, 3));
        assert_eq!(hears.requests(), [("one".into(), 1, peer.clone()), ("one".into(), 2, peer)]);
        worker.say(&FromServer::Closed { connection: id });
        soon(|| dispatcher.numbers().connections == 0).await;
        drop(held);
        assert_eq!(read_all(&client).await, b"");
        worker.die();
        soon(|| dispatcher.numbers().in_flight == 0).await;
        assert_eq!(dispatcher.numbers().lost_connections, 0);
    });
}

#[test]
fn a_connection_whose_worker_dies_unread_is_another_ones() {
    run(async {
        let (dispatcher, _, address) = Listening::start(settings());
        let (first, second) = (Worker::join(&dispatcher, "first"), Worker::join(&dispatcher, "second"));
        first.accepts();
        let client = client(address).await;
        let (id, _, held) = first.connection().await;
        second.accepts();
        drop(held);
        first.die();
        let (again, _, held) = second.connection().await;
        assert_eq!(again, id);
        talks(&client, &held).await;
    });
}

#[test]
fn a_connection_whose_worker_has_read_it_dies_with_it() {
    run(async {
        let (dispatcher, _, address) = Listening::start(settings());
        let (first, second) = (Worker::join(&dispatcher, "first"), Worker::join(&dispatcher, "second"));
        first.accepts();
        let lost = client(address).await;
        let (id, _, held) = first.connection().await;
        second.accepts();
        // It is dead before anybody has heard its last word.
        first.say(&FromServer::Reads { connection: id });
        drop(held);
        first.die();
        assert_eq!(read_all(&lost).await, b"");
        soon(|| dispatcher.numbers().lost_connections == 1).await;
        let next = client(address).await;
        let (id, peer, _) = second.connection().await;
        assert_eq!((id, peer), (2, next.local_addr().unwrap().to_string()));
    });
}

#[test]
fn the_last_word_of_a_worker_that_did_not_hear_the_last_one_counts() {
    run(async {
        let (dispatcher, _, address) = Listening::start(settings());
        let (first, second) = (Worker::join(&dispatcher, "first"), Worker::join(&dispatcher, "second"));
        first.accepts();
        let (read, unread) = (client(address).await, client(address).await);
        let (id, _, held) = first.connection().await;
        // The other one lies in its socket: for its end the kernel will say that the connection was reset, and only then what
        // it has said.
        soon(|| dispatcher.numbers().connections == 2).await;
        second.accepts();
        first.say(&FromServer::Reads { connection: id });
        drop(held);
        first.die();
        assert_eq!(second.connection().await.0, 2);
        assert_eq!(read_all(&read).await, b"");
        soon(|| dispatcher.numbers().lost_connections == 1).await;
        drop(unread);
    });
}

#[test]
fn a_worker_that_only_closes_its_end_keeps_what_it_has_until_it_is_reaped() {
    run(async {
        let (dispatcher, _, address) = Listening::start(settings());
        let (first, second) = (Worker::join(&dispatcher, "first"), Worker::join(&dispatcher, "second"));
        first.accepts();
        let _client = client(address).await;
        let (id, _, held) = first.connection().await;
        second.accepts();
        let membership = first.hang_up();
        // The next one goes to the other, which says that the end was seen.
        soon(|| dispatcher.numbers().workers == 1).await;
        let _next = client(address).await;
        assert_eq!(second.connection().await.0, 2);
        drop((held, membership));
        assert_eq!(second.connection().await.0, id);
    });
}

#[test]
fn what_a_worker_declines_goes_to_another_one() {
    run(async {
        let (dispatcher, _, address) = Listening::start(settings());
        let (first, second) = (Worker::join(&dispatcher, "first"), Worker::join(&dispatcher, "second"));
        first.accepts();
        let _client = client(address).await;
        let (id, ..) = first.connection().await;
        second.accepts();
        first.finish();
        assert!(matches!(first.hear().await, Heard { message: ToServer::Finish, client: None }));
        let _next = client(address).await;
        assert_eq!(second.connection().await.0, 2);
        first.say(&FromServer::Declined { connection: id });
        assert_eq!(second.connection().await.0, id);
    });
}

#[test]
fn one_that_retires_is_told_of_and_told_to_finish() {
    run(async {
        let (dispatcher, hears, _) = Listening::start(settings());
        let worker = Worker::join(&dispatcher, "old");
        worker.accepts();
        let mut standing = worker.standing();
        worker.say(&FromServer::Retires);
        assert_eq!(worker.hear().await.message, ToServer::Finish);
        standing.wait_for(|standing| *standing == Standing::Retires).await.unwrap();
        assert_eq!(hears.retired(), ["old"]);
    });
}

type Breaks = Box<dyn Fn(&Worker)>;

#[test]
fn whoever_breaks_the_rules_is_told_of_and_gets_nothing_more() {
    let long =
        FromServer::Requests { ended: vec![Request { target: "x".repeat(TARGET + 1), ..request(1, 1) }], in_flight: 0 };
    let foreign = FromServer::Requests { ended: vec![request(7, 1)], in_flight: 0 };
    let many = FromServer::Requests { ended: (0..33).map(|number| request(1, number)).collect(), in_flight: 0 };
    let say = |message: FromServer| Box::new(move |worker: &Worker| worker.say(&message)) as Breaks;
    let bytes = |bytes: Vec<u8>| Box::new(move |worker: &Worker| worker.send(&bytes, false)) as Breaks;
    let cases: Vec<(Breaks, &str)> = vec![
        (say(FromServer::Accepts), "a second time"),
        (say(FromServer::Reads { connection: 7 }), "does not have"),
        (say(FromServer::Closed { connection: 7 }), "does not have"),
        (say(foreign), "does not have"),
        (say(long), "more about requests"),
        (say(many), "more about requests"),
        (bytes(b"hello".to_vec()), "no message"),
        (bytes(Vec::new()), "no message"),
        (bytes(vec![0xc0; 16 << 10]), "no message"),
        (bytes(vec![0x91; (16 << 10) + 1]), "no message"),
        // Nested more deeply than any message.
        (bytes(vec![0x91; 100]), "no message"),
        (Box::new(|worker| worker.send(b"\xa7Accepts", true)), "a descriptor"),
    ];
    for (breaks, what) in cases {
        run(async {
            let (dispatcher, hears, address) = Listening::start(settings());
            let (liar, honest) = (Worker::join(&dispatcher, "liar"), Worker::join(&dispatcher, "honest"));
            liar.accepts();
            let _client = client(address).await;
            let (id, _, held) = liar.connection().await;
            let mut standing = liar.standing();
            breaks(&liar);
            let broke = *standing.wait_for(|standing| matches!(standing, Standing::Broke(_))).await.unwrap();
            let [(attempt, told)] = &hears.breaches()[..] else { panic!("{:?}", hears.breaches()) };
            assert!(attempt == "liar" && told.contains(what) && broke == Standing::Broke(told), "{told}");
            liar.say(&FromServer::Reads { connection: id });
            honest.accepts();
            let _next = client(address).await;
            assert_eq!(honest.connection().await.0, 2);
            drop(held);
            liar.die();
            // What it said after that does not count: it has not read it.
            assert_eq!(honest.connection().await.0, id);
            assert_eq!(hears.breaches().len(), 1);
        });
    }
}

#[test]
fn where_nobody_may_wait_everybody_gets_the_same_503() {
    run(async {
        let (dispatcher, _, address) = Listening::start(DispatchSettings { waiting_max: 0, ..settings() });
        let refused = client(address).await;
        // What it has sent is thrown away: else the kernel would reset the connection.
        refused.try_write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let answer = read_all(&refused).await;
        assert_eq!(answer, refusal::ANSWER);
        let text = String::from_utf8(answer).unwrap();
        assert!(text.starts_with("HTTP/1.1 503 ") && text.ends_with("\r\n\r\n"), "{text}");
        assert!(text.contains("\r\nRetry-After: 1\r\n") && text.contains("\r\nConnection: close\r\n"), "{text}");
        let numbers = dispatcher.numbers();
        assert_eq!((numbers.accepted, numbers.refused_connections, numbers.waiting), (1, 1, 0));
        let worker = Worker::join(&dispatcher, "late");
        worker.accepts();
        soon(|| dispatcher.numbers().workers == 1).await;
        let taken = client(address).await;
        talks(&taken, &worker.connection().await.2).await;
    });
}

#[test]
fn beyond_those_that_may_wait_clients_are_left_in_the_kernels_queue() {
    run(async {
        let (dispatcher, _, address) = Listening::start(DispatchSettings { waiting_max: 1, ..settings() });
        let mut clients = Vec::new();
        for _ in 0..10 {
            clients.push(client(address).await);
        }
        soon(|| dispatcher.numbers().waiting == 1).await;
        // Another listener has a queue of its own, and nobody's place.
        let other = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let elsewhere = other.address();
        dispatcher.listen(other).unwrap();
        clients.push(client(elsewhere).await);
        let worker = Worker::join(&dispatcher, "late");
        worker.accepts();
        for _ in &clients {
            let (_, peer, held) = worker.connection().await;
            let is_it = |client: &&TcpStream| client.local_addr().unwrap().to_string() == peer;
            talks(clients.iter().find(is_it).unwrap(), &held).await;
        }
        let numbers = dispatcher.numbers();
        assert_eq!((numbers.accepted, numbers.refused_connections), (11, 0));
    });
}

#[test]
fn one_that_waits_for_too_long_gets_a_503_wherever_it_waits() {
    run(async {
        let (waiting_max, waiting_for) = (1, Duration::from_millis(20));
        let (dispatcher, _, address) = Listening::start(DispatchSettings { waiting_max, waiting_for, ..settings() });
        let clients = [client(address).await, client(address).await, client(address).await];
        for client in &clients {
            assert_eq!(read_all(client).await, refusal::ANSWER);
        }
        assert_eq!(dispatcher.numbers().refused_connections, 3);
    });
}

#[test]
fn a_worker_that_is_held_has_questions_alone_until_it_is_admitted() {
    run(async {
        let (dispatcher, hears, address) = Listening::start(settings());
        let worker = Worker::join_held(&dispatcher, "new");
        worker.accepts();
        let client = client(address).await;
        soon(|| dispatcher.numbers().waiting == 1).await;
        let (ours, theirs) = fake::connected().await;
        worker.membership().asker().ask(theirs.into_std().unwrap().into()).unwrap();
        let (question, _, held) = worker.connection().await;
        talks(&ours, &held).await;
        worker.say(&FromServer::Reads { connection: question });
        worker.say(&FromServer::Requests { ended: vec![request(question, 1)], in_flight: 0 });
        worker.say(&FromServer::Closed { connection: question });
        drop(held);
        assert_eq!(read_all(&ours).await, b"");
        worker.membership().asker().admit();
        let (id, _, held) = worker.connection().await;
        talks(&client, &held).await;
        worker.say(&FromServer::Reads { connection: id });
        worker.say(&FromServer::Requests { ended: vec![request(id, 2)], in_flight: 0 });
        soon(|| dispatcher.numbers().requests == 1).await;
        assert_eq!(hears.requests().len(), 1, "a question is no request of a client");
        assert!(hears.breaches().is_empty());
    });
}

#[test]
fn a_question_to_a_worker_that_is_not_there_any_more_has_its_end_closed() {
    run(async {
        let (dispatcher, ..) = Listening::start(settings());
        let worker = Worker::join(&dispatcher, "old");
        let asker = worker.membership().asker();
        worker.die();
        soon(|| dispatcher.numbers().workers == 0).await;
        let (ours, theirs) = fake::connected().await;
        asker.ask(theirs.into_std().unwrap().into()).unwrap();
        assert_eq!(read_all(&ours).await, b"");
    });
}

#[test]
fn connections_are_spread_evenly_over_workers() {
    let count: usize = std::env::var("SANDHOG_CONNECTIONS").map_or(1000, |count| count.parse().unwrap());
    run(async {
        let workers = 4;
        let per_worker = u32::try_from(count).unwrap();
        let (dispatcher, _, address) =
            Listening::start(DispatchSettings { connections_per_worker: per_worker, waiting_max: count, ..settings() });
        let mut serving = Vec::new();
        for number in 0..workers {
            let worker = Worker::join(&dispatcher, &format!("worker {number}"));
            worker.accepts();
            serving.push(tokio::spawn(async move {
                let mut held = Vec::new();
                // Each has its share, and waits for no more.
                while held.len() < count / workers {
                    let (id, _, socket) = worker.connection().await;
                    worker.say(&FromServer::Reads { connection: id });
                    held.push(socket);
                }
                (worker, held)
            }));
        }
        let mut clients = Vec::new();
        let begun = std::time::Instant::now();
        for _ in 0..count {
            clients.push(client(address).await);
        }
        let mut kept = Vec::new();
        for serving in serving {
            kept.push(serving.await.unwrap());
        }
        println!("{count} connections in {:?}", begun.elapsed());
        let numbers = dispatcher.numbers();
        assert_eq!((numbers.connections, numbers.refused_connections), (count as u64, 0));
    });
}

#[test]
fn what_the_socket_of_a_worker_has_no_room_for_comes_when_it_has() {
    run(async {
        let count = 1000;
        let (dispatcher, _, address) = Listening::start(DispatchSettings {
            connections_per_worker: count,
            waiting_max: count as usize,
            ..settings()
        });
        let worker = Worker::join(&dispatcher, "slow");
        worker.accepts();
        let mut clients = Vec::new();
        for _ in 0..count {
            clients.push(client(address).await);
        }
        soon(|| dispatcher.numbers().accepted == u64::from(count)).await;
        let numbers = dispatcher.numbers();
        assert!(numbers.waiting > 0 && numbers.connections > 10, "{numbers:?}");
        let mut held = Vec::new();
        for expected in 1..=u64::from(count) {
            let (id, _, socket) = worker.connection().await;
            assert_eq!(id, expected, "in the order in which they came");
            held.push(socket);
        }
        soon(|| dispatcher.numbers().waiting == 0).await;
    });
}

#[test]
fn a_worker_whose_socket_is_full_is_told_to_finish_as_soon_as_there_is_room() {
    run(async {
        let (dispatcher, _, address) =
            Listening::start(DispatchSettings { connections_per_worker: 5000, waiting_max: 5000, ..settings() });
        let worker = Worker::join(&dispatcher, "slow");
        worker.accepts();
        let mut clients = Vec::new();
        while dispatcher.numbers().waiting == 0 {
            clients.push(client(address).await);
        }
        worker.finish();
        // It was tried before anything is taken out of the socket.
        soon(|| dispatcher.numbers().workers == 0).await;
        let mut given = 0;
        while let ToServer::Connection { .. } = worker.hear().await.message {
            given += 1;
        }
        assert!(given > 0 && given < clients.len());
    });
}

#[test]
fn after_a_drain_nobody_listens_and_nothing_is_left_here() {
    run(async {
        let (dispatcher, _, address) = Listening::start(settings());
        let worker = Worker::join(&dispatcher, "only");
        worker.accepts();
        let (read, unread) = (client(address).await, client(address).await);
        let (first, ..) = worker.connection().await;
        let (second, _, held) = worker.connection().await;
        worker.say(&FromServer::Reads { connection: first });
        let drained = tokio::spawn({
            let dispatcher = dispatcher.clone();
            async move { dispatcher.drain().await }
        });
        // Nobody listens there any more.
        soon(|| Listener::bind(address).is_ok()).await;
        assert!(!drained.is_finished(), "one is unread");
        worker.finish();
        assert_eq!(worker.hear().await.message, ToServer::Finish);
        drop(held);
        worker.say(&FromServer::Declined { connection: second });
        assert_eq!(read_all(&unread).await, refusal::ANSWER);
        drained.await.unwrap();
        assert_eq!(dispatcher.numbers().connections, 1, "the worker is not done with the other");
        drop(read);
    });
}

#[test]
fn without_descriptors_clients_wait_and_one_word_says_so() {
    let name = "dispatcher::tests::without_descriptors_clients_wait_and_one_word_says_so";
    // In a process of its own: the limit is that of all tests.
    if !few_files(name) {
        return;
    }
    run(async {
        let (dispatcher, hears, address) = Listening::start(settings());
        let mut clients = vec![client(address).await];
        soon(|| dispatcher.numbers().accepted == 1).await;
        let mut hoard = Vec::new();
        while let Ok(file) = std::fs::File::open("/dev/null") {
            hoard.push(file);
        }
        // One is for the client, and none for the other end of it.
        drop(hoard.pop());
        clients.push(client(address).await);
        soon(|| !hears.problems().is_empty()).await;
        assert!(hears.problems()[0].ends_with("this process has as many files open as it may (ulimit -n)"));
        let turns = fake::cpu_time();
        tokio::time::sleep(Duration::from_millis(500)).await;
        let used = fake::cpu_time() - turns;
        // Five tries take less than one millisecond; whoever spins has more than this on any machine.
        assert!(used < Duration::from_millis(20), "it spins: {used:?}");
        hoard.clear();
        soon(|| dispatcher.numbers().accepted == 2).await;
        assert_eq!(hears.problems().len(), 1);
    });
}
