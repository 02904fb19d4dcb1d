//! The daemon's control socket, by bytes: what the document says is there, and nothing that a client does ends the daemon, or
//! makes it large.

mod wire;

use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_res_gid, set_thread_res_uid};
use sandhog_harness::http::{Answer, Client, Coming};
use sandhog_harness::{
    Command, Daemon, Folder, Need, Person, chown, missing, module,
    process::{descriptors, peak_bytes, resident_bytes},
    root_or_missing, until,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use wire::{ask, connect, refused, request};

/// What the daemon may grow by at the most while a client misbehaves: its bound for all bodies together, and room to breathe.
const GROWTH_BYTES: u64 = 96 << 20;

const METHODS: [&str; 6] = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];

fn get(daemon: &Daemon, path: &str) -> Answer {
    ask(&daemon.socket(), "GET", path, "")
}

fn post(daemon: &Daemon, path: &str, body: &Value) -> Answer {
    ask(&daemon.socket(), "POST", path, &body.to_string())
}

/// It answers everybody else as before.
#[track_caller]
fn expect_serves(daemon: &Daemon) {
    let about = get(daemon, "/v1/daemon");
    assert_eq!((about.status, &about.json()["pid"]), (200, &daemon.pid().into()), "{about:?}");
    daemon.well(&["ps"]);
}

/// Method and path of each route that the daemon says it has.
fn documented(daemon: &Daemon) -> BTreeSet<(String, String)> {
    let document = get(daemon, "/v1/openapi.json").json();
    let paths = document["paths"].as_object().unwrap().clone();
    let routes = paths.into_iter().flat_map(|(path, methods)| {
        let methods: Vec<_> = methods.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
        methods.into_iter().map(move |method| (method, path.clone()))
    });
    routes.collect()
}

/// A request of each kind that goes well, in this order, and what is in its answer.
fn good_requests() -> Vec<(&'static str, &'static str, Value)> {
    let select = json!({ "select": ["web"], "wait": true });
    let web = json!({ "name": "web", "module": module("sleep_forever"), "ready": "10ms" });
    vec![
        ("POST", "/v1/apply", json!({ "jobs": [web] })),
        ("POST", "/v1/start", select.clone()),
        ("GET", "/v1/daemon", Value::Null),
        ("GET", "/v1/instances", Value::Null),
        ("GET", "/v1/jobs", Value::Null),
        ("GET", "/v1/jobs/{name}", Value::Null),
        ("GET", "/v1/logs", Value::Null),
        ("GET", "/v1/events", Value::Null),
        ("GET", "/v1/objects", Value::Null),
        ("POST", "/v1/scale", json!({ "job": "web", "instances": 2, "wait": true })),
        ("POST", "/v1/send", json!({ "select": ["web"], "message": "1" })),
        ("POST", "/v1/signal", json!({ "select": ["web"], "signal": "STOP" })),
        ("POST", "/v1/signal", json!({ "select": ["web"], "signal": "CONT" })),
        ("POST", "/v1/reload", select.clone()),
        ("POST", "/v1/restart", select.clone()),
        ("POST", "/v1/stop", select.clone()),
        ("POST", "/v1/delete", select),
        ("GET", "/v1/openapi.json", Value::Null),
        ("GET", "/metrics", Value::Null),
        ("POST", "/v1/shutdown", json!({})),
    ]
}

#[test]
fn every_route_of_the_document_answers() {
    let mut daemon = Daemon::start();
    let requests = good_requests();
    let tried: BTreeSet<_> = requests.iter().map(|(method, path, _)| ((*method).into(), (*path).into())).collect();
    assert_eq!(tried, documented(&daemon), "a route is in the document or in this test alone");
    for (method, path, body) in requests {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = ask(&daemon.socket(), method, &path.replace("{name}", "web"), &body);
        assert_eq!(answer.status, 200, "{method} {path}: {}", String::from_utf8_lossy(&answer.body));
    }
    assert_eq!(daemon.wait().code, 0, "shutdown ends it");
}

