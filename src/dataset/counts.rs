//! How many rows and accounts a model learns from and is judged by.

use serde::{Deserialize, Serialize};

/// How many rows and accounts one side has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// Rows.
    pub rows: u64,
    /// Distinct accounts.
    pub accounts: u64,
    /// Rows that converted.
    pub positive_rows: u64,
    /// Distinct accounts with a row that converted.
    pub converting_accounts: u64,
}

/// What the model was trained and judged on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Training rows.
    pub train: Side,
    /// Test rows.
    pub test: Side,
    /// Rows without outcome.
    pub open: u64,
    /// Rows between training and test, whose horizon reaches into the test rows.
    pub purged: u64,
    /// First training cutoff, µs UTC; `None` without cutoffs.
    pub first_train: Option<i64>,
    /// Last training cutoff, µs UTC; `None` without cutoffs.
    pub last_train: Option<i64>,
    /// First test cutoff, µs UTC; `None` without test rows or cutoffs.
    pub first_test: Option<i64>,
}
