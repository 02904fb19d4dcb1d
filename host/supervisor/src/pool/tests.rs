use super::*;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Workers that have many tasks, one after another.
fn reused() -> Config {
    Config {
        min: 2,
        max: 4,
        busy_max: 4,
        tasks_per_worker: None,
        worker_age: None,
        worker_bytes: None,
        idle: seconds(10),
        head_start: Duration::ZERO,
        grace: seconds(1),
        waiting_max: 2_000_000,
        spawn: Spawn::Shared,
        zygote_attempts: 1000,
        zygote_age: seconds(3600),
        zygote_idle: None,
        start_failures_max: 3,
        backoff: Pauses { first: millis(100), max: millis(150) },
        in_flight: 1,
    }
}

/// A process for each task: two at once, and two that are ready.
fn fresh() -> Config {
    Config { tasks_per_worker: Some(1), busy_max: 2, ..reused() }
}

/// One worker that has up to three tasks.
fn deep() -> Config {
    Config { min: 1, max: 1, busy_max: 1, in_flight: 3, ..reused() }
}

const CLIENT: ClientId = ClientId(1);

fn submitted(task: u64) -> Event {
    Event::Submitted { task: TaskId(task), client: CLIENT, wait: None, limit: None }
}

fn done(slot: u32, task: u64) -> Event {
    Event::TaskDone { slot: SlotId(slot), task: TaskId(task), bytes: 10 }
}

fn ready(slot: u32) -> Event {
    Event::WorkerReady { slot: SlotId(slot) }
}

fn refused(slot: u32) -> Event {
    Event::WorkerRefused { slot: SlotId(slot), is_final: false }
}

fn ended(slot: u32) -> Event {
    Event::WorkerEnded { slot: SlotId(slot) }
}

fn zygote_ready(zygote: u32) -> Event {
    Event::ZygoteReady { zygote: ZygoteId(zygote) }
}

fn zygote_ended(zygote: u32) -> Event {
    Event::ZygoteEnded { zygote: ZygoteId(zygote), is_final: false }
}

fn start(slot: u32, zygote: u32) -> Action {
    Action::StartWorker { slot: SlotId(slot), zygote: ZygoteId(zygote) }
}

fn assign(slot: u32, task: u64) -> Action {
    Action::Assign { slot: SlotId(slot), task: TaskId(task) }
}

fn finish(task: u64, how: How) -> Action {
    Action::Finish { task: TaskId(task), how }
}

fn retire(slot: u32) -> Action {
    Action::Retire { slot: SlotId(slot) }
}

fn kill(slot: u32) -> Action {
    Action::Kill { slot: SlotId(slot) }
}

fn start_zygote(zygote: u32) -> Action {
    Action::StartZygote { zygote: ZygoteId(zygote) }
}

fn end_zygote(zygote: u32) -> Action {
    Action::EndZygote { zygote: ZygoteId(zygote) }
}

/// A pool and its time.
struct Kit {
    pool: State,
    now: Duration,
}

impl Kit {
    /// A pool with a zygote, whose workers are all ready.
    fn warm(config: Config) -> Self {
        let mut kit = Self { pool: State::new(config), now: Duration::ZERO };
        let mut left = VecDeque::from(kit.step(Event::Tick));
        while let Some(action) = left.pop_front() {
            left.extend(match action {
                Action::StartZygote { zygote } => kit.step(Event::ZygoteReady { zygote }),
                Action::StartWorker { slot, .. } => kit.step(Event::WorkerReady { slot }),
                other => panic!("{other:?}"),
            });
        }
        kit
    }

    fn step(&mut self, event: Event) -> Vec<Action> {
        self.pool.step(self.now, event)
    }

    /// Lets time pass, and gives all that is done meanwhile.
    fn pass(&mut self, time: Duration) -> Vec<Action> {
        let (end, mut all) = (self.now + time, Vec::new());
        while let Some(wake) = self.pool.next_wake().filter(|wake| *wake <= end) {
            self.now = wake;
            all.extend(self.step(Event::Tick));
        }
        self.now = end;
        all
    }

    /// Submits tasks of a client.
    fn submit_all(&mut self, client: u64, tasks: impl IntoIterator<Item = u64>) -> Vec<Action> {
        let event = |task| Event::Submitted { task: TaskId(task), client: ClientId(client), wait: None, limit: None };
        tasks.into_iter().flat_map(|task| self.step(event(task))).collect()
    }
}

// Starts.

#[test]
fn a_pool_starts_a_zygote_and_from_it_the_workers_that_it_keeps_ready() {
    let mut kit = Kit { pool: State::new(reused()), now: Duration::ZERO };
    assert_eq!(kit.step(Event::Tick), [start_zygote(0)]);
    assert_eq!(kit.step(Event::Tick), [], "once");
    assert_eq!(kit.step(zygote_ready(0)), [start(0, 0), start(1, 0)]);
    assert_eq!(kit.step(ready(1)), []);
    assert_eq!(kit.step(ready(0)), []);
    assert_eq!((kit.pool.counts().idle, kit.pool.next_wake()), (2, Some(seconds(3600))));
}