#[test]
fn no_other_method_and_no_other_path_answers() {
    let daemon = Daemon::start();
    let routes = documented(&daemon);
    let mut methods: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (method, path) in &routes {
        methods.entry(path).or_default().insert(method);
    }
    for (path, right) in methods {
        for method in METHODS.into_iter().filter(|method| !right.contains(method)) {
            let answer = ask(&daemon.socket(), method, &path.replace("{name}", "web"), "");
            refused(&answer, 405);
            // Whatever is asked for by GET can be asked for by HEAD.
            let head = right.contains("GET").then_some("HEAD");
            let allow = right.iter().copied().chain(head).collect::<Vec<_>>().join(", ").to_lowercase();
            assert_eq!(answer.header("allow").map(str::to_lowercase), Some(allow), "{answer:?}");
        }
    }
    for path in
        ["/", "/v1", "/v1/", "/v2/daemon", "/v1/daemon/", "/v1/jobs/", "/v1/jobs/a/b", "//v1/daemon", "/v1/%64aemon"]
    {
        refused(&get(&daemon, path), 404);
    }
    let near = get(&daemon, "/v1/instance");
    refused(&near, 404);
    assert_eq!(near.json()["hint"], "do you mean /v1/instances? GET /v1/openapi.json has them all");
    expect_serves(&daemon);
}

/// The people's way to it.
#[test]
fn curl_reads_it() {
    if std::process::Command::new("curl").arg("--version").output().is_err() {
        missing(Need::Program, "there is no curl");
        return;
    }
    let daemon = Daemon::start();
    let curl = |path: &str| {
        let (socket, url) = (daemon.socket(), format!("http://sandhog{path}"));
        let output = std::process::Command::new("curl")
            .args(["--silent", "--unix-socket"])
            .arg(socket)
            .arg(url)
            .output()
            .unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    };
    assert_eq!(curl("/v1/daemon")["pid"], daemon.pid());
    assert_eq!(curl("/v1/instances"), json!([]));
    assert_eq!(curl("/v1/openapi.json")["openapi"], "3.1.0");
}

#[test]
fn one_connection_takes_many_requests_one_after_the_other() {
    let daemon = Daemon::start();
    let mut line = connect(&daemon.socket());
    line.send(request("GET", "/v1/daemon", "").repeat(50)).unwrap();
    for _ in 0..50 {
        assert_eq!(line.answer().unwrap().status, 200);
    }
    line.send(request("POST", "/v1/stop", "{}")).unwrap();
    refused(&line.answer().unwrap(), 400);
    line.send(request("GET", "/v1/daemon", "")).unwrap();
    assert_eq!(line.answer().unwrap().status, 200, "what was refused does not end the connection");
}

/// Both at once, so that the test waits only once.
#[test]
fn a_client_that_stalls_is_cut_off_and_nobody_waits_for_it() {
    let daemon = Daemon::start();
    let mut nothing = connect(&daemon.socket());
    let (mut head, mut body) = (connect(&daemon.socket()), connect(&daemon.socket()));
    head.send("GET /v1/daemon HTTP/1.1\r\nHost: sand").unwrap();
    body.send("POST /v1/stop HTTP/1.1\r\nHost: sandhog\r\nContent-Length: 30\r\n\r\n{\"select\":").unwrap();
    expect_serves(&daemon);
    refused(&body.answer().expect("a word"), 408);
    for line in [&mut nothing, &mut head] {
        let said = String::from_utf8(line.rest()).unwrap();
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said:?}");
    }
    expect_serves(&daemon);
}

#[test]
fn four_gibibytes_are_refused_when_they_are_announced() {
    let daemon = Daemon::start();
    for path in ["/v1/stop", "/v1/apply", "/v1/daemon"] {
        let mut line = connect(&daemon.socket());
        let method = if path == "/v1/daemon" { "GET" } else { "POST" };
        line.send(format!("{method} {path} HTTP/1.1\r\nHost: sandhog\r\nContent-Length: {}\r\n\r\n", 4_u64 << 30))
            .unwrap();
        refused(&line.answer().expect("a word"), 413);
    }
    expect_serves(&daemon);
}

