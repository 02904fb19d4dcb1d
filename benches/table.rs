//! Aligned columns: the first to the left, figures to the right.

/// A table with its headline and an empty line behind it.
pub(crate) fn table(headline: &str, columns: &[&str], rows: &[Vec<String>]) -> String {
    let length = |cell: &str| cell.chars().count();
    let widths: Vec<usize> = (0..columns.len())
        .map(|at| rows.iter().map(|row| length(&row[at])).chain([length(columns[at])]).max().unwrap_or(0))
        .collect();
    let line = |cells: &[String]| {
        let cells = cells.iter().zip(&widths).enumerate();
        let cells = cells
            .map(|(at, (cell, width))| if at == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") });
        format!("  {}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    let columns: Vec<String> = columns.iter().map(|&column| column.to_owned()).collect();
    let lines: String = rows.iter().map(|row| line(row)).collect();
    format!("{headline}\n{}{lines}\n", line(&columns))
}

/// With as many digits as tell something: three. `-` for what is not a number.
pub(crate) fn figure(value: Option<f64>) -> String {
    match value {
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
        None => "-".to_owned(),
    }
}
