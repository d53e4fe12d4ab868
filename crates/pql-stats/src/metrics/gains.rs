//! Conversions by decile, at or above a threshold, and among the top rows.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::accounts::{GroupCodes, Mean};
use super::ranking::{Ranking, TiePart};
use super::sum;
use crate::counts::count;
use crate::intervals::Interval;

/// A decile of the rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decile {
    /// Number of the decile; 1 has the highest probabilities.
    pub decile: u8,
    /// Number of rows.
    pub rows: u64,
    /// Lowest probability in the decile.
    pub lowest: f64,
    /// Sum of the probabilities.
    pub expected: f64,
    /// Rows that converted; rows of equal probability share their mean outcome, so it may be
    /// fractional.
    pub conversions: f64,
    /// Share that converted.
    pub rate: f64,
    /// Share of all conversions in this decile and those above.
    pub gain: Option<f64>,
    /// Rate divided by the base rate.
    pub lift: Option<f64>,
    /// Rate of this decile and those above, divided by the base rate.
    pub cumulative_lift: Option<f64>,
}

/// Counts conversions by decile, from the highest probabilities down: the first d deciles are the
/// top ⌈n·d/10⌉ rows. Empty deciles are omitted.
///
/// # Panics
/// If the lengths differ.
#[must_use]
pub fn gains(y: &[bool], probability: &[f64]) -> Vec<Decile> {
    assert_eq!(y.len(), probability.len(), "outcomes and probabilities");
    let ranking = Ranking::new(y, probability);
    let (n, base, any) = (y.len(), ranking.base_rate(), ranking.positive > 0);
    let conversions_in =
        |ranks: Range<usize>| sum(ranking.tie_parts(ranks).map(|part| part.conversions()));
    let start = |decile: usize| ranking.top_rows(10 * decile).start;
    let metrics = |decile: usize| {
        let ranks = start(decile)..start(decile - 1);
        let (conversions, so_far) = (conversions_in(ranks.clone()), conversions_in(ranks.start..n));
        let rate = conversions / count(ranks.len());
        let expected = |part: TiePart<'_>| count(part.rows) * part.tie.score;
        Decile {
            decile: u8::try_from(decile).expect("there are ten deciles"),
            rows: ranks.len() as u64,
            lowest: probability[ranking.order[ranks.start]],
            expected: sum(ranking.tie_parts(ranks.clone()).map(expected)),
            conversions,
            rate,
            gain: any.then(|| so_far / count(ranking.positive)),
            lift: any.then(|| rate / base),
            cumulative_lift: any.then(|| so_far / count(n - ranks.start) / base),
        }
    };
    (1..=10).filter(|&decile| start(decile) < start(decile - 1)).map(metrics).collect()
}

/// Metrics of the rows at or above a threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThresholdMetrics {
    /// Threshold: rows with at least this probability qualify.
    pub threshold: f64,
    /// Rows that qualify.
    pub qualified: u64,
    /// Share of the rows that qualify.
    pub share: f64,
    /// Sum of the probabilities of those that qualify.
    pub expected: f64,
    /// Rows that qualify and converted.
    pub conversions: u64,
    /// Share of the qualifying rows that converted; `None` if no row qualifies.
    pub precision: Option<f64>,
    /// Its 95% interval, by account if accounts repeat.
    pub precision_interval: Option<Interval>,
    /// Share of all conversions among the qualifying rows.
    pub recall: Option<f64>,
    /// Precision divided by the base rate.
    pub lift: Option<f64>,
}

/// Computes the metrics of the rows with a probability of at least `threshold`.
///
/// # Panics
/// If the lengths differ.
#[must_use]
pub fn threshold_metrics(
    y: &[bool],
    probability: &[f64],
    group: &[u32],
    threshold: f64,
) -> ThresholdMetrics {
    assert!(
        y.len() == probability.len() && y.len() == group.len(),
        "outcomes, probabilities and accounts"
    );
    let (ranking, groups) = (Ranking::new(y, probability), GroupCodes::new(group));
    let ranks = ranking.rows_at_least(threshold);
    let rows = &ranking.order[ranks.clone()];
    let conversions = rows.iter().filter(|&&row| y[row]).count();
    let any = !rows.is_empty();
    let precision = any.then(|| count(conversions) / count(rows.len()));
    let converted = ranking.positive > 0;
    ThresholdMetrics {
        threshold,
        qualified: rows.len() as u64,
        share: count(rows.len()) / count(y.len()),
        expected: sum(rows.iter().map(|&row| probability[row])),
        conversions: conversions as u64,
        precision,
        precision_interval: any
            .then(|| Mean::compute(ranking.outcomes(ranks, y, &groups)).share_interval()),
        recall: converted.then(|| count(conversions) / count(ranking.positive)),
        lift: precision.filter(|_| converted).map(|precision| precision / ranking.base_rate()),
    }
}

/// Precision, recall and lift of the rows with the highest probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TopShare {
    /// Percentage of the rows.
    pub percent: u32,
    /// Share of these rows that converted; rows of equal probability share their mean outcome.
    pub precision: f64,
    /// Its 95% interval, by account if accounts repeat.
    pub precision_interval: Interval,
    /// Share of all conversions among these rows; `None` without conversions.
    pub recall: Option<f64>,
    /// Precision divided by the base rate; `None` without conversions.
    pub lift: Option<f64>,
}

impl TopShare {
    pub(super) fn compute(
        ranking: &Ranking,
        percent: u32,
        y: &[bool],
        groups: &GroupCodes,
    ) -> Self {
        let ranks = ranking.top_rows(percent as usize);
        let rows = count(ranks.len());
        let conversions = sum(ranking.tie_parts(ranks.clone()).map(|part| part.conversions()));
        let (precision, any) = (conversions / rows, ranking.positive > 0);
        Self {
            percent,
            precision,
            precision_interval: Mean::compute(ranking.outcomes(ranks, y, groups)).share_interval(),
            recall: any.then(|| conversions / count(ranking.positive)),
            lift: any.then(|| precision / ranking.base_rate()),
        }
    }
}
