//! Rows read, kept and dropped: the data-quality table.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::SourceDrops;
use crate::warning::{Anomaly, DropReason};

/// The rows dropped for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedRows {
    /// The reason.
    pub reason: DropReason,
    /// Number of rows.
    pub count: u64,
    /// File of the first of them.
    pub first_file: PathBuf,
    /// Number of the first of them in its file, from 1.
    pub first_row: u64,
}

/// The rows of one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceQuality {
    /// Path of the source, as in the project file.
    pub source: PathBuf,
    /// `events`, `accounts`, `users` or `aliases`.
    pub kind: Cow<'static, str>,
    /// Number of rows read.
    pub rows: u64,
    /// Number of events (or accounts) in the rows; differs from `rows` only for a daily table.
    pub records: u64,
    /// Number of events (or accounts) kept.
    pub kept: u64,
    /// Events (or accounts) dropped, by reason.
    pub dropped: Vec<DroppedRows>,
    /// Whether all times of the source are at 00:00:00.
    pub date_only: bool,
    /// Files of the folder or glob that are not read.
    #[serde(default)]
    pub unread: Vec<PathBuf>,
}

impl SourceQuality {
    pub(crate) fn new(source: &Path, kind: &'static str) -> Self {
        Self {
            source: source.to_owned(),
            kind: kind.into(),
            rows: 0,
            records: 0,
            kept: 0,
            dropped: Vec::new(),
            date_only: false,
            unread: Vec::new(),
        }
    }

    /// Counts one dropped row; rows are counted in the order in which they were read.
    pub(crate) fn drop_row(&mut self, reason: DropReason, file: &Path, row: u64) {
        self.drop_rows(reason, 1, file, row);
    }

    /// Counts dropped rows, of which `first_row` is the first.
    pub(crate) fn drop_rows(
        &mut self,
        reason: DropReason,
        count: u64,
        file: &Path,
        first_row: u64,
    ) {
        match self.dropped.binary_search_by_key(&reason, |d| d.reason) {
            Ok(index) => self.dropped[index].count += count,
            Err(index) => {
                let rows = DroppedRows { reason, count, first_file: file.to_owned(), first_row };
                self.dropped.insert(index, rows);
            }
        }
    }

    /// Returns whether no row is kept, and none is used as an outcome or excluded on purpose.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        use DropReason::{InternalUser, RoleChurned, RoleConverted, RoleExclude};
        let used = [RoleConverted, RoleChurned, RoleExclude, InternalUser];
        self.kept == 0 && used.iter().all(|reason| self.count(*reason) == 0)
    }

    /// Returns the rows read and dropped, for an error.
    pub(super) fn drops(&self) -> SourceDrops {
        SourceDrops {
            source: self.source.clone(),
            kind: if self.kind == "accounts" { "accounts" } else { "events" },
            rows: self.rows,
            dropped: self.dropped.iter().map(|rows| (rows.reason, rows.count)).collect(),
        }
    }

    /// Returns the number of rows dropped for a reason.
    #[must_use]
    pub fn count(&self, reason: DropReason) -> u64 {
        self.dropped.iter().find(|d| d.reason == reason).map_or(0, |d| d.count)
    }
}

/// The data quality of a log: rows kept and dropped, and records that were kept but look odd.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataQuality {
    /// One entry per source.
    pub sources: Vec<SourceQuality>,
    /// Records that were kept but look odd.
    pub anomalies: Vec<AnomalyCount>,
}

/// The number of records that were kept but look odd for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnomalyCount {
    /// The reason.
    pub anomaly: Anomaly,
    /// Number of records.
    pub count: u64,
}
