//! The test set: its rows are the newest ones, or all rows by cross-validation over accounts.

pub(crate) mod query;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::config::{ModelConfig, SplitScheme};
use crate::time::{LocalDays, Zone};
use crate::warning::SplitProblem;

/// The set that a row belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// The training set.
    Train,
    /// The test set.
    Test,
    /// Both: a model that was trained on other accounts predicts the row.
    CrossValidated,
    /// Neither: immature, or purged because its horizon overlaps the test period.
    Unused,
}

impl Split {
    /// Returns the split as written to files: `train`, `test`, `cross-validated` or null.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Train => Some("train"),
            Self::Test => Some("test"),
            Self::CrossValidated => Some("cross-validated"),
            Self::Unused => None,
        }
    }

    /// Returns whether the row is in the training set or in the test set that `set` stands for.
    pub(crate) fn is_in(self, set: Self) -> bool {
        self == set || (self == Self::CrossValidated && set != Self::Unused)
    }
}

/// Returns the indices of the rows of the training set or the test set.
pub(crate) fn rows_in_split(splits: &[Split], set: Split) -> Vec<u32> {
    (0..).zip(splits).filter(|(_, split)| split.is_in(set)).map(|(row, _)| row).collect()
}

/// How the test rows were chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitMethod {
    /// There is no test set.
    #[default]
    None,
    /// The newest cutoff days.
    Newest {
        /// Share of the cutoff days.
        test_size: f64,
    },
    /// A random share of the accounts.
    RandomAccounts {
        /// The share.
        test_size: f64,
    },
    /// The column `split` of a feature matrix.
    Column,
    /// Each row is predicted by a model that was trained on other accounts.
    CrossValidation,
}

/// The split of all rows.
#[derive(Debug, Clone, Default)]
pub struct SplitAssignment {
    /// The set of each row.
    pub split: Vec<Split>,
    /// First cutoff of the test set, µs UTC; `None` without test cutoffs.
    pub first_test: Option<i64>,
    /// How the test rows were chosen.
    pub method: SplitMethod,
    /// Why it is not the configured test set, if it is not.
    pub problem: Option<SplitProblem>,
}

/// The settings of the split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SplitOptions {
    /// How to choose the test rows.
    pub scheme: SplitScheme,
    /// Share of the newest cutoff days, from 0 to below 1.
    pub test_size: f64,
    /// Minimum number of converting training accounts.
    pub min_conversions: usize,
}

impl SplitOptions {
    /// Returns the options that always hold out the newest cutoff days.
    #[must_use]
    pub fn newest(test_size: f64) -> Self {
        Self { scheme: SplitScheme::Time, test_size, min_conversions: 0 }
    }
}

impl From<&ModelConfig> for SplitOptions {
    fn from(config: &ModelConfig) -> Self {
        Self {
            scheme: config.split,
            test_size: config.test_size,
            min_conversions: config.min_conversions,
        }
    }
}

/// Minimum number of test accounts with each outcome for a reliable verdict. With fewer, the normal
/// approximations of the intervals are poor, and the 95% interval of a ROC AUC of 0.65 includes
/// 0.5.
pub const MIN_TEST_ACCOUNTS: u64 = 20;

/// Largest share of the rows before a test period that may be purged.
const MAX_PURGED: f64 = 0.5;

/// The rows to split.
#[derive(Debug, Clone, Copy)]
pub struct RowsToSplit<'a> {
    /// Account of each row.
    pub account: &'a [u32],
    /// Outcome of each row; `None` without an outcome yet.
    pub converted: &'a [Option<bool>],
}