#[test]
fn a_pool_that_keeps_nobody_ready_starts_nothing_before_its_first_task() {
    let mut kit = Kit { pool: State::new(Config { min: 0, ..reused() }), now: Duration::ZERO };
    assert_eq!((kit.step(Event::Tick), kit.pool.next_wake()), (vec![], None));
    assert_eq!(kit.step(submitted(1)), [start_zygote(0)]);
    assert_eq!(kit.step(zygote_ready(0)), [start(0, 0)]);
    assert_eq!(kit.step(ready(0)), [assign(0, 1)]);
}

#[test]
fn one_worker_is_started_for_each_task_that_waits_and_none_beyond() {
    let mut kit = Kit::warm(Config { min: 0, max: 3, busy_max: 3, ..reused() });
    assert_eq!(kit.step(submitted(1)), [start_zygote(0)]);
    assert_eq!(kit.step(submitted(2)), []);
    assert_eq!(kit.step(zygote_ready(0)), [start(0, 0), start(1, 0)]);
    assert_eq!(kit.submit_all(1, 3..10), [start(2, 0)], "there are three slots");
    assert_eq!(kit.step(ready(1)), [assign(1, 1)]);
    assert_eq!(kit.step(done(1, 1)), [finish(1, How::Done), assign(1, 2)]);
    assert_eq!(kit.pool.counts().waiting, 7);
}

#[test]
fn a_fresh_worker_has_one_task_and_its_slot_is_refilled_when_it_has_ended() {
    let mut kit = Kit::warm(fresh());
    assert_eq!(kit.step(submitted(1)), [assign(0, 1), start(2, 0)], "two are ready, whoever works");
    assert_eq!(kit.step(submitted(2)), [assign(1, 2), start(3, 0)]);
    assert_eq!(kit.step(ready(2)), []);
    assert_eq!(kit.step(submitted(3)), [], "two are busy");
    assert_eq!(kit.step(done(0, 1)), [finish(1, How::Done), retire(0), assign(2, 3)]);
    assert_eq!(kit.step(ended(0)), [start(0, 0)]);
    assert_eq!(kit.step(ready(3)), []);
    assert_eq!(kit.step(ended(1)), [finish(2, How::Died)], "a command's answer is its end; two are ready");
    assert_eq!(kit.pool.counts().recycled, 0, "nobody was reused");
}

#[test]
fn no_more_workers_are_busy_than_may_be_although_others_are_idle() {
    let mut kit = Kit::warm(Config { busy_max: 1, ..reused() });
    assert_eq!(kit.submit_all(1, 1..4), [assign(0, 1), start(2, 0)]);
    assert_eq!(kit.step(ready(2)), []);
    assert_eq!(kit.step(done(0, 1)), [finish(1, How::Done), assign(1, 2)], "the longest idle");
}

// Turns.

#[test]
fn a_task_goes_to_the_longest_idle() {
    let mut kit = Kit::warm(Config { min: 3, max: 3, ..reused() });
    let mut order = Vec::new();
    for task in 0..6 {
        let [Action::Assign { slot, .. }] = kit.step(submitted(task))[..] else { panic!("task {task}") };
        order.push(slot.0);
        assert_eq!(kit.step(done(slot.0, task)), [finish(task, How::Done)]);
    }
    assert_eq!(order[..3], order[3..], "each in its turn: {order:?}");
}

#[test]
fn clients_take_turns_and_each_has_its_tasks_in_their_order() {
    let mut kit = Kit::warm(Config { min: 1, max: 1, ..reused() });
    kit.submit_all(1, [0, 1, 2, 3]);
    kit.submit_all(2, [10, 11]);
    kit.submit_all(3, [20]);
    let mut order = vec![0];
    while let Some(Action::Assign { task, .. }) = kit.step(done(0, order[order.len() - 1])).get(1) {
        order.push(task.0);
    }
    assert_eq!(order, [0, 1, 10, 20, 2, 11, 3]);
}

#[test]
fn a_task_stands_behind_another_one_only_where_no_further_worker_may_be_busy() {
    let mut kit = Kit::warm(Config { min: 1, max: 2, busy_max: 2, in_flight: 2, ..reused() });
    assert_eq!(kit.submit_all(1, 1..3), [assign(0, 1), start(1, 0)]);
    assert_eq!(kit.step(ready(1)), [assign(1, 2)]);
    assert_eq!(kit.submit_all(1, 3..7), [assign(0, 3), assign(1, 4)], "the least busy, and no more than two each");
    assert_eq!(kit.step(done(0, 1)), [finish(1, How::Done), assign(0, 5)]);
}

