//! Workers of one zygote: what they share, what they never share, and that whatever is killed leaves each task with one end.

use rustix::process::Signal;
use sandhog_harness::{
    Folder, Outcome, PROMISED, Person, Process, Random, Running, Seen, is_root, module, root_or_missing,
    traces::stale_cgroups, until_within,
};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// `sandhog map FLAGS GUEST -- ARGS` with these lines as its input.
fn start(workspace: &Folder, flags: &[&str], name: &str, args: &[&str], lines: &str) -> Running {
    let command = workspace.sandhog(["map"]).flags(flags).flag(module(name)).flag("--").flags(args);
    command.stdin(lines).start()
}

fn run(workspace: &Folder, flags: &[&str], name: &str, args: &[&str], lines: &str) -> Outcome {
    start(workspace, flags, name, args, lines).wait()
}

fn numbers(count: usize) -> String {
    (1..=count).map(|number| format!("{number}\n")).collect()
}

fn text(output: &Outcome) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

/// The last column of a job log, in the order of its tasks.
fn verdicts(log: &str) -> Vec<String> {
    let mut lines: Vec<(u64, String)> = log
        .lines()
        .skip(1)
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            (columns[0].trim().parse().unwrap(), (*columns.last().unwrap()).to_owned())
        })
        .collect();
    lines.sort();
    lines.into_iter().map(|(_, verdict)| verdict).collect()
}

/// Four guests that run at the same time.
fn four_that_sleep(workspace: &Folder, flags: &[&str]) -> (Running, Vec<Process>) {
    let command = start(workspace, &[&["-j4"], flags].concat(), "sleep_forever", &[], &numbers(4));
    let workers = until_within("four workers", PROMISED, || {
        let mut seen = Seen::of(command.pid);
        seen.look();
        let workers = seen.all_named("sandhog-worker");
        (workers.len() >= 4).then_some(workers)
    });
    (command, workers)
}

fn cgroup(process: &Process) -> String {
    fs::read_to_string(format!("/proc/{}/cgroup", process.pid)).unwrap_or_default()
}

#[test]
fn workers_of_one_pool_have_ids_cgroups_and_processes_of_their_own() {
    if !root_or_missing("an identity of one's own") {
        return;
    }
    let workspace = Folder::of(Person::Root);
    let (command, workers) = four_that_sleep(&workspace, &[]);
    let ids: BTreeSet<_> = workers.iter().filter_map(Process::ids).collect();
    assert_eq!(ids.len(), workers.len(), "{ids:?}");
    let cgroups: BTreeSet<String> = until_within("workers in their cgroups", PROMISED, || {
        let cgroups: BTreeSet<String> = workers.iter().map(cgroup).collect();
        (cgroups.len() == workers.len()).then_some(cgroups)
    });
    assert!(cgroups.iter().all(|cgroup| cgroup.contains("/sandhog/")), "{cgroups:?}");
    let namespaces: BTreeSet<_> =
        workers.iter().map(|worker| fs::read_link(format!("/proc/{}/ns/pid", worker.pid)).unwrap()).collect();
    assert_eq!(namespaces.len(), workers.len());
    command.signal(Signal::TERM);
    assert_eq!(command.wait().exited(), Some(143));
}

/// Where its program lies in memory, and the network namespace that it has of its zygote.
fn layout_and_zygote(worker: &Process) -> Option<(String, PathBuf)> {
    let maps = fs::read_to_string(format!("/proc/{}/maps", worker.pid)).ok()?;
    let first = maps.lines().next()?.split(' ').next()?.to_owned();
    Some((first, fs::read_link(format!("/proc/{}/ns/net", worker.pid)).ok()?))
}

/// How many layouts and zygotes four workers have that are there at the same time.
fn layouts_and_zygotes(who: Person, spawn: &str) -> (usize, usize) {
    let workspace = Folder::of(who);
    let (command, workers) = four_that_sleep(&workspace, &["--spawn", spawn]);
    let all: Vec<_> = workers.iter().take(4).filter_map(layout_and_zygote).collect();
    assert_eq!(all.len(), 4, "{who:?}: they are there until they are ended");
    let (layouts, zygotes): (BTreeSet<_>, BTreeSet<_>) = all.into_iter().unzip();
    command.signal(Signal::TERM);
    assert_eq!(command.wait().exited(), Some(143));
    (layouts.len(), zygotes.len())
}

