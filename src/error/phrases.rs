//! Phrases in error messages.

use std::collections::BTreeMap;
use std::path::Path;

use super::SourceDrops;
use crate::escape::one_line;
use crate::names::{counted, grouped};
use crate::time::{NEVER, ZonedTime};
use crate::warning::{DropReason, ObservationDrop};

/// Returns the number of rows dropped for each reason.
pub(super) fn counts(dropped: &[(DropReason, u64)]) -> String {
    let counts: Vec<String> =
        dropped.iter().map(|(reason, count)| format!("{} {reason}", grouped(*count))).collect();
    counts.join(", ")
}

/// Returns the number of rows of all sources dropped for each reason.
pub(super) fn all_drops(sources: &[SourceDrops]) -> Vec<(DropReason, u64)> {
    let mut all: BTreeMap<DropReason, u64> = BTreeMap::new();
    for (reason, count) in sources.iter().filter(|s| s.kind == "events").flat_map(|s| &s.dropped) {
        *all.entry(*reason).or_default() += count;
    }
    all.into_iter().collect()
}

/// Returns why a log has no usage events.
pub(super) fn no_usage(sources: &[SourceDrops]) -> String {
    match all_drops(sources).as_slice() {
        [] => "the log has no usage events".to_owned(),
        drops => format!("no usage events left after dropping rows: {}", counts(drops)),
    }
}

/// Returns the rows read and dropped of a source.
pub(super) fn source_drops(source: &SourceDrops) -> String {
    let rows = counted(source.rows, "row");
    let dropped =
        if source.dropped.is_empty() { "none".to_owned() } else { counts(&source.dropped) };
    let path = source.source.display();
    one_line(&format!("  `{path}` ({}): {rows} read, dropped: {dropped}", source.kind)).into_owned()
}

/// Returns the end of a log; a log that is read as a whole ends at the current time.
pub(super) fn end(until: ZonedTime) -> String {
    if until.micros() == NEVER { "now".to_owned() } else { until.to_string() }
}

/// Returns why no account has an observation.
pub(super) fn no_observations(accounts: u64, dropped: &[(ObservationDrop, u64)]) -> String {
    let reasons: Vec<String> =
        dropped.iter().map(|(reason, count)| format!("{} {reason}", grouped(*count))).collect();
    format!("of {}, {}", counted(accounts, "account"), reasons.join(", "))
}

/// Returns the file of a batch, or "the batch" without a file.
pub(super) fn batch_file(path: Option<&Path>) -> String {
    path.map_or_else(|| "the batch".to_owned(), |path| format!("`{}`", path.display()))
}

/// Describes training rows that all have the same outcome.
pub(super) fn one_class(rows: u64, converted: bool) -> String {
    match (rows, converted) {
        (1, true) => "the only training row converted".to_owned(),
        (1, false) => "the only training row did not convert".to_owned(),
        (rows, true) => format!("all {} converted", counted(rows, "training row")),
        (rows, false) => format!("none of the {} converted", counted(rows, "training row")),
    }
}

/// Returns the project file of the command, or its default name.
pub(super) fn project_file(path: Option<&Path>) -> String {
    path.map_or_else(|| "pql.toml".to_owned(), |path| path.display().to_string())
}

/// Returns a file and a line.
pub(super) fn file_and_line(path: &Path, line: Option<usize>) -> String {
    line.map_or_else(
        || path.display().to_string(),
        |line| format!("{}, line {}", path.display(), grouped(line as u64)),
    )
}

/// Returns a file and a row.
pub(super) fn file_and_row(path: &Path, row: Option<u64>) -> String {
    row.map_or_else(
        || format!("`{}`", path.display()),
        |row| format!("`{}`, row {}", path.display(), grouped(row)),
    )
}

/// Writes a number of further levels: ` or 3 other levels, as in the training data`.
pub(super) fn more_levels(more: usize) -> String {
    let more = if more > 0 {
        format!(" or {}", counted(more as u64, "other level"))
    } else {
        String::new()
    };
    format!("{more}, as in the training data")
}
