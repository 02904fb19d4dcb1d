use super::*;
use crate::monit::model::{Message, update};
use crate::render::samples::{NOON, ended, instance, line, running, serving};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use sandhog_protocol::control::Phase;
use sandhog_protocol::verdict::Verdict;

fn model() -> Model {
    let mut model = Model::new();
    let last = Some(ended(Verdict::Failed { code: 3 }, 3, "it ended with code 3"));
    let failed =
        Instance { last, restarts: 6, reason: Some("6 restarts".into()), ..instance(2, "worker", Phase::Failed) };
    let instances = || vec![running(1, "web"), failed.clone()];
    let log = || vec![line("web", LogStream::Out, "hello\x1b[2J"), line("web", LogStream::Err, "oh")];
    update(&mut model, Message::Seen { instances: instances(), empty: Vec::new(), of: String::new(), log: Vec::new() });
    update(&mut model, Message::Seen { instances: instances(), empty: Vec::new(), of: "web/0".into(), log: log() });
    model.now_ms = NOON + 8000;
    model
}

fn picture(model: &Model, columns: u16, rows: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| draw(frame, model)).unwrap();
    let buffer = terminal.backend().buffer();
    let row = |row: u16| (0..columns).map(|column| buffer[(column, row)].symbol()).collect::<String>();
    (0..rows).map(|number| row(number).trim_end().to_owned()).collect()
}

#[test]
fn a_usual_terminal_shows_list_numbers_and_log() {
    let rows = picture(&model(), 80, 24);
    assert_eq!(rows[0], "sandhog monit  2 instances: 1 running, 1 failed");
    assert_eq!(rows[1], "JOB            STATE        CPU     MEM CPU …     RST     UP LAST       MEM …");
    assert_eq!(rows[2], "web/0          running    12.3% 12.3MiB       ▂▂    0   2h3m -                ██");
    assert_eq!(rows[3], "worker/0       failed         -       -       ▁▁    6      - failed(3)        ▁▁");
    assert!(rows[12].starts_with(" web/0 ──"), "{rows:#?}");
    assert!(rows[13].starts_with("running for 8s"), "{rows:#?}");
    assert!(rows[13].ends_with("hello\\u{1b}[2J"), "{rows:#?}");
    assert!(rows[14].ends_with("oh"), "{rows:#?}");
    assert!(rows[23].starts_with("s stop  r restart  l reload"), "{rows:#?}");
}

#[test]
fn where_a_job_serves_http_its_requests_have_columns_and_facts() {
    let mut model = Model::new();
    let instances = vec![serving(1, "web")];
    update(&mut model, Message::Seen { instances, empty: Vec::new(), of: String::new(), log: Vec::new() });
    model.now_ms = NOON;
    let rows = picture(&model, 100, 24);
    assert_eq!(rows[1].split_whitespace().collect::<Vec<_>>()[3..8], ["MEM", "REQ/S", "P50", "P99", "ERR"]);
    assert_eq!(rows[2].split_whitespace().collect::<Vec<_>>()[3..8], ["12.3MiB", "1234", "870us", "31.4ms", "2"]);
    assert!(rows.iter().any(|row| row.starts_with("1234 req/s, 7 in flight")), "{rows:#?}");
    assert!(rows.iter().any(|row| row.starts_with("p50 870us, p99 31.4ms")), "{rows:#?}");
    assert!(rows.iter().any(|row| row.starts_with("2 requests went wrong")), "{rows:#?}");
}

#[test]
fn no_size_is_too_small() {
    for columns in [1, 5, 10, 20, 40, 63, 64, 80, 300] {
        for rows in [1, 2, 3, 5, 11, 12, 13, 24, 100] {
            for change in [|_: &mut Model| {}, |model: &mut Model| model.help = true] {
                let mut model = model();
                change(&mut model);
                picture(&model, columns, rows);
                picture(&Model::new(), columns, rows);
            }
        }
    }
}

#[test]
fn little_room_shows_the_names_and_states() {
    let rows = picture(&model(), 24, 6);
    assert_eq!(rows[1], "JOB            STATE");
    assert_eq!(rows[2], "web/0          running");
    assert_eq!(rows[3], "worker/0       failed");
}

#[test]
fn the_selected_one_is_in_the_picture_however_many_there_are() {
    let mut model = Model::new();
    let instances: Vec<_> = (0..10_000).map(|id| running(id, &format!("job{id}"))).collect();
    update(&mut model, Message::Seen { instances, empty: Vec::new(), of: String::new(), log: Vec::new() });
    for id in [0, 3, 5000, 9999] {
        model.selected = Some(id);
        let rows = picture(&model, 80, 24);
        assert!(rows.iter().any(|row| row.starts_with(&format!("job{id}/0 "))), "{rows:#?}");
    }
}

#[test]
fn a_question_a_loss_and_help_are_seen() {
    let mut model = model();
    model.question = Some("web\x1b".into());
    assert!(picture(&model, 80, 24)[23].starts_with("delete web\\u{1b} with all its instances? y"));
    model.question = None;
    model.lost = Some("no daemon is running".into());
    assert!(picture(&model, 80, 24)[23].starts_with("no daemon is running; trying again"));
    model.help = true;
    assert!(picture(&model, 80, 24).iter().any(|row| row.contains("the jobs stay up when this ends")));
}

#[test]
fn the_end_of_a_long_line_of_the_log_is_in_the_picture() {
    let mut model = model();
    let long = format!("{}the end", "x".repeat(5000));
    model.log = vec![line("web", LogStream::Out, &long)];
    let rows = picture(&model, 80, 24);
    assert!(rows.join("").replace(' ', "").contains("theend"), "{rows:#?}");
}
