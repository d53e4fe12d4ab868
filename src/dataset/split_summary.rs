//! Numbers of rows and accounts in the training and test sets.

use serde::{Deserialize, Serialize};

use crate::dataset::split::SplitMethod;

/// Rows, accounts and conversions of one set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleCounts {
    /// Number of rows.
    pub rows: u64,
    /// Number of distinct accounts.
    pub accounts: u64,
    /// Number of rows that converted.
    pub positive_rows: u64,
    /// Number of distinct accounts with a row that converted.
    pub converting_accounts: u64,
}

/// The sizes and periods of the training and test sets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct SplitSummary {
    /// Training set.
    pub train: SampleCounts,
    /// Test set.
    pub test: SampleCounts,
    /// Number of immature rows, whose horizon is not complete.
    pub immature: u64,
    /// Number of rows in neither set because their horizon overlaps the test period.
    pub purged: u64,
    /// First training cutoff, µs UTC; `None` without cutoffs.
    pub first_train: Option<i64>,
    /// Last training cutoff, µs UTC; `None` without cutoffs.
    pub last_train: Option<i64>,
    /// First test cutoff, µs UTC; `None` without test rows or cutoffs.
    pub first_test: Option<i64>,
    /// How the test rows were chosen.
    pub method: SplitMethod,
}
