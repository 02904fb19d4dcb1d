use super::*;
use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};

const RULES: LogRules = LogRules { file_bytes: 64 << 10, files: 10_000, level: None };

/// A place for logs, which is not there yet, and what it goes with.
fn new_directory() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let logs = directory.path().join("logs");
    (directory, logs)
}

fn of(job: &str, instance: u32) -> Origin {
    Origin { job: job.into(), instance, attempt: format!("attempt-{instance}") }
}

fn texts(lines: &[LogLine]) -> Vec<&str> {
    lines.iter().map(|line| line.text.as_str()).collect()
}

/// As a guest does.
async fn write(logs: &Logs, job: &str, rules: LogRules, text: &str) {
    let mut sink = logs.stream(of(job, 0), LogStream::Out, rules);
    sink.write(text.as_bytes()).await;
    sink.end().await;
}

fn run(test: impl Future) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test);
}

/// What one stream has written, by instance: numbers from 0 without a gap.
fn check_numbers(lines: &[LogLine], streams: u32, each: usize) {
    let mut next: HashMap<u32, usize> = HashMap::new();
    for line in lines {
        let next = next.entry(line.instance).or_default();
        assert_eq!(line.text, format!("{next} 行"), "instance {}", line.instance);
        *next += 1;
    }
    assert_eq!(next.len(), streams as usize);
    assert!(next.values().all(|count| *count == each), "{next:?}");
}

#[test]
fn of_a_hundred_thousand_lines_of_several_streams_none_is_lost_or_doubled_while_files_are_set_aside() {
    const STREAMS: u32 = 8;
    const EACH: usize = 12_500;
    let (_kept, directory) = new_directory();
    run(async {
        let logs = Logs::open(&directory, STREAMS as usize * EACH).unwrap();
        let writers: Vec<_> = (0..STREAMS)
            .map(|number| {
                let stream = [LogStream::Out, LogStream::Err][number as usize % 2];
                let mut sink = logs.stream(of(["one", "two"][number as usize / 4], number), stream, RULES);
                async move {
                    let all: String = (0..EACH).map(|number| format!("{number} 行\n")).collect();
                    // Cuts within lines and within characters.
                    for part in all.as_bytes().chunks(777 + number as usize) {
                        sink.write(part).await;
                        tokio::task::yield_now().await;
                    }
                    sink.end().await;
                }
            })
            .collect();
        let jobs = || vec!["one".to_owned(), "two".to_owned()];
        // Somebody begins to follow every now and then.
        let looks = async {
            let mut looks = Vec::new();
            for _ in 0..5 {
                looks.push(logs.tail(jobs(), usize::MAX, true).await.unwrap());
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                }
            }
            looks
        };
        let mut set = tokio::task::JoinSet::new();
        for writer in writers {
            set.spawn(writer);
        }
        let (looks, _) = tokio::join!(looks, set.join_all());
        let (whole, _) = logs.tail(jobs(), usize::MAX, false).await.unwrap();
        check_numbers(&whole, STREAMS, EACH);
        for (mut lines, follow) in looks {
            let mut follow = follow.unwrap();
            while let Ok(line) = follow.try_recv() {
                lines.push(line);
            }
            check_numbers(&lines, STREAMS, EACH);
        }
        assert!(directory.join("one.log.10").exists(), "files were set aside");
        assert_eq!(logs.problem(), None);
        logs.close().await;
    });
}

#[test]
fn who_follows_the_file_by_its_name_sees_every_line_whole() {
    use std::io::Read;
    let (_kept, directory) = new_directory();
    run(async {
        let logs = Logs::open(&directory, 1).unwrap();
        let mut sink = logs.stream(of("a", 0), LogStream::Out, LogRules { file_bytes: 200, files: 1, level: None });
        let (mut file, mut seen): (Option<std::fs::File>, String) = (None, String::new());
        for number in 0..300 {
            sink.write(format!("{number}\n").as_bytes()).await;
            // When it answers, everything before is written.
            logs.tail(Vec::new(), 0, false).await.unwrap();
            // As `tail -F` does: to the end of the file that it has, then the file that has the name now.
            for mut open in
                [file.take(), Some(std::fs::File::open(directory.join("a.log")).unwrap())].into_iter().flatten()
            {
                if file.as_ref().is_some_and(|file| same(file, &open)) {
                    continue;
                }
                open.read_to_string(&mut seen).unwrap();
                assert!(seen.ends_with('\n'));
                file = Some(open);
            }
        }
        let numbers: Vec<_> =
            seen.lines().map(|line| line.rsplit(' ').next().unwrap().parse::<u32>().unwrap()).collect();
        assert_eq!(numbers, (0..300).collect::<Vec<_>>());
        assert!(directory.join("a.log.1").exists());
    });
}

