//! Programs outside give many tasks to a pool, by the client library.

use sandhog_client::{Error, Input, Job, Limits, Pool, Reason, RunningPool, Task, Timeout, Works};
use sandhog_harness::{DEADLINE, guest, process, sandhog, until};
use std::thread;
use std::time::Duration;

const SOON: Timeout = Timeout::After(DEADLINE);

fn pool(name: &str) -> Pool {
    Pool::of(Job::new(guest(name)).executable(sandhog())).workers(2)
}

fn told(arguments: &[&str]) -> Input {
    Input { arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(), stdin: Vec::new() }
}

#[test]
fn a_program_calls_a_handler_and_many_at_once() {
    let pool = pool("hello-handler").start().unwrap();
    assert_eq!(pool.works(), Works::Handler);
    assert_eq!(pool.call::<_, String>("Ada").unwrap(), Ok("Hello, Ada!".into()));
    assert_eq!(pool.call::<_, String>("").unwrap(), Err("whom?".into()));
    let tasks: Vec<Task<String>> = (0..200).map(|number| pool.submit(&number.to_string()).unwrap()).collect();
    for (number, mut task) in tasks.into_iter().enumerate().rev() {
        assert_eq!(task.wait_timeout(SOON).unwrap(), Ok(format!("Hello, {number}!")));
        assert!(matches!(task.wait_timeout(SOON), Err(Error::Closed)));
    }
    assert!(pool.statistics().unwrap().answered >= 202);
    pool.close().unwrap();
}

#[test]
fn map_gives_answers_in_order_with_flat_room() {
    let pool = pool("word-handler").reuse(100).max_waiting(5).start().unwrap();
    let words: Vec<u64> = pool
        .map::<_, _, serde_json::Value>((1..500).map(|count| "a ".repeat(count)))
        .map(|answer| answer.unwrap().unwrap()["words"].as_u64().unwrap())
        .collect();
    assert_eq!(words, (1..500).collect::<Vec<_>>());
    // One that fails is one that fails.
    let answers: Vec<_> =
        pool.map::<_, _, serde_json::Value>(["a", "", "b"]).map(|answer| answer.unwrap().is_ok()).collect();
    assert_eq!(answers, [true, false, true]);
}

#[test]
fn threads_share_a_pool_and_each_has_its_own_answers() {
    let pool = pool("hello-handler").max_waiting(3).start().unwrap();
    let call =
        |pool: RunningPool, name: String| move || assert_eq!(pool.call(&name).unwrap(), Ok(format!("Hello, {name}!")));
    thread::scope(|scope| {
        for number in 0..8 {
            let pool = pool.clone();
            scope.spawn(move || (0..25).for_each(|task| call(pool.clone(), format!("{number}-{task}"))()));
        }
    });
    pool.close().unwrap();
}

#[test]
fn a_command_has_arguments_and_stdin_and_its_end_is_told() {
    let commands = pool("does_as_told").start().unwrap();
    let output = commands.run(told(&["print hello", "exit 3"])).unwrap();
    assert_eq!((output.verdict.reason, output.stdout.as_slice()), (Reason::Failed { code: 3 }, &b"hello\n"[..]));
    assert_eq!(output.verdict.exit_code, 3);
    assert!(matches!(commands.call::<_, u8>(&1), Err(Error::Refused(_))));
    let cat = pool("cat").start().unwrap();
    let stdin: Vec<u8> = (0..3_000_000).map(|at| (at * 7 / 3) as u8).collect();
    assert!(cat.run(Input { stdin: stdin.clone(), ..Input::default() }).unwrap().stdout == stdin);
    let trap = commands.run(told(&["trap"])).unwrap();
    assert!(matches!(trap.verdict.reason, Reason::Trapped { .. }));
}

#[test]
fn a_task_is_cancelled_by_a_word_and_by_being_dropped() {
    let pool = Pool::of(Job::new(guest("does_as_told")).executable(sandhog())).workers(1).start().unwrap();
    let mut hangs = pool.submit_input(told(&["hang"]), Limits::default()).unwrap();
    let waits = pool.submit_input(told(&["exit 0"]), Limits::default()).unwrap();
    assert!(matches!(hangs.wait_timeout(Timeout::After(Duration::from_millis(20))), Err(Error::TimedOut)));
    waits.cancel().unwrap();
    assert!(matches!(waits.wait(), Err(Error::Cancelled)));
    // Up to then nobody has it, and it would be as if it had waited.
    until("its worker to have it", || (pool.statistics().unwrap().busy > 0).then_some(()));
    hangs.cancel().unwrap();
    assert_ne!(hangs.wait().unwrap().verdict.exit_code, 0);
    drop(pool.submit_input(told(&["hang"]), Limits::default()).unwrap());
    assert_eq!(pool.run(told(&["exit 0"])).unwrap().verdict.exit_code, 0);
    let late = Limits { timeout: Some(Duration::from_millis(100)), wait: None };
    let output = pool.submit_input(told(&["hang"]), late).unwrap().wait().unwrap();
    assert!(matches!(output.verdict.reason, Reason::Deadline { .. }));
}