// Deaths.

#[test]
fn a_death_ends_the_task_that_had_begun_and_the_others_come_first_once() {
    let mut kit = Kit::warm(deep());
    assert_eq!(kit.submit_all(1, 1..6), [assign(0, 1), assign(0, 2), assign(0, 3)]);
    assert_eq!(kit.step(done(0, 1)), [finish(1, How::Done), assign(0, 4)]);
    assert_eq!(kit.step(ended(0)), [finish(2, How::Died), start(0, 0)]);
    assert_eq!(kit.step(ready(0)), [assign(0, 3), assign(0, 4), assign(0, 5)]);
    assert_eq!(kit.step(ended(0)), [finish(3, How::Died), start(0, 0)]);
    assert_eq!(kit.step(ready(0)), [assign(0, 4), assign(0, 5)]);
}

#[test]
fn a_task_that_kills_its_worker_ten_times_breaks_no_pool() {
    let mut kit = Kit::warm(reused());
    assert_eq!(kit.step(submitted(100)), [assign(0, 100), start(2, 0)]);
    assert_eq!(kit.step(ready(2)), []);
    for task in 0..10 {
        let [Action::Assign { slot, .. }, Action::StartWorker { slot: next, .. }] = kit.step(submitted(task))[..]
        else {
            panic!("task {task}")
        };
        assert_eq!(kit.step(Event::WorkerReady { slot: next }), []);
        assert_eq!(kit.step(Event::WorkerEnded { slot }), [finish(task, How::Died)]);
    }
    assert_eq!(kit.step(done(0, 100)), [finish(100, How::Done)], "and the task of another one is done");
}

#[test]
fn a_zygotes_death_ends_no_worker_and_the_next_start_brings_another_one() {
    let mut kit = Kit::warm(reused());
    assert_eq!(kit.step(zygote_ended(0)), []);
    assert_eq!(kit.step(submitted(1)), [assign(0, 1), start_zygote(1)]);
    assert_eq!(kit.step(zygote_ready(1)), [start(2, 1)]);
}

#[test]
fn after_a_worker_that_ends_as_soon_as_it_is_ready_there_is_a_pause() {
    let mut kit = Kit::warm(reused());
    assert_eq!(kit.step(ended(0)), []);
    assert_eq!(kit.pass(millis(99)), []);
    assert_eq!(kit.pass(millis(1)), [start(0, 0)]);
    assert_eq!(kit.step(ready(0)), []);
    kit.pass(seconds(1));
    assert_eq!(kit.step(ended(1)), [start(1, 0)], "of one that has lived for long no reason is to be feared");
}

// Ends that are asked for.

#[test]
fn a_task_that_waits_is_taken_back_at_once_and_one_that_runs_ends_with_its_worker() {
    let mut kit = Kit::warm(Config { min: 1, max: 1, ..reused() });
    assert_eq!(kit.submit_all(1, 1..4), [assign(0, 1)]);
    assert_eq!(kit.step(Event::Cancelled { task: TaskId(2) }), [finish(2, How::Cancelled)]);
    assert_eq!(kit.step(Event::Cancelled { task: TaskId(1) }), [kill(0)]);
    assert_eq!(kit.step(Event::Cancelled { task: TaskId(1) }), [], "once");
    assert_eq!(kit.step(ended(0)), [finish(1, How::Cancelled), start(0, 0)]);
    assert_eq!(kit.step(ready(0)), [assign(0, 3)]);
}

#[test]
fn the_next_task_of_a_worker_that_is_killed_for_the_one_before_ends_once() {
    let mut kit = Kit::warm(deep());
    assert_eq!(kit.submit_all(1, 1..4), [assign(0, 1), assign(0, 2), assign(0, 3)]);
    assert_eq!(kit.step(Event::Cancelled { task: TaskId(1) }), [kill(0)]);
    assert_eq!(kit.step(done(0, 1)), [finish(1, How::Cancelled)], "its answer comes too late");
    assert_eq!(kit.step(ended(0)), [finish(2, How::Died), start(0, 0)], "it may have begun");
    assert_eq!(kit.step(ready(0)), [assign(0, 3)]);
    assert_eq!(kit.step(done(0, 3)), [finish(3, How::Done)]);
}

#[test]
fn a_task_that_is_taken_back_behind_another_one_harms_no_other() {
    let mut kit = Kit::warm(deep());
    assert_eq!(kit.submit_all(1, 1..4), [assign(0, 1), assign(0, 2), assign(0, 3)]);
    assert_eq!(kit.step(Event::Cancelled { task: TaskId(2) }), [finish(2, How::Cancelled)]);
    assert_eq!(kit.step(submitted(4)), [], "its worker gets no further task");
    assert_eq!(kit.step(done(0, 1)), [finish(1, How::Done), kill(0)]);
    assert_eq!(kit.step(ended(0)), [start(0, 0)]);
    assert_eq!(kit.step(ready(0)), [assign(0, 3), assign(0, 4)]);
}

