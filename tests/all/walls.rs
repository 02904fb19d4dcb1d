//! Facts about the walls, by native probes in the guest's place: what a hostile guest that broke out of WebAssembly meets.
//!
//! Each probe that a wall stops has its twin: the same probe without any wall, which comes through.

use rustix::process::Signal;
use sandhog_harness::{Command, Folder, Need, Outcome, Person, is_root, missing, until};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::Child;
use std::thread;

const WALLS: [&str; 9] =
    ["namespaces", "root", "identity", "capabilities", "rlimits", "cgroup", "directories", "landlock", "seccomp"];

/// Highest number of a system call that is tried: Linux 6.18 ends at 469.
const LAST_CALL: u64 = 470;

/// uretprobe and uprobe: since Linux 6.14 the kernel lets them pass every filter, and ends whoever does not come from
/// one of its own probes (kernel/seccomp.c, `seccomp_uprobe_exception`).
const PASS_EVERY_FILTER: [u64; 2] = [335, 336];

/// What an abort would signal itself by.
const TGKILL: u64 = 234;

fn doctor(args: &[&str]) -> Command {
    Command::sandhog(["doctor"]).flags(args)
}

fn json(output: &Outcome) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// One probe behind all walls.
fn probe(name: &str) -> Value {
    json(&doctor(&["--probe", name]).run())
}

fn probe_with(name: &str, walls: &str) -> Value {
    json(&doctor(&["--probe", name, "--with", walls]).run())
}

/// The twin: one probe with no wall at all.
fn probe_bare(name: &str) -> Value {
    json(&doctor(&["--probe", name, "--without", &WALLS.join(",")]).run())
}

fn assert_stopped(names: &[&str]) {
    for name in names {
        let found = probe(name);
        assert_eq!(found["stopped"], true, "{found}");
    }
}

fn assert_denied(names: &[&str]) {
    for name in names {
        let found = probe(name);
        assert_eq!(found["verdict"], "denied", "{found}");
    }
}

fn assert_comes_through_without_walls(names: &[&str]) {
    for name in names {
        let found = probe_bare(name);
        assert_eq!(found["stopped"], false, "{found}");
    }
}

/// True as root; else says which walls were not tried.
fn as_root(walls: &str) -> bool {
    if !is_root() {
        missing(Need::Root, &format!("not root, so that these walls were not tried: {walls}"));
    }
    is_root()
}

/// A process of the test's own that only sleeps.
struct Sleeper(Child);