#[test]
fn a_pool_ends_with_the_last_handle_to_it() {
    let own = std::process::id();
    let pools = || {
        let is_pool = |pid: &u32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.windows(26).any(|part| part == b"pool\0--workers=2\0--ready=3")
        };
        process::descendants(own).into_iter().filter(is_pool).count()
    };
    let pool = pool("does_as_told").ready(3).start().unwrap();
    assert!(pools() > 0);
    let task = pool.submit_input(told(&["hang"]), Limits::default()).unwrap();
    drop(pool);
    assert!(pools() > 0);
    drop(task);
    until("it to end", || (pools() == 0).then_some(()));
}

#[test]
fn a_pool_that_can_not_begin_says_why_and_one_that_dies_tells_all_who_wait() {
    let Err(Error::PoolEnded(text)) = pool("imports_nobody_provides.wat").start() else { panic!() };
    assert!(text.contains("sandhog: "), "{text}");
    let Err(Error::NoExecutable(_)) = Pool::of(Job::new("x.wasm").executable("/nowhere/sandhog")).start() else {
        panic!()
    };
    let pool = pool("does_as_told").ready(5).start().unwrap();
    let task = pool.submit_input(told(&["hang"]), Limits::default()).unwrap();
    let own = process::descendants(std::process::id()).into_iter().find(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.windows(26).any(|part| part == b"pool\0--workers=2\0--ready=5")
    });
    let own = rustix::process::Pid::from_raw(own.unwrap().cast_signed()).unwrap();
    let waiting = thread::spawn(move || task.wait());
    rustix::process::kill_process(own, rustix::process::Signal::KILL).unwrap();
    assert!(matches!(waiting.join().unwrap(), Err(Error::PoolEnded(_))));
    assert!(matches!(pool.run(told(&["exit 0"])), Err(Error::PoolEnded(_))));
}

fn with_runtime<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(DEADLINE, work).await.unwrap() })
}

#[test]
fn tasks_of_a_runtime_share_a_pool() {
    with_runtime(async {
        let pool = pool("hello-handler").max_waiting(3).start_async().await.unwrap();
        let calls: Vec<_> = (0..100)
            .map(|number| {
                let pool = pool.clone();
                tokio::spawn(async move { pool.call::<_, String>(&number.to_string()).await })
            })
            .collect();
        for (number, call) in calls.into_iter().enumerate() {
            assert_eq!(call.await.unwrap().unwrap(), Ok(format!("Hello, {number}!")));
        }
        assert_eq!(pool.call::<_, String>("").await.unwrap(), Err("whom?".into()));
        assert_eq!(pool.statistics().await.unwrap().accepted, 101);
        pool.close().await.unwrap();
    });
}

#[test]
fn a_future_that_is_dropped_cancels_its_task() {
    with_runtime(async {
        let pool =
            Pool::of(Job::new(guest("does_as_told")).executable(sandhog())).workers(1).start_async().await.unwrap();
        let hangs = pool.run(told(&["hang"]));
        assert!(tokio::time::timeout(Duration::from_millis(50), hangs).await.is_err());
        assert_eq!(pool.run(told(&["exit 0"])).await.unwrap().verdict.exit_code, 0);
        let hangs = pool.submit_input(told(&["hang"]), Limits::default()).await.unwrap();
        let waits = pool.submit_input(told(&["exit 0"]), Limits::default()).await.unwrap();
        waits.cancel().unwrap();
        assert!(matches!(waits.wait().await, Err(Error::Cancelled)));
        // Up to then nobody has it, and it would be as if it had waited.
        while pool.statistics().await.unwrap().busy == 0 {}
        hangs.cancel().unwrap();
        assert_ne!(hangs.wait().await.unwrap().verdict.exit_code, 0);
    });
}