impl RowsToSplit<'_> {
    /// Counts the rows and converting accounts of one set.
    fn count(&self, splits: &[Split], set: Split) -> (u64, u64) {
        let rows = rows_in_split(splits, set);
        let converting: BTreeSet<u32> = rows
            .iter()
            .map(|row| *row as usize)
            .filter(|row| self.converted[*row] == Some(true))
            .map(|row| self.account[row])
            .collect();
        (rows.len() as u64, converting.len() as u64)
    }

    fn labeled(&self) -> Vec<bool> {
        self.converted.iter().map(Option::is_some).collect()
    }

    /// Returns what a split leaves; `None` if its test set can judge a model and enough training
    /// rows remain.
    fn problem(&self, split: &[Split], options: SplitOptions) -> Option<SplitProblem> {
        let (training_rows, converting) = self.count(split, Split::Train);
        let (test_rows, test_conversions) = self.count(split, Split::Test);
        let rows = self.converted.iter().flatten().count() as u64;
        let purged = rows - test_rows - training_rows;
        #[expect(clippy::cast_precision_loss, reason = "counts of rows")]
        let enough_remain = purged as f64 <= MAX_PURGED * (rows - test_rows) as f64;
        let adequate = test_conversions >= MIN_TEST_ACCOUNTS
            && enough_remain
            && converting >= options.min_conversions as u64;
        let problem =
            SplitProblem { test_size: options.test_size, test_conversions, training_rows, rows };
        (!adequate).then_some(problem)
    }

    /// Lets every row with an outcome be predicted by a model of other accounts.
    fn cross_validated(&self, problem: Option<SplitProblem>) -> SplitAssignment {
        let set = |converted: &Option<bool>| {
            if converted.is_some() { Split::CrossValidated } else { Split::Unused }
        };
        SplitAssignment {
            split: self.converted.iter().map(set).collect(),
            first_test: None,
            method: SplitMethod::CrossValidation,
            problem,
        }
    }

    /// Splits rows by time: the newest cutoff days are the test set, and a row is in the training
    /// set if its horizon ends before them.
    ///
    /// With `auto`, the test period is halved until its test set has 20 converting accounts and at
    /// least half of the rows before it remain for training. If no test period does, the rows are
    /// cross-validated.
    ///
    /// # Arguments
    /// * `(cutoff, zone)` – cutoff of each row, µs UTC, and the zone of the days
    /// * `span` – gap + horizon, µs
    #[must_use]
    pub fn by_time(
        &self,
        (cutoff, zone): (&[i64], Zone),
        span: i64,
        options: SplitOptions,
    ) -> SplitAssignment {
        if options.scheme == SplitScheme::CrossValidation {
            return self.cross_validated(None);
        }
        let days = CutoffDays::new(cutoff, &self.labeled(), zone);
        let mut held_out = days.held_out(options.test_size);
        let (split, first_test) = days.split(cutoff, &self.labeled(), span, held_out);
        let method = |held_out: usize, test_size: f64| match held_out {
            0 => SplitMethod::None,
            _ => SplitMethod::Newest { test_size },
        };
        let configured = SplitAssignment {
            split,
            first_test,
            method: method(held_out, options.test_size),
            problem: None,
        };
        if options.scheme == SplitScheme::Time || held_out == 0 {
            return configured;
        }
        let Some(problem) = self.problem(&configured.split, options) else { return configured };
        while held_out > 1 {
            held_out /= 2;
            let (split, first_test) = days.split(cutoff, &self.labeled(), span, held_out);
            if self.problem(&split, options).is_none() {
                let method = method(held_out, days.share(held_out));
                return SplitAssignment { split, first_test, method, problem: Some(problem) };
            }
        }
        self.cross_validated(Some(problem))
    }

    /// Holds out a share of the accounts of rows without cutoffs.
    ///
    /// With `auto`, the rows are cross-validated if the test set has fewer than 20 converting
    /// accounts. With a `test_size` of 0 there is no test set.
    ///
    /// # Arguments
    /// * `held_out` – whether each row is in the test set
    #[must_use]
    pub fn by_account(&self, held_out: &[bool], options: SplitOptions) -> SplitAssignment {
        if options.scheme == SplitScheme::CrossValidation {
            return self.cross_validated(None);
        }
        let set = |(converted, held_out): (&Option<bool>, &bool)| match converted {
            None => Split::Unused,
            Some(_) if *held_out => Split::Test,
            Some(_) => Split::Train,
        };
        let split: Vec<Split> = self.converted.iter().zip(held_out).map(set).collect();
        let has_test_set = options.test_size > 0.0;
        match self.problem(&split, options) {
            Some(problem) if has_test_set && options.scheme == SplitScheme::Auto => {
                self.cross_validated(Some(problem))
            }
            _ => SplitAssignment {
                split,
                first_test: None,
                method: if has_test_set {
                    SplitMethod::RandomAccounts { test_size: options.test_size }
                } else {
                    SplitMethod::None
                },
                problem: None,
            },
        }
    }
}

/// The days of a zone with cutoffs of labeled rows.
struct CutoffDays {
    /// Numbers of the distinct days, ascending.
    numbers: Vec<i64>,
    zone: LocalDays,
}

