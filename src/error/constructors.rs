//! Errors from those of other crates, and with further data.

use std::path::Path;

use super::{Error, ForeignError};

impl Error {
    /// Returns the error for a table or column that polars cannot build or read.
    pub(crate) fn table(table: impl Into<String>, source: impl Into<ForeignError>) -> Self {
        Self::Table { table: table.into(), source: source.into() }
    }

    /// Returns the error for a file with unexpected content; `source` is the error of the library
    /// that reads it.
    pub(crate) fn malformed(
        path: &Path,
        problem: impl Into<String>,
        source: Option<ForeignError>,
    ) -> Self {
        Self::Malformed { path: path.to_owned(), row: None, problem: problem.into(), source }
    }

    /// Returns the error for an unexpected row of a file.
    pub(crate) fn malformed_row(path: &Path, row: Option<u64>, problem: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_owned(), row, problem: problem.into(), source: None }
    }

    /// Returns the error for a file whose table polars cannot use.
    pub(crate) fn unexpected_table(path: &Path, source: impl Into<ForeignError>) -> Self {
        Self::malformed(path, "unexpected table", Some(source.into()))
    }

    /// Sets the purpose of a missing column.
    pub(crate) fn with_role(self, role: impl FnOnce(&str) -> String) -> Self {
        match self {
            Self::MissingColumn { path, column, suggestion, .. } => {
                Self::MissingColumn { role: role(&column), path, column, suggestion }
            }
            other => other,
        }
    }
}

impl From<pql_stats::Error> for Error {
    fn from(error: pql_stats::Error) -> Self {
        Self::Statistics(error)
    }
}
