//! The table of `ps`. It fits the terminal: short headings first, then cut names, then fewer columns. Columns about requests are
//! there where a job serves HTTP.

use super::Paper;
use super::phase::{self, Mood};
use super::time::rough;
use super::width::{cut, pad, pad_left, width};
use sandhog_protocol::control::{Instance, JobSummary, Phase, Requests};
use sandhog_spec::text::escape;

/// What there is to say where there is nothing to list.
pub const NOTHING: &str = "\
no jobs: to bring some up
  sandhog up               the jobs of ./sandhog.toml
  sandhog start FILE.wasm  one job
";

/// Most reasons that are shown under the table: they must not push it off the screen.
const REASONS: usize = 5;

/// Narrowest name of a job that is worth showing.
const NARROWEST: usize = 8;

const GAP: usize = 2;
const COLUMNS: usize = 15;
const JOB: usize = 1;
const STATE: usize = 3;

/// Those about requests.
const REQUESTS: std::ops::Range<usize> = 9..14;

/// The state of a job that has no instance, in the table and in JSON.
pub const NO_INSTANCE: &str = "none";

struct Column {
    heading: &'static str,
    /// Where there is little room.
    short: &'static str,
    is_number: bool,
    /// The one with the highest goes first where there is no room; 0 stays.
    dispensable: u8,
}

const fn column(heading: &'static str, short: &'static str, is_number: bool, dispensable: u8) -> Column {
    Column { heading, short, is_number, dispensable }
}

const TABLE: [Column; COLUMNS] = [
    column("ID", "ID", true, 4),
    column("JOB", "JOB", false, 0),
    column("INSTANCE", "#", true, 0),
    column("STATE", "STATE", false, 0),
    column("LAST", "LAST", false, 2),
    column("RESTARTS", "RST", true, 3),
    column("UPTIME", "UP", true, 5),
    column("CPU", "CPU", true, 6),
    column("MEMORY", "MEM", true, 7),
    column("REQ/S", "REQ/S", true, 2),
    column("P50", "P50", true, 5),
    column("P99", "P99", true, 3),
    column("IN-FLIGHT", "INFL", true, 6),
    column("ERRORS", "ERR", true, 4),
    column("PID", "PID", true, 8),
];

struct Cell {
    text: String,
    mood: Option<Mood>,
}

/// The table, with jobs that have no instance last, and on a terminal why some have failed.
pub fn text(instances: &[Instance], empty: &[JobSummary], now_ms: u64, paper: Paper) -> String {
    if instances.is_empty() && empty.is_empty() {
        return NOTHING.into();
    }
    let rows: Vec<_> =
        instances.iter().map(|instance| row(instance, now_ms)).chain(empty.iter().map(row_of_none)).collect();
    let mut text = lay_out(&rows, instances.iter().any(|instance| instance.requests.is_some()), paper);
    if paper.is_terminal {
        text.push_str(&reasons(instances));
    }
    text
}

fn row(instance: &Instance, now_ms: u64) -> [Cell; COLUMNS] {
    let plain = |text: String| Cell { text, mood: None };
    let or_none = |text: Option<String>| plain(text.unwrap_or_else(|| "-".into()));
    let last = match &instance.last {
        Some(last) => Cell { text: phase::verdict(last), mood: Some(phase::verdict_mood(&last.verdict)) },
        None => plain("-".into()),
    };
    let of_requests = |show: fn(&Requests) -> Option<String>| or_none(instance.requests.as_ref().and_then(show));
    [
        plain(instance.id.to_string()),
        plain(escape(&instance.job).into_owned()),
        plain(instance.instance.to_string()),
        Cell { text: phase::state(instance).into(), mood: Some(phase::mood(instance.phase)) },
        last,
        plain(instance.restarts.to_string()),
        or_none(instance.started_ms.map(|start| rough(now_ms.saturating_sub(start)))),
        or_none(instance.cpu_permille.map(phase::cpu)),
        or_none(instance.memory_bytes.map(phase::memory)),
        of_requests(|requests| Some(phase::rate(requests.rate_milli))),
        of_requests(|requests| requests.p50_us.map(phase::latency)),
        of_requests(|requests| requests.p99_us.map(phase::latency)),
        of_requests(|requests| Some(requests.in_flight.to_string())),
        of_requests(|requests| Some(requests.errors.to_string())),
        or_none(instance.pid.map(|pid| pid.to_string())),
    ]
}

