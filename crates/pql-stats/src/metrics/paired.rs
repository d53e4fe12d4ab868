//! Comparison of two sets of probabilities of the same rows.

use serde::{Deserialize, Serialize};

use super::accounts::{GroupCodes, Mean};
use super::auc::Placements;
use super::calibration::log_loss;
use super::ranking::Ranking;
use super::{check, sum};
use crate::counts::count;
use crate::error::Result;
use crate::intervals::{Estimate, Interval};

/// A metric of one set of probabilities minus that of another, on the same rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The difference.
    pub difference: f64,
    /// Its standard error by account; `None` with one account.
    pub std_error: Option<f64>,
    /// Its 95% interval; `None` with one account.
    pub interval: Option<Interval>,
}

impl Difference {
    /// Returns the number of decimal places to print: 4, or more if the difference and its interval
    /// would otherwise round to 0.
    #[must_use]
    pub fn places(&self) -> usize {
        let ends = self.interval.into_iter().flat_map(|interval| [interval.low, interval.high]);
        let size = ends.fold(0.0_f64.max(self.difference.abs()), |most, end| most.max(end.abs()));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most twelve places"
        )]
        let two_digits =
            if size > 0.0 { (1.0 - size.log10().floor()).clamp(4.0, 12.0) as usize } else { 4 };
        two_digits
    }

    /// Removes the standard error and the interval, for too few rows to trust them.
    pub fn remove_interval(&mut self) {
        self.std_error = None;
        self.interval = None;
    }

    pub(super) fn new(difference: f64, std_error: Option<f64>) -> Self {
        let Estimate { value: difference, std_error, interval } =
            Estimate::normal(difference, std_error);
        Self { difference, std_error, interval }
    }

    /// Returns whether the first set is significantly better by a loss: the whole interval is below
    /// 0.
    #[must_use]
    pub fn is_better(&self) -> bool {
        self.interval.is_some_and(|interval| interval.high < 0.0)
    }

    /// Returns whether the first set is significantly worse by a loss: the whole interval is above
    /// 0.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        self.interval.is_some_and(|interval| interval.low > 0.0)
    }
}

/// Two sets of probabilities of the same rows.
#[derive(Debug, Clone, Copy)]
pub struct PairedProbabilities<'a> {
    /// Outcomes.
    pub y: &'a [bool],
    /// Number of the account of each row, in any order.
    pub group: &'a [u32],
    /// Probabilities of the first set.
    pub probability: &'a [f64],
    /// Probabilities of the second set.
    pub other: &'a [f64],
}

impl PairedProbabilities<'_> {
    fn check(&self) -> Result<()> {
        check(self.y, self.probability, self.group)?;
        check(self.y, self.other, self.group)
    }

    /// Computes the difference in mean log loss, by account; below 0 the first set is better.
    ///
    /// # Errors
    /// * [`Error::NoRows`](crate::Error::NoRows),
    ///   [`Error::LengthMismatch`](crate::Error::LengthMismatch),
    ///   [`Error::OutOfRange`](crate::Error::OutOfRange): no rows, unequal lengths, or a
    ///   probability outside of [0, 1]
    /// # Source
    /// Diebold, Mariano, "Comparing predictive accuracy", *Journal of Business & Economic
    /// Statistics* 13 (1995), with accounts instead of times: Cochran, *Sampling Techniques*, 3rd
    /// ed. (1977), §2.11
    pub fn log_loss(&self) -> Result<Difference> {
        self.loss_difference(log_loss)
    }

    /// Computes the difference in Brier score, by account, as [`PairedProbabilities::log_loss`].
    ///
    /// # Errors
    /// Those of [`PairedProbabilities::log_loss`]
    pub fn brier(&self) -> Result<Difference> {
        self.loss_difference(|y, p| (p - f64::from(y)).powi(2))
    }

    fn loss_difference(&self, loss: impl Fn(bool, f64) -> f64) -> Result<Difference> {
        self.check()?;
        let rows = self.y.iter().zip(self.probability).zip(self.other);
        let mean: Mean =
            GroupCodes::new(self.group).mean(rows.map(|((&y, &a), &b)| loss(y, a) - loss(y, b)));
        Ok(Difference::new(mean.mean, mean.se()))
    }

    /// Computes the difference in area under the ROC curve, by account; above 0 the first set ranks
    /// better. `None` if all outcomes are equal.
    ///
    /// # Errors
    /// Those of [`PairedProbabilities::log_loss`]
    /// # Source
    /// `DeLong`, `DeLong`, Clarke-Pearson, "Comparing the areas under two or more correlated
    /// receiver operating characteristic curves", *Biometrics* 44 (1988); by account:
    /// Obuchowski, *Biometrics* 53 (1997)
    pub fn roc_auc(&self) -> Result<Option<Difference>> {
        self.check()?;
        let groups = GroupCodes::new(self.group);
        let placements = |p: &[f64]| Placements::new(&Ranking::new(self.y, p), self.y, &groups);
        let both = placements(self.probability).zip(placements(self.other));
        Ok(both.map(|(first, second)| {
            let difference = first.subtract(&second);
            Difference::new(difference.auc, difference.error())
        }))
    }

    /// Computes Spearman's rank correlation, with mean ranks for ties; `None` if one set is
    /// constant.
    #[must_use]
    pub fn rank_correlation(&self) -> Option<f64> {
        let [a, b] = [self.probability, self.other].map(ranks);
        let middle = (count(a.len()) - 1.0) / 2.0;
        let moment =
            |x: &[f64], y: &[f64]| sum(x.iter().zip(y).map(|(x, y)| (x - middle) * (y - middle)));
        let spread = (moment(&a, &a) * moment(&b, &b)).sqrt();
        (spread > 0.0).then(|| moment(&a, &b) / spread)
    }
}

