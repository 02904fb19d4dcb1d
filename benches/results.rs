//! Writes what was measured where others can read it: Markdown and a chart for each part.

use super::Outcome;
use super::args::{Args, Part};
use super::chart;
use super::machine::Machine;
use super::table::Table;
use std::fs;
use std::path::Path;

/// From this crate's folder.
const FOLDER: &str = "results";

/// `PART.md` and `PART.svg`. No folder: the usual one, in the sources.
pub(crate) fn write(args: &Args, part: Part, tables: &[Table], machine: &Machine) -> Outcome<()> {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER);
    let folder = args.results.as_deref().unwrap_or(&usual);
    fs::create_dir_all(folder).map_err(|error| format!("{} could not be made: {error}", folder.display()))?;
    let (name, rounds) = (part.name(), args.rounds);
    let charts = chart::svg(tables, &machine.sentence());
    let picture = if charts.is_some() { format!("![The same as a chart]({name}.svg)\n\n") } else { String::new() };
    let text: String = tables.iter().map(Table::markdown).collect();
    let said = format!(
        "# {name}\n\n`./just bench --rounds {rounds} --only {name}` has written this. Figures are medians of rounds in which all took turns; read \
         the ratios.\n\n{text}{picture}{}\n",
        machine.sentence()
    );
    fs::write(folder.join(format!("{name}.md")), said)?;
    if let Some(charts) = charts {
        fs::write(folder.join(format!("{name}.svg")), charts)?;
    }
    Ok(())
}