impl Sleeper {
    fn new() -> Self {
        Self(std::process::Command::new("sleep").arg("600").spawn().unwrap())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The rows by the name of their wall, with the cells that are not as they must be.
fn red_cells(report: &Value) -> BTreeSet<String> {
    let rows = report["walls"].as_array().unwrap();
    assert_eq!(rows.iter().map(|row| row["wall"].as_str().unwrap()).collect::<Vec<_>>(), WALLS);
    let cells = rows.iter().flat_map(|row| ["control", "alone", "all"].map(|cell| (row, cell)));
    let red = cells.filter(|(row, cell)| row[*cell]["ok"] != true);
    red.map(|(row, cell)| format!("{} {cell}", row["wall"].as_str().unwrap())).collect()
}

fn state_of(report: &Value, wall: &str) -> String {
    let row = report["walls"].as_array().unwrap().iter().find(|row| row["wall"] == wall).unwrap();
    row["here"].as_str().unwrap().to_owned()
}

#[test]
fn as_root_every_wall_stands_and_stops_its_probe_alone() {
    if !as_root("identity, cgroup") {
        return;
    }
    let output = doctor(&["--json"]).run();
    let report = json(&output);
    assert_eq!(red_cells(&report), BTreeSet::new(), "{report}");
    assert_eq!((output.exited(), &report["ok"]), (Some(0), &Value::Bool(true)));
    for row in report["walls"].as_array().unwrap() {
        assert_ne!(row["here"], "missing", "{row}");
        let stopped = ["control", "alone", "all"].map(|cell| row[cell]["stopped"].as_bool());
        assert_eq!(stopped, [Some(false), Some(true), Some(true)], "{row}");
    }
}

#[test]
fn for_an_ordinary_user_identity_and_cgroup_are_weak_and_the_rest_stands() {
    let output = Folder::of(Person::ordinary()).sandhog(["doctor", "--json"]).run();
    let report = json(&output);
    assert_eq!((red_cells(&report), output.exited()), (BTreeSet::new(), Some(0)), "{report}");
    for wall in WALLS {
        let state = state_of(&report, wall);
        match wall {
            "identity" | "cgroup" => assert_eq!(state, "weak", "{wall}"),
            _ => assert_ne!(state, "missing", "{wall}"),
        }
    }
}

#[test]
fn a_step_that_is_taken_away_turns_exactly_its_own_cell_red() {
    as_root("identity, cgroup");
    let own = WALLS.into_iter().filter(|wall| is_root() || !["identity", "cgroup"].contains(wall));
    for wall in own {
        let output = doctor(&["--json", "--without", wall]).run();
        let report = json(&output);
        assert_eq!(red_cells(&report), BTreeSet::from([format!("{wall} alone")]), "{report}");
        assert_eq!((output.exited(), &report["ok"]), (Some(1), &Value::Bool(false)));
    }
}

#[test]
fn people_get_a_table_that_says_what_it_means() {
    let output = doctor(&[]).run();
    let text = String::from_utf8(output.stdout).unwrap();
    let first = text.lines().next().unwrap();
    assert!(first.starts_with("WALL") && first.ends_with("ALL WALLS"), "{text}");
    assert!(WALLS.iter().all(|wall| text.lines().any(|line| line.starts_with(wall))), "{text}");
    assert!(text.contains("each stops its probe alone") && !text.contains('✗'), "{text}");
}

#[test]
fn every_system_call_that_is_not_on_the_list_is_denied() {
    let report = json(&doctor(&["--json"]).run());
    let allowed = report["allowed_syscalls"].as_array().unwrap();
    let allowed: BTreeSet<u64> = allowed.iter().map(|call| call["number"].as_u64().unwrap()).collect();
    assert!((30..100).contains(&allowed.len()), "{allowed:?}");
    let answered = report["answered_syscalls"].as_array().unwrap();
    let answered: BTreeSet<u64> = answered.iter().map(|call| call["number"].as_u64().unwrap()).collect();
    for number in &answered {
        // Not made either: an error that the kernel itself has for none of them, EALREADY, or none for zeros: tgkill's EPERM.
        let expected = if *number == TGKILL { "EPERM" } else { "errno 114" };
        let found = probe(&format!("syscall:{number}"));
        assert_eq!((&found["stopped"], &found["detail"]), (&Value::Bool(true), &Value::from(expected)), "{found}");
    }
    let listed = |number: &u64| allowed.contains(number) || answered.contains(number);
    let exempt = |number: &u64| listed(number) || PASS_EVERY_FILTER.contains(number);
    let forbidden: Vec<u64> = (0..=LAST_CALL).filter(|number| !exempt(number)).collect();
    let (one, two) = forbidden.split_at(forbidden.len() / 2);
    thread::scope(|scope| {
        for half in [one, two] {
            scope.spawn(|| half.iter().for_each(|number| assert_denied(&[&format!("syscall:{number}")])));
        }
    });
}

#[test]
fn the_other_entries_to_the_kernel_are_denied() {
    // read, execve, and two numbers of that entry's own: execve and writev.
    assert_denied(&["x32:0", "x32:59", "x32:520", "x32:516"]);
    let found = probe("int80");
    if found["verdict"] == "killed" {
        eprintln!("the 32-bit entry: this kernel has none, and ends whoever tries it: {found}");
    } else {
        assert_eq!(found["verdict"], "denied", "{found}");
    }
}

#[test]
fn a_call_is_never_tried_for_real() {
    let output = doctor(&["--probe", "syscall:169", "--without", "seccomp"]).run();
    assert_eq!(output.exited(), Some(126));
    assert!(output.stderr.contains("seccomp"));
}

#[test]
fn a_probe_that_does_not_exist_is_refused() {
    for name in ["", "nothing", "connect:x", "read:relative", "kill:-1"] {
        let output = doctor(&["--probe", name]).run();
        assert_eq!((output.exited(), output.stdout.len()), (Some(126), 0), "{name}");
    }
}

#[test]
fn nothing_outside_of_the_grants_is_read() {
    assert_stopped(&["read:/etc/passwd", "read:/proc/self/root/etc/passwd", "proc", "cwd-escape", "own-executable"]);
    assert_comes_through_without_walls(&["read:/etc/passwd", "proc", "cwd-escape"]);
}

#[test]
fn nothing_changes_in_a_directory_that_is_granted_for_reading() {
    let names = ["chmod-granted", "setxattr-granted", "utimes-granted", "create-granted"];
    assert_stopped(&names);
    // The mount alone holds all of it, Landlock alone only what makes or writes.
    for name in names {
        let found = probe_with(name, "directories");
        assert_eq!((&found["stopped"], &found["detail"]), (&Value::Bool(true), &Value::from("EROFS")), "{found}");
    }
    assert_eq!(probe_with("create-granted", "landlock")["detail"], "EACCES");
    assert_comes_through_without_walls(&["chmod-granted", "utimes-granted", "create-granted"]);
}

#[test]
fn no_socket_leads_anywhere() {
    let scratch = Folder::new().open();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let path = scratch.path().join("socket");
    let _path = UnixListener::bind(&path).unwrap();
    let name = format!("sandhog-walls-{}", std::process::id());
    let _abstract = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    let names = [
        format!("connect:{}", tcp.local_addr().unwrap().port()),
        format!("abstract-socket:{name}"),
        format!("path-socket:{}", path.display()),
        "udp".into(),
    ];
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_denied(&names);
    assert_comes_through_without_walls(&names);
    // Were there sockets: the namespace, the root and Landlock still stand.
    assert_eq!(probe_with(names[0], "namespaces")["detail"], "ENETUNREACH");
    assert_eq!(probe_with(names[1], "namespaces")["detail"], "ECONNREFUSED");
    assert_eq!(probe_with(names[2], "root")["detail"], "ENOENT");
}

#[test]
fn no_other_process_is_signalled_or_traced() {
    let mut sleeper = Sleeper::new();
    let pid = sleeper.0.id();
    assert_denied(&[&format!("kill:{pid}"), &format!("ptrace:{pid}"), "getppid"]);
    // A worker is alone in its pid namespace, whatever walls stand.
    for name in [format!("kill:{pid}"), format!("ptrace:{pid}")] {
        assert_eq!(probe_bare(&name)["detail"], "ESRCH", "{name}");
    }
    // Not even itself: the call is answered, and never made.
    for process in [pid, 1] {
        let found = probe(&format!("tgkill:{process}"));
        assert_eq!((&found["stopped"], &found["detail"]), (&Value::Bool(true), &Value::from("EPERM")), "{found}");
    }
    assert_comes_through_without_walls(&["tgkill:1"]);
    assert!(sleeper.0.try_wait().unwrap().is_none(), "the sleeper still sleeps");
}

#[test]
fn data_never_becomes_code() {
    assert_denied(&["written-code"]);
    assert_eq!(probe_with("written-code", "seccomp")["verdict"], "denied");
    assert_comes_through_without_walls(&["written-code"]);
}

#[test]
fn the_parts_of_a_call_that_no_guest_needs_are_denied() {
    let names = ["priority-lock", "timer", "shared-mapping:8"];
    assert_denied(&names);
    assert_comes_through_without_walls(&names);
}

#[test]
fn no_right_is_gained() {
    assert_denied(&["setuid", "chroot", "mount", "userns", "exec", "bpf", "keyctl", "perf", "device-node"]);
    assert_comes_through_without_walls(&["chroot", "mount", "userns"]);
    for name in ["chroot", "mount"] {
        assert_eq!(probe_with(name, "capabilities")["detail"], "EPERM", "{name}");
    }
    assert_eq!(probe_with("userns", "namespaces")["detail"], "ENOSPC");
    if as_root("identity") {
        assert_comes_through_without_walls(&["setuid", "device-node"]);
        assert_eq!(probe_with("setuid", "identity,capabilities")["detail"], "EPERM");
    }
}

#[test]
fn a_setuid_file_in_a_granted_directory_is_not_executed() {
    assert_denied(&["setuid-file"]);
    assert_eq!(probe_with("setuid-file", "directories")["detail"], "EACCES");
    assert_comes_through_without_walls(&["setuid-file"]);
}

#[test]
fn bombs_end_with_their_worker() {
    assert_denied(&["fork-bomb", "thread-bomb"]);
    if as_root("cgroup") {
        assert_comes_through_without_walls(&["fork-bomb", "thread-bomb"]);
        for name in ["fork-bomb", "thread-bomb"] {
            assert_eq!(probe_with(name, "cgroup")["detail"], "EAGAIN", "{name}");
        }
    }
}

#[test]
fn memory_ends_at_the_limit_of_each_wall() {
    assert_stopped(&["memory:256", "shared-memory:256"]);
    assert_eq!(probe_with("memory:256", "rlimits")["detail"], "ENOMEM");
    // What RLIMIT_DATA does not count, the filter does not let be made.
    assert_eq!(probe_with("shared-mapping:256", "rlimits")["stopped"], false);
    assert_eq!(probe_with("shared-mapping:256", "seccomp")["verdict"], "denied");
    assert_comes_through_without_walls(&["memory:256", "shared-memory:256"]);
    if as_root("cgroup") {
        for name in ["memory:256", "shared-memory:256", "shared-mapping:256"] {
            let found = probe_with(name, "cgroup");
            assert_eq!((&found["stopped"], &found["verdict"]), (&Value::Bool(true), &Value::from("memory")), "{found}");
        }
    }
}

#[test]
fn a_loop_ends_at_the_kernels_limit_of_cpu_time() {
    let found = probe("spin");
    assert_eq!((&found["stopped"], &found["verdict"]), (&Value::Bool(true), &Value::from("cpu")), "{found}");
}

#[test]
fn recursion_without_end_is_the_workers_end_only() {
    let found = probe("stack");
    assert_eq!(found["verdict"], "killed", "{found}");
}

#[test]
fn no_more_files_are_open_than_the_limit_says() {
    for found in [probe("files"), probe_with("files", "rlimits"), probe_with("open-files", "rlimits")] {
        assert_eq!(found["detail"], "EMFILE", "{found}");
    }
    assert_comes_through_without_walls(&["files", "open-files"]);
}

#[test]
fn neither_descriptors_nor_secrets_of_the_parent_reach_a_worker() {
    let plant = "for number in {20..119}; do eval \"exec $number</etc/passwd\"; done; exec \"$0\" \"$@\"";
    for name in ["fds", "env"] {
        let command = doctor(&["--probe", name]).under(&["bash", "-c", plant]);
        let found = json(&command.env("SECRET", "hunter2").run());
        assert_eq!(found["stopped"], true, "{found}");
    }
}

#[test]
fn neither_do_they_without_walls() {
    // No plan leaves out that a worker has only its own descriptors and an empty environment.
    for name in ["fds", "env"] {
        let command = doctor(&["--probe", name, "--without", &WALLS.join(",")]);
        let found = json(&command.env("SECRET", "hunter2").run());
        assert_eq!(found["stopped"], true, "{found}");
    }
}

#[test]
fn the_doctor_leaves_nothing_behind() {
    let scratch = Folder::new().open();
    assert!(doctor(&[]).env("TMPDIR", scratch.path()).run().went_well());
    assert_eq!(scratch.names(), [""; 0]);
    let doctor = doctor(&["--probe", "spin"]).env("TMPDIR", scratch.path()).start();
    until("its folder", || (!scratch.names().is_empty()).then_some(()));
    doctor.signal(Signal::INT);
    assert_eq!((doctor.wait().exited(), scratch.names()), (Some(130), Vec::new()));
}

#[test]
fn the_next_doctor_removes_what_a_killed_one_left() {
    let scratch = Folder::new().open();
    let killed = doctor(&["--probe", "spin"]).env("TMPDIR", scratch.path()).start();
    until("its folder", || (!scratch.names().is_empty()).then_some(()));
    let left = scratch.path().join(&scratch.names()[0]);
    until("what is in it", || left.join("granted/setuid").exists().then_some(()));
    doctor(&["--probe", "proc"]).env("TMPDIR", scratch.path()).run();
    assert!(left.exists(), "its owner is alive");
    killed.signal(Signal::KILL);
    killed.wait();
    doctor(&["--probe", "proc"]).env("TMPDIR", scratch.path()).run();
    assert_eq!(scratch.names(), [""; 0]);
}
