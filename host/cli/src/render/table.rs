//! Tables for people: columns as wide as their widest cell.

use sandhog_protocol::exit_code;
use sandhog_spec::text::escape;

/// The table with its heading, two spaces between columns, without spaces at the ends of lines.
pub fn table<const COLUMNS: usize>(heading: [&str; COLUMNS], rows: &[[String; COLUMNS]]) -> String {
    let heading = heading.map(str::to_owned);
    let rows: Vec<_> =
        std::iter::once(&heading).chain(rows).map(|row| row.each_ref().map(|cell| escape(cell))).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// What `sandhog help exit-codes` says.
pub fn exit_codes() -> String {
    let rows = exit_code::table().iter().map(|row| {
        let verdicts = if row.verdicts.is_empty() { "-".into() } else { row.verdicts.join(", ") };
        [row.code.to_string(), verdicts, row.meaning.into()]
    });
    let table = table(["CODE", "VERDICT", "MEANING"], &rows.collect::<Vec<_>>());
    let rows = exit_code::map_table().iter().map(|row| [row.codes.into(), row.meaning.into()]);
    let map = self::table(["CODE", "MEANING"], &rows.collect::<Vec<_>>());
    format!(
        "The exit code of sandhog run is the guest's own, except where Sandhog ended it:\n\n{table}\n\
         Every other code is the guest's (verdict: failed). One above 255 becomes 255.\n\
         A guest may use the same numbers. To know for certain: sandhog run --verdict FILE\n\n\
         The exit code of sandhog map:\n\n{map}\n\
         With --halt soon or now it is that of the first task that failed, as of sandhog run.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::shows;

    #[test]
    fn columns_line_up_and_cells_are_harmless() {
        let rows = [["a".to_owned(), "b".to_owned()], ["longer\n".to_owned(), String::new()]];
        assert_eq!(table(["X", "Y"], &rows), "X         Y\na         b\nlonger\\n\n");
    }

    #[test]
    fn the_help_on_exit_codes_is_the_table_of_exit_codes() {
        let text = exit_codes();
        for row in exit_code::table() {
            let line = text.lines().find(|line| line.starts_with(&format!("{} ", row.code))).unwrap();
            assert!(line.ends_with(row.meaning), "{line}");
            assert!(line.contains(&row.verdicts.join(", ")), "{line}");
        }
    }

    #[test]
    fn the_help_on_exit_codes_reads_like_this() {
        shows("help-exit-codes", &exit_codes());
    }
}
