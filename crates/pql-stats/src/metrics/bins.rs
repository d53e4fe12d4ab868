//! Reliability, expected calibration error and Brier score decomposition over ten bins of equal
//! size.

use std::f64::consts::FRAC_2_PI;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::accounts::{GroupCodes, Mean, Weighted};
use super::ranking::{Ranking, TiePart};
use super::sum;
use crate::counts::count;
use crate::intervals::{Interval, Z_95};

/// Number of bins.
const BINS: usize = 10;

/// A bin of rows with adjacent probabilities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Number of rows.
    pub rows: u64,
    /// Lowest probability in the bin.
    pub lowest: f64,
    /// Highest probability in the bin.
    pub highest: f64,
    /// Mean probability.
    pub mean_probability: f64,
    /// Share of the rows that converted; rows of equal probability share their mean outcome.
    pub observed_rate: f64,
    /// Its 95% interval, by account if accounts repeat.
    pub observed_rate_interval: Interval,
}

/// Divides rows into ten bins of equal size by probability, lowest first. The first bins have one
/// more row if necessary; empty bins are omitted.
///
/// # Panics
/// If the lengths differ.
/// # Source
/// Wilson's interval (1927) at the effective number of independent rows, see Korn, Graubard (1998)
#[must_use]
pub fn reliability(y: &[bool], probability: &[f64], group: &[u32]) -> Vec<Bin> {
    assert!(
        y.len() == probability.len() && y.len() == group.len(),
        "outcomes, probabilities and accounts"
    );
    let (ranking, groups) = (Ranking::new(y, probability), GroupCodes::new(group));
    let bin = |ranks: Range<usize>| {
        let means = BinMeans::compute(&ranking, ranks.clone());
        let score = |place: usize| probability[ranking.order[place]];
        Bin {
            rows: ranks.len() as u64,
            lowest: score(ranks.start),
            highest: score(ranks.end - 1),
            mean_probability: means.probability,
            observed_rate: means.converted,
            observed_rate_interval: Mean::compute(ranking.outcomes(ranks, y, &groups))
                .share_interval(),
        }
    };
    bounds(y.len()).map(bin).collect()
}

/// Returns the range of each bin among `n` ranked rows.
fn bounds(n: usize) -> impl Iterator<Item = Range<usize>> {
    let (size, larger) = (n / BINS, n % BINS);
    let start = move |bin: usize| bin * size + bin.min(larger);
    (0..BINS).map(move |bin| start(bin)..start(bin + 1)).filter(|ranks| !ranks.is_empty())
}

/// Means over a bin; rows with equal probability have the mean outcome of their tie.
struct BinMeans {
    rows: f64,
    probability: f64,
    converted: f64,
    /// Mean of probability minus outcome.
    difference: f64,
    /// Variance of the probability minus twice its covariance with the outcome.
    within: f64,
}

