//! The picture of a model. Pure: a frame of any size, and nothing beyond it.
//!
//! ```text
//!  sandhog monit  3 instances: 2 running, 1 failed
//!  JOB      STATE    LAST       RST  UP    CPU            MEM
//!  web/0    running  -            0  2h3m  12.3% ▁▁▂▃█    12.3MiB ▁▁▁▁▂
//!  …
//!  ── web/0 ──────────────────────────────────────────────────────────
//!  CPU and memory over time   the end of its log
//!  s stop  r restart  l reload  f follow  x delete  ? help  q quit
//! ```

mod list;
mod style;

use super::model::{History, Model};
use crate::render::width::{broken, cut, harmless};
use crate::render::{phase, time};
use phase::Mood;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear, Paragraph, Sparkline};
use sandhog_protocol::control::{Instance, LogLine, LogStream};
use sandhog_spec::text::escape;
use std::collections::{BTreeMap, VecDeque};
use style::style_of;

/// Below this many lines there is only the list.
const LINES_FOR_DETAILS: u16 = 12;

/// Below this many columns the log is alone below the list.
const COLUMNS_FOR_FACTS: u16 = 64;

const FACTS: u16 = 30;

const KEYS: &str = "s stop  r restart  l reload  f follow  x delete  ? help  q quit";

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, model: &Model) {
    let [head, middle, foot] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)]).areas(frame.area());
    frame.render_widget(Paragraph::new(title(model)), head);
    if frame.area().height < LINES_FOR_DETAILS {
        list::draw(frame, middle, model);
    } else {
        let [upper, lower] = Layout::vertical([Constraint::Fill(1), Constraint::Fill(1)]).areas(middle);
        list::draw(frame, upper, model);
        details(frame, lower, model);
    }
    frame.render_widget(Paragraph::new(footer(model, foot.width)), foot);
    if model.help {
        help(frame);
    }
}

/// How many there are, and in which states.
fn title(model: &Model) -> Line<'static> {
    let mut counts = BTreeMap::<_, usize>::new();
    for instance in &model.instances {
        *counts.entry(instance.phase).or_default() += 1;
    }
    let number = model.instances.len();
    let instances = if number == 1 { "instance" } else { "instances" };
    let mut spans = vec![
        Span::styled("sandhog monit", Style::new().add_modifier(Modifier::BOLD)),
        Span::raw(format!("  {number} {instances}")),
    ];
    for (index, (state, count)) in counts.into_iter().enumerate() {
        spans.push(Span::raw(if index == 0 { ": " } else { ", " }));
        spans.push(Span::styled(format!("{count} {state}"), style_of(phase::mood(state))));
    }
    Line::from(spans)
}

/// What is asked, or wrong, or was done; else the keys.
fn footer(model: &Model, columns: u16) -> Line<'static> {
    let bad = style_of(Mood::Bad).add_modifier(Modifier::BOLD);
    let (text, style) = match (&model.question, &model.lost, &model.said) {
        (Some(job), _, _) => (format!("delete {} with all its instances? y, or any other key", escape(job)), bad),
        (None, Some(lost), _) => (format!("{}; trying again", escape(lost)), bad),
        (None, None, Some(said)) => (escape(said).into_owned(), style_of(Mood::Busy)),
        (None, None, None) => (KEYS.to_owned(), style_of(Mood::Quiet)),
    };
    Line::styled(cut(&text, columns.into()), style)
}

/// The one that is looked at: its numbers over time, and its log.
fn details(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let Some(instance) = model.current() else { return };
    let stands = if model.follows { "" } else { " log stands still: f goes on " };
    let name = format!(" {} ", escape(&phase::label(instance)));
    let block = Block::new().borders(Borders::TOP).title(name).title_top(Line::from(stands).right_aligned());
    let inside = block.inner(area);
    frame.render_widget(block, area);
    if area.width < COLUMNS_FOR_FACTS {
        return log(frame, inside, model);
    }
    let [left, _, right] =
        Layout::horizontal([Constraint::Length(FACTS), Constraint::Length(2), Constraint::Min(0)]).areas(inside);
    facts(frame, left, instance, model);
    log(frame, right, model);
}

fn facts(frame: &mut Frame<'_>, area: Rect, instance: &Instance, model: &Model) {
    let lines = describe(instance, model.now_ms, area.width.into());
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let bars = Constraint::Fill(1);
    let [text, cpu, memory] = Layout::vertical([Constraint::Length(height), bars, bars]).areas(area);
    frame.render_widget(Paragraph::new(lines), text);
    if let Some(history) = model.history.get(&instance.id) {
        bars_of(frame, cpu, "cpu", &history.cpu_permille, History::most_cpu(history));
        bars_of(frame, memory, "memory", &history.memory_bytes, History::most_memory(history));
    }
}

