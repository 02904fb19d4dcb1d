use super::*;
use sandhog_protocol::control::BackoffSpec;
use sandhog_protocol::verdict::{Usage, Verdict};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Set for the process that is to be killed: where its state is.
const VICTIM: &str = "SANDHOG_TEST_STORE";

/// A directory for one state, removed at the end.
struct StateFolder(tempfile::TempDir);

impl StateFolder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn state(&self) -> PathBuf {
        self.0.path().join("state.db")
    }

    fn open(&self) -> (Store, Stored) {
        Store::open(&self.state()).unwrap()
    }

    fn refused(&self) -> Error {
        Store::open(&self.state()).map(drop).unwrap_err()
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test)
}

/// The next id; waits for the disk where that is needed.
async fn id(store: &mut Store) -> Result<u64, Error> {
    loop {
        if let Some(ids) = store.take_ids(1) {
            return Ok(ids.start);
        }
        store.reserve_ids(1);
        store.kept().await?;
    }
}

fn job(name: &str) -> JobSpec {
    let backoff = BackoffSpec { first: Some("1s".into()), ..BackoffSpec::default() };
    let env = [("NAME".to_owned(), "wide 界".to_owned())].into();
    JobSpec { name: name.into(), module: "/m/a.wasm".into(), instances: Some(2), env, backoff, ..JobSpec::default() }
}

fn row(id: u64, instance: u32) -> InstanceRow {
    InstanceRow { id, instance, wanted: true, failed: None, finished: false, attempt: None, restarts: 0 }
}

fn ended(number: u64) -> EndedAttempt {
    let verdict = Verdict::Deadline { limit: "30s".into() };
    let (attempt, text) = (format!("attempt-{number}"), "it ran longer than 30s".into());
    EndedAttempt {
        attempt,
        at_ms: number,
        text,
        code: 124,
        verdict,
        usage: Usage { wall_ms: number, ..Usage::default() },
    }
}

fn numbers(instance: &StoredInstance) -> Vec<u64> {
    instance.ended.iter().map(|ended| ended.at_ms).collect()
}

#[test]
fn everything_that_was_put_is_there_again() {
    let folder = StateFolder::new();
    run(async {
        let (store, stored) = folder.open();
        assert_eq!(stored, Stored::default());
        let group = GroupSpec { name: "web".into(), strategy: Some("one-for-all".into()) };
        store.put_group(&group);
        store.put_group(&GroupSpec { name: "gone".into(), strategy: None });
        store.delete_group("gone");
        store.put_job(&job("second"), None, 7);
        store.put_job(&job("first"), Some("/p/sandhog.toml"), 3);
        store.put_last_due("first", 1_000);
        store.put_instance("first", row(1, 0));
        let failed = InstanceRow { wanted: false, failed: Some("5 restarts in 60s".into()), restarts: 5, ..row(2, 1) };
        store.put_instance("first", failed.clone());
        store.add_ended(2, &ended(1));
        store.add_ended(2, &ended(2));
        store.put_alive(u64::from(u32::MAX) * 1_000);
        store.close().await.unwrap();

        let (_store, stored) = folder.open();
        assert_eq!(stored.groups, [group]);
        assert_eq!(stored.alive_ms, Some(u64::from(u32::MAX) * 1_000));
        let [first, second] = &stored.jobs[..] else { panic!("{stored:?}") };
        assert_eq!(
            (&first.spec, first.source.as_deref(), first.last_due_ms),
            (&job("first"), Some("/p/sandhog.toml"), Some(1_000))
        );
        assert_eq!((&second.spec, &second.source, second.last_due_ms), (&job("second"), &None, None));
        assert_eq!(first.instances[0], StoredInstance { row: row(1, 0), ended: Vec::new() });
        assert_eq!(first.instances[1], StoredInstance { row: failed, ended: vec![ended(2), ended(1)] });
        assert!(second.instances.is_empty());
    });
}

#[test]
fn the_last_ten_of_each_instance_are_kept_however_they_were_written() {
    let folder = StateFolder::new();
    run(async {
        let (store, _) = folder.open();
        store.put_job(&job("a"), None, 0);
        store.put_instance("a", row(1, 0));
        store.put_instance("a", row(2, 1));
        for number in 0..50 {
            store.add_ended(1, &ended(number));
            // Some one by one, some together.
            if number % 3 == 0 {
                store.kept().await.unwrap();
            }
        }
        store.add_ended(2, &ended(99));
        store.close().await.unwrap();
        let instances = &folder.open().1.jobs[0].instances;
        assert_eq!(numbers(&instances[0]), (40..50).rev().collect::<Vec<_>>());
        assert_eq!(numbers(&instances[1]), [99]);
    });
}