impl BinMeans {
    fn compute(ranking: &Ranking, ranks: Range<usize>) -> Self {
        let rows = count(ranks.len());
        let tie_parts = || ranking.tie_parts(ranks.clone());
        let mean =
            |value: &dyn Fn(&TiePart<'_>) -> f64| sum(tie_parts().map(|part| value(&part))) / rows;
        let weighted = |part: &TiePart<'_>, value: f64| count(part.rows) * value;
        let probability = mean(&|part| weighted(part, part.tie.score));
        let converted = mean(&|part| part.conversions());
        Self {
            rows,
            probability,
            converted,
            difference: mean(&|part| weighted(part, part.tie.score - part.tie.share())),
            within: mean(&|part| {
                let (p, y) = (part.tie.score - probability, part.tie.share() - converted);
                weighted(part, p * p - 2.0 * p * y)
            }),
        }
    }
}

/// Decomposition of the Brier score: `reliability − resolution + uncertainty + within`.
///
/// # Source
/// Murphy, "A new vector partition of the probability score", *Journal of Applied Meteorology* 12
/// (1973); `within`: Stephenson, Coelho, Jolliffe, "Two extra components in the Brier score
/// decomposition", *Weather and Forecasting* 23 (2008)
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct BrierParts {
    /// Mean squared difference of mean probability and observed rate over ten bins; 0 is perfect.
    pub reliability: f64,
    /// Mean squared difference of observed rate and base rate over the bins; larger is better.
    pub resolution: f64,
    /// Brier score of the base rate.
    pub uncertainty: f64,
    /// Variance of the probabilities within bins minus twice their covariance with the outcome.
    pub within: f64,
}

impl BrierParts {
    pub(super) fn compute(ranking: &Ranking) -> Self {
        let n = ranking.order.len();
        let base = ranking.base_rate();
        let bins: Vec<BinMeans> =
            bounds(n).map(|ranks| BinMeans::compute(ranking, ranks)).collect();
        let mean = |value: &dyn Fn(&BinMeans) -> f64| {
            sum(bins.iter().map(|bin| bin.rows * value(bin))) / count(n)
        };
        Self {
            reliability: mean(&|bin| bin.difference.powi(2)),
            resolution: mean(&|bin| (bin.converted - base).powi(2)),
            uncertainty: base * (1.0 - base),
            within: mean(&|bin| bin.within),
        }
    }
}

/// Expected calibration error over ten bins of equal size, with its expected value under perfect
/// calibration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct CalibrationError {
    /// Sum over bins of share of rows · |mean probability − observed rate|.
    pub value: f64,
    /// Expected value under perfect calibration, which is above 0.
    pub expected: f64,
    /// 95% interval by account, with its lower end reduced by `expected`; `None` with one account.
    pub interval: Option<Interval>,
}

impl CalibrationError {
    /// Computes the calibration error.
    ///
    /// # Source
    /// Bias under perfect calibration: Bröcker, "Estimating reliability and resolution of
    /// probability forecasts through decomposition of the empirical score", *Climate Dynamics* 39
    /// (2012). The interval is that of the delta method, value ∓ 1.96·se by account: the sum is
    /// linear in the outcomes as long as no difference changes sign. The true error may be lower
    /// than the estimate by up to `expected`, so that the lower end is reduced by it.
    pub(super) fn compute(
        ranking: &Ranking,
        y: &[bool],
        probability: &[f64],
        groups: &GroupCodes,
    ) -> Self {
        let n = ranking.order.len();
        let (mut errors, mut expected) = (Vec::new(), Vec::new());
        // For each row the sign of the difference in its bin; the mean sign for rows in several
        // bins.
        let mut sign = vec![0.0; n];
        for ranks in bounds(n) {
            let bin = BinMeans::compute(ranking, ranks.clone());
            errors.push(bin.rows * bin.difference.abs());
            expected.push(expected_deviation(ranking, ranks.clone(), y, groups));
            for part in ranking.tie_parts(ranks) {
                let row_sign = if bin.difference == 0.0 {
                    0.0
                } else {
                    bin.difference.signum() * part.weight()
                };
                ranking.order[part.tie.rows.clone()].iter().for_each(|&row| sign[row] += row_sign);
            }
        }
        let [value, expected] = [errors, expected].map(|sums| sum(sums) / count(n));
        let signed =
            y.iter().zip(probability).zip(&sign).map(|((&y, p), sign)| sign * (p - f64::from(y)));
        let ends =
            |se: f64| Interval { low: value - expected - Z_95 * se, high: value + Z_95 * se };
        let interval = groups.mean(signed).se().map(|se| ends(se).clamp(0.0, 1.0));
        Self { value, expected, interval }
    }
}

