//! What became of every row read: the data-quality table.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::warning::{DropReason, Oddity};

/// How many rows one reason took, and the first of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Why.
    pub reason: DropReason,
    /// How many.
    pub count: u64,
    /// File of the first one.
    pub file: PathBuf,
    /// Row of the first one in its file, from 1.
    pub row: u64,
}

/// The rows of one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceQuality {
    /// What was read: the path of the project file.
    pub source: PathBuf,
    /// `events` or `accounts`.
    pub kind: Cow<'static, str>,
    /// Rows read.
    pub rows: u64,
    /// Events (or accounts) the rows gave; other than `rows` only for a daily table.
    pub made: u64,
    /// Events (or accounts) kept.
    pub kept: u64,
    /// Rows not used, by reason.
    pub dropped: Vec<Dropped>,
    /// Whether all times of the source are at 00:00:00.
    pub date_only: bool,
}

impl SourceQuality {
    pub(crate) fn new(source: &Path, kind: &'static str) -> Self {
        Self {
            source: source.to_owned(),
            kind: kind.into(),
            rows: 0,
            made: 0,
            kept: 0,
            dropped: Vec::new(),
            date_only: false,
        }
    }

    /// Count one row; rows are counted in the order in which they were read.
    pub(crate) fn drop_row(&mut self, reason: DropReason, file: &Path, row: u64) {
        self.drop_rows(reason, 1, file, row);
    }

    /// Count some rows, of which `row` is the first.
    pub(crate) fn drop_rows(&mut self, reason: DropReason, count: u64, file: &Path, row: u64) {
        match self.dropped.binary_search_by_key(&reason, |d| d.reason) {
            Ok(at) => self.dropped[at].count += count,
            Err(at) => {
                self.dropped.insert(at, Dropped { reason, count, file: file.to_owned(), row });
            }
        }
    }

    /// Rows one reason took.
    #[must_use]
    pub fn count(&self, reason: DropReason) -> u64 {
        self.dropped.iter().find(|d| d.reason == reason).map_or(0, |d| d.count)
    }
}

/// What became of every row read, and what was kept but looks odd.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quality {
    /// A row per source.
    pub sources: Vec<SourceQuality>,
    /// What was kept and counted, with what it means.
    pub kept: Vec<Kept>,
}

/// What was kept but looks odd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What it is.
    pub what: Oddity,
    /// How many.
    pub count: u64,
}