#[test]
fn workers_share_a_zygote_and_its_layout_or_each_has_its_own() {
    for who in Person::all() {
        assert_eq!(layouts_and_zygotes(who, "shared"), (1, 1), "{who:?}");
        assert_eq!(layouts_and_zygotes(who, "exec"), (4, 4), "{who:?}");
    }
}

/// Of programs and of handlers.
#[test]
fn with_zygotes_of_their_own_all_tasks_are_done() {
    for who in Person::all() {
        let workspace = Folder::of(who);
        let output = run(&workspace, &["-j3", "--spawn=exec"], "random", &[], &numbers(40));
        let drawn: BTreeSet<&str> = text(&output).lines().collect();
        assert_eq!((output.exited(), drawn.len()), (Some(0), 40), "{who:?}: {output:?}");
        let output = run(&workspace, &["-j3", "--spawn=exec", "--reuse=5"], "word-handler", &[], &numbers(40));
        assert_eq!((output.exited(), text(&output).lines().count()), (Some(0), 40), "{who:?}: {output:?}");
    }
}

#[test]
fn no_two_tasks_draw_the_same_random_numbers() {
    for who in Person::all() {
        let output = run(&Folder::of(who), &["-j2"], "random", &[], &numbers(60));
        let drawn: BTreeSet<&str> = text(&output).lines().collect();
        assert_eq!((output.exited(), drawn.len()), (Some(0), 60), "{output:?}");
    }
}

/// The one slot that there is for work is one cgroup: what the kernel has killed there once is no later task's fault.
#[test]
fn memory_that_one_task_took_is_not_counted_for_the_next_one() {
    for who in Person::all() {
        let workspace = Folder::of(who);
        let flags = ["-j1", "--memory", "64MiB", "--joblog", "log"];
        let sizes = "8\n500\n8\n500\n48\n8\n";
        let output = run(&workspace, &flags, "grow_memory", &["{}"], sizes);
        let verdicts = verdicts(&workspace.read("log"));
        let expected = ["completed", "memory", "completed", "memory", "completed", "completed"];
        let is_expected = verdicts.iter().zip(expected).all(|(verdict, word)| verdict.starts_with(word));
        assert!(verdicts.len() == 6 && is_expected, "{who:?}: {verdicts:?} {output:?}");
    }
}

/// Neither descriptors nor anything else piles up in a zygote whose workers are many.
#[test]
fn the_five_hundredth_worker_has_no_more_descriptors_than_the_first() {
    let workspace = Folder::of(if is_root() { Person::Root } else { Person::ordinary() });
    let counts: Vec<usize> = ["", &numbers(500)]
        .into_iter()
        .map(|before| {
            let lines: String = before.lines().map(|_| "0\n").collect();
            let command = workspace.sandhog(["map", "-j1", &module("sleep_ms"), "--", "{}"]);
            let child = command.stdin(format!("{lines}600000\n")).start();
            let mut seen = Seen::of(child.pid);
            let zygote = until_within("a zygote", PROMISED, || {
                seen.look();
                seen.named("sandhog-zygote").cloned()
            });
            let count = until_within("the last task", Duration::from_secs(60), || {
                seen.look();
                let descriptors =
                    |process: &Process| fs::read_dir(format!("/proc/{}/fd", process.pid)).map(Iterator::count);
                let workers = seen.all_named("sandhog-worker");
                let sleeps = workers.iter().any(|worker| is_in_its_guest(worker, before.is_empty()));
                (workers.len() == 2 && sleeps).then(|| descriptors(&zygote).unwrap_or(0))
            });
            child.signal(Signal::TERM);
            child.wait();
            count
        })
        .collect();
    assert!(counts[1] <= counts[0] && counts[0] > 0, "{counts:?}");
}