#[test]
fn a_client_that_goes_takes_its_tasks_along_and_no_others() {
    let mut kit = Kit::warm(Config { min: 2, max: 2, ..reused() });
    kit.submit_all(1, [1]);
    kit.submit_all(2, [2]);
    kit.submit_all(1, [3, 4]);
    kit.submit_all(2, [5]);
    let gone = kit.step(Event::ClientGone { client: ClientId(1) });
    let slots = [0, 1].into_iter().filter(|slot| gone.contains(&kill(*slot))).collect::<Vec<_>>();
    assert_eq!((gone.len(), slots.len()), (3, 1), "{gone:?}");
    assert!(gone.contains(&finish(3, How::Cancelled)) && gone.contains(&finish(4, How::Cancelled)));
    assert_eq!(kit.step(ended(slots[0]))[0], finish(1, How::Cancelled));
    assert_eq!(kit.pool.counts().waiting, 1);
}

#[test]
fn a_time_limit_counts_from_the_start_and_a_late_answer_is_no_success() {
    let mut kit = Kit::warm(deep());
    let limited = |task| Event::Submitted { task: TaskId(task), client: CLIENT, wait: None, limit: Some(seconds(1)) };
    assert_eq!([kit.step(submitted(1)), kit.step(limited(2)), kit.step(limited(3))].concat().len(), 3);
    assert_eq!(kit.pass(seconds(5)), [], "it has not begun");
    assert_eq!(kit.step(done(0, 1)), [finish(1, How::Done)]);
    assert_eq!(kit.pass(millis(999)), []);
    assert_eq!(kit.pass(millis(1)), [kill(0)]);
    assert_eq!(kit.step(done(0, 2)), [finish(2, How::Overdue)]);
    assert_eq!(kit.pass(seconds(5)), []);
    assert_eq!(kit.step(ended(0)), [finish(3, How::Died), start(0, 0)]);
}

#[test]
fn patience_ends_while_a_task_waits_and_only_then() {
    let mut kit = Kit::warm(deep());
    let patient = |task| Event::Submitted { task: TaskId(task), client: CLIENT, wait: Some(seconds(1)), limit: None };
    for task in 1..5 {
        let _ = kit.step(patient(task));
        kit.pass(millis(100));
    }
    // The first three have a worker; they waited for nothing.
    assert_eq!(kit.pass(seconds(5)), [finish(4, How::Expired)]);
    assert_eq!(kit.step(ended(0)), [finish(1, How::Died), start(0, 0)]);
    assert_eq!(kit.pass(millis(999)), []);
    assert_eq!(kit.pass(millis(1)).len(), 2, "they have waited for a second since they came back");
    let at_once = Event::Submitted { task: TaskId(9), client: CLIENT, wait: Some(Duration::ZERO), limit: None };
    assert_eq!(kit.step(at_once), [finish(9, How::Expired)]);
    assert_eq!(kit.step(ready(0)), []);
    let at_once = Event::Submitted { task: TaskId(10), client: CLIENT, wait: Some(Duration::ZERO), limit: None };
    assert_eq!(kit.step(at_once), [assign(0, 10)], "there is a worker");
}

// Workers that are worn out, or of no use.

#[test]
fn a_worker_is_recycled_after_its_tasks_its_bytes_or_its_age() {
    let one = Config { min: 1, max: 1, ..reused() };
    let mut kit = Kit::warm(Config { tasks_per_worker: Some(2), ..one });
    assert_eq!(kit.submit_all(1, 1..4), [assign(0, 1)]);
    assert_eq!(kit.step(done(0, 1)), [finish(1, How::Done), assign(0, 2)]);
    assert_eq!(kit.step(done(0, 2)), [finish(2, How::Done), retire(0)]);
    assert_eq!((kit.step(ended(0)), kit.pool.counts().recycled), (vec![start(0, 0)], 1));

    let mut kit = Kit::warm(Config { worker_bytes: Some(20), ..one });
    assert_eq!(kit.submit_all(1, 1..4), [assign(0, 1)]);
    assert_eq!(kit.step(done(0, 1)), [finish(1, How::Done), assign(0, 2)]);
    assert_eq!(kit.step(done(0, 2)), [finish(2, How::Done), retire(0)]);

    let mut kit = Kit::warm(Config { worker_age: Some(seconds(60)), ..one });
    assert_eq!(kit.submit_all(1, 1..3), [assign(0, 1)]);
    assert_eq!(kit.pass(seconds(60)), []);
    assert_eq!(kit.step(done(0, 1)), [finish(1, How::Done), retire(0)], "after its task");
    assert_eq!([kit.step(ended(0)), kit.step(ready(0))].concat(), [start(0, 0), assign(0, 2)]);
    assert_eq!(kit.step(done(0, 2)), [finish(2, How::Done)]);
    assert_eq!(kit.pass(seconds(60)), [retire(0)], "or while it is idle");
}