fn same(one: &std::fs::File, other: &std::fs::File) -> bool {
    files::look_at(one).unwrap().0 == files::look_at(other).unwrap().0
}

#[test]
fn what_a_guest_writes_is_kept_byte_by_byte() {
    let (_kept, directory) = new_directory();
    run(async {
        let logs = Logs::open(&directory, 1).unwrap();
        let mut sink = logs.stream(of("a", 0), LogStream::Out, RULES);
        for part in
            [&b"wi"[..], b"de \xe7\x95", b"\x8c\n\nbad \xff\xfe\n", b"\x1b[31mred\r\n", b"no newline \xf0\x9f\xa6\x80"]
        {
            sink.write(part).await;
        }
        sink.end().await;
        sink.end().await;
        let (lines, follow) = logs.tail(vec!["a".into()], 10, false).await.unwrap();
        assert!(follow.is_none());
        assert_eq!(texts(&lines), ["wide 界", "", "bad \u{fffd}\u{fffd}", "\u{1b}[31mred\r", "no newline 🦀"]);
        let bytes = std::fs::read(directory.join("a.log")).unwrap();
        assert!(bytes.windows(9).any(|window| window == b" bad \xff\xfe\n2"));
    });
}

#[test]
fn a_guest_that_writes_no_newline_gets_lines_all_the_same() {
    let (_kept, directory) = new_directory();
    run(async {
        let logs = Logs::open(&directory, 1).unwrap();
        let rules = LogRules { file_bytes: 1 << 20, files: 1, level: None };
        let mut sink = logs.stream(of("a", 0), LogStream::Out, rules);
        let text = "界".repeat(70_000);
        for part in text.as_bytes().chunks(1_000) {
            sink.write(part).await;
            assert!(sink.unfinished.len() <= LINE_BYTES);
        }
        sink.end().await;
        let (lines, _) = logs.tail(vec!["a".into()], 100, false).await.unwrap();
        assert_eq!(lines.len(), 210_000_usize.div_ceil(LINE_BYTES));
        assert!(lines.iter().all(|line| line.text.len() <= LINE_BYTES));
        assert_eq!(texts(&lines).concat(), text, "no character was cut");
    });
}

#[test]
fn words_of_sandhogs_own_are_whole_lines() {
    let (_kept, directory) = new_directory();
    run(async {
        let logs = Logs::open(&directory, 1).unwrap();
        let mut sink = logs.stream(of("a", 0), LogStream::Out, RULES);
        sink.write(b"half a ").await;
        logs.note(&of("a", 0), RULES, "it is ready\n");
        logs.line(&of("a", 0), LogStream::Log, RULES, "two words").await;
        sink.write(b"line\n").await;
        let (lines, _) = logs.tail(vec!["a".into()], 10, false).await.unwrap();
        assert_eq!(texts(&lines), ["it is ready", "two words", "half a line"]);
        let streams: Vec<_> = lines.iter().map(|line| line.stream).collect();
        assert_eq!(streams, [LogStream::Sandhog, LogStream::Log, LogStream::Out]);
    });
}

#[test]
fn one_event_is_one_line_whatever_is_in_it() {
    let (_kept, directory) = new_directory();
    let forged = "bored\nhas ended: denied";
    let ends = ["\n", "\r", "\r\n", "\u{85}", "\u{2028}", "\u{2029}", "\u{b}", "\u{c}", "\u{1b}[1A", "\u{202e}", "\0"];
    run(async {
        let logs = Logs::open(&directory, 1).unwrap();
        logs.note(&of("a", 0), RULES, &format!("asks to be replaced: {forged}"));
        logs.line(&of("a", 0), LogStream::Log, RULES, forged).await;
        for end in ends {
            logs.note(&of("a", 0), RULES, &format!("before{end}after"));
        }
        // As long as it may be: the rest of it is no line of its own.
        logs.note(&of("long", 0), RULES, &format!("{}\n{}", "界".repeat(50_000), "has ended: denied ".repeat(9_000)));
        let (lines, _) = logs.tail(vec!["a".into()], 100, false).await.unwrap();
        let (long, _) = logs.tail(vec!["long".into()], 100, false).await.unwrap();
        assert_eq!((lines.len(), long.len()), (2 + ends.len(), 1));
        assert_eq!(lines[0].text, "asks to be replaced: bored\\nhas ended: denied");
        assert_eq!((lines[1].text.as_str(), lines[1].stream), ("bored\\nhas ended: denied", LogStream::Log));
        let is_harmless = |line: &LogLine| escape(&line.text) == line.text && line.text.len() <= LINE_BYTES;
        assert!(lines.iter().chain(&long).all(is_harmless));
        assert!(lines[2..].iter().all(|line| line.text.starts_with("before\\")), "{lines:?}");
        assert!(long[0].text.ends_with(" bytes more"));
        let file = std::fs::read_to_string(directory.join("a.log")).unwrap();
        assert_eq!(file.lines().count(), lines.len());
    });
}

