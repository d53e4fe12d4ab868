//! `pql selftest`: computes results that are known in advance, to find a defective build or
//! machine.

mod escaping;
mod features;
mod model;
mod statistics;

use std::fs;

use tempfile::TempDir;

use crate::error::Error;

/// The result of a check.
#[derive(Debug)]
pub struct CheckResult {
    /// What was checked.
    pub name: &'static str,
    /// What was found, or what differs.
    pub outcome: Result<String, String>,
}

/// Runs all checks. Files that a check needs are compiled in.
#[must_use]
pub fn selftest() -> Vec<CheckResult> {
    [
        ("statistics", statistics::check as fn() -> Result<String, String>),
        ("model file", model::check_file),
        ("scores", model::check_scores),
        ("features", features::check),
        ("escaping", escaping::check),
    ]
    .map(|(name, check)| CheckResult { name, outcome: check() })
    .into()
}

/// Writes the files of a check to a temporary folder, which is removed when it is dropped.
fn write_files(files: &[(&str, &str)]) -> crate::error::Result<TempDir> {
    let write = || {
        let folder = tempfile::tempdir()?;
        files.iter().try_for_each(|(name, text)| fs::write(folder.path().join(name), text))?;
        Ok(folder)
    };
    write().map_err(|source| Error::Write { path: std::env::temp_dir(), source })
}

/// Returns the rows of a CSV file without quoted values, the header first.
fn csv_rows(text: &str) -> Vec<Vec<&str>> {
    text.lines().map(|line| line.split(',').collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_passes() {
        for check in selftest() {
            assert!(check.outcome.is_ok(), "{check:?}; after a new model format: `make golden`");
        }
    }
}