/// Computes the expected |Σ (p − y)| of a bin if every row converts with probability p.
///
/// If accounts repeat, their rows are correlated: a normal approximation with the estimated
/// standard error by account. Otherwise rows are independent: exact in a bin without a split tie,
/// and a normal approximation with one.
fn expected_deviation(
    ranking: &Ranking,
    ranks: Range<usize>,
    y: &[bool],
    groups: &GroupCodes,
) -> f64 {
    let normal = |variance: f64| (FRAC_2_PI * variance).sqrt();
    let n = count(ranks.len());
    if groups.repeated() {
        let differences = ranking.outcomes(ranks.clone(), y, groups);
        let p = ranking
            .tie_parts(ranks.clone())
            .flat_map(|part| std::iter::repeat_n(part.tie.score, part.tie.rows.len()));
        let differences = differences
            .into_iter()
            .zip(p)
            .map(|(row, p)| Weighted { value: row.value - p, ..row })
            .collect();
        if let Some(se) = Mean::compute(differences).se() {
            return n * normal(se * se);
        }
    }
    let split = ranking.tie_parts(ranks.clone()).any(|part| part.rows < part.tie.rows.len());
    let p: Vec<f64> = ranking
        .tie_parts(ranks.clone())
        .flat_map(|part| std::iter::repeat_n(part.tie.score, part.rows))
        .collect();
    let exact = if split { None } else { exact_deviation(&p) };
    exact.unwrap_or_else(|| {
        // A part of a tie has the mean outcome of the whole tie.
        let variance = |part: TiePart<'_>| {
            count(part.rows) * part.weight() * part.tie.score * (1.0 - part.tie.score)
        };
        normal(sum(ranking.tie_parts(ranks).map(variance)))
    })
}

/// Computes the mean absolute deviation of a sum of independent outcomes: E|S − μ| = 2·Σ (μ −
/// s)·P(S = s) over s < μ.
///
/// `None` if that takes too long. So many conversions are then expected that the sum is nearly
/// normal.
fn exact_deviation(p: &[f64]) -> Option<f64> {
    /// Maximum number of operations, about 20 ms.
    const MAX_OPERATIONS: f64 = 2e7;
    let mean = sum(p.iter().copied());
    // Count conversions or nonconversions, whichever are rarer.
    let rare = mean <= 0.5 * count(p.len());
    let mean = if rare { mean } else { sum(p.iter().map(|p| 1.0 - p)) };
    if (mean + 1.0) * count(p.len()) > MAX_OPERATIONS {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at least 0, and far below 2⁵³"
    )]
    let below = mean.floor() as usize + 1;
    // Probability of 0, 1, … conversions so far.
    let mut chance = vec![0.0; below];
    chance[0] = 1.0;
    for p in p {
        let p = if rare { *p } else { 1.0 - p };
        for s in (1..below).rev() {
            chance[s] = chance[s] * (1.0 - p) + chance[s - 1] * p;
        }
        chance[0] *= 1.0 - p;
    }
    Some(2.0 * sum(chance.iter().enumerate().map(|(s, chance)| (mean - count(s)) * chance)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
    }

    #[test]
    fn the_mean_absolute_deviation_of_a_sum_is_exact() {
        // Two fair coins: 0 and 2 heads have probability 1/4 each and deviation 1.
        near(exact_deviation(&[0.5, 0.5]).unwrap(), 0.5);
        // One row: 2·p·(1 − p).
        near(exact_deviation(&[0.1]).unwrap(), 0.18);
        near(exact_deviation(&[0.9]).unwrap(), 0.18);
        near(exact_deviation(&[0.2, 0.7]).unwrap(), exact_deviation(&[0.8, 0.3]).unwrap());
        // 0.2 and 0.7: mean 0.9; 0, 1 and 2 conversions with probability 0.24, 0.62, 0.14.
        near(exact_deviation(&[0.2, 0.7]).unwrap(), 0.9 * 0.24 + 0.1 * 0.62 + 1.1 * 0.14);
        near(exact_deviation(&[0.0, 1.0]).unwrap(), 0.0);
        assert_eq!(exact_deviation(&vec![0.4; 10_000]), None);
        // At the limit, the normal approximation is accurate to 0.1%.
        let (n, p) = (4_000, 0.25);
        let normal = (FRAC_2_PI * count(n) * p * (1.0 - p)).sqrt();
        assert!((exact_deviation(&vec![p; n]).unwrap() / normal - 1.0).abs() < 1e-3);
    }

    #[test]
    fn each_row_is_in_one_bin_and_empty_bins_are_omitted() {
        for n in [1, 9, 10, 11, 27, 100] {
            let bounds: Vec<_> = bounds(n).collect();
            assert_eq!(bounds.len(), n.min(BINS));
            assert_eq!((bounds[0].start, bounds[bounds.len() - 1].end), (0, n));
            assert!(bounds.windows(2).all(|w| w[0].end == w[1].start && w[0].len() >= w[1].len()));
        }
    }
}