#[test]
fn what_is_deleted_takes_what_belongs_to_it_along() {
    let folder = StateFolder::new();
    run(async {
        let (store, _) = folder.open();
        for (id, name) in [(1, "a"), (2, "b"), (3, "b")] {
            store.put_job(&job(name), None, id);
            store.put_instance(name, row(id, 0));
            store.add_ended(id, &ended(id));
            store.put_last_due(name, id);
        }
        store.kept().await.unwrap();
        store.delete_job("a");
        store.put_job(&job("a"), None, 0);
        store.delete_instance(2);
        // It was on its way.
        store.add_ended(2, &ended(9));
        store.close().await.unwrap();
        let (store, stored) = folder.open();
        let [a, b] = &stored.jobs[..] else { panic!("{stored:?}") };
        assert_eq!((&a.instances[..], a.last_due_ms), (&[][..], None));
        assert_eq!(b.instances, [StoredInstance { row: row(3, 0), ended: vec![ended(3)] }]);
        store.close().await.unwrap();
        let left: i64 =
            file::open(&folder.state()).unwrap().query_row("SELECT count(*) FROM ended", [], |row| row.get(0)).unwrap();
        assert_eq!(left, 1);
    });
}

#[test]
fn an_id_is_never_given_again() {
    let folder = StateFolder::new();
    run(async {
        let mut given = BTreeSet::new();
        for round in 0..4 {
            let (mut store, _) = folder.open();
            for _ in 0..100 {
                let id = id(&mut store).await.unwrap();
                assert!(given.insert(id), "{id} again");
            }
            if round < 2 {
                store.close().await.unwrap();
            } else {
                // As if it were killed: nothing is given back.
                store.shared.end();
                store.thread.take().unwrap().join().unwrap();
            }
        }
        assert!(given.first() == Some(&1) && given.range(..=300).count() == 300, "none is left out but by a kill");
    });
}

#[test]
fn twenty_thousand_ids_wait_for_one_write_and_those_after_them_for_none() {
    let folder = StateFolder::new();
    run(async {
        let (mut store, _) = folder.open();
        store.kept().await.unwrap();
        assert_eq!(store.take_ids(20_000), None);
        store.reserve_ids(20_000);
        store.kept().await.unwrap();
        assert_eq!(store.take_ids(20_000), Some(1..20_001));
        assert_eq!(store.take_ids(1_000), Some(20_001..21_001));
        store.close().await.unwrap();
        let (mut store, _) = folder.open();
        assert_eq!(id(&mut store).await.unwrap(), 21_001, "what was reserved too much is given back");
    });
}

#[test]
fn who_waits_for_a_thread_that_has_ended_is_told() {
    let folder = StateFolder::new();
    run(async {
        let (mut store, _) = folder.open();
        let early = store.kept();
        store.shared.end();
        store.thread.take().unwrap().join().unwrap();
        assert!(early.await.is_ok(), "what was put before the end is written");
        assert!(matches!(store.kept().await, Err(Error::Ended { .. })));
    });
}

/// The process that the next test kills. Of itself it does nothing.
#[test]
fn a_victim_writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(VICTIM) else { return };
    run(async {
        let (mut store, _) = Store::open(Path::new(&path)).unwrap();
        loop {
            let id = id(&mut store).await.unwrap();
            println!("\ngiven {id}");
            let together = store.together();
            store.put_job(&job(&format!("job-{id}")), None, id);
            store.put_instance(&format!("job-{id}"), row(id, 0));
            (0..12).for_each(|number| store.add_ended(id, &ended(number)));
            if id % 2 == 0 {
                store.delete_job(&format!("job-{}", id - 1));
            }
            drop(together);
            store.kept().await.unwrap();
            println!("\nwritten {id}");
        }
    });
}

