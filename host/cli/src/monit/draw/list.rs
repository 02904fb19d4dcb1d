//! The list of instances. Its columns go from the right where there is little room; those about requests are there where a job
//! serves HTTP.

use super::style::style_of;
use crate::monit::model::{History, Model};
use crate::monit::spark::spark;
use crate::render::ps::NO_INSTANCE;
use crate::render::width::{cut, pad, pad_left};
use crate::render::{phase, time};
use phase::Mood;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use sandhog_protocol::control::Instance;
use sandhog_spec::text::escape;
use std::ops::Range;

/// Columns of a row of bars.
const BARS: usize = 8;

/// Narrowest name of a job that is worth showing.
const NARROWEST: usize = 10;

/// Widest one: beyond it the eye loses the line.
const WIDEST: usize = 32;

/// A column beside the name: heading, width, whether it is a number.
struct Column {
    heading: &'static str,
    width: usize,
    is_number: bool,
}

const fn column(heading: &'static str, width: usize, is_number: bool) -> Column {
    Column { heading, width, is_number }
}

/// In the order in which they are dropped, the last one first.
const COLUMNS: [Column; 12] = [
    column("STATE", 9, false),
    column("CPU", 6, true),
    column("MEM", 7, true),
    column("REQ/S", 6, true),
    column("P50", 6, true),
    column("P99", 6, true),
    column("ERR", 5, true),
    column("CPU …", BARS, false),
    column("RST", 4, true),
    column("UP", 6, true),
    column("LAST", 10, false),
    column("MEM …", BARS, false),
];

/// Those about requests.
const REQUESTS: Range<usize> = 3..7;

/// A cell of a row: text and style.
type Cell = (String, Style);

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    if model.instances.is_empty() && model.empty.is_empty() {
        let text = if model.is_new { "looking …" } else { "no jobs: sandhog up, or sandhog start FILE.wasm" };
        return frame.render_widget(Paragraph::new(text), area);
    }
    let there = there(model.instances.iter().any(|instance| instance.requests.is_some()));
    let (shown, name) = fit(&there, area.width.into());
    let shown = there.get(..shown).unwrap_or_default();
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let headings = COLUMNS.each_ref().map(|column| (column.heading.to_owned(), bold));
    let mut lines = vec![line(("JOB".into(), bold), &headings, shown, name)];
    let room = usize::from(area.height.saturating_sub(1));
    for instance in visible(model, room) {
        let is_selected = Some(instance.id) == model.selected;
        let label = (escape(&phase::label(instance)).into_owned(), Style::new());
        let row = line(label, &cells(instance, model), shown, name);
        let style = if is_selected { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
        lines.push(row.style(style));
    }
    // Nothing can be done to them here; where there is room they show that they are there.
    for job in model.empty.iter().take(usize::from(area.height).saturating_sub(lines.len())) {
        let quiet = style_of(Mood::Quiet);
        let state = [(NO_INSTANCE.to_owned(), quiet)];
        lines.push(line((escape(&job.job).into_owned(), quiet), &state, shown, name));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// Those around the selected one that fit.
fn visible(model: &Model, room: usize) -> &[Instance] {
    let index = model.selected_index().unwrap_or(0);
    let max = model.instances.len().saturating_sub(room);
    let first = index.saturating_sub(room / 2).min(max);
    let end = model.instances.len().min(first + room);
    model.instances.get(first..end).unwrap_or_default()
}

/// The columns that have something to say, in their order.
fn there(serves: bool) -> Vec<usize> {
    (0..COLUMNS.len()).filter(|index| serves || !REQUESTS.contains(index)).collect()
}

/// How many of these columns have room, and how wide the name is.
fn fit(there: &[usize], width: usize) -> (usize, usize) {
    let taken = |shown: usize| there.iter().take(shown).map(|index| COLUMNS[*index].width + 1).sum::<usize>();
    let shown = (0..=there.len()).rev().find(|shown| taken(*shown) + NARROWEST <= width).unwrap_or(0);
    (shown, width.saturating_sub(taken(shown)).min(WIDEST))
}

fn line(label: Cell, cells: &[Cell], shown: &[usize], name: usize) -> Line<'static> {
    let mut spans = vec![Span::styled(pad(&cut(&label.0, name), name), label.1)];
    for index in shown {
        let (Some((text, style)), column) = (cells.get(*index), &COLUMNS[*index]) else { continue };
        let text = cut(text, column.width);
        let text = if column.is_number { pad_left(&text, column.width) } else { pad(&text, column.width) };
        spans.push(Span::raw(" "));
        spans.push(Span::styled(text, *style));
    }
    Line::from(spans)
}

fn cells(instance: &Instance, model: &Model) -> [Cell; COLUMNS.len()] {
    let plain = |text: Option<String>| (text.unwrap_or_else(|| "-".into()), Style::new());
    let last = instance.last.as_ref();
    let bars = |text: String| (text, style_of(Mood::Good));
    let empty = History::default();
    let history = model.history.get(&instance.id).unwrap_or(&empty);
    let requests = instance.requests.as_ref();
    [
        (phase::state(instance).into(), style_of(phase::mood(instance.phase))),
        plain(instance.cpu_permille.map(phase::cpu)),
        plain(instance.memory_bytes.map(phase::memory)),
        plain(requests.map(|requests| phase::rate(requests.rate_milli))),
        plain(requests.and_then(|requests| requests.p50_us).map(phase::latency)),
        plain(requests.and_then(|requests| requests.p99_us).map(phase::latency)),
        plain(requests.map(|requests| requests.errors.to_string())),
        bars(spark(history.cpu_permille.iter().copied(), BARS, history.most_cpu())),
        plain(Some(instance.restarts.to_string())),
        plain(instance.started_ms.map(|start| time::rough(model.now_ms.saturating_sub(start)))),
        last.map_or_else(|| plain(None), |last| (phase::verdict(last), style_of(phase::verdict_mood(&last.verdict)))),
        bars(spark(history.memory_bytes.iter().copied(), BARS, history.most_memory())),
    ]
}
