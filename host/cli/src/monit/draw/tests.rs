use super::*;
use crate::monit::model::{Message, update};
use crate::render::samples::{NOON, ended, instance, line, running, serving};
use crate::snapshot::shows;
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

/// The same as text. Times of a log are those of the machine's zone: no snapshot has them.
fn screen(model: &Model, columns: u16, rows: u16) -> String {
    let local = time::local(NOON + 123, model.now_ms);
    picture(model, columns, rows).join("\n").replace(&local, &"T".repeat(local.len()))
}

#[test]
fn a_usual_terminal_shows_list_numbers_and_log() {
    shows("monit", &screen(&model(), 80, 24));
}

#[test]
fn where_a_job_serves_http_its_requests_have_columns_and_facts() {
    let mut model = Model::new();
    let instances = vec![serving(1, "web")];
    update(&mut model, Message::Seen { instances, empty: Vec::new(), of: String::new(), log: Vec::new() });
    model.now_ms = NOON;
    shows("monit-http", &screen(&model, 100, 24));
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
    shows("monit-24-columns", &screen(&model(), 24, 6));
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
    shows("monit-question", &screen(&model, 80, 24));
    model.question = None;
    model.lost = Some("no daemon is running".into());
    shows("monit-lost", &screen(&model, 80, 24));
    model.help = true;
    shows("monit-help", &screen(&model, 80, 24));
}

#[test]
fn the_end_of_a_long_line_of_the_log_is_in_the_picture() {
    let mut model = model();
    let long = format!("{}the end", "x".repeat(5000));
    model.log = vec![line("web", LogStream::Out, &long)];
    let rows = picture(&model, 80, 24);
    assert!(rows.join("").replace(' ', "").contains("theend"), "{rows:#?}");
}
