//! Parts of messages.

use std::path::Path;

use crate::warning::{DropReason, Finding};

/// Returns each finding on a line of its own.
pub(super) fn leaks(findings: &[Finding]) -> String {
    findings.iter().fold(String::new(), |text, finding| text + "\nleak? " + &finding.to_string())
}

/// Returns how many rows were dropped for each reason.
pub(super) fn counts(dropped: &[(DropReason, u64)]) -> String {
    let counts: Vec<String> =
        dropped.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    counts.join(", ")
}

/// Returns all names in backticks.
pub(super) fn list(columns: &[String]) -> String {
    let names: Vec<String> = columns.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// Returns the file of a batch, where it comes from one.
pub(super) fn batch(path: Option<&Path>) -> String {
    path.map_or_else(|| "the batch".to_owned(), |path| format!("`{}`", path.display()))
}

/// Returns a file with the line.
pub(super) fn place(path: &Path, line: Option<usize>) -> String {
    line.map_or_else(
        || path.display().to_string(),
        |line| format!("{}, line {line}", path.display()),
    )
}

/// Returns a file with the row.
pub(super) fn at_row(path: &Path, row: Option<u64>) -> String {
    row.map_or_else(
        || format!("`{}`", path.display()),
        |row| format!("`{}`, row {row}", path.display()),
    )
}