#[test]
fn a_pool_shrinks_when_it_has_had_too_many_idle_workers_for_long() {
    let mut kit = Kit::warm(Config { min: 1, ..reused() });
    assert_eq!(kit.submit_all(1, 1..4), [assign(0, 1), start(1, 0), start(2, 0), start(3, 0)]);
    let _ = [ready(1), ready(2), ready(3), done(1, 2), done(2, 3)].map(|event| kit.step(event));
    kit.pass(seconds(5));
    assert_eq!(kit.step(done(0, 1)), [finish(1, How::Done)]);
    // A little work in between keeps one more than the pool needs, but not all four.
    assert_eq!(kit.step(submitted(5)), [assign(3, 5)]);
    assert_eq!(kit.step(done(3, 5)), [finish(5, How::Done)]);
    assert_eq!(kit.pass(seconds(5)), [retire(1), retire(2)]);
    assert_eq!([kit.step(ended(1)), kit.step(ended(2))].concat(), []);
    assert_eq!(kit.pass(seconds(5)), [retire(0)]);
    assert_eq!([kit.step(ended(0)), kit.pass(seconds(60))].concat(), [], "one is kept");
}

#[test]
fn a_retired_worker_that_does_not_end_is_killed_after_the_grace() {
    let mut kit = Kit::warm(Config { min: 1, max: 1, tasks_per_worker: Some(1), ..reused() });
    let _ = kit.submit_all(1, [1, 2]);
    assert_eq!(kit.step(done(0, 1)), [finish(1, How::Done), retire(0)]);
    assert_eq!(kit.pass(millis(999)), []);
    assert_eq!(kit.pass(seconds(60)), [kill(0)]);
    assert_eq!(kit.step(ended(0)), [start(0, 0)]);
}

// Failures.

#[test]
fn starts_that_fail_in_a_row_have_pauses_and_an_end() {
    let mut kit = Kit { pool: State::new(Config { min: 0, ..reused() }), now: Duration::ZERO };
    let _ = [kit.submit_all(1, [1, 2]), kit.step(zygote_ready(0))];
    assert_eq!(kit.step(refused(0)), [], "another start of it is under way");
    assert_eq!(kit.step(refused(1)), [end_zygote(0)], "those that were under way together count once");
    assert_eq!(kit.step(zygote_ended(0)), []);
    assert_eq!(kit.pass(millis(99)), []);
    assert_eq!(kit.pass(millis(1)), [start_zygote(1)]);
    assert_eq!(kit.step(zygote_ready(1)), [start(0, 1)], "one tries whether it goes better");
    assert_eq!(kit.step(ended(0)), [end_zygote(1)]);
    assert_eq!(kit.pass(millis(149)), []);
    assert_eq!(kit.pass(millis(1)), [start_zygote(2)]);
    assert_eq!(kit.step(zygote_ended(2)), [finish(1, How::Unstartable), finish(2, How::Unstartable)]);
    assert_eq!(kit.step(submitted(3)), [finish(3, How::Unstartable)]);
    assert_eq!((kit.pass(seconds(60)), kit.pool.counts().failed_starts), (vec![], 4));
}

#[test]
fn a_worker_that_is_ready_forgives_the_failures_before_it() {
    let mut kit = Kit { pool: State::new(Config { min: 1, ..reused() }), now: Duration::ZERO };
    let mut zygote = 0;
    let _ = kit.step(Event::Tick);
    for _ in 0..10 {
        for _ in 0..2 {
            assert_eq!(kit.step(zygote_ready(zygote)), [start(0, zygote)]);
            assert_eq!(kit.step(refused(0)), [end_zygote(zygote)]);
            let _ = kit.step(zygote_ended(zygote));
            zygote += 1;
            assert_eq!(kit.pass(millis(200)), [start_zygote(zygote)]);
        }
        assert_eq!([kit.step(zygote_ready(zygote)), kit.step(ready(0))].concat(), [start(0, zygote)]);
        kit.pass(seconds(1));
        assert_eq!(kit.step(zygote_ended(zygote)), []);
        zygote += 1;
        assert_eq!(kit.step(ended(0)), [start_zygote(zygote)]);
    }
}

