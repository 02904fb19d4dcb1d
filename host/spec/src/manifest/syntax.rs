//! Errors of the TOML syntax, in our words.

use super::fault::Fault;
use super::lines::Lines;
use super::value::short;
use crate::service::group::FAULTS_MAX;
use std::collections::HashSet;

/// What toml calls a key or a table that is there twice.
const DUPLICATE: &str = "duplicate key";

/// The first fault of each line: what follows in it is mostly about the same. And of a table that is there twice, that it is:
/// its keys are there twice then.
pub(super) fn faults(errors: &[toml::de::Error], lines: &Lines) -> Vec<Fault> {
    let headers = lines.headers();
    let table = |line: usize| headers.partition_point(|header| *header <= line).checked_sub(1).map(|at| headers[at]);
    let mut seen = HashSet::new();
    let mut faults = Vec::new();
    for error in errors {
        let line = lines.number(error.span().unwrap_or_default().start);
        let follows = error.message() == DUPLICATE && table(line).is_some_and(|table| seen.contains(&table));
        if seen.insert(line) && !follows && faults.len() < FAULTS_MAX {
            faults.push(fault(error, lines));
        }
    }
    faults.sort();
    faults
}

fn fault(error: &toml::de::Error, lines: &Lines) -> Fault {
    let span = error.span().unwrap_or_default();
    let text = match error.message() {
        DUPLICATE => duplicate(lines.number(span.start), lines.part(span.clone()), lines),
        "recursion limit" => "tables lie too deeply in each other; no key of a manifest does".into(),
        message => format!("this is no TOML: {}", short(message)),
    };
    lines.fault(span.start, text)
}

fn duplicate(number: usize, key: &str, lines: &Lines) -> String {
    let header = |number| lines.line(number).split('#').next().unwrap_or_default().trim();
    let own = header(number);
    if !own.starts_with('[') {
        return format!("the key {} is there twice; leave one of them out", short(key));
    }
    let first = (1..number).find(|other| header(*other) == own);
    let first = first.map_or_else(String::new, |line| format!(", first in line {line}"));
    format!("{} is there twice{first}; every table, and so every job, needs a name of its own", short(own))
}
