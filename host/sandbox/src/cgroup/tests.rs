//! Against directories of our own that look like a hierarchy, then against the kernel, as root.

use super::{
    Cgroup, CgroupDirectory, Controller, Created, Error, Hierarchies, Hierarchy, Limits, Version, create, discover,
    files::children, mounts::Choice, read_file, stale, write_file,
};
use sandhog_sys::child::{self, Ended};
use std::{
    fs,
    os::fd::AsFd,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

/// A directory that looks like a mounted hierarchy, with one cgroup `job` in it. It takes every value and obeys none.
struct Fake(tempfile::TempDir);

impl Fake {
    fn new(version: Version) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let job = root.join("sandhog/job");
        fs::create_dir_all(&job).unwrap();
        let files: &[&str] = match version {
            Version::V1 => &["memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.oom_control", "pids.max"],
            Version::V2 => &["memory.max", "memory.swap.max", "memory.events", "pids.max", "cgroup.kill"],
        };
        for directory in [root, &root.join("sandhog"), &job] {
            fs::write(directory.join("cgroup.subtree_control"), "").unwrap();
            fs::write(directory.join("cgroup.procs"), "").unwrap();
        }
        files.iter().for_each(|file| fs::write(job.join(file), "").unwrap());
        Self(directory)
    }

    fn hierarchy(&self, version: Version) -> Arc<Hierarchy> {
        let choice = Choice { version, point: self.0.path().to_owned(), controllers: Controller::ALL.to_vec() };
        Arc::new(Hierarchy::open(&choice).unwrap())
    }

    fn job(&self, version: Version) -> Cgroup {
        Cgroup {
            name: "job".to_owned(),
            directories: vec![CgroupDirectory::open(&self.hierarchy(version), "job").unwrap()],
        }
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.0.path().join(file)).unwrap()
    }

    fn write(&self, file: &str, content: &str) {
        fs::write(self.0.path().join("sandhog/job").join(file), content).unwrap();
    }
}

const LIMITS: Limits = Limits { memory_bytes: 1 << 26, tasks: 7 };

#[test]
fn version_2_enables_its_controllers_twice_and_limits_memory_swap_and_tasks() {
    let fake = Fake::new(Version::V2);
    let job = fake.job(Version::V2);
    job.limit(LIMITS).unwrap();
    assert_eq!(fake.read("cgroup.subtree_control"), "+memory +pids");
    assert_eq!(fake.read("sandhog/cgroup.subtree_control"), "+memory +pids");
    assert_eq!(fake.read("sandhog/job/memory.max"), "67108864");
    assert_eq!(fake.read("sandhog/job/memory.swap.max"), "0");
    assert_eq!(fake.read("sandhog/job/pids.max"), "7");
}

#[test]
fn what_is_enabled_already_is_not_touched() {
    let fake = Fake::new(Version::V2);
    for directory in ["", "sandhog/"] {
        let file = fake.0.path().join(directory).join("cgroup.subtree_control");
        fs::write(&file, "cpu memory pids\n").unwrap();
    }
    fake.hierarchy(Version::V2);
    assert_eq!(fake.read("cgroup.subtree_control"), "cpu memory pids\n");
}

#[test]
fn a_kernel_without_swap_files_limits_the_rest() {
    let fake = Fake::new(Version::V2);
    fs::remove_file(fake.0.path().join("sandhog/job/memory.swap.max")).unwrap();
    fake.job(Version::V2).limit(LIMITS).unwrap();
    assert_eq!(fake.read("sandhog/job/pids.max"), "7");
}

#[test]
fn a_limit_that_can_t_be_set_is_an_error_that_names_it() {
    let fake = Fake::new(Version::V2);
    fs::remove_file(fake.0.path().join("sandhog/job/pids.max")).unwrap();
    let error = fake.job(Version::V2).limit(LIMITS).unwrap_err();
    assert_eq!(error.to_string(), "set pids.max of the cgroup job");
}

