//! Sample sizes: how many conversions a test set needs.

use crate::counts::count;
use crate::intervals::Z_95;

/// 80% quantile of the standard normal distribution: the power of the sample sizes.
const Z_POWER: f64 = 0.841_621_233_572_914_2;
/// 90% quantile: an equivalence test with a power of 80% fails with a probability of 10% on each
/// side.
const Z_POWER_EQUIVALENCE: f64 = 1.281_551_565_544_600_4;
/// Maximum number of conversions of a sample size.
const MOST: u64 = 1_000_000_000;

/// Computes the standard error of an area under the ROC curve from its value alone.
///
/// # Arguments
/// * `positives`, `negatives` – accounts of each outcome, above 0
/// # Source
/// Hanley, `McNeil`, "The meaning and use of the area under a receiver operating characteristic
/// (ROC) curve", *Radiology* 143 (1982), exponential approximation
#[must_use]
pub fn auc_std_error(auc: f64, positives: f64, negatives: f64) -> f64 {
    let (q1, q2) = (auc / (2.0 - auc), 2.0 * auc * auc / (1.0 + auc));
    let square = auc * auc;
    let sum =
        auc * (1.0 - auc) + (positives - 1.0) * (q1 - square) + (negatives - 1.0) * (q2 - square);
    (sum / (positives * negatives)).max(0.0).sqrt()
}

/// Computes the standard error of the area under the ROC curve of a random ranking.
///
/// # Source
/// Mann, Whitney, "On a test of whether one of two random variables is stochastically larger than
/// the other", *Annals of Mathematical Statistics* 18 (1947)
#[must_use]
pub fn random_auc_std_error(positives: f64, negatives: f64) -> f64 {
    ((positives + negatives + 1.0) / (12.0 * positives * negatives)).sqrt()
}

/// Computes the number of converting accounts with which the 95% interval of an area under the ROC
/// curve excludes 0.5 with a probability of 80%; `None` if no or all accounts convert, or the area
/// is not above 0.5.
///
/// # Arguments
/// * `auc` – the true area
/// * `base_rate` – share of accounts that convert
/// # Source
/// Hanley, `McNeil` (1982), equation 3: z of the interval plus z of the power, times the standard
/// error, equals the distance from 0.5
#[must_use]
pub fn conversions_for_auc(auc: f64, base_rate: f64) -> Option<u64> {
    if !(base_rate > 0.0 && base_rate < 1.0 && auc > 0.5) {
        return None;
    }
    let others = (1.0 - base_rate) / base_rate;
    let suffices = |conversions: u64| {
        let positives = count(conversions);
        let negatives = (positives * others).max(1.0);
        (Z_95 + Z_POWER) * auc_std_error(auc, positives, negatives) <= auc - 0.5
    };
    let (mut low, mut high) = (1, 2);
    while !suffices(high) && high < MOST {
        (low, high) = (high, high * 2);
    }
    while low + 1 < high {
        let middle = low.midpoint(high);
        if suffices(middle) { high = middle } else { low = middle }
    }
    Some(high)
}

/// Computes how many times as many accounts decide whether a difference is real or negligible, with
/// a probability of 80%: its 95% interval then excludes 0, or lies within the margin. `None` if
/// the standard error is 0.
///
/// The standard error falls with the square root of the number of accounts. Of both answers the one
/// that takes fewer accounts counts, given that the difference is as estimated: `((z₀.₉₇₅ + z₀.₈)
/// se / |difference|)²` or `((z₀.₉₇₅ + z₀.₉) se / (margin − |difference|))²`.
/// # Arguments
/// * `margin` – size of a negligible difference, above 0
/// # Source
/// Chow, Shao, Wang, Lokhnygina, *Sample Size Calculations in Clinical Research*, 3rd ed. (2017),
/// §3.1: tests for equality, with z of the power 1 − β, and for equivalence, with z of 1 − β/2
#[must_use]
pub fn accounts_to_decide(difference: f64, std_error: f64, margin: f64) -> Option<f64> {
    let difference = difference.abs();
    let real = difference / (Z_95 + Z_POWER);
    let negligible = (margin - difference) / (Z_95 + Z_POWER_EQUIVALENCE);
    let factor = (std_error / real.max(negligible)).powi(2);
    (std_error > 0.0 && factor.is_finite()).then_some(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_errors_match_hanley_and_mcneil() {
        // AUC 0.893 with 51 abnormal and 58 normal cases: 0.032 from the ratings in their paper,
        // 0.0325 by their approximation from the area alone.
        assert!((auc_std_error(0.893, 51.0, 58.0) - 0.032_511_581_767_647).abs() < 1e-15);
        // √(9 / (12 · 15))
        assert!((random_auc_std_error(3.0, 5.0) - 0.223_606_797_749_979).abs() < 1e-15);
    }

    #[test]
    fn the_needed_conversions_are_the_fewest_that_suffice() {
        let half = conversions_for_auc(0.6, 0.5).unwrap();
        let rare = conversions_for_auc(0.6, 0.02).unwrap();
        assert!(rare < half, "{rare} and {half}: with more other accounts fewer conversions do");
        for (conversions, others) in [(half, 1.0), (rare, 49.0)] {
            let width = |n: u64| (Z_95 + Z_POWER) * auc_std_error(0.6, count(n), count(n) * others);
            assert!(width(conversions) <= 0.1 && width(conversions - 1) > 0.1, "{conversions}");
        }
        assert!(conversions_for_auc(0.7, 0.1).unwrap() < conversions_for_auc(0.6, 0.1).unwrap());
        assert_eq!(conversions_for_auc(0.6, 0.0), None);
        assert_eq!(conversions_for_auc(0.5, 0.1), None);
    }

    #[test]
    fn a_difference_is_decided_as_real_or_as_negligible() {
        let factor = |difference| accounts_to_decide(difference, 0.01, 0.01).unwrap();
        assert!((factor(0.005) - 4.0 * factor(0.01)).abs() < 1e-9, "as a real difference");
        assert!((factor(0.01) - (Z_95 + Z_POWER).powi(2)).abs() < 1e-9);
        assert!(factor(-0.02) < factor(0.01));
        // (1.96 + 1.2816)² = 10.507
        assert!((factor(0.0) - 10.507_423_06).abs() < 1e-6, "{}", factor(0.0));
        assert!((factor(0.002) - factor(0.0) / 0.64).abs() < 1e-9, "as a negligible one");
        assert_eq!(accounts_to_decide(0.0, 0.0, 0.01), None);
    }
}
