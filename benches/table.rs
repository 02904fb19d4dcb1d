//! What was measured, as a table: for a terminal and as Markdown.

/// The first column has names, the others figures.
pub(crate) struct Table {
    pub(crate) headline: String,
    pub(crate) columns: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<String>>,
    /// The column that a chart shows. None: it has figures of different units.
    pub(crate) bars: Option<usize>,
}

impl Table {
    /// Aligned columns, the first to the left and the others to the right, with the headline before them and an empty line
    /// behind.
    pub(crate) fn text(&self) -> String {
        let length = |cell: &str| cell.chars().count();
        let widest = |(at, column): (usize, &&str)| {
            self.rows.iter().map(|row| length(&row[at])).chain([length(column)]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = self.columns.iter().enumerate().map(widest).collect();
        let line = |cells: &[String]| {
            let cells = cells.iter().zip(&widths).enumerate();
            let cells = cells
                .map(|(at, (cell, width))| if at == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") });
            format!("  {}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
        };
        let columns: Vec<String> = self.columns.iter().map(|&column| column.to_owned()).collect();
        let lines: String = self.rows.iter().map(|row| line(row)).collect();
        format!("{}\n{}{lines}\n", self.headline, line(&columns))
    }

    /// The same as Markdown, with an empty line behind.
    pub(crate) fn markdown(&self) -> String {
        let rule = "| --- ".to_owned() + &"| ---: ".repeat(self.columns.len() - 1);
        let lines: String = self.rows.iter().map(|row| format!("| {} |\n", row.join(" | "))).collect();
        format!("## {}\n\n| {} |\n{rule}|\n{lines}\n", self.headline, self.columns.join(" | "))
    }
}

/// With as many digits as tell something: three. `-` for what is not a number.
pub(crate) fn figure(value: Option<f64>) -> String {
    match value {
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.1}"),
        Some(value) if value == 0.0 || value.abs() >= 0.1 => format!("{value:.2}"),
        Some(value) => format!("{value:.3}"),
        None => "-".to_owned(),
    }
}
