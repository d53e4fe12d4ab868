//! What gives a test set more accounts of the rarer outcome.

use pql_stats::counts::share;
use serde::Serialize;

use crate::config::SplitScheme;
use crate::dataset::split::{MIN_TEST_ACCOUNTS, SplitMethod};
use crate::dataset::split_summary::SplitSummary;
use crate::model::Model;

/// Largest test share that is suggested: at most half of the cutoff days.
const LARGEST_TEST_SIZE: f64 = 0.5;
/// Step of suggested test shares.
const STEP: f64 = 0.05;
/// Expected number of accounts of which, by the luck of the draw, at least [`MIN_TEST_ACCOUNTS`]
/// are in a random test set with a probability of 95%: 29 - 1.64 √29 = 20.
const SAFE_TEST_ACCOUNTS: u64 = 29;
/// Accounts of the rarer outcome that the training set must keep.
const KEPT_IN_TRAINING: u64 = 2 * MIN_TEST_ACCOUNTS;

/// What gives a test set more accounts of the rarer outcome.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remedy {
    /// A larger `model.test_size`: about this share.
    TestSize(f64),
    /// `model.split = "auto"`, which tests by cross-validation if no test period suffices.
    AutoSplit,
    /// A shorter `observation.horizon`: most rows are purged, because their horizon reaches into
    /// the test set.
    ShorterHorizon,
    /// A longer log.
    LongerLog,
    /// More rows.
    MoreRows,
}

/// How the rows of a training were split.
#[derive(Debug, Clone, Copy)]
pub(super) struct TrainingSplit {
    split: SplitSummary,
    /// Whether the rows come from a log.
    is_log: bool,
    /// `model.split`.
    scheme: SplitScheme,
    /// `model.test_size`.
    test_size: f64,
}

impl TrainingSplit {
    /// Returns the split of a model; `None` if its configuration is damaged.
    pub(super) fn new(model: &Model) -> Option<Self> {
        let config = model.config().ok()?.model;
        Some(Self {
            split: model.split,
            is_log: model.catalog.is_some(),
            scheme: config.split,
            test_size: config.test_size,
        })
    }

    /// Returns what helps.
    ///
    /// # Arguments
    /// * `found` – test accounts of the rarer outcome
    /// * `converting` – whether the rarer outcome is the conversion
    pub(super) fn remedy(&self, found: u64, converting: bool) -> Remedy {
        let SplitSummary { train, test, purged, method, .. } = self.split;
        let more = if self.is_log { Remedy::LongerLog } else { Remedy::MoreRows };
        // No setting gives a larger test set if all rows are tested, or a column has the split, or
        // `auto` chose a smaller one because the configured one leaves too few training rows.
        let (SplitMethod::Newest { test_size } | SplitMethod::RandomAccounts { test_size }) =
            method
        else {
            return more;
        };
        if test_size < self.test_size {
            return more;
        }
        let in_training = if converting {
            train.converting_accounts
        } else {
            train.accounts.saturating_sub(train.converting_accounts)
        };
        let mostly_purged = self.is_log && 2 * purged >= train.rows + test.rows + purged;
        let needed = if matches!(method, SplitMethod::RandomAccounts { .. }) {
            share(SAFE_TEST_ACCOUNTS, (in_training + found).max(1)).max(test_size + STEP / 2.0)
        } else {
            test_size * share(MIN_TEST_ACCOUNTS, found.max(1))
        };
        let suggested = (needed / STEP).ceil() * STEP;
        let left = in_training.saturating_sub(MIN_TEST_ACCOUNTS.saturating_sub(found));
        let fits = suggested <= LARGEST_TEST_SIZE + STEP / 2.0 && left >= KEPT_IN_TRAINING;
        match self.scheme {
            // Two decimal places, as it is written.
            _ if fits && !mostly_purged => Remedy::TestSize((suggested * 100.0).round() / 100.0),
            SplitScheme::Time if converting && in_training >= MIN_TEST_ACCOUNTS => {
                Remedy::AutoSplit
            }
            _ if mostly_purged => Remedy::ShorterHorizon,
            _ => more,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::split_summary::SampleCounts;

    /// Returns what helps a log with a test set of 20% of its cutoff days.
    fn remedy(scheme: SplitScheme, train: u64, test: u64, purged: u64) -> Remedy {
        training(scheme, train, test, purged).remedy(test, true)
    }

    fn training(scheme: SplitScheme, train: u64, test: u64, purged: u64) -> TrainingSplit {
        let sample = |converting_accounts: u64| SampleCounts {
            rows: 10 * converting_accounts,
            accounts: 10 * converting_accounts,
            positive_rows: converting_accounts,
            converting_accounts,
        };
        let split = SplitSummary {
            train: sample(train),
            test: sample(test),
            purged,
            first_test: Some(0),
            method: SplitMethod::Newest { test_size: 0.2 },
            ..SplitSummary::default()
        };
        TrainingSplit { split, is_log: true, scheme, test_size: 0.2 }
    }

    #[test]
    fn the_remedy_is_one_that_gives_enough_accounts() {
        use SplitScheme::{Auto, Time};
        assert_eq!(remedy(Time, 90, 12, 100), Remedy::TestSize(0.35));
        assert_eq!(remedy(Time, 90, 7, 100), Remedy::AutoSplit, "more than half");
        assert_eq!(remedy(Time, 45, 12, 100), Remedy::AutoSplit, "too few would be left");
        assert_eq!(remedy(Time, 45, 12, 1_000), Remedy::AutoSplit);
        assert_eq!(remedy(Time, 12, 3, 659), Remedy::ShorterHorizon, "too few in all");
        assert_eq!(remedy(Time, 12, 3, 100), Remedy::LongerLog);
        assert_eq!(remedy(Auto, 45, 12, 100), Remedy::LongerLog);
    }

    #[test]
    fn only_a_configured_test_set_can_be_enlarged() {
        let with = |method: SplitMethod, is_log: bool| {
            let mut training = training(SplitScheme::Auto, 90, 12, 0);
            training.split.method = method;
            TrainingSplit { is_log, ..training }.remedy(12, true)
        };
        assert_eq!(
            with(SplitMethod::RandomAccounts { test_size: 0.2 }, false),
            Remedy::TestSize(0.3)
        );
        assert_eq!(with(SplitMethod::Column, false), Remedy::MoreRows);
        assert_eq!(with(SplitMethod::CrossValidation, true), Remedy::LongerLog);
        assert_eq!(with(SplitMethod::Newest { test_size: 0.1 }, true), Remedy::LongerLog);
    }
}