fn without_thread(directory: &std::path::Path) -> (Logs, mpsc::UnboundedReceiver<Ordered>) {
    std::fs::create_dir_all(directory).unwrap();
    Logs::without_thread(Arc::new(Dir::open_ambient_dir(directory, ambient_authority()).unwrap()), || 0)
}

#[test]
fn what_sandhog_says_comes_behind_what_was_written_before_and_never_waits() {
    let (_kept, directory) = new_directory();
    let (logs, mut received) = without_thread(&directory);
    let mut sink = logs.stream(of("a", 0), LogStream::Out, RULES);
    // As much as waits without anybody who writes.
    let text = vec![b'x'; QUEUE * 2 * PIECE_BYTES];
    let mut writing = pin!(sink.write(&text));
    assert!(writing.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    logs.note(&of("a", 0), RULES, "has ended");
    logs.remove("a".into());
    let mut orders = Vec::new();
    while let Ok(ordered) = received.try_recv() {
        orders.push(ordered.order);
    }
    let [.., Order::Write(before), Order::Write(note), Order::Remove { job }] = &orders[..] else { panic!() };
    assert!(before.bytes.ends_with(b"x\n") && note.bytes.ends_with(b" sandhog has ended\n") && job == "a");
}

#[test]
fn words_of_sandhogs_own_that_nobody_writes_are_bounded_and_those_that_are_lost_are_counted() {
    const WORDS: u64 = 300_000;
    let (_kept, directory) = new_directory();
    let (logs, mut received) = without_thread(&directory);
    for _ in 0..WORDS {
        logs.note(&of("a", 0), RULES, "is asked to stop");
    }
    let (mut waiting, mut bytes) = (0, 0);
    while let Ok(Ordered { order: Order::Write(piece), permit }) = received.try_recv() {
        (waiting, bytes) = (waiting + 1, bytes + piece.bytes.len());
        drop(permit);
    }
    assert!(waiting > 20_000 && bytes <= NOTES_BYTES, "{waiting} with {bytes} bytes");
    let problem = logs.problem().unwrap();
    assert_eq!(problem.lines, WORDS - waiting);
    assert!(problem.to_string().contains("too slow"), "{problem}");
    // There is room again.
    logs.note(&of("a", 0), RULES, "has stopped");
    assert_eq!(logs.problem(), None);
}

#[test]
fn a_disk_that_does_not_take_it_makes_the_guest_wait_and_costs_no_memory() {
    let (_kept, directory) = new_directory();
    std::fs::create_dir_all(&directory).unwrap();
    let (logs, mut received) = without_thread(&directory);
    let mut sink = logs.stream(of("a", 0), LogStream::Out, RULES);
    // Lines with less text than what stands in front of it.
    let text = b"12345\n".repeat(1 << 20);
    let mut writing = pin!(sink.write(&text));
    let mut context = Context::from_waker(Waker::noop());
    let mut lines = 0;
    loop {
        let state = writing.as_mut().poll(&mut context);
        let mut waiting = 0;
        while let Ok(Ordered { order: Order::Write(piece), .. }) = received.try_recv() {
            waiting += piece.bytes.len();
            lines += piece.bytes.split_inclusive(|byte| *byte == b'\n').count();
        }
        assert!(waiting > 0 && waiting <= QUEUE * (PIECE_BYTES + LINE_BYTES), "{waiting}");
        if state.is_ready() {
            break;
        }
    }
    assert_eq!(lines, 1 << 20);
}

#[test]
fn lines_of_several_jobs_come_in_the_order_of_their_times_and_only_the_last() {
    static NOW: AtomicU64 = AtomicU64::new(0);
    let (_kept, directory) = new_directory();
    run(async {
        let logs = Logs::with_clock(&directory, 1, || NOW.load(Ordering::SeqCst)).unwrap();
        for (at_ms, job) in [(10, "b"), (20, "a"), (20, "c"), (30, "b"), (40, "a"), (35, "a"), (50, "c")] {
            NOW.store(at_ms, Ordering::SeqCst);
            logs.line(&of(job, 0), LogStream::Out, RULES, &format!("{job}{at_ms}")).await;
        }
        let jobs = ["a", "b", "missing", "c"].map(str::to_owned).to_vec();
        let (all, _) = logs.tail(jobs.clone(), 100, false).await.unwrap();
        assert_eq!(texts(&all), ["b10", "a20", "c20", "b30", "a40", "a35", "c50"]);
        for count in 0..=7 {
            let (last, _) = logs.tail(jobs.clone(), count, false).await.unwrap();
            assert_eq!(last, all[7 - count..], "{count}");
        }
    });
}

#[test]
fn the_end_of_a_log_of_gigabytes_is_read_and_no_more() {
    let (_kept, directory) = new_directory();
    run(async {
        let logs = Logs::open(&directory, 1).unwrap();
        // A hole, which takes no room.
        std::fs::File::create(directory.join("a.log")).unwrap().set_len(5 << 30).unwrap();
        let rules = LogRules { file_bytes: u64::MAX, files: 1, level: None };
        write(&logs, "a", rules, "one\ntwo\nthree").await;
        let (lines, _) = logs.tail(vec!["a".into()], 2, false).await.unwrap();
        assert_eq!(texts(&lines), ["two", "three"]);
    });
}

#[test]
fn what_is_damaged_is_no_error() {
    let (_kept, directory) = new_directory();
    run(async {
        let logs = Logs::open(&directory, 1).unwrap();
        let good = "2026-11-21T16:13:00.123Z 0 x out";
        let noise = "noise".repeat(100_000);
        std::fs::write(directory.join("a.log.1"), format!("{good} one\n{noise}\n\0\0\0\n{good} t")).unwrap();
        std::fs::write(directory.join("a.log"), format!("{good} two\n2026-11-21T1")).unwrap();
        let (lines, _) = logs.tail(vec!["a".into()], 10, false).await.unwrap();
        assert_eq!(texts(&lines), ["one", "t", "two"]);
        logs.line(&of("a", 0), LogStream::Out, RULES, "three").await;
        let (lines, _) = logs.tail(vec!["a".into()], 10, false).await.unwrap();
        assert_eq!(texts(&lines), ["one", "t", "two", "three"]);
    });
}

#[test]
fn what_can_not_be_written_is_dropped_and_told_and_the_guest_goes_on() {
    let (_kept, directory) = new_directory();
    run(async {
        let logs = Logs::open(&directory, 1).unwrap();
        std::fs::create_dir(directory.join("a.log")).unwrap();
        write(&logs, "a", RULES, "one\ntwo").await;
        logs.line(&of("b", 0), LogStream::Out, RULES, "three").await;
        logs.line(&of("../b", 0), LogStream::Out, RULES, "four").await;
        assert_eq!(texts(&logs.tail(vec!["b".into()], 10, false).await.unwrap().0), ["three"]);
        let problem = logs.problem().unwrap();
        assert_eq!(problem.lines, 3);
        assert_eq!(logs.problem(), None, "it is told once");
        std::fs::remove_dir(directory.join("a.log")).unwrap();
        logs.line(&of("a", 0), LogStream::Out, RULES, "five").await;
        assert_eq!(texts(&logs.tail(vec!["a".into()], 10, false).await.unwrap().0), ["five"]);
        assert_eq!(logs.problem(), None);
        assert_eq!(logs.tail(vec!["../b".into()], 10, false).await.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    });
}

#[test]
fn logs_are_for_their_owner_only() {
    let (_kept, directory) = new_directory();
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o755)).unwrap();
    run(async {
        let logs = Logs::open(&directory, 1).unwrap();
        logs.line(&of("a", 0), LogStream::Out, RULES, "one").await;
        logs.clone().close().await;
        let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(directory.clone()), mode(directory.join("a.log"))), (0o700, 0o600));
        logs.line(&of("a", 0), LogStream::Out, RULES, "closed logs take nothing and keep nobody waiting").await;
        logs.remove("a".into());
        assert!(logs.tail(vec!["a".into()], 1, false).await.is_err());
    });
}

#[test]
fn a_job_that_is_removed_begins_anew() {
    let (_kept, directory) = new_directory();
    run(async {
        let logs = Logs::open(&directory, 1).unwrap();
        let mut sink = logs.stream(of("a", 0), LogStream::Out, RULES);
        sink.write(b"old\n").await;
        logs.remove("a".into());
        logs.tail(Vec::new(), 0, false).await.unwrap();
        assert!(!directory.join("a.log").exists());
        sink.write(b"new\n").await;
        assert_eq!(texts(&logs.tail(vec!["a".into()], 9, false).await.unwrap().0), ["new"]);
    });
}
