//! Errors: one variant for each problem that a user can fix.

mod constructors;
mod display;
mod exit_code;
mod hints;
mod message;
mod phrases;
#[cfg(test)]
mod tests;
mod variants;

use std::path::PathBuf;

pub use variants::Error;

use crate::warning::DropReason;

/// An error of another crate, kept as the source of an [`Error`].
type ForeignError = Box<dyn std::error::Error + Send + Sync>;

/// The result of every fallible function of the crate.
pub type Result<T> = std::result::Result<T, Error>;

/// The rows of a source that were dropped, when too few are left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceDrops {
    /// Path of the source, as in the project file.
    pub source: PathBuf,
    /// `events` or `accounts`.
    pub kind: &'static str,
    /// Number of rows read.
    pub rows: u64,
    /// Number of rows dropped, by reason.
    pub dropped: Vec<(DropReason, u64)>,
}
