//! Ten bins of equal size: reliability, expected calibration error, the parts of the Brier score.

use std::f64::consts::FRAC_2_PI;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::accounts::{Codes, Mean, Weighted};
use super::ranking::{Piece, Ranking};
use super::sum;
use crate::counts::count;
use crate::intervals::{Interval, Z_95};

/// Bins that rows are put into.
const BINS: usize = 10;

/// Rows of neighbouring probabilities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Number of rows.
    pub rows: u64,
    /// Lowest probability in it.
    pub lowest: f64,
    /// Highest probability in it.
    pub highest: f64,
    /// Mean probability.
    pub probability: f64,
    /// Share that converted; of rows of equal probability in two bins each bin has its share.
    pub converted: f64,
    /// Its 95 % interval, by account where accounts repeat.
    pub converted_interval: Interval,
}

/// Put rows into ten bins of equal size by probability, the lowest first; the first bins are a row
/// larger where they do not come out even, and empty ones are left out.
///
/// # Panics
/// If the lengths differ.
/// # Source
/// The interval is Wilson's (1927), at as many independent rows as would have its variance by
/// account
#[must_use]
pub fn reliability(y: &[bool], probability: &[f64], group: &[u32]) -> Vec<Bin> {
    assert!(
        y.len() == probability.len() && y.len() == group.len(),
        "outcomes, probabilities and accounts"
    );
    let (ranking, groups) = (Ranking::of(y, probability), Codes::of(group));
    let bin = |places: Range<usize>| {
        let sums = Sums::of(&ranking, places.clone());
        let score = |place: usize| probability[ranking.order[place]];
        Bin {
            rows: places.len() as u64,
            lowest: score(places.start),
            highest: score(places.end - 1),
            probability: sums.probability,
            converted: sums.converted,
            converted_interval: Mean::of(ranking.outcomes(places, y, &groups)).share_interval(),
        }
    };
    bounds(y.len()).map(bin).collect()
}

/// The places of each bin among `n` rows.
fn bounds(n: usize) -> impl Iterator<Item = Range<usize>> {
    let (size, larger) = (n / BINS, n % BINS);
    let start = move |bin: usize| bin * size + bin.min(larger);
    (0..BINS).map(move |bin| start(bin)..start(bin + 1)).filter(|places| !places.is_empty())
}

/// Means over a bin: of rows with outcome y, or in a tie its share that converted.
struct Sums {
    rows: f64,
    probability: f64,
    converted: f64,
    /// Mean of probability less share that converted.
    difference: f64,
    /// Variance of the probability less twice its covariance with the outcome.
    within: f64,
}