#[test]
fn four_gibibytes_that_nobody_announced_are_refused_on_the_way() {
    let daemon = Daemon::start();
    let before = peak_bytes(daemon.pid()).unwrap();
    let piece = format!("{:x}\r\n{}\r\n", 1 << 20, " ".repeat(1 << 20));
    for (path, most) in [("/v1/stop", 1_u64), ("/v1/apply", 32)] {
        let mut line = connect(&daemon.socket());
        line.send(format!("POST {path} HTTP/1.1\r\nHost: sandhog\r\nTransfer-Encoding: chunked\r\n\r\n")).unwrap();
        let sent = (0..4096).take_while(|_| line.send(&piece).is_ok()).count() as u64;
        assert!(sent < most + 4, "{path}: {sent} MiB were taken");
        let said = String::from_utf8_lossy(&line.rest()).into_owned();
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 413 "), "{said}");
    }
    let grown = peak_bytes(daemon.pid()).unwrap() - before;
    assert!(grown < GROWTH_BYTES, "it took {grown} bytes more");
    expect_serves(&daemon);
}

#[test]
fn a_flood_of_headers_is_refused() {
    let daemon = Daemon::start();
    let before = peak_bytes(daemon.pid()).unwrap();
    let floods = [
        (0..1_000_000).map(|number| format!("X-{number}: y\r\n")).collect::<String>(),
        format!("X: {}\r\n", "y".repeat(16 << 20)),
        (0..200).map(|number| format!("X-{number}: y\r\n")).collect(),
    ];
    for flood in floods {
        let mut line = connect(&daemon.socket());
        // It may have had enough before all was said.
        let _ =
            line.send("GET /v1/daemon HTTP/1.1\r\n").and_then(|()| line.send(&flood)).and_then(|()| line.send("\r\n"));
        let said = String::from_utf8_lossy(&line.rest()).into_owned();
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 431 ") || said.starts_with("HTTP/1.1 400 "), "{said}");
    }
    let mut line = connect(&daemon.socket());
    let _ = line.send(request("GET", &format!("/{}", "x".repeat(1 << 20)), ""));
    let said = String::from_utf8_lossy(&line.rest()).into_owned();
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 414 ") || said.starts_with("HTTP/1.1 431 "), "{said}");
    let grown = peak_bytes(daemon.pid()).unwrap() - before;
    assert!(grown < GROWTH_BYTES, "it took {grown} bytes more");
    expect_serves(&daemon);
}

#[test]
fn what_is_no_request_is_no_harm() {
    let daemon = Daemon::start();
    let mut random = 0x5a17_d009_u64;
    let mut noise = |length: usize| -> Vec<u8> {
        let mut byte = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 56) as u8
        };
        (0..length).map(|_| byte()).collect()
    };
    let mut garbage: Vec<Vec<u8>> = (0..200).map(|number| noise(1 << (number % 14))).collect();
    garbage.extend([
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"GET /v1/daemon HTTP/0.9\r\n\r\n".to_vec(),
        b"GET /v1/daemon\r\n".to_vec(),
        b"\r\n\r\n\r\n".to_vec(),
        b"GET /v1/\x00daemon HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"POST /v1/stop HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n".to_vec(),
        b"POST /v1/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}".to_vec(),
        b"POST /v1/stop HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n".to_vec(),
        b"POST /v1/stop HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n{}\r\n".to_vec(),
    ]);
    for bytes in garbage {
        let mut line = connect(&daemon.socket());
        // It may go as soon as it sees what this is.
        let _ = line.send(&bytes);
        line.finish_sending();
        let said = String::from_utf8_lossy(&line.rest()).into_owned();
        assert!(!said.starts_with("HTTP/1.1 2"), "{:?}: {said}", String::from_utf8_lossy(&bytes));
    }
    expect_serves(&daemon);
}

