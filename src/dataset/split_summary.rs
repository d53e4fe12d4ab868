//! Numbers of rows and accounts in the training and test sets.

use serde::{Deserialize, Serialize};

use crate::dataset::split::SplitMethod;
use crate::names::{counted, grouped};

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

impl SampleCounts {
    /// Describes the set: `45 accounts (7 converted)` or, with several rows per account,
    /// `2,359 rows (417 converted) of 243 accounts (137 converted)`.
    #[must_use]
    pub fn describe(&self) -> String {
        self.describe_as("")
    }

    /// Describes the set.
    ///
    /// # Arguments
    /// * `kind` – what is written before the rows, such as `held-out `
    pub(crate) fn describe_as(&self, kind: &str) -> String {
        let set = |count: u64, noun: &str, converted: u64| {
            format!("{} ({} converted)", counted(count, noun), grouped(converted))
        };
        if self.rows == self.accounts {
            return set(self.accounts, &format!("{kind}account"), self.converting_accounts);
        }
        format!(
            "{} of {}",
            set(self.rows, &format!("{kind}row"), self.positive_rows),
            set(self.accounts, "account", self.converting_accounts)
        )
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converted_rows_are_no_converted_accounts() {
        let sample =
            SampleCounts { rows: 174, accounts: 88, positive_rows: 156, converting_accounts: 88 };
        assert_eq!(sample.describe(), "174 rows (156 converted) of 88 accounts (88 converted)");
        let sample =
            SampleCounts { rows: 45, accounts: 45, positive_rows: 7, converting_accounts: 7 };
        assert_eq!(sample.describe_as("held-out "), "45 held-out accounts (7 converted)");
    }
}