impl Sums {
    fn of(ranking: &Ranking, places: Range<usize>) -> Self {
        let rows = count(places.len());
        let pieces = || ranking.pieces(places.clone());
        let mean =
            |value: &dyn Fn(&Piece<'_>) -> f64| sum(pieces().map(|piece| value(&piece))) / rows;
        let weigh = |piece: &Piece<'_>, value: f64| count(piece.rows) * value;
        let probability = mean(&|piece| weigh(piece, piece.tie.score));
        let converted = mean(&|piece| piece.conversions());
        Self {
            rows,
            probability,
            converted,
            difference: mean(&|piece| weigh(piece, piece.tie.score - piece.tie.share())),
            within: mean(&|piece| {
                let (p, y) = (piece.tie.score - probability, piece.tie.share() - converted);
                weigh(piece, p * p - 2.0 * p * y)
            }),
        }
    }
}

/// The Brier score in parts: `reliability − resolution + uncertainty + within` is the score.
///
/// # Source
/// Murphy, "A new vector partition of the probability score", *Journal of Applied Meteorology* 12
/// (1973); `within`, the variance of the probabilities inside of bins less twice their covariance
/// with the outcome: Stephenson, Coelho, Jolliffe, "Two extra components in the Brier score
/// decomposition", *Weather and Forecasting* 23 (2008)
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct BrierParts {
    /// Mean squared distance of probability and share converted over ten bins of equal size; 0 is
    /// perfect.
    pub reliability: f64,
    /// Mean squared distance of share converted and base rate over the bins: the more the better.
    pub resolution: f64,
    /// Brier score of the base rate.
    pub uncertainty: f64,
    /// Variance of the probabilities inside of bins less twice their covariance with the outcome.
    pub within: f64,
}

impl BrierParts {
    pub(super) fn of(ranking: &Ranking) -> Self {
        let n = ranking.order.len();
        let base = ranking.base_rate();
        let bins: Vec<Sums> = bounds(n).map(|places| Sums::of(ranking, places)).collect();
        let mean = |value: &dyn Fn(&Sums) -> f64| {
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

/// Expected calibration error over ten bins of equal size, and what it would be if nothing were
/// wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct CalibrationError {
    /// Σ over bins of share of rows · |mean probability − share that converted|.
    pub value: f64,
    /// Its mean if every row converted with its probability: it is never 0.
    pub expected: f64,
    /// 95% interval by account, its lower end less by `expected`; `None` with one account.
    pub interval: Option<Interval>,
}

impl CalibrationError {
    /// # Source
    /// The error's bias where nothing is wrong: Bröcker, "Estimating reliability and resolution of
    /// probability forecasts through decomposition of the empirical score", *Climate Dynamics*
    /// 39 (2012). Its interval is the delta method's, the sum being linear in the outcomes as
    /// long as no difference changes sign: value ∓ 1.96·se by account. A true error may lie below
    /// the found one by as much as `expected`, so that the lower end is less by that.
    pub(super) fn of(ranking: &Ranking, y: &[bool], probability: &[f64], groups: &Codes) -> Self {
        let n = ranking.order.len();
        let (mut errors, mut expected) = (Vec::new(), Vec::new());
        // Of each row the sign of its bin's difference, of rows in several bins the mean of their
        // signs.
        let mut sign = vec![0.0; n];
        for places in bounds(n) {
            let bin = Sums::of(ranking, places.clone());
            errors.push(bin.rows * bin.difference.abs());
            expected.push(expected_distance(ranking, places.clone(), y, groups));
            for piece in ranking.pieces(places) {
                let of_rows = if bin.difference == 0.0 {
                    0.0
                } else {
                    bin.difference.signum() * piece.weight()
                };
                ranking.order[piece.tie.rows.clone()].iter().for_each(|&row| sign[row] += of_rows);
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

/// The mean of |Σ (p − y)| over a bin where every row converts with probability p.
///
/// Where accounts repeat their rows are alike in a way that the probabilities do not tell: the
/// spread is the one found, by account, taken as normal. Else rows are independent: exact in a bin
/// without a split tie, else normal.
fn expected_distance(ranking: &Ranking, places: Range<usize>, y: &[bool], groups: &Codes) -> f64 {
    let normal = |variance: f64| (FRAC_2_PI * variance).sqrt();
    let n = count(places.len());
    if groups.repeated() {
        let differences = ranking.outcomes(places.clone(), y, groups);
        let p = ranking
            .pieces(places.clone())
            .flat_map(|piece| std::iter::repeat_n(piece.tie.score, piece.tie.rows.len()));
        let differences = differences
            .into_iter()
            .zip(p)
            .map(|(row, p)| Weighted { value: row.value - p, ..row })
            .collect();
        if let Some(se) = Mean::of(differences).se() {
            return n * normal(se * se);
        }
    }
    let split = ranking.pieces(places.clone()).any(|piece| piece.rows < piece.tie.rows.len());
    let p: Vec<f64> = ranking
        .pieces(places.clone())
        .flat_map(|piece| std::iter::repeat_n(piece.tie.score, piece.rows))
        .collect();
    let exact = if split { None } else { exact_distance(&p) };
    exact.unwrap_or_else(|| {
        // A part of a tie has its share of the tie's mean outcome.
        let variance = |piece: Piece<'_>| {
            count(piece.rows) * piece.weight() * piece.tie.score * (1.0 - piece.tie.score)
        };
        normal(sum(ranking.pieces(places).map(variance)))
    })
}

/// The mean distance of a sum of independent outcomes from its mean: E|S − μ| = 2·Σ (μ − s)·P(S =
/// s) over s < μ.
///
/// `None` where that takes long: so many conversions are expected then that the sum is all but
/// normal.
fn exact_distance(p: &[f64]) -> Option<f64> {
    /// Steps that take some 20 ms.
    const MOST: f64 = 2e7;
    let mean = sum(p.iter().copied());
    // Conversions or their absence, whichever is rarer.
    let rare = mean <= 0.5 * count(p.len());
    let mean = if rare { mean } else { sum(p.iter().map(|p| 1.0 - p)) };
    if (mean + 1.0) * count(p.len()) > MOST {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at least 0, and far below 2⁵³"
    )]
    let below = mean.floor() as usize + 1;
    // The chance of 0, 1, … so far.
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
    fn the_distance_of_a_sum_from_its_mean_is_exact() {
        // Two coins: 0 or 2 with 1/4 each are 1 away.
        near(exact_distance(&[0.5, 0.5]).unwrap(), 0.5);
        // One chance of p: 2·p·(1 − p).
        near(exact_distance(&[0.1]).unwrap(), 0.18);
        near(exact_distance(&[0.9]).unwrap(), 0.18);
        near(exact_distance(&[0.2, 0.7]).unwrap(), exact_distance(&[0.8, 0.3]).unwrap());
        // 0.2 and 0.7: the mean is 0.9; none 0.24, one 0.62, both 0.14.
        near(exact_distance(&[0.2, 0.7]).unwrap(), 0.9 * 0.24 + 0.1 * 0.62 + 1.1 * 0.14);
        near(exact_distance(&[0.0, 1.0]).unwrap(), 0.0);
        assert_eq!(exact_distance(&vec![0.4; 10_000]), None);
        // Where it is left to the normal distribution that is right to 0.1 %.
        let (n, p) = (4_000, 0.25);
        let normal = (FRAC_2_PI * count(n) * p * (1.0 - p)).sqrt();
        assert!((exact_distance(&vec![p; n]).unwrap() / normal - 1.0).abs() < 1e-3);
    }

    #[test]
    fn bins_hold_all_rows_once_and_empty_ones_are_left_out() {
        for n in [1, 9, 10, 11, 27, 100] {
            let bounds: Vec<_> = bounds(n).collect();
            assert_eq!(bounds.len(), n.min(BINS));
            assert_eq!((bounds[0].start, bounds[bounds.len() - 1].end), (0, n));
            assert!(bounds.windows(2).all(|w| w[0].end == w[1].start && w[0].len() >= w[1].len()));
        }
    }
}