fn describe(instance: &Instance, now_ms: u64, columns: usize) -> Vec<Line<'static>> {
    let state = Span::styled(phase::state(instance).to_owned(), style_of(phase::mood(instance.phase)));
    let since = time::rough(now_ms.saturating_sub(instance.since_ms));
    let mut lines = vec![Line::from(vec![state, Span::raw(format!(" for {since}"))])];
    let texts = [
        instance.reason.as_deref().map(|reason| escape(reason).into_owned()),
        instance.pid.map(|pid| {
            format!("pid {pid}, {} {}", instance.restarts, if instance.restarts == 1 { "restart" } else { "restarts" })
        }),
        instance.last.as_ref().map(|last| format!("last: {}", escape(&last.text))),
        instance.next_ms.map(|next| format!("next in {}", time::rough(next.saturating_sub(now_ms)))),
        instance.progress.as_deref().map(|progress| escape(progress).into_owned()),
        instance
            .requests
            .map(|requests| format!("{} req/s, {} in flight", phase::rate(requests.rate_milli), requests.in_flight)),
        instance.requests.and_then(|requests| {
            let (half, most) = requests.p50_us.zip(requests.p99_us)?;
            Some(format!("p50 {}, p99 {}", phase::latency(half), phase::latency(most)))
        }),
        instance
            .requests
            .filter(|requests| requests.errors > 0)
            .map(|requests| format!("{} requests went wrong", requests.errors)),
    ];
    lines.extend(texts.into_iter().flatten().map(|text| Line::raw(cut(&text, columns))));
    lines
}

fn bars_of(frame: &mut Frame<'_>, area: Rect, name: &'static str, values: &VecDeque<u64>, max: u64) {
    let surplus = values.len().saturating_sub(area.width.into());
    let shown = values.iter().skip(surplus).copied().collect::<Vec<_>>();
    let bars = Sparkline::default().block(Block::new().title(name)).max(max).data(shown);
    frame.render_widget(bars.style(style_of(Mood::Good)), area);
}

/// The end of the log, as far as it fits: a line of it takes as many rows as it needs.
fn log(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let (columns, height) = (usize::from(area.width), usize::from(area.height));
    let mut rows = VecDeque::new();
    for line in model.log.iter().rev() {
        if rows.len() >= height {
            break;
        }
        for row in log_rows(line, model.now_ms, columns).into_iter().rev() {
            rows.push_front(row);
        }
    }
    rows.drain(..rows.len().saturating_sub(height));
    frame.render_widget(Paragraph::new(Vec::from(rows)), area);
}

fn log_rows(line: &LogLine, now_ms: u64, columns: usize) -> Vec<Line<'static>> {
    let style = match line.stream {
        LogStream::Out | LogStream::Log | LogStream::Access | LogStream::Unknown(_) => Style::new(),
        LogStream::Err => style_of(Mood::Bad),
        LogStream::Sandhog => style_of(Mood::Busy),
    };
    let time = time::local(line.at_ms, now_ms) + " ";
    let text = harmless(&line.text).replace('\t', "    ");
    let mut rows = broken(&(time.clone() + &text), columns).into_iter().map(|row| Line::styled(row, style));
    let first = rows.next().map(|row| with_time(&row, &time, style));
    first.into_iter().chain(rows).collect()
}

/// The time in front is dim.
fn with_time(row: &Line<'_>, time: &str, style: Style) -> Line<'static> {
    let text = row.to_string();
    match text.strip_prefix(time) {
        Some(rest) => {
            Line::from(vec![Span::styled(time.to_owned(), style_of(Mood::Quiet)), Span::styled(rest.to_owned(), style)])
        }
        None => Line::styled(text, style),
    }
}

const HELP: &str = "\
up, down, j, k   select
page up, down    by ten
g, G             first, last
s                stop
r                restart, or start
l                reload: no pause
x                delete the job
f                let the log stand still
q, Esc, Ctrl-C   quit

the jobs stay up when this ends";

fn help(frame: &mut Frame<'_>) {
    let rows = u16::try_from(HELP.lines().count()).unwrap_or(u16::MAX).saturating_add(2);
    let area = frame.area().centered(Constraint::Max(44), Constraint::Max(rows));
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(HELP).block(Block::bordered().title(" keys ")), area);
}

#[cfg(test)]
mod tests;