/// Of a job that has no instance.
fn row_of_none(job: &JobSummary) -> [Cell; COLUMNS] {
    let mut cells = std::array::from_fn(|_| Cell { text: "-".into(), mood: None });
    cells[JOB].text = escape(&job.job).into_owned();
    cells[STATE] = Cell { text: NO_INSTANCE.into(), mood: Some(Mood::Quiet) };
    cells
}

/// What is shown of the table: which columns, how wide, with which headings.
struct Layout {
    widths: [usize; COLUMNS],
    shown: [bool; COLUMNS],
    headings: [&'static str; COLUMNS],
}

impl Layout {
    fn new(rows: &[[Cell; COLUMNS]], serves: bool, room: Option<usize>) -> Self {
        let cells: [usize; COLUMNS] =
            std::array::from_fn(|index| rows.iter().map(|row| width(&row[index].text)).max().unwrap_or(0));
        let with = |headings: [&'static str; COLUMNS]| Self {
            widths: std::array::from_fn(|index| cells[index].max(width(headings[index]))),
            shown: std::array::from_fn(|index| serves || !REQUESTS.contains(&index)),
            headings,
        };
        let (long, short) = (with(TABLE.map(|column| column.heading)), with(TABLE.map(|column| column.short)));
        match room {
            Some(room) if long.width() > room => short.narrowed(room),
            Some(_) | None => long,
        }
    }

    fn width(&self) -> usize {
        let shown = self.widths.iter().zip(self.shown).filter(|(_, shown)| *shown);
        shown.map(|(width, _)| width + GAP).sum::<usize>().saturating_sub(GAP)
    }

    fn narrowed(mut self, room: usize) -> Self {
        loop {
            let over = self.width().saturating_sub(room);
            if over == 0 {
                return self;
            }
            if self.widths[JOB] > NARROWEST {
                self.widths[JOB] = self.widths[JOB].saturating_sub(over).max(NARROWEST);
                continue;
            }
            let shown = (0..COLUMNS).filter(|index| self.shown[*index] && TABLE[*index].dispensable > 0);
            let Some(smallest) = shown.max_by_key(|index| TABLE[*index].dispensable) else { return self };
            self.shown[smallest] = false;
        }
    }