#[test]
fn a_body_that_makes_no_sense_is_refused_with_a_sentence() {
    let daemon = Daemon::start();
    for body in [
        "",
        "{",
        "null",
        "[]",
        "\"\u{1b}[2J\"",
        "{\"select\": \"web\"}",
        "{\"selct\": [\"web\"]}",
        "{\"select\": [\"web\"], \"\u{1b}]0;x\u{7}\": 1}",
        "{\"select\": [1e999]}",
        &"[".repeat(1 << 19),
        &"{\"a\":".repeat(1 << 17),
    ] {
        for path in ["/v1/stop", "/v1/apply", "/v1/scale", "/v1/send", "/v1/signal"] {
            refused(&ask(&daemon.socket(), "POST", path, body), 400);
        }
    }
    let mut line = connect(&daemon.socket());
    line.send(b"POST /v1/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n\xff\xfe").unwrap();
    refused(&line.answer().unwrap(), 400);
    for query in [
        "/v1/events?last=x",
        "/v1/events?lst=1",
        "/v1/logs?lines=-1",
        "/v1/instances?select=%ff",
        "/v1/events?last=1&last=2",
    ] {
        refused(&get(&daemon, query), 400);
    }
    expect_serves(&daemon);
}

#[test]
fn names_from_a_client_are_checked_and_shown_harmlessly() {
    let daemon = Daemon::start();
    for name in
        ["a/b", "a\nb", "\u{1b}[2J", "w\u{435}b", "w\u{202e}b", "all", "7", "", ".hidden", "..", &"x".repeat(1000)]
    {
        let job = json!({ "name": name, "module": module("hello") });
        refused(&post(&daemon, "/v1/apply", &json!({ "jobs": [job] })), 400);
        let group = json!({ "name": "web", "group": name, "module": module("hello") });
        if !name.is_empty() {
            refused(&post(&daemon, "/v1/apply", &json!({ "jobs": [group] })), 400);
        }
        let stop = post(&daemon, "/v1/stop", &json!({ "select": [name] }));
        assert!([200, 400, 404].contains(&stop.status), "{stop:?}");
        if stop.status != 200 {
            refused(&stop, stop.status);
        }
    }
    assert_eq!(refused(&get(&daemon, "/v1/jobs/%1b%5b2J"), 404).matches('\u{1b}').count(), 0);
    let relative = json!({ "name": "web", "module": "hello.wasm" });
    refused(&post(&daemon, "/v1/apply", &json!({ "jobs": [relative] })), 400);
    assert_eq!(get(&daemon, "/v1/instances").json(), json!([]), "nothing was half-done");
    expect_serves(&daemon);
}

/// One bad job among many: none of them is made.
#[test]
fn an_apply_with_one_fault_changes_nothing() {
    let daemon = Daemon::start();
    let job = |number: usize| json!({ "name": format!("job-{number}"), "module": module("sleep_forever") });
    let mut jobs: Vec<Value> = (0..100).map(job).collect();
    jobs[99]["memory"] = "64".into();
    refused(&post(&daemon, "/v1/apply", &json!({ "jobs": jobs })), 400);
    jobs[99] = job(0);
    refused(&post(&daemon, "/v1/apply", &json!({ "jobs": jobs })), 400);
    jobs[99] = json!({ "name": "job-99", "module": module("sleep_forever"), "after": ["job-100"] });
    refused(&post(&daemon, "/v1/apply", &json!({ "jobs": jobs })), 400);
    assert_eq!(get(&daemon, "/v1/instances").json(), json!([]));
    assert_eq!(get(&daemon, "/v1/events?last=1000").body.iter().filter(|byte| **byte == b'\n').count(), 1);
}

#[test]
fn three_hundred_connections_at_once_are_no_harm() {
    let daemon = Daemon::start();
    let before = descriptors(daemon.pid());
    let mut lines: Vec<Client> = (0..300).map(|_| connect(&daemon.socket())).collect();
    for line in &mut lines[..200] {
        line.send(request("GET", "/v1/daemon", "")).unwrap();
    }
    for line in &mut lines[..200] {
        assert_eq!(line.answer().expect("an answer").status, 200);
    }
    assert!(descriptors(daemon.pid()) < before + 300, "not all are taken in at once");
    drop(lines);
    expect_serves(&daemon);
    until("all connections being closed", || (descriptors(daemon.pid()) <= before + 1).then_some(()));
}

