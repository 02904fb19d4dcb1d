//! The example jobs that share objects, on real input.

use sandhog_harness::{Command, Folder, Outcome, guest};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// An example that is its own child under this name, and may make some objects.
fn example(job: &str, child: &str) -> Command {
    let mut grant = OsString::from(format!("--child={child}="));
    grant.push(guest(job));
    Command::guest(job).flag(grant).flag("--max-objects=8")
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../jobs/data")
}

/// It completed with this on stdout; its log, and what its children say when they die, are on stderr.
#[track_caller]
fn printed(outcome: &Outcome, stdout: &str) {
    outcome.is(0, "completed");
    assert_eq!(outcome.text(), stdout, "{outcome:#?}");
}

#[test]
fn a_producer_waits_for_consumers_and_they_for_it() {
    let outcome = example("producer-consumer", "consumer").arg("1000").run();
    printed(&outcome, "1000 numbers went through the queue, their sum is 500500\n");
}

#[test]
fn a_task_whose_worker_crashed_is_done_by_another() {
    let primes = "4203 primes below 40000\n";
    printed(&example("worker-pool", "worker").run(), primes);
    let outcome = example("worker-pool", "worker").arg("crash").run();
    outcome.is(0, "completed");
    let (crash, rest) = outcome.text().split_once('\n').unwrap();
    assert!(crash.starts_with("a worker: trapped"), "{outcome:#?}");
    assert_eq!(rest, primes);
}

#[test]
fn an_end_goes_through_a_pipeline_of_queues() {
    let outcome = example("queue-pipeline", "stage").stdin("a rose is\n\n a rose\n").run();
    printed(&outcome, "1 A\n4 ROSE\n2 IS\n1 A\n4 ROSE\n");
}

#[test]
fn no_cent_gets_lost_in_a_bank_with_a_lock() {
    printed(&example("bank", "clerk").arg("300").run(), "900 transfers, and the total is 1000\n");
}

#[test]
fn an_ordinary_users_jobs_share_objects_as_well() {
    let child = format!("--child=clerk={}", sandhog_harness::module("bank"));
    let run = Command::guest("bank").by_ordinary_user().flag(child).flag("--max-objects=8");
    printed(&run.arg("300").run(), "900 transfers, and the total is 1000\n");
}

#[test]
fn a_lock_mends_a_race() {
    let outcome = example("race", "racer").arg("2000").run();
    outcome.is(0, "completed");
    let (without, with) = outcome.text().split_once('\n').unwrap();
    assert!(without.starts_with("without the lock: "), "{outcome:#?}");
    assert_eq!(with, "with the lock: 0 of 4000 steps were lost\n");
}

#[test]
fn downloads_are_few_at_a_time_and_a_dead_one_gives_its_permit_back() {
    let outcome = example("download-limit", "download").arg("8").run();
    let done = "7 done, 1 died, never more than 3 at a time: true\n";
    printed(&outcome, &format!("{done}all 3 permits have come back\n"));
}

#[test]
fn runners_wait_for_the_signal() {
    let outcome = example("start-signal", "runner").arg("3").run();
    printed(&outcome, "3 runners are ready\nrunner 1 runs\nrunner 2 runs\nrunner 3 runs\n");
}

#[test]
fn sensors_share_a_counter_and_a_temperature() {
    let outcome = example("weather-station", "sensor").arg("1000").run();
    printed(&outcome, "3000 times measured, the highest was 25.5 degrees\n");
}

#[test]
fn four_workers_add_up_an_array() {
    let outcome = example("statistics", "worker").arg("100000").run();
    printed(&outcome, "100000 samples: mean 50000.50, deviation 28867.51\n");
}

#[test]
fn four_workers_make_a_picture_grey_as_one_does() {
    let scratch = Folder::new();
    let input = data();
    let run = |run: Command, output: &str| {
        let run = run.dir(&input, "::/in").writable(&scratch);
        run.arg("/in/astronaut.png").arg(output).run().is(0, "completed");
    };
    run(example("shared-filter", "worker"), "/out/four.png");
    run(Command::guest("image-filter").arg("grayscale"), "/out/one.png");
    let [four, one] = ["four.png", "one.png"].map(|name| std::fs::read(scratch.join(name)).unwrap());
    assert!(four == one, "{} and {} bytes", four.len(), one.len());
}

#[test]
fn the_words_of_a_book_are_counted_by_four_workers() {
    let outcome = example("map-reduce", "mapper").dir(&data(), "::/in").arg("/in/persuasion.txt").run();
    outcome.is(0, "completed");
    let text = std::fs::read_to_string(data().join("persuasion.txt")).unwrap();
    let words = text.split(|letter: char| !letter.is_alphabetic()).filter(|word| !word.is_empty()).count();
    assert!(outcome.text().starts_with(&format!("{words} words, ")), "{outcome:#?}");
    assert_eq!(outcome.text().lines().count(), 6, "{outcome:#?}");
    assert!(outcome.text().lines().nth(1).unwrap().ends_with(" the"), "{outcome:#?}");
}

#[test]
fn what_a_careless_worker_leaves_half_done_is_mended_by_the_next() {
    let outcome = example("careless-worker", "worker").arg("200").arg("5").run();
    printed(&outcome, "200 turns, every crash was repaired: true\nthe total is 1000\n");
}

#[test]
fn a_supervisor_ends_what_hangs_and_what_takes_too_much() {
    let outcome = example("overseer", "patient").run();
    let tries = ["try 1: no heartbeat, stopped", "try 2: too much memory, stopped", "try 3: completed", ""];
    printed(&outcome, &tries.join("\n"));
}