impl CutoffDays {
    fn new(cutoff: &[i64], labeled: &[bool], zone: Zone) -> Self {
        let ends = cutoff.iter().min().zip(cutoff.iter().max());
        let zone = ends
            .map_or_else(LocalDays::default, |(first, last)| LocalDays::new(zone, *first, *last));
        let labeled_cutoffs = cutoff.iter().zip(labeled).filter(|(_, labeled)| **labeled);
        let numbers: BTreeSet<i64> = labeled_cutoffs.map(|(cutoff, _)| zone.day(*cutoff)).collect();
        Self { numbers: numbers.into_iter().collect(), zone }
    }

    /// Computes ⌈`test_size` · days⌉, tolerating rounding errors of the product.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of days"
    )]
    fn held_out(&self, test_size: f64) -> usize {
        (test_size * self.numbers.len() as f64 - 1e-9).ceil().max(0.0) as usize
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of days")]
    fn share(&self, held_out: usize) -> f64 {
        held_out as f64 / self.numbers.len() as f64
    }

    /// Returns the set of each row and the first test cutoff.
    fn split(
        &self,
        cutoff: &[i64],
        labeled: &[bool],
        span: i64,
        held_out: usize,
    ) -> (Vec<Split>, Option<i64>) {
        let first_day = (held_out > 0).then(|| self.numbers[self.numbers.len() - held_out]);
        let first_test = first_day.and_then(|day| {
            let labeled = cutoff.iter().zip(labeled).filter(|(_, labeled)| **labeled);
            let test = labeled.filter(|(cutoff, _)| self.zone.day(**cutoff) >= day);
            test.map(|(cutoff, _)| *cutoff).min()
        });
        let set = |(cutoff, labeled): (&i64, &bool)| match first_test {
            _ if !labeled => Split::Unused,
            None => Split::Train,
            Some(first) if *cutoff >= first => Split::Test,
            Some(first) if cutoff + span <= first => Split::Train,
            Some(_) => Split::Unused,
        };
        (cutoff.iter().zip(labeled).map(set).collect(), first_test)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::DAY;

    /// Rows of one account each: `converting` of them convert, at the given positions modulo the
    /// length.
    struct Case {
        account: Vec<u32>,
        converted: Vec<Option<bool>>,
        cutoff: Vec<i64>,
    }

    impl Case {
        /// `per_day` rows on each of `days` days, one in four of which converts.
        fn new(days: i64, per_day: u32) -> Self {
            let rows = u32::try_from(days).unwrap() * per_day;
            Self {
                account: (0..rows).collect(),
                converted: (0..rows).map(|row| Some(row % 4 == 0)).collect(),
                cutoff: (0..rows).map(|row| i64::from(row / per_day) * DAY).collect(),
            }
        }

        fn rows(&self) -> RowsToSplit<'_> {
            RowsToSplit { account: &self.account, converted: &self.converted }
        }

        fn split(&self, span: i64, options: SplitOptions) -> SplitAssignment {
            self.rows().by_time((&self.cutoff, Zone::default()), span, options)
        }
    }

    fn auto(test_size: f64) -> SplitOptions {
        SplitOptions { scheme: SplitScheme::Auto, test_size, min_conversions: 10 }
    }

    #[test]
    fn cutoff_days_are_those_of_the_zone() {
        // Cutoffs every 6 hours: days of Tokyo start at 15:00 UTC.
        let mut case = Case::new(8, 1);
        (0..).zip(&mut case.cutoff).for_each(|(row, cutoff)| *cutoff = row * DAY / 4);
        let first_test = |zone: &str| {
            let days = (&case.cutoff[..], zone.parse().unwrap());
            case.rows().by_time(days, 0, SplitOptions::newest(0.5)).first_test
        };
        assert_eq!(first_test("UTC"), Some(DAY));
        // 3 rows of the first day, 4 of the second, 1 of the third.
        assert_eq!(first_test("Asia/Tokyo"), Some(3 * DAY / 4));
    }

    #[test]
    fn the_newest_days_are_held_out_and_overlapping_rows_are_purged() {
        let found = Case::new(10, 1).split(3 * DAY, SplitOptions::newest(0.2));
        assert_eq!(found.first_test, Some(8 * DAY));
        let names: Vec<_> = found.split.iter().map(|s| s.name().unwrap_or("-")).collect();
        assert_eq!(
            names,
            ["train", "train", "train", "train", "train", "train", "-", "-", "test", "test"]
        );
        assert_eq!(found.method, SplitMethod::Newest { test_size: 0.2 });
    }

    #[test]
    fn immature_rows_are_unused_and_their_days_do_not_count() {
        let mut case = Case::new(4, 1);
        case.converted[2..].fill(None);
        let SplitAssignment { split, first_test, .. } = case.split(0, SplitOptions::newest(0.5));
        assert_eq!(
            (split[0], split[1], split[2], first_test),
            (Split::Train, Split::Test, Split::Unused, Some(DAY))
        );
        let none = Case::new(4, 1).split(30 * DAY, SplitOptions::newest(0.0));
        assert_eq!((none.split, none.first_test), (vec![Split::Train; 4], None));
        assert_eq!(none.method, SplitMethod::None);
    }

    #[test]
    fn the_number_of_held_out_days_tolerates_rounding_errors() {
        let held_out = |days: i64, size| {
            let (numbers, zone) = ((0..days).collect(), LocalDays::default());
            CutoffDays { numbers, zone }.held_out(size)
        };
        assert_eq!(held_out(30, 0.1), 3);
        assert_eq!(held_out(31, 0.1), 4);
        assert_eq!(held_out(5, 0.0), 0);
        assert_eq!(held_out(1, 0.2), 1);
    }

    #[test]
    fn auto_keeps_the_configured_test_period_if_it_can_judge_and_leaves_enough_to_train() {
        let case = Case::new(100, 8);
        let found = case.split(10 * DAY, auto(0.2));
        assert_eq!(found.method, SplitMethod::Newest { test_size: 0.2 });
        assert_eq!(found.problem, None);
        assert_eq!(found.first_test, Some(80 * DAY));
    }

    #[test]
    fn auto_halves_a_test_period_that_leaves_too_little_to_train() {
        // Before 40% of 100 days, a horizon of 35 days leaves 26 of 60 days; before 20%, 46 of 80.
        let case = Case::new(100, 40);
        let found = case.split(35 * DAY, auto(0.4));
        assert_eq!(found.method, SplitMethod::Newest { test_size: 0.2 });
        assert_eq!(found.first_test, Some(80 * DAY));
        let problem = found.problem.unwrap();
        assert_eq!((problem.training_rows, problem.rows), (26 * 40, 4_000));
        assert_eq!(problem.test_conversions, 400);
    }

    #[test]
    fn auto_cross_validates_if_no_test_period_can_judge() {
        // Two conversions per day: 20% of 20 days have 8, and a shorter period has fewer.
        let case = Case::new(20, 8);
        let found = case.split(0, auto(0.2));
        assert_eq!(found.method, SplitMethod::CrossValidation);
        assert_eq!(found.problem.unwrap().test_conversions, 8);
        assert!(found.split.iter().all(|split| *split == Split::CrossValidated));
        assert_eq!(rows_in_split(&found.split, Split::Train).len(), 160);
        assert_eq!(rows_in_split(&found.split, Split::Test).len(), 160);
        assert!(rows_in_split(&found.split, Split::Unused).is_empty());
        // Unless the period is fixed, or there is to be no test set.
        assert_eq!(
            case.split(0, SplitOptions::newest(0.2)).method,
            SplitMethod::Newest { test_size: 0.2 }
        );
        assert_eq!(case.split(0, auto(0.0)).method, SplitMethod::None);
    }

    #[test]
    fn accounts_without_cutoffs_are_held_out_or_cross_validated() {
        let case = Case::new(1, 400);
        let held_out: Vec<bool> = (0..400).map(|row| row < 100).collect();
        let found = case.rows().by_account(&held_out, auto(0.25));
        assert_eq!(found.method, SplitMethod::RandomAccounts { test_size: 0.25 });
        assert_eq!(rows_in_split(&found.split, Split::Test).len(), 100);
        let none = case.rows().by_account(&[false; 400], auto(0.0));
        assert_eq!((none.method, none.problem), (SplitMethod::None, None));
        assert_eq!(none.split, [Split::Train; 400]);
        let few: Vec<bool> = (0..400).map(|row| row < 40).collect();
        let found = case.rows().by_account(&few, auto(0.1));
        assert_eq!(found.method, SplitMethod::CrossValidation);
        assert_eq!(found.problem.unwrap().test_conversions, 10);
    }
}