#[test]
fn a_kill_for_memory_is_seen_in_both_versions() {
    for (version, file) in [(Version::V1, "memory.oom_control"), (Version::V2, "memory.events")] {
        let fake = Fake::new(version);
        let job = fake.job(version);
        fake.write(file, "oom_kill_disable 0\noom_kill 0\n");
        assert_eq!(job.kills().unwrap(), 0);
        fake.write(file, "oom_kill_disable 0\noom_kill 2\n");
        assert!(job.kills().unwrap() > 0);
    }
}

#[test]
fn a_name_can_t_lead_elsewhere() {
    let hierarchies = Hierarchies { hierarchies: Vec::new(), swap_is_limited: true };
    for name in ["", ".", "..", "a/b", "../a", "a.b", "a\n", "cgroup.procs", &"x".repeat(65)] {
        assert!(matches!(create(&hierarchies, name, 1, 1), Err(Error::Name { .. })), "{name:?}");
    }
}

#[test]
fn an_error_says_what_is_missing_and_what_to_do() {
    let reason = super::Missing::NotOffered("/sys/fs/cgroup".into());
    assert_eq!(
        reason.to_string(),
        "the cgroup2 file system at /sys/fs/cgroup does not offer it; in a container, ask its runtime to delegate it"
    );
    let error = Error::Missing { controller: Controller::Tasks, reason };
    assert_eq!(error.to_string(), "find the cgroup controller pids");
}

// From here on: the kernel.

/// This machine's hierarchies. None: says what is missing.
fn here() -> Option<Hierarchies> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("cgroup: needs root, so that nothing was tried");
        return None;
    }
    discover().inspect_err(|error| eprintln!("cgroup: not to be had here, so that nothing was tried: {error:?}")).ok()
}

/// A name that no other test has.
fn unused_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

fn new(hierarchies: &Hierarchies, memory_bytes: u64, tasks: u32) -> Cgroup {
    match create(hierarchies, &unused_name(), memory_bytes, tasks).unwrap() {
        Created::New(cgroup) => cgroup,
        Created::Occupied(cgroup) => panic!("{cgroup:?} was there already"),
    }
}

/// Ends it, as often as that takes; what stood against it last where it does not go.
fn ended(mut cgroup: Cgroup, within: Duration) -> Result<(), Error> {
    let deadline = Instant::now() + within;
    loop {
        match cgroup.end() {
            Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(1)),
            end => return end,
        }
    }
}

fn gone(cgroup: Cgroup) {
    ended(cgroup, Duration::from_secs(5)).unwrap();
}

/// The one of this name, as whoever sweeps finds it.
fn found(hierarchies: &Hierarchies, name: &str) -> Cgroup {
    let mut found = stale(hierarchies, |other| other == name).unwrap();
    assert_eq!(found.iter().map(|cgroup| &*cgroup.name).collect::<Vec<_>>(), [name]);
    found.remove(0)
}

/// Runs `body` in a child inside of the cgroup.
fn inside(cgroup: &Cgroup, body: impl FnOnce() -> i32) -> i32 {
    child::start(|| {
        super::enter_by(&cgroup.entrances(false).unwrap()).unwrap();
        body()
    })
}