/// The guest that sleeps for long has been there for longer than a start takes.
fn is_in_its_guest(worker: &Process, _first: bool) -> bool {
    fs::read_to_string(format!("/proc/{}/wchan", worker.pid)).is_ok_and(|wchan| wchan.contains("nanosleep"))
        || fs::read_to_string(format!("/proc/{}/syscall", worker.pid)).is_ok_and(|call| {
            // poll(2), ppoll(2), clock_nanosleep(2) of x86-64 and aarch64.
            ["7 ", "271 ", "230 ", "73 ", "115 "].iter().any(|number| call.starts_with(number))
        })
}

/// What is killed, and after how long.
const VICTIMS: [&str; 4] = ["sandhog", "sandhog-spawner", "sandhog-zygote", "sandhog-worker"];
const TASKS: usize = 60;

fn kill_one(workspace: &Folder, number: u64, random: &mut Random) {
    let (victim, after) = (*random.one_of(&VICTIMS), Duration::from_micros(random.below(120_000)));
    let what = format!("kill {number} of {:?}: {victim} after {after:?}", workspace.person);
    println!("{what}");
    let log = format!("log-{number}");
    let lines: String = (0..TASKS).map(|task| format!("{}\n", task % 4)).collect();
    let spawn = if number.is_multiple_of(3) { "--spawn=exec" } else { "--spawn=shared" };
    let command = start(workspace, &["-j2", spawn, "--joblog", &log], "sleep_ms", &["{}"], &lines);
    let mut seen = Seen::of(command.pid);
    // The one sleep here: it is the random moment, and nothing is concluded from it.
    std::thread::sleep(after);
    seen.look();
    let target = seen.named(victim).filter(|process| process.pid != seen.command).cloned();
    match target {
        Some(process) => process.signal(Signal::KILL),
        None => {
            // Stopped first, so that what it has started is seen.
            command.signal(Signal::STOP);
            seen.look();
            command.signal(Signal::KILL);
            command.wait();
            return seen.expect_gone(&what);
        }
    }
    let output = command.wait();
    seen.look();
    let code = output.exited();
    let done = fs::read_to_string(workspace.join(&log)).map(|log| verdicts(&log)).unwrap_or_default();
    match victim {
        // Those that had a worker may have been the last ones: then there was nothing more to start.
        "sandhog-spawner" => assert!(matches!(code, Some(0..=4 | 125)), "{what}: {output:?}"),
        // A worker that was idle had no task; one that had is that task's end.
        "sandhog-worker" => assert!(matches!(code, Some(0 | 1)), "{what}: {output:?} {done:?}"),
        _ => assert_eq!(code, Some(0), "{what}: {output:?} {done:?}"),
    }
    if code != Some(125) {
        assert_eq!(done.len(), TASKS, "{what}: {done:?}");
        let failed = done.iter().filter(|verdict| !verdict.starts_with("completed")).count();
        assert_eq!(i32::try_from(failed).ok(), code, "{what}: {done:?}");
        // One that was killed may have printed its line already.
        assert!((TASKS - failed..=TASKS).contains(&text(&output).lines().count()), "{what}: {output:?}");
    }
    seen.expect_gone(&what);
}

#[test]
fn a_hundred_kills_at_random_moments_leave_each_task_one_end_and_nothing_behind() {
    const SEED: u64 = 0x5a17_d0b1_77ac;
    println!("seed {SEED:#x}");
    let workspaces: Vec<Folder> = Person::all().into_iter().map(Folder::of).collect();
    for workspace in &workspaces {
        assert_eq!(run(workspace, &[], "sleep_ms", &["{}"], "0\n").exited(), Some(0));
    }
    let before = stale_cgroups();
    let mut random = Random(SEED);
    for number in 0..100 {
        kill_one(random.one_of(&workspaces), number, &mut random);
    }
    for workspace in &workspaces {
        assert_eq!(run(workspace, &[], "sleep_ms", &["{}"], "0\n").exited(), Some(0));
    }
    until_within("no cgroup is left", PROMISED, || stale_cgroups().is_subset(&before).then_some(()));
}