    fn line(&self, cells: impl Iterator<Item = (String, Option<Mood>)>, colour: bool) -> String {
        let mut line = String::new();
        for (index, (text, mood)) in cells.enumerate().filter(|(index, _)| self.shown[*index]) {
            let text = cut(&text, self.widths[index]);
            let columns = self.widths[index];
            let padded = if TABLE[index].is_number { pad_left(&text, columns) } else { pad(&text, columns) };
            let painted = mood.map(|mood| padded.replacen(&text, &mood.paint(&text, colour), 1));
            line.push_str(&painted.unwrap_or(padded));
            line.push_str(&" ".repeat(GAP));
        }
        line.trim_end().to_owned() + "\n"
    }
}

fn lay_out(rows: &[[Cell; COLUMNS]], serves: bool, paper: Paper) -> String {
    let layout = Layout::new(rows, serves, paper.width);
    let headings = layout.headings.iter().map(|heading| ((*heading).to_owned(), None));
    let mut text = layout.line(headings, false);
    for row in rows {
        text.push_str(&layout.line(row.iter().map(|cell| (cell.text.clone(), cell.mood)), paper.colour));
    }
    text
}

/// Why the first ones that have failed did, and where to look.
fn reasons(instances: &[Instance]) -> String {
    let failed: Vec<_> = instances.iter().filter(|instance| instance.phase == Phase::Failed).collect();
    let mut text = String::new();
    for instance in failed.iter().take(REASONS) {
        let reason = instance.reason.as_deref().unwrap_or("given up");
        text.push_str(&format!("\n{} failed: {}", escape(&phase::label(instance)), escape(reason)));
    }
    match failed.len() {
        0 => return text,
        more if more > REASONS => text.push_str(&format!("\nand {} more", more - REASONS)),
        _ => {}
    }
    let job = failed.first().map_or("", |instance| &instance.job);
    text + &format!("\nlook at: sandhog logs {0}; sandhog show {0}\n", escape(job))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{NOON, ended, instance, running, serving};
    use super::*;
    use crate::snapshot::shows;
    use sandhog_protocol::verdict::Verdict;

    const PIPE: Paper = Paper { is_terminal: false, colour: false, width: None };

    fn two() -> Vec<Instance> {
        let last = Some(ended(Verdict::Failed { code: 3 }, 3, "it ended with code 3"));
        let reason = Some("6 restarts within 1m".into());
        vec![running(1, "web"), Instance { last, reason, restarts: 6, ..instance(12, "worker", Phase::Failed) }]
    }

    #[test]
    fn a_table_is_this() {
        shows("ps", &text(&two(), &[], NOON, PIPE));
    }

    #[test]
    fn a_job_without_an_instance_has_a_line() {
        let empty = [JobSummary { job: "api".into(), group: "shop".into(), instances: 0 }];
        shows("ps-without-instances", &text(&[running(1, "web")], &empty, NOON, PIPE));
        assert!(text(&[], &empty, NOON, PIPE).contains("none"));
    }

    #[test]
    fn a_narrow_terminal_loses_columns_but_no_line_is_wrapped() {
        let mut instances = two();
        instances.push(running(13, "a-job-with-quite-a-long-name-図書館"));
        for columns in 25..120 {
            let table = text(&instances, &[], NOON, Paper { width: Some(columns), ..PIPE });
            assert!(table.lines().all(|line| width(line) <= columns), "{columns}:\n{table}");
        }
        shows("ps-40-columns", &text(&instances, &[], NOON, Paper { width: Some(40), ..PIPE }));
    }

    #[test]
    fn where_a_job_serves_http_there_are_columns_for_its_requests() {
        let instances = [running(1, "db"), serving(2, "web")];
        shows("ps-http", &text(&instances, &[], NOON, PIPE));
        for columns in 30..120 {
            let table = text(&instances, &[], NOON, Paper { width: Some(columns), ..PIPE });
            assert!(table.lines().all(|line| width(line) <= columns), "{columns}:\n{table}");
        }
    }

    #[test]
    fn on_a_terminal_it_says_why_one_has_failed() {
        shows("ps-terminal", &text(&two(), &[], NOON, Paper { is_terminal: true, ..PIPE }));
    }

    #[test]
    fn colour_does_not_move_a_column() {
        let plain = text(&two(), &[], NOON, PIPE);
        let painted = text(&two(), &[], NOON, Paper { colour: true, ..PIPE });
        assert!(painted.contains("\x1b[32mrunning\x1b[0m"), "{painted:?}");
        let mut stripped = painted;
        for code in ["\x1b[32m", "\x1b[31m", "\x1b[0m"] {
            stripped = stripped.replace(code, "");
        }
        assert_eq!(stripped, plain);
    }

    #[test]
    fn nothing_to_list_says_what_to_type() {
        shows("ps-nothing", &text(&[], &[], NOON, PIPE));
    }

    #[test]
    fn a_name_cannot_write_to_the_terminal() {
        assert!(!text(&[running(1, "a\x1b[2J\n")], &[], NOON, PIPE).contains('\x1b'));
    }
}