fn sleep_long() -> i32 {
    std::thread::sleep(Duration::from_secs(60));
    1
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

const PLENTY: u64 = 256 << 20;

#[test]
fn memory_beyond_the_limit_is_a_kill_that_the_cgroup_tells() {
    let Some(hierarchies) = here() else { return };
    let cgroup = new(&hierarchies, 24 << 20, 10);
    assert_eq!(cgroup.kills().unwrap(), 0);
    let pid = inside(&cgroup, || {
        let mut memory = Vec::new();
        for _ in 0..64 {
            memory.push(vec![1_u8; 1 << 20]);
        }
        i32::try_from(std::hint::black_box(memory).len()).unwrap()
    });
    assert_eq!(child::wait(pid), Ended::Signalled(libc::SIGKILL));
    assert!(cgroup.kills().unwrap() > 0);
    gone(cgroup);
}

#[test]
fn memory_below_the_limit_is_fine() {
    let Some(hierarchies) = here() else { return };
    let cgroup = new(&hierarchies, PLENTY, 10);
    let pid = inside(&cgroup, || i32::from(std::hint::black_box(vec![1_u8; 32 << 20]).is_empty()));
    assert_eq!(child::wait(pid), Ended::Exited(0));
    assert_eq!(cgroup.kills().unwrap(), 0);
}

#[test]
fn more_tasks_than_granted_are_refused() {
    let Some(hierarchies) = here() else { return };
    let cgroup = new(&hierarchies, PLENTY, 3);
    let pid = inside(&cgroup, || {
        let spawn = || std::thread::Builder::new().spawn(sleep_long);
        let threads = [spawn(), spawn(), spawn(), spawn()];
        i32::try_from(threads.iter().filter(|thread| thread.is_ok()).count()).unwrap()
    });
    assert_eq!(child::wait(pid), Ended::Exited(2));
    gone(cgroup);
}

#[test]
fn everything_in_a_cgroup_is_killed_at_once_however_often_it_forks() {
    let Some(hierarchies) = here() else { return };
    let cgroup = new(&hierarchies, PLENTY, 40);
    let pid = inside(&cgroup, || {
        let forks = || loop {
            child::run(|| 0);
        };
        for _ in 0..4 {
            child::start(forks);
        }
        sleep_long()
    });
    wait_until("it forks", || cgroup.directories[0].processes().unwrap().len() > 5);
    gone(cgroup);
    assert_eq!(child::wait(pid), Ended::Signalled(libc::SIGKILL));
}

#[test]
fn a_cgroup_in_use_is_not_removed_and_says_so() {
    let Some(hierarchies) = here() else { return };
    let cgroup = new(&hierarchies, PLENTY, 10);
    let name = cgroup.name.clone();
    let pid = inside(&cgroup, sleep_long);
    wait_until("it is inside", || !cgroup.directories[0].processes().unwrap().is_empty());
    // As one that goes out of sight: nobody is killed.
    drop(cgroup);
    let mut left = found(&hierarchies, &name);
    assert_eq!(left.end().unwrap_err().to_string(), format!("remove the cgroup {name}"));
    assert_eq!(child::wait(pid), Ended::Signalled(libc::SIGKILL), "the first look has killed it");
    gone(left);
    assert!(!hierarchies.names().unwrap().contains(&name));
}

#[test]
fn a_dropped_cgroup_is_gone() {
    let Some(hierarchies) = here() else { return };
    let cgroup = new(&hierarchies, PLENTY, 10);
    let name = cgroup.name.clone();
    assert!(hierarchies.names().unwrap().contains(&name));
    drop(cgroup);
    assert!(!hierarchies.names().unwrap().contains(&name));
}

#[test]
fn what_somebody_left_under_a_name_is_in_nobodys_way() {
    let Some(hierarchies) = here() else { return };
    let left = new(&hierarchies, PLENTY, 10);
    let name = left.name.clone();
    // Whoever made it was killed before it could remove it.
    std::mem::forget(left);
    let Created::New(cgroup) = create(&hierarchies, &name, PLENTY, 10).unwrap() else { panic!("it is empty") };
    assert!(hierarchies.names().unwrap().contains(&name));
    drop(cgroup);
    assert!(!hierarchies.names().unwrap().contains(&name));
}

#[test]
fn a_name_whose_cgroup_does_not_go_at_once_is_told_apart_from_a_failure() {
    let Some(hierarchies) = here() else { return };
    let left = new(&hierarchies, PLENTY, 10);
    let name = left.name.clone();
    let pid = inside(&left, sleep_long);
    wait_until("it is inside", || !left.directories[0].processes().unwrap().is_empty());
    std::mem::forget(left);
    let Created::Occupied(left) = create(&hierarchies, &name, PLENTY, 10).unwrap() else {
        panic!("somebody is in it");
    };
    assert_eq!(child::wait(pid), Ended::Signalled(libc::SIGKILL));
    gone(left);
    assert!(matches!(create(&hierarchies, &name, PLENTY, 10).unwrap(), Created::New(_)));
    assert!(!hierarchies.names().unwrap().contains(&name));
}

#[test]
fn a_sweep_touches_only_what_is_stale() {
    let Some(hierarchies) = here() else { return };
    let (left, alive) = (new(&hierarchies, PLENTY, 10), new(&hierarchies, PLENTY, 10));
    gone(found(&hierarchies, &left.name));
    let names = hierarchies.names().unwrap();
    assert!(names.contains(&alive.name) && !names.contains(&left.name), "{names:?}");
}

#[test]
fn a_process_that_version_1_does_not_show_keeps_its_cgroup_and_nobody_waiting() {
    let Some(hierarchies) = here() else { return };
    if hierarchies.hierarchies.iter().any(|hierarchy| hierarchy.version == Version::V2) {
        eprintln!("cgroup: version 2 shows and kills across pid namespaces, so that version 1 was not tried");
        return;
    }
    let cgroup = new(&hierarchies, PLENTY, 10);
    let name = cgroup.name.clone();
    let pid = inside(&cgroup, sleep_long);
    wait_until("it is inside", || !cgroup.directories[0].processes().unwrap().is_empty());
    let elsewhere = child::run(|| {
        child::unshare_pids().unwrap();
        let ended = child::run(|| {
            // The spawner's event loop calls it: as many waits as there were once would take half a minute.
            let (mut left, from) = (found(&hierarchies, &name), Instant::now());
            let stays = (0..30).all(|_| matches!(left.end(), Err(Error::Remove { .. })));
            i32::from(!stays || from.elapsed() > Duration::from_secs(20))
        });
        i32::from(ended != Ended::Exited(0))
    });
    assert_eq!(elsewhere, Ended::Exited(0));
    gone(cgroup);
    assert_eq!(child::wait(pid), Ended::Signalled(libc::SIGKILL));
}

#[test]
fn version_2_kills_what_is_in_it_even_without_controllers() {
    let mounts = super::mounts::parse(&fs::read_to_string("/proc/self/mountinfo").unwrap());
    let mount = mounts.into_iter().find(|mount| mount.version == Version::V2);
    let Some(mount) = mount.filter(|_| rustix::process::geteuid().is_root()) else {
        eprintln!("cgroup: no version 2 mount, or not root, so that its kill was not tried");
        return;
    };
    let choice = Choice { version: Version::V2, point: mount.point.clone(), controllers: Vec::new() };
    let hierarchies = Hierarchies::open(&[choice]).unwrap();
    let cgroup = new(&hierarchies, PLENTY, 10);
    let pid = inside(&cgroup, sleep_long);
    wait_until("it is inside", || !cgroup.directories[0].processes().unwrap().is_empty());
    let elsewhere = child::run(|| {
        child::unshare_pids().unwrap();
        let ended = child::run(|| i32::from(ended(cgroup, Duration::from_secs(5)).is_err()));
        i32::from(ended != Ended::Exited(0))
    });
    assert_eq!(elsewhere, Ended::Exited(0));
    assert_eq!(child::wait(pid), Ended::Signalled(libc::SIGKILL));
    // Nothing else of this machine needs it, where version 2 has no controllers.
    let _ = fs::remove_dir(mount.point.join(super::name::HOME));
}

#[test]
fn a_later_change_of_the_root_does_not_matter() {
    let Some(hierarchies) = here() else { return };
    let ended = child::run(|| {
        rustix::process::chroot(std::env::temp_dir()).unwrap();
        assert!(!Path::new("/sys/fs/cgroup").exists());
        let cgroup = new(&hierarchies, PLENTY, 10);
        let pid = inside(&cgroup, || 3);
        assert_eq!(child::wait(pid), Ended::Exited(3));
        gone(cgroup);
        0
    });
    assert_eq!(ended, Ended::Exited(0));
}

#[test]
fn values_are_read_back_as_they_were_written() {
    let Some(hierarchies) = here() else { return };
    let cgroup = new(&hierarchies, PLENTY, 11);
    let directory = cgroup.directories.iter().find(|directory| directory.limits(Controller::Tasks)).unwrap();
    assert_eq!(read_file(directory.fd.as_fd(), "pids.max").unwrap().trim(), "11");
    assert!(write_file(directory.fd.as_fd(), "pids.max", "many").is_err());
    assert!(children(directory.fd.as_fd()).unwrap().is_empty());
}
