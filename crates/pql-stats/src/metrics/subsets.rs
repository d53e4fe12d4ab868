//! Metrics of subsets of the rows.

use serde::{Deserialize, Serialize};

use super::accounts::GroupCodes;
use super::auc::auc_estimate;
use super::calibration::log_loss;
use super::ranking::Ranking;
use super::sum;
use crate::counts::count;
use crate::intervals::{Interval, Z_95};

/// Metrics of a subset of the rows, such as those of one cutoff or one industry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubsetMetrics {
    /// Number of rows.
    pub rows: u64,
    /// Number of accounts.
    pub accounts: u64,
    /// Number of rows that converted.
    pub conversions: u64,
    /// Sum of the probabilities.
    pub expected: f64,
    /// 95% prediction interval of the conversions; `None` if accounts repeat, because the outcomes
    /// of their rows overlap.
    pub expected_interval: Option<Interval>,
    /// Mean probability; `None` without rows.
    pub mean_probability: Option<f64>,
    /// Share of the rows that converted.
    pub observed_rate: Option<f64>,
    /// Its 95% interval, by account if accounts repeat.
    pub observed_rate_interval: Option<Interval>,
    /// Mean log loss.
    pub log_loss: Option<f64>,
    /// Area under the ROC curve within the subset; `None` if all outcomes are equal.
    pub roc_auc: Option<f64>,
    /// Its 95% interval by account; `None` if its variance cannot be estimated, as in a perfect
    /// order.
    pub roc_auc_interval: Option<Interval>,
}

/// Computes the metrics of subsets of the rows.
///
/// The prediction interval of the conversions is Σp ∓ 1.96·√Σp(1 − p), clamped to [0, rows]: a
/// normal approximation of the sum of independent outcomes.
/// # Arguments
/// * `subset` – subset number of each row; the result has one entry per number up to the largest
/// # Panics
/// If the lengths differ.
#[must_use]
pub fn subset_metrics(
    y: &[bool],
    probability: &[f64],
    group: &[u32],
    subset: &[usize],
) -> Vec<SubsetMetrics> {
    assert!(
        y.len() == probability.len() && y.len() == group.len() && y.len() == subset.len(),
        "outcomes, probabilities, accounts, subsets"
    );
    let mut rows: Vec<Vec<usize>> =
        vec![Vec::new(); subset.iter().max().map_or(0, |most| most + 1)];
    subset.iter().enumerate().for_each(|(row, &subset)| rows[subset].push(row));
    let metrics = |rows: &Vec<usize>| {
        let y: Vec<bool> = rows.iter().map(|&row| y[row]).collect();
        let probability: Vec<f64> = rows.iter().map(|&row| probability[row]).collect();
        SubsetMetrics::compute(
            &y,
            &probability,
            &rows.iter().map(|&row| group[row]).collect::<Vec<_>>(),
        )
    };
    rows.iter().map(metrics).collect()
}

impl SubsetMetrics {
    /// Computes the metrics of all rows.
    fn compute(y: &[bool], probability: &[f64], group: &[u32]) -> Self {
        let groups = GroupCodes::new(group);
        let has_rows = !y.is_empty();
        let expected = sum(probability.iter().copied());
        let converted = has_rows.then(|| groups.mean(y.iter().map(|&y| f64::from(y))));
        let auc = auc_estimate(&Ranking::new(y, probability), y, &groups);
        Self {
            rows: y.len() as u64,
            accounts: groups.len as u64,
            conversions: y.iter().filter(|&&y| y).count() as u64,
            expected,
            expected_interval: (!groups.repeated()).then(|| expected_interval(probability)),
            mean_probability: has_rows.then(|| expected / count(y.len())),
            observed_rate: converted.as_ref().map(|share| share.mean),
            observed_rate_interval: converted.map(|share| share.share_interval()),
            log_loss: has_rows.then(|| {
                sum(y.iter().zip(probability).map(|(&y, &p)| log_loss(y, p))) / count(y.len())
            }),
            roc_auc: auc.map(|auc| auc.value),
            roc_auc_interval: auc
                .filter(|auc| auc.std_error.is_some_and(|error| error > 0.0))
                .and_then(|auc| auc.interval),
        }
    }
}

/// Computes the 95% prediction interval of the conversions of independent rows, by the normal
/// approximation of the Poisson-binomial distribution.
pub(super) fn expected_interval(probability: &[f64]) -> Interval {
    let expected = sum(probability.iter().copied());
    let half = Z_95 * sum(probability.iter().map(|p| p * (1.0 - p))).sqrt();
    Interval { low: expected - half, high: expected + half }.clamp(0.0, count(probability.len()))
}