/// Of what the job writes meanwhile, the follower gets what it reads; the rest is nowhere.
#[test]
fn a_follower_that_never_reads_costs_nothing() {
    let daemon = Daemon::start();
    daemon.up_and_on(&format!(
        "[job.spew]\nmodule = {:?}\nrestart = \"always\"\nintensity = {{ restarts = 10000, within = \"1s\" }}\n\
         backoff = {{ first = \"1ms\", max = \"10ms\" }}\ntimeout = \"200ms\"\n",
        module("spew")
    ));
    let follow = |path: &str| {
        let mut line = connect(&daemon.socket());
        line.send(request("GET", path, "")).unwrap();
        line.follow(200).unwrap()
    };
    let followers: Vec<Coming> =
        (0..4).flat_map(|_| ["/v1/logs?follow=true", "/v1/events?follow=true"].map(follow)).collect();
    let restarts = || daemon.instance("spew").restarts;
    let after = |count: u64| {
        let from = restarts();
        until("the job being started again", || (restarts() >= from + count).then_some(()));
        resident_bytes(daemon.pid()).unwrap()
    };
    let first = after(20);
    let second = after(20);
    assert!(second < first + (32 << 20), "from {first} to {second} bytes");
    drop(followers);
    expect_serves(&daemon);
}

#[test]
fn a_client_that_goes_in_the_middle_is_no_harm() {
    let daemon = Daemon::start();
    let before = descriptors(daemon.pid());
    for number in 0..200_usize {
        let whole = request("GET", "/v1/events?last=10000&follow=true", "");
        let mut line = connect(&daemon.socket());
        line.send(&whole[..whole.len() - number % whole.len()]).unwrap();
    }
    expect_serves(&daemon);
    until("all connections being closed", || (descriptors(daemon.pid()) <= before + 1).then_some(()));
}

/// Does something as an ordinary user, in a thread of its own: only its credentials change.
fn as_ordinary<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let (uid, gid) = (Uid::from_raw(Person::MADE_UP.uid()), Gid::from_raw(Person::MADE_UP.uid()));
            set_thread_res_gid(gid, gid, gid).unwrap();
            set_thread_res_uid(uid, uid, uid).unwrap();
            work()
        });
        worker.join().unwrap()
    })
}

#[test]
fn another_user_does_not_get_in() {
    if !root_or_missing("being another user") {
        return;
    }
    let daemon = Daemon::start();
    let socket = daemon.socket();
    let set = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let modes =
        [socket.parent().unwrap(), &socket].map(|path| fs::metadata(path).unwrap().permissions().mode() & 0o777);
    assert_eq!(modes, [0o700, 0o600]);
    // The folder alone keeps others out.
    set(&socket, 0o666);
    let closed = as_ordinary(|| Client::to_socket(&socket).err().expect("the folder is closed"));
    assert_eq!(closed.kind(), std::io::ErrorKind::PermissionDenied);
    // And where it does not, the kernel says who it is.
    set(socket.parent().unwrap(), 0o755);
    for (method, path, body) in
        [("GET", "/v1/daemon", ""), ("GET", "/v1/logs", ""), ("POST", "/v1/shutdown", "{}"), ("GET", "/x", "")]
    {
        let sentence = refused(&as_ordinary(|| ask(&socket, method, path, body)), 403);
        assert_eq!(sentence, "this daemon serves the user with the id 0 and nobody else");
    }
    expect_serves(&daemon);
}