#[test]
fn a_final_refusal_ends_all_hope_and_what_runs_goes_on() {
    let mut kit = Kit::warm(Config { min: 1, ..reused() });
    assert_eq!(kit.submit_all(1, 1..3), [assign(0, 1), start(1, 0), start(2, 0)]);
    let last = Event::WorkerRefused { slot: SlotId(1), is_final: true };
    assert_eq!(kit.step(last), [finish(2, How::Unstartable), kill(2)]);
    assert_eq!(kit.step(ready(2)), [end_zygote(0)], "it is to end already");
    assert_eq!(kit.step(done(0, 1)), [finish(1, How::Done), retire(0)]);
    assert_eq!([kit.step(ended(0)), kit.step(ended(2)), kit.step(zygote_ended(0))].concat(), []);
    assert_eq!(kit.step(Event::Close { drain: true }), [Action::Ended]);
}

// Zygotes.

#[test]
fn a_zygote_has_a_successor_after_so_many_workers_and_ends_when_no_start_is_under_way() {
    let mut kit = Kit::warm(Config { zygote_attempts: 3, ..reused() });
    assert_eq!(kit.step(submitted(1)), [assign(0, 1), start(2, 0), start_zygote(1)]);
    assert_eq!(kit.step(submitted(2)), [assign(1, 2), start(3, 0)], "the old one serves until it is ready");
    assert_eq!(kit.step(zygote_ready(1)), []);
    assert_eq!(kit.step(ready(2)), []);
    assert_eq!(kit.step(ready(3)), [end_zygote(0)]);
    assert_eq!(kit.step(zygote_ended(0)), []);
    assert_eq!(kit.step(done(1, 2)), [finish(2, How::Done)], "its workers live on");
}

#[test]
fn a_zygote_has_a_successor_at_its_age_and_one_that_fails_is_no_harm() {
    let mut kit = Kit::warm(Config { zygote_age: seconds(60), ..reused() });
    assert_eq!(kit.pass(seconds(60)), [start_zygote(1)]);
    for zygote in 1..9 {
        assert_eq!(kit.step(zygote_ended(zygote)), []);
        assert_eq!(kit.pass(millis(149)), []);
        assert_eq!(kit.pass(millis(1)), [start_zygote(zygote + 1)], "after the longest pause");
    }
    assert_eq!(kit.step(zygote_ready(9)), [end_zygote(0)]);
}

#[test]
fn a_zygote_that_starts_nobody_for_long_is_ended() {
    let mut kit = Kit::warm(Config { zygote_idle: Some(seconds(60)), ..reused() });
    kit.pass(seconds(30));
    assert_eq!(kit.step(submitted(1)), [assign(0, 1), start(2, 0)]);
    assert_eq!(kit.step(ready(2)), []);
    assert_eq!(kit.pass(seconds(59)), []);
    assert_eq!(kit.pass(seconds(1)), [end_zygote(0)]);
    assert_eq!(kit.step(submitted(2)), [assign(1, 2), start_zygote(1)]);
}

/// Each worker has a zygote of its own.
fn alone() -> Config {
    Config { spawn: Spawn::Exec, ..reused() }
}

#[test]
fn each_worker_has_a_zygote_of_its_own_and_the_next_one_is_there_already() {
    let mut kit = Kit { pool: State::new(alone()), now: Duration::ZERO };
    assert_eq!(kit.step(Event::Tick), [start_zygote(0), start_zygote(1)], "as many at once as workers are missing");
    assert_eq!(kit.step(zygote_ready(1)), [start(0, 1)]);
    assert_eq!(kit.step(ready(0)), [end_zygote(1)], "nobody else comes from it");
    assert_eq!(kit.step(zygote_ready(0)), [start(1, 0), start_zygote(2)]);
    assert_eq!(kit.step(ready(1)), [end_zygote(0)]);
    assert_eq!([kit.step(zygote_ended(1)), kit.step(zygote_ended(0)), kit.step(zygote_ready(2))].concat(), []);
    assert_eq!(kit.step(submitted(1)), [assign(0, 1), start(2, 2), start_zygote(3)]);
    assert_eq!(kit.step(submitted(2)), [assign(1, 2)], "it comes for this one now");
    assert_eq!(kit.step(zygote_ready(3)), [start(3, 3), start_zygote(4)]);
    assert_eq!(kit.step(zygote_ended(2)), [], "its worker may be ready all the same");
    assert_eq!(kit.step(ready(2)), []);
}

#[test]
fn zygotes_that_nobody_needs_any_more_end_but_for_one() {
    let mut kit =
        Kit { pool: State::new(Config { min: 0, zygote_idle: Some(seconds(60)), ..alone() }), now: seconds(0) };
    assert_eq!(kit.step(Event::Tick), [], "nobody is missing, and there was no start");
    assert_eq!(kit.submit_all(1, 1..4), [start_zygote(0), start_zygote(1), start_zygote(2)]);
    let cancel = |task| Event::Cancelled { task: TaskId(task) };
    assert_eq!([kit.step(cancel(1)), kit.step(cancel(2)), kit.step(cancel(3))].concat().len(), 3);
    assert_eq!(kit.step(zygote_ready(0)), []);
    assert_eq!(kit.step(zygote_ready(1)), [end_zygote(0)]);
    assert_eq!(kit.step(zygote_ready(2)), [end_zygote(1)]);
    assert_eq!(kit.pass(seconds(60)), [end_zygote(2)], "and that one when it is of no use");
    let _ = [0, 1, 2].map(|zygote| kit.step(zygote_ended(zygote)));
    assert_eq!(kit.pass(seconds(3600)), []);
}