#[test]
fn what_was_written_is_there_after_a_kill() {
    let folder = StateFolder::new();
    let name = module_path!().split_once("::").unwrap().1.to_owned() + "::a_victim_writes_until_it_is_killed";
    let mut last = 0;
    for round in 1..=20 {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &name, "--nocapture"])
            .env(VICTIM, folder.state())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        let (mut given, mut ids) = (Vec::new(), Vec::new());
        for line in lines.map_while(Result::ok) {
            given.extend(line.strip_prefix("given ").and_then(|id| id.parse::<u64>().ok()));
            ids.extend(line.strip_prefix("written ").and_then(|id| id.parse::<u64>().ok()));
            if ids.len() == round * 7 {
                break;
            }
        }
        victim.kill().unwrap();
        victim.wait().unwrap();
        assert!(given[0] > last, "an id was given again: {} after {last}", given[0]);
        last = *given.last().unwrap();

        let (store, stored) = folder.open();
        let jobs: BTreeSet<_> = stored.jobs.iter().map(|job| job.spec.name.as_str()).collect();
        for id in ids {
            let pair = jobs.contains(format!("job-{id}").as_str());
            // The one that came next may have deleted it already.
            assert!(pair == (id % 2 == 0) || id + 1 >= last, "job-{id}");
        }
        for job in &stored.jobs {
            let [instance] = &job.instances[..] else { panic!("{job:?}") };
            assert_eq!(numbers(instance), (2..12).rev().collect::<Vec<_>>(), "all that belongs together or none of it");
            last = last.max(instance.row.id);
        }
        run(store.close()).unwrap();
    }
}

#[test]
fn a_log_that_is_cut_anywhere_gives_the_state_of_an_earlier_moment() {
    let folder = StateFolder::new();
    run(async {
        let (store, _) = folder.open();
        for round in 1..=20 {
            let together = store.together();
            store.put_job(&job("a"), None, round);
            store.put_last_due("a", round);
            store.put_alive(round);
            drop(together);
            store.kept().await.unwrap();
        }
        // Nothing is being written now.
        let (state, log) = (fs::read(folder.state()).unwrap(), fs::read(folder.0.path().join("state.db-wal")).unwrap());
        let copy = StateFolder::new();
        let mut moments = BTreeSet::new();
        for length in (0..=log.len()).step_by(997).chain([log.len()]) {
            fs::write(copy.state(), &state).unwrap();
            fs::write(copy.0.path().join("state.db-wal"), &log[..length]).unwrap();
            let (store, stored) = copy.open();
            let due = stored.jobs.first().and_then(|job| job.last_due_ms);
            assert_eq!(due, stored.alive_ms, "one change is there as a whole");
            moments.insert(due);
            store.close().await.unwrap();
        }
        assert!(moments.len() == 21 && moments.last() == Some(&Some(20)), "{moments:?}");
    });
}

