//! Phrases in error messages.

use std::path::Path;

use crate::names::{counted, grouped};
use crate::warning::{DropReason, Finding};

/// Returns the findings, one per line.
pub(super) fn leaks(findings: &[Finding]) -> String {
    findings
        .iter()
        .fold(String::new(), |text, finding| text + "\npossible leak: " + &finding.to_string())
}

/// Returns the number of rows dropped for each reason.
pub(super) fn counts(dropped: &[(DropReason, u64)]) -> String {
    let counts: Vec<String> =
        dropped.iter().map(|(reason, count)| format!("{} {reason}", grouped(*count))).collect();
    counts.join(", ")
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