#[test]
fn a_zygote_of_its_own_that_fails_counts_only_where_a_worker_is_missing() {
    let mut kit = Kit { pool: State::new(Config { min: 1, max: 1, busy_max: 1, ..alone() }), now: Duration::ZERO };
    assert_eq!(kit.step(Event::Tick), [start_zygote(0)]);
    assert_eq!(kit.step(zygote_ready(0)), [start(0, 0), start_zygote(1)]);
    assert_eq!(kit.step(ready(0)), [end_zygote(0)]);
    for zygote in 1..9 {
        assert_eq!(kit.step(zygote_ended(zygote)), []);
        assert_eq!(kit.pass(millis(149)), []);
        assert_eq!(kit.pass(millis(1)), [start_zygote(zygote + 1)], "after the longest pause");
    }
    let _ = [kit.step(submitted(1)), kit.step(submitted(2)), kit.step(ended(0))];
    for zygote in 9..12 {
        assert_eq!(kit.pool.counts().failed_starts, zygote - 9);
        let _ = [kit.step(zygote_ended(zygote as u32)), kit.pass(millis(200))];
    }
    assert_eq!(kit.pool.counts().waiting, 0, "after three of those nothing is tried any more");
}

// The end.

#[test]
fn a_pool_that_drains_does_what_waits_and_nothing_else() {
    let mut kit = Kit::warm(Config { min: 1, max: 2, busy_max: 2, ..reused() });
    assert_eq!(kit.submit_all(1, 1..3), [assign(0, 1), start(1, 0)]);
    assert_eq!(kit.step(Event::Close { drain: true }), []);
    assert_eq!(kit.step(submitted(9)), [finish(9, How::Closed)]);
    assert_eq!(kit.step(done(0, 1)), [finish(1, How::Done), assign(0, 2), kill(1)]);
    assert_eq!(kit.step(ended(1)), [end_zygote(0)]);
    assert_eq!(kit.step(done(0, 2)), [finish(2, How::Done), retire(0)]);
    assert_eq!(kit.step(ended(0)), []);
    assert_eq!(kit.step(zygote_ended(0)), [Action::Ended]);
    assert_eq!(kit.step(Event::Close { drain: false }), [], "once");
    assert_eq!(kit.pool.next_wake(), None);
}

#[test]
fn a_pool_that_is_closed_at_once_kills_what_runs_and_finishes_what_waits() {
    let mut kit = Kit::warm(Config { min: 1, max: 2, busy_max: 1, ..reused() });
    assert_eq!(kit.submit_all(1, 1..3), [assign(0, 1), start(1, 0)]);
    assert_eq!(kit.step(Event::Close { drain: true }), []);
    assert_eq!(kit.step(Event::Close { drain: false }), [finish(2, How::Closed), kill(0), kill(1)]);
    assert_eq!(kit.step(refused(1)), [end_zygote(0)]);
    assert_eq!(kit.step(ended(0)), [finish(1, How::Closed)]);
    assert_eq!(kit.step(zygote_ended(0)), [Action::Ended]);
}

// What is odd.

#[test]
fn what_concerns_nobody_changes_nothing() {
    let mut kit = Kit::warm(reused());
    let before = kit.pool.counts();
    let events = [
        ready(0),
        ready(3),
        refused(0),
        refused(77),
        ended(3),
        ended(u32::MAX),
        done(0, 1),
        done(9, 1),
        zygote_ready(0),
        zygote_ready(5),
        zygote_ended(5),
        Event::Cancelled { task: TaskId(1) },
        Event::ClientGone { client: CLIENT },
    ];
    for event in events {
        assert_eq!(kit.step(event), [], "{event:?}");
    }
    assert_eq!(kit.pool.counts(), before);
    let _ = kit.step(submitted(1));
    assert_eq!(kit.step(submitted(1)), [], "a number is used once");
}

#[test]
fn one_task_too_many_is_finished_at_once() {
    let mut kit = Kit::warm(Config { waiting_max: 2, min: 1, max: 1, ..reused() });
    assert_eq!(kit.submit_all(1, 1..4), [assign(0, 1)]);
    assert!(!kit.pool.has_room());
    assert_eq!(kit.step(submitted(4)), [finish(4, How::Full)]);
    assert_eq!(kit.step(done(0, 1)).len(), 2);
    assert!(kit.pool.has_room());
}