#[test]
fn a_damaged_state_is_refused_and_left_as_it_is() {
    let folder = StateFolder::new();
    run(async {
        let (store, _) = folder.open();
        for number in 0..200 {
            store.put_job(&job(&format!("job-{number}")), None, number);
        }
        store.close().await.unwrap();
    });
    let whole = fs::read(folder.state()).unwrap();
    let mut refused = 0;
    for page in 0..whole.len() / 4096 {
        let mut damaged = whole.clone();
        damaged[page * 4096..][..2048].fill(0xa5);
        fs::write(folder.state(), &damaged).unwrap();
        match Store::open(&folder.state()) {
            Err(error @ Error::Damaged { .. }) => {
                refused += 1;
                assert!(error.to_string().contains("sandhog up"), "{error}");
                assert_eq!(fs::read(folder.state()).unwrap(), damaged);
            }
            // Nothing of ours is in that page.
            Ok((store, stored)) => {
                assert_eq!(stored.jobs.len(), 200);
                run(store.close()).unwrap();
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(refused > 5);
    fs::write(folder.state(), "no database, but longer than one hundred bytes. ".repeat(100)).unwrap();
    assert!(matches!(folder.refused(), Error::Damaged { .. }));
}

#[test]
fn a_job_that_can_not_be_read_is_a_damage_and_not_a_job_less() {
    let folder = StateFolder::new();
    run(async {
        let (store, _) = folder.open();
        store.put_job(&job("a"), None, 0);
        store.close().await.unwrap();
    });
    let connection = file::open(&folder.state()).unwrap();
    connection.execute("UPDATE job SET spec = '{\"modul\u{1b}\": 1}'", []).unwrap();
    drop(connection);
    let text = folder.refused().to_string();
    assert!(text.contains("damaged") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn the_state_of_a_newer_sandhog_or_of_another_program_is_left_alone() {
    let folder = StateFolder::new();
    drop(file::open(&folder.state()).unwrap());
    let newer = rusqlite::Connection::open(folder.state()).unwrap();
    newer.execute_batch("PRAGMA user_version = 3").unwrap();
    drop(newer);
    assert!(matches!(folder.refused(), Error::Newer { found: 3, known: 2, .. }));

    let folder = StateFolder::new();
    let foreign = rusqlite::Connection::open(folder.state()).unwrap();
    foreign.execute_batch("CREATE TABLE job (name TEXT)").unwrap();
    drop(foreign);
    let before = fs::read(folder.state()).unwrap();
    assert!(matches!(folder.refused(), Error::Foreign { .. }));
    assert_eq!(fs::read(folder.state()).unwrap(), before);
}

#[test]
fn two_daemons_never_have_one_state() {
    let folder = StateFolder::new();
    let (store, _) = folder.open();
    assert!(matches!(folder.refused(), Error::Busy { .. }));
    run(store.close()).unwrap();
    run(folder.open().0.close()).unwrap();
}

#[test]
fn the_state_is_for_its_owner_only_and_not_behind_a_symlink() {
    use std::os::unix::fs::PermissionsExt;
    let folder = StateFolder::new();
    let (store, _) = folder.open();
    store.put_alive(1);
    run(store.kept()).unwrap();
    for name in ["state.db", "state.db-wal"] {
        assert_eq!(fs::metadata(folder.0.path().join(name)).unwrap().permissions().mode() & 0o7777, 0o600, "{name}");
    }
    std::os::unix::fs::symlink("state.db", folder.0.path().join("link")).unwrap();
    assert!(matches!(Store::open(&folder.0.path().join("link")), Err(Error::Open { .. })));
    assert!(matches!(Store::open(&folder.0.path().join("missing/state.db")), Err(Error::Open { .. })));
}

#[test]
fn a_full_disk_is_told_once_and_everything_is_written_when_there_is_room() {
    let folder = StateFolder::new();
    run(async {
        let connection = file::open(&folder.state()).unwrap();
        connection.query_row("PRAGMA max_page_count = 30", [], |row| row.get::<_, i64>(0)).unwrap();
        let (mut store, _) = Store::start(&folder.state(), connection).unwrap();
        store.put_job(&job("small"), None, 0);
        store.kept().await.unwrap();
        assert!(store.problem().is_none());
        store.put_job(&JobSpec { args: vec!["x".repeat(1 << 20)], ..job("large") }, None, 1);
        for _ in 0..3 {
            assert!(matches!(store.kept().await, Err(Error::Write { .. })));
        }
        assert!(matches!(store.problem(), Some(Error::Write { .. })));
        assert!(store.problem().is_none());
        assert!(id(&mut store).await.is_ok(), "some were reserved before");
        store.reserve_ids(1_000);
        assert!(store.kept().await.is_err());
        assert!(store.take_ids(1_000).is_none(), "no id is given that is not reserved");
        store.put_instance("small", row(1, 0));
        (0..10_000).for_each(|number| store.add_ended(1, &ended(number)));
        assert!(store.shared.pending() <= 4, "{} changes wait", store.shared.pending());
        store.delete_job("large");
        store.kept().await.unwrap();
        assert!(store.take_ids(1_000).is_some());
        store.close().await.unwrap();
        let (_store, stored) = folder.open();
        assert_eq!(stored.jobs.len(), 1);
        assert_eq!(numbers(&stored.jobs[0].instances[0]), (9_990..10_000).rev().collect::<Vec<_>>());
    });
}

#[test]
fn what_waits_grows_with_the_instances_and_not_with_what_happens() {
    let folder = StateFolder::new();
    run(async {
        let (store, _) = folder.open();
        // The first reservation of ids waits as well, until it is written.
        store.kept().await.unwrap();
        for round in 0..50 {
            for id in 1..=500 {
                store.put_instance("a", InstanceRow { restarts: round, ..row(id, 0) });
                store.add_ended(id, &ended(round));
            }
            assert!(store.shared.pending() <= 1_000);
        }
        store.put_job(&job("a"), None, 0);
        store.close().await.unwrap();
        let instances = &folder.open().1.jobs[0].instances;
        assert_eq!(instances.len(), 500);
        for instance in instances {
            assert_eq!(instance.row.restarts, 49);
            assert_eq!(numbers(instance), (40..50).rev().collect::<Vec<_>>());
        }
    });
}