#[test]
fn root_gets_in_with_an_ordinary_users_daemon() {
    if !root_or_missing("being two users") {
        return;
    }
    let scratch = Folder::new();
    chown(scratch.path(), Person::MADE_UP.uid());
    let at = |name: &str| scratch.join(name).to_str().unwrap().to_owned();
    let run =
        Command::sandhog(["daemon"]).env("SANDHOG_STATE_DIR", at("state")).env("SANDHOG_RUNTIME_DIR", at("runtime"));
    let daemon = run.by_ordinary_user().start();
    daemon.stderr.until_has("sandhog: ready, at ");
    // It lives in a user namespace in which root outside has no number.
    let answer = ask(&scratch.join("runtime/control.sock"), "GET", "/v1/daemon", "");
    refused(&answer, 403);
    let own = as_ordinary(|| ask(&scratch.join("runtime/control.sock"), "GET", "/v1/daemon", ""));
    assert_eq!(own.status, 200, "{own:?}");
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(daemon.wait().code, 0);
}

#[test]
fn a_stale_socket_is_in_nobodys_way_and_a_file_in_its_place_is_told() {
    let scratch = Folder::new();
    fs::create_dir(scratch.join("runtime")).unwrap();
    fs::set_permissions(scratch.join("runtime"), fs::Permissions::from_mode(0o700)).unwrap();
    drop(UnixListener::bind(scratch.join("runtime/control.sock")).unwrap());
    let mut daemon = Daemon::start_in(scratch);
    expect_serves(&daemon);
    assert_eq!(daemon.stop().code, 0);
    assert!(!daemon.socket().exists(), "it goes with the daemon");
    fs::write(daemon.socket(), "precious").unwrap();
    let said = daemon.run(&["daemon"]);
    let socket = daemon.socket();
    said.reported(
        126,
        &format!(
            "sandhog: {socket:?} is where the control socket is to be, and it is no socket: remove it, or set \
             SANDHOG_RUNTIME_DIR\n"
        ),
    );
    assert_eq!(fs::read_to_string(socket).unwrap(), "precious");
}

#[test]
fn a_second_daemon_to_one_directory_is_refused() {
    let daemon = Daemon::start();
    let other = Folder::new();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    for (state, runtime) in [
        (daemon.path("state"), daemon.path("runtime")),
        (daemon.path("state"), other.join("runtime")),
        (other.join("state"), daemon.path("runtime")),
    ] {
        let run = Command::sandhog(["daemon"]).env("SANDHOG_STATE_DIR", path(&state));
        let outcome = run.env("SANDHOG_RUNTIME_DIR", path(&runtime)).run();
        assert_eq!(outcome.code, 126, "{outcome:#?}");
        let who = format!("process {}, at {}", daemon.pid(), daemon.socket().display());
        let said = format!("sandhog: a daemon runs already: {who}\n  hint: sandhog ps shows what it keeps up; ");
        assert!(outcome.stderr.starts_with(&said), "{outcome:#?}");
        assert_eq!(outcome.stderr.lines().count(), 2, "{outcome:#?}");
    }
    expect_serves(&daemon);
}

#[test]
fn many_ups_at_once_start_one_daemon() {
    let folder = Folder::new();
    let text = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    folder.file("sandhog.toml", format!("[job.web]\nmodule = {:?}\nready = \"10ms\"\n", module("sleep_forever")));
    let command = |words: &[&str]| {
        let run = Command::sandhog(words).current_dir(folder.path());
        run.env("SANDHOG_STATE_DIR", text("state")).env("SANDHOG_RUNTIME_DIR", text("runtime"))
    };
    let ups: Vec<_> = (0..8).map(|_| command(&["up"]).start()).collect();
    let ended: Vec<_> = ups.into_iter().map(|up| up.wait()).collect();
    let log = fs::read_to_string(folder.join("state/daemon.log")).unwrap_or_default();
    let down = command(&["down", "all", "--daemon"]).run();
    for outcome in ended {
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{outcome:#?}");
    }
    assert_eq!(log.matches("sandhog: ready").count(), 1, "{log}");
    assert_eq!(down.code, 0, "{down:#?}");
    until("the daemon being gone", || (!folder.join("runtime/control.sock").exists()).then_some(()));
}
