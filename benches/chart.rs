//! Plain bar charts, one below the other in one SVG.
//!
//! Must not: measure, or round: a bar is as long as the figure beside it says.

use super::table::Table;
use std::fmt::Write;

const WIDTH: f64 = 860.0;
/// Where bars begin: behind names of some 50 characters.
const LEFT: f64 = 370.0;
/// Room for figures behind the longest bar.
const RIGHT: f64 = 90.0;
const ROW: f64 = 24.0;
const BAR: f64 = 15.0;
/// Above each chart: its headline.
const HEAD: f64 = 44.0;
const MARGIN: f64 = 12.0;
/// Characters of a line below, which says where it was measured.
const FOOT_COLUMNS: usize = 130;
const FOOT_ROW: f64 = 15.0;

const OURS: &str = "#b4531a";
const OTHERS: &str = "#8a97a3";

/// Beyond this ratio of the longest to the shortest a linear scale shows nothing of the short ones.
const LINEAR_MAX: f64 = 50.0;

/// None: no table has figures that can be compared.
pub(crate) fn svg(tables: &[Table], foot: &str) -> Option<String> {
    let (mut body, mut top) = (String::new(), MARGIN);
    for table in tables {
        if let Some(column) = table.bars {
            top += chart(&mut body, table, column, top);
        }
    }
    if body.is_empty() {
        return None;
    }
    for line in wrapped(foot) {
        top += FOOT_ROW;
        text(&mut body, MARGIN, top, "start", r##"font-size="11" fill="#555""##, &line);
    }
    let height = top + MARGIN;
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{body}</svg>\n"
    ))
}

/// One chart from `top` on; its height.
fn chart(body: &mut String, table: &Table, column: usize, top: f64) -> f64 {
    let bars: Vec<(&str, &str, f64)> = table.rows.iter().filter_map(|row| bar(row, column)).collect();
    let scale = Scale::of(bars.iter().map(|(.., value)| *value));
    let note = if scale.is_logarithmic() { ", logarithmic scale" } else { "" };
    let headline = format!("{}: {}{note}", table.headline, table.columns[column]);
    text(body, MARGIN, top + HEAD / 2.0, "start", r#"font-size="15" font-weight="bold""#, &headline);
    for (at, (name, figure, value)) in bars.iter().enumerate() {
        let middle = top + HEAD + ROW * at as f64;
        let length = scale.part(*value) * (WIDTH - LEFT - RIGHT);
        let colour = if name.starts_with("sandhog") { OURS } else { OTHERS };
        let y = middle - BAR / 2.0;
        let _ = writeln!(
            body,
            "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{length:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>"
        );
        text(body, LEFT - 8.0, middle + 4.5, "end", "", name);
        text(body, LEFT + length + 6.0, middle + 4.5, "start", "", figure);
    }
    HEAD + ROW * bars.len() as f64 + MARGIN
}

/// Its name, its figure as it is written, and the number; none where there is no number.
fn bar(row: &[String], column: usize) -> Option<(&str, &str, f64)> {
    let figure = row.get(column)?;
    let value: f64 = figure.parse().ok()?;
    (value > 0.0).then_some((row.first()?.as_str(), figure.as_str(), value))
}

/// From a figure to the part of the whole length that its bar has.
enum Scale {
    Linear {
        max: f64,
    },
    /// From a power of ten on.
    Logarithmic {
        from: f64,
        max: f64,
    },
}

impl Scale {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let (min, max) = values.fold((f64::INFINITY, 0.0_f64), |(min, max), value| (min.min(value), max.max(value)));
        if max / min <= LINEAR_MAX {
            return Self::Linear { max };
        }
        // So that the shortest bar can be seen as well.
        Self::Logarithmic { from: (min / 2.0).log10().floor(), max: max.log10() }
    }

    const fn is_logarithmic(&self) -> bool {
        match self {
            Self::Linear { .. } => false,
            Self::Logarithmic { .. } => true,
        }
    }

    fn part(&self, value: f64) -> f64 {
        match self {
            Self::Linear { max } => value / max,
            Self::Logarithmic { from, max } => (value.log10() - from) / (max - from),
        }
    }
}

fn text(body: &mut String, x: f64, y: f64, anchor: &str, style: &str, said: &str) {
    let said = said.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(body, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {style}>{said}</text>");
}

/// In lines of that many characters.
fn wrapped(said: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in said.split(' ') {
        if let Some(line) = lines.last_mut().filter(|line| line.chars().count() + word.chars().count() < FOOT_COLUMNS) {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