#[test]
fn bounds_that_contradict_each_other_are_made_to_fit() {
    let none = Config {
        min: 3,
        max: 0,
        busy_max: 9,
        tasks_per_worker: Some(0),
        worker_age: Some(Duration::ZERO),
        waiting_max: 0,
        zygote_attempts: 0,
        zygote_age: Duration::ZERO,
        start_failures_max: 0,
        in_flight: 0,
        ..reused()
    };
    let fitted = none.fitted();
    assert_eq!((fitted.max, fitted.busy_max, fitted.tasks_per_worker), (3, 3, Some(1)));
    assert_eq!((fitted.worker_age, fitted.waiting_max, fitted.zygote_attempts), (None, 1, 1));
    assert_eq!((fitted.zygote_age, fitted.start_failures_max, fitted.in_flight), (seconds(1), 1, 1));
    assert_eq!(reused().fitted(), reused());
}

#[test]
fn times_that_no_clock_reaches_are_no_times() {
    let endless = Duration::MAX;
    let pauses = Pauses { first: endless, max: endless };
    let config = Config { zygote_age: endless, worker_age: Some(endless), idle: endless, grace: endless, ..reused() };
    let mut kit = Kit::warm(Config { zygote_idle: Some(endless), backoff: pauses, min: 0, ..config });
    let event = Event::Submitted { task: TaskId(1), client: CLIENT, wait: Some(endless), limit: Some(endless) };
    let _ = [event, zygote_ready(0), ready(0)].map(|event| kit.step(event));
    assert_eq!(kit.step(done(0, 1)), [finish(1, How::Done)]);
    assert_eq!(kit.step(ended(0)), []);
    assert_eq!(kit.pool.next_wake(), None);
}

#[test]
fn pauses_double_up_to_the_longest() {
    let pauses = Pauses { first: millis(100), max: seconds(1) };
    assert_eq!([0, 1, 2, 3, 4, 5].map(|failures| pauses.after(failures).as_millis()), [100, 100, 200, 400, 800, 1000]);
    assert_eq!(pauses.after(u32::MAX), seconds(1));
}

#[test]
fn a_million_tasks_wait_and_nothing_of_them_is_kept() {
    let mut kit = Kit::warm(Config { min: 1, max: 1, ..reused() });
    let mut finished: BTreeMap<How, u64> = BTreeMap::new();
    let mut count = |actions: Vec<Action>| {
        for action in actions {
            if let Action::Finish { how, .. } = action {
                *finished.entry(how).or_default() += 1;
            }
        }
    };
    for task in 0..1_000_000 {
        let (task, client) = (TaskId(task), ClientId(task % 1000));
        count(kit.step(Event::Submitted { task, client, wait: Some(seconds(task.0)), limit: None }));
    }
    // One in three from the middle of its line, and all of some clients.
    (0..1_000_000).step_by(3).for_each(|task| count(kit.step(Event::Cancelled { task: TaskId(task) })));
    (0..100).for_each(|client| count(kit.step(Event::ClientGone { client: ClientId(client) })));
    assert!(kit.pool.tasks.is_bounded());
    count(kit.pass(seconds(500_000)));
    assert!(kit.pool.tasks.is_bounded());
    count(kit.step(Event::Close { drain: false }));
    assert!(kit.pool.tasks.waiting() == 0 && kit.pool.tasks.is_bounded());
    count(kit.step(ended(0)));
    assert_eq!(finished.values().sum::<u64>(), 1_000_000, "{finished:?}");
    assert_eq!(finished.keys().copied().collect::<Vec<_>>(), [How::Cancelled, How::Expired, How::Closed]);
}

#[test]
fn nobody_is_started_beside_a_task_that_has_just_begun() {
    let head_start = Duration::from_millis(1);
    let config = Config { min: 1, max: 3, busy_max: 2, head_start, ..fresh() };
    let mut kit = Kit::warm(config);
    assert_eq!(kit.step(submitted(1)), [assign(0, 1)]);
    // It has a millisecond,
    assert_eq!(kit.pool.next_wake(), Some(kit.now + head_start));
    kit.now += head_start;
    assert_eq!(kit.step(Event::Tick), [start(1, 0)]);
    assert_eq!(kit.step(ready(1)), []);
    // unless it has ended before,
    assert_eq!(kit.step(submitted(2)), [assign(1, 2)]);
    assert_eq!(kit.step(ended(1)), [finish(2, How::Died), start(1, 0)]);
    assert_eq!(kit.step(ready(1)), []);
    assert_eq!(kit.step(ended(0)), [finish(1, How::Died)]);
    // or another one waits.
    assert_eq!(kit.step(submitted(3)), [assign(1, 3)]);
    let started = kit.step(submitted(4));
    assert_eq!(started.len(), 2, "{started:?}");
}
