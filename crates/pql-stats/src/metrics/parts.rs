//! Parts of the rows, each judged alone.

use serde::{Deserialize, Serialize};

use super::accounts::Codes;
use super::auc::auc_of;
use super::calibration::log_loss;
use super::ranking::Ranking;
use super::sum;
use crate::counts::count;
use crate::intervals::{Interval, Z_95};

/// A part of the rows, such as those of one cutoff or one industry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Number of rows.
    pub rows: u64,
    /// Number of accounts.
    pub accounts: u64,
    /// Rows that converted.
    pub conversions: u64,
    /// Sum of the probabilities.
    pub expected: f64,
    /// Where 95 % of the conversions lie that the probabilities let expect; `None` where an
    /// account has several rows, of which outcomes overlap.
    pub expected_interval: Option<Interval>,
    /// Mean probability; `None` without rows.
    pub probability: Option<f64>,
    /// Share that converted.
    pub converted: Option<f64>,
    /// Its 95 % interval, by account where accounts repeat.
    pub converted_interval: Option<Interval>,
    /// Mean log loss.
    pub log_loss: Option<f64>,
    /// Area under the ROC curve inside of the part; `None` with one outcome.
    pub roc_auc: Option<f64>,
    /// Its 95 % interval by account; `None` where there is nothing to tell its spread from, as in
    /// perfect order.
    pub roc_auc_interval: Option<Interval>,
}

/// Judge parts of the rows, each alone.
///
/// The conversions to be expected are Σp ∓ 1.96·√Σp(1 − p), not below 0 and not above the rows: the
/// normal distribution in place of that of a sum of independent outcomes.
/// # Arguments
/// * `part` – number of the part of each row; one part for each number up to the largest
/// # Panics
/// If the lengths differ.
#[must_use]
pub fn by_part(y: &[bool], probability: &[f64], group: &[u32], part: &[usize]) -> Vec<Part> {
    assert!(
        y.len() == probability.len() && y.len() == group.len() && y.len() == part.len(),
        "outcomes, probabilities, accounts, parts"
    );
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); part.iter().max().map_or(0, |most| most + 1)];
    part.iter().enumerate().for_each(|(row, &part)| rows[part].push(row));
    let of = |rows: &Vec<usize>| {
        let y: Vec<bool> = rows.iter().map(|&row| y[row]).collect();
        let probability: Vec<f64> = rows.iter().map(|&row| probability[row]).collect();
        Part::of(&y, &probability, &rows.iter().map(|&row| group[row]).collect::<Vec<_>>())
    };
    rows.iter().map(of).collect()
}

impl Part {
    /// All rows as one part.
    fn of(y: &[bool], probability: &[f64], group: &[u32]) -> Self {
        let groups = Codes::of(group);
        let some = !y.is_empty();
        let expected = sum(probability.iter().copied());
        let converted = some.then(|| groups.mean(y.iter().map(|&y| f64::from(y))));
        let auc = auc_of(&Ranking::of(y, probability), y, &groups);
        Self {
            rows: y.len() as u64,
            accounts: groups.len as u64,
            conversions: y.iter().filter(|&&y| y).count() as u64,
            expected,
            expected_interval: (!groups.repeated()).then(|| expected_interval(probability)),
            probability: some.then(|| expected / count(y.len())),
            converted: converted.as_ref().map(|share| share.mean),
            converted_interval: converted.map(|share| share.share_interval()),
            log_loss: some.then(|| {
                sum(y.iter().zip(probability).map(|(&y, &p)| log_loss(y, p))) / count(y.len())
            }),
            roc_auc: auc.map(|auc| auc.value),
            roc_auc_interval: auc
                .filter(|auc| auc.std_error.is_some_and(|error| error > 0.0))
                .and_then(|auc| auc.interval),
        }
    }
}

/// Where 95 % of the conversions of independent rows lie, by the normal approximation of the
/// Poisson-binomial distribution.
pub(super) fn expected_interval(probability: &[f64]) -> Interval {
    let expected = sum(probability.iter().copied());
    let half = Z_95 * sum(probability.iter().map(|p| p * (1.0 - p))).sqrt();
    Interval { low: expected - half, high: expected + half }.clamp(0.0, count(probability.len()))
}