/// Computes the rank of each value, from 0, with mean ranks for ties.
fn ranks(values: &[f64]) -> Vec<f64> {
    let ranking = Ranking::new(&vec![false; values.len()], values);
    let mut ranks = vec![0.0; values.len()];
    for tie in &ranking.ties {
        let middle = (count(tie.rows.start) + count(tie.rows.end) - 1.0) / 2.0;
        ranking.order[tie.rows.clone()].iter().for_each(|row| ranks[*row] = middle);
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    const Y: [bool; 6] = [true, false, true, false, true, false];
    const P: [f64; 6] = [0.9, 0.8, 0.7, 0.3, 0.2, 0.1];
    const EACH: [u32; 6] = [0, 1, 2, 3, 4, 5];

    fn paired<'a>(
        probability: &'a [f64],
        other: &'a [f64],
        group: &'a [u32],
    ) -> PairedProbabilities<'a> {
        PairedProbabilities { y: &Y, group, probability, other }
    }

    #[test]
    fn the_auc_difference_to_a_constant_score_is_the_auc_minus_one_half() {
        let flat = [0.5; 6];
        let difference = paired(&P, &flat, &EACH).roc_auc().unwrap().unwrap();
        let auc = super::super::auc_with_error(&Y, &P, &EACH).unwrap();
        let same_error = (difference.std_error.unwrap() - auc.std_error.unwrap()).abs() < 1e-15;
        assert!((difference.difference - (auc.value - 0.5)).abs() < 1e-15 && same_error);
        let same = paired(&P, &P, &EACH).roc_auc().unwrap().unwrap();
        assert_eq!((same.difference, same.std_error), (0.0, Some(0.0)));
        let other = [0.1, 0.8, 0.7, 0.3, 0.2, 0.9];
        let forward = paired(&P, &other, &EACH).roc_auc().unwrap().unwrap();
        let backward = paired(&other, &P, &EACH).roc_auc().unwrap().unwrap();
        assert!(
            (forward.difference + backward.difference).abs() < 1e-15
                && (forward.std_error.unwrap() - backward.std_error.unwrap()).abs() < 1e-15
        );
    }

    #[test]
    fn worse_and_better_are_symmetric() {
        let y = [true; 50];
        let group: Vec<u32> = (0..50).collect();
        let difference = |a: f64, b: f64| {
            let (a, b) = ([a; 50], [b; 50]);
            PairedProbabilities { y: &y, group: &group, probability: &a, other: &b }
                .log_loss()
                .unwrap()
        };
        assert!(
            difference(0.9, 0.2).is_better()
                && !difference(0.9, 0.2).is_worse()
                && difference(0.2, 0.9).is_worse()
                && !difference(0.5, 0.5).is_worse()
        );
    }

    #[test]
    fn small_differences_are_printed_with_more_decimal_places() {
        let places = |difference, se| Difference::new(difference, Some(se)).places();
        assert_eq!(
            [
                places(0.1, 0.01),
                places(0.0, 0.0),
                places(1e-5, 2e-5),
                places(1e-5, 1e-3),
                places(-3e-9, 0.0)
            ],
            [4, 4, 6, 4, 10]
        );
        assert_eq!(Difference::new(f64::NAN, None).places(), 4);
    }

    #[test]
    fn ties_have_mean_ranks() {
        assert_eq!(ranks(&[0.3, 0.1, 0.3, 0.2]), [2.5, 0.0, 2.5, 1.0]);
        let reversed: Vec<f64> = P.iter().map(|p| 1.0 - p).collect();
        assert_eq!(paired(&P, &P.map(|p| p * p), &EACH).rank_correlation(), Some(1.0));
        assert_eq!(paired(&P, &reversed, &EACH).rank_correlation(), Some(-1.0));
        assert_eq!(paired(&P, &[0.4; 6], &EACH).rank_correlation(), None);
    }
}
