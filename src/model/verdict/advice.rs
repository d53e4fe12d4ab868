//! What gives a test set more accounts of the rarer outcome.

use pql_stats::counts::share;
use serde::Serialize;

use super::ENOUGH;
use crate::dataset::split_summary::SplitSummary;
use crate::model::Model;

/// Largest test share that is suggested: at most half of the cutoff days.
const LARGEST_TEST_SIZE: f64 = 0.5;
/// Step of suggested test shares.
const STEP: f64 = 0.05;
/// Largest difference between `model.test_size` and the share of test rows of a matrix; beyond it,
/// the matrix has its own split.
const OWN_SPLIT: f64 = 0.1;
/// Accounts of the rarer outcome that the training set must keep.
const KEPT_IN_TRAINING: u64 = 2 * ENOUGH;

/// What gives a test set more accounts of the rarer outcome.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remedy {
    /// A larger `model.test_size`: about this share.
    TestSize(f64),
    /// A shorter `observation.horizon`: most rows are purged, because their horizon reaches into the
    /// test set.
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
    /// `model.test_size`.
    test_size: f64,
}

impl TrainingSplit {
    /// Returns the split of a model; `None` if its configuration is damaged.
    pub(super) fn new(model: &Model) -> Option<Self> {
        let test_size = model.config().ok()?.model.test_size;
        Some(Self { split: model.split, is_log: model.catalog.is_some(), test_size })
    }

    /// Returns what helps.
    ///
    /// # Arguments
    /// * `found` – test accounts of the rarer outcome
    /// * `converting` – whether the rarer outcome is the conversion
    pub(super) fn remedy(&self, found: u64, converting: bool) -> Remedy {
        let &Self { split, is_log, test_size } = self;
        let train = split.train;
        let in_training = if converting {
            train.converting_accounts
        } else {
            train.accounts.saturating_sub(train.converting_accounts)
        };
        let labeled = train.rows + split.test.rows + split.purged;
        if is_log && 2 * split.purged >= labeled {
            return Remedy::ShorterHorizon;
        }
        let more = if is_log { Remedy::LongerLog } else { Remedy::MoreRows };
        let has_own_split = !is_log
            && split.first_test.is_none()
            && (share(split.test.rows, labeled) - test_size).abs() > OWN_SPLIT;
        let needed = test_size * share(ENOUGH, found.max(1));
        let suggested = (needed / STEP).ceil() * STEP;
        let left = in_training.saturating_sub(ENOUGH.saturating_sub(found));
        if !has_own_split && suggested <= LARGEST_TEST_SIZE + STEP / 2.0 && left >= KEPT_IN_TRAINING
        {
            // Two decimal places, as it is written.
            return Remedy::TestSize((suggested * 100.0).round() / 100.0);
        }
        more
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::split_summary::SampleCounts;

    fn remedy(train: u64, test: u64, purged: u64, (is_log, test_size): (bool, f64)) -> Remedy {
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
            first_test: is_log.then_some(0),
            ..SplitSummary::default()
        };
        TrainingSplit { split, is_log, test_size }.remedy(test, true)
    }

    #[test]
    fn the_remedy_is_one_that_gives_enough_accounts() {
        assert_eq!(remedy(90, 12, 100, (true, 0.2)), Remedy::TestSize(0.35));
        assert_eq!(remedy(90, 7, 100, (true, 0.2)), Remedy::LongerLog, "more than half");
        assert_eq!(remedy(45, 12, 100, (true, 0.2)), Remedy::LongerLog, "too few would be left");
        assert_eq!(remedy(12, 3, 659, (true, 0.2)), Remedy::ShorterHorizon);
        assert_eq!(remedy(50, 12, 0, (false, 0.2)), Remedy::TestSize(0.35));
        assert_eq!(
            remedy(90, 3, 0, (false, 0.2)),
            Remedy::MoreRows,
            "the matrix has its own split"
        );
    }
}
