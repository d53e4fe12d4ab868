//! Evaluation of a model on labeled rows: all metrics in one report.

use serde::{Deserialize, Serialize};

use super::accounts::GroupCodes;
use super::{
    Bin, Decile, Evaluation, SubsetMetrics, ThresholdMetrics, evaluate, gains, reliability,
    subset_metrics, threshold_metrics,
};
use crate::MICROS_PER_DAY;
use crate::error::Result;

/// Labeled rows with predicted probabilities.
#[derive(Debug, Clone, Copy)]
pub struct LabeledScores<'a> {
    /// Outcomes.
    pub y: &'a [bool],
    /// Probabilities, one per outcome.
    pub probability: &'a [f64],
    /// Account number of each row, in any order.
    pub group: &'a [u32],
    /// Cutoff of each row, microseconds since 1970-01-01 00:00 UTC; `None` without cutoffs.
    pub cutoff: Option<&'a [i64]>,
    /// Cutoff of each row in the local time whose days are meant, microseconds; `None`: UTC.
    pub local_cutoff: Option<&'a [i64]>,
}

impl LabeledScores<'_> {
    /// Groups the rows by cutoff; see [`periods_by_cutoff`].
    pub(super) fn periods(&self, cutoff: &[i64]) -> (Vec<usize>, Vec<CutoffRange>) {
        periods_by_cutoff(self.group, cutoff, self.local_cutoff.unwrap_or(cutoff))
    }
}

/// Evaluation of a model on labeled rows: metrics, gains, reliability, and metrics by cutoff.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationReport {
    /// Metrics over all rows.
    pub metrics: Evaluation,
    /// Metrics of the rows at or above the model's threshold.
    pub at_threshold: ThresholdMetrics,
    /// Conversions by decile, highest probabilities first.
    pub gains: Vec<Decile>,
    /// Ten bins of equal size, lowest probabilities first.
    pub reliability: Vec<Bin>,
    /// Metrics by cutoff, oldest first; empty without cutoffs.
    pub by_cutoff: Vec<CutoffMetrics>,
}

/// Metrics of the rows of one cutoff, or of several adjacent cutoffs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CutoffMetrics {
    /// First cutoff, µs UTC.
    pub first: i64,
    /// Last cutoff, µs UTC; equal to the first for a single cutoff.
    pub last: i64,
    /// Metrics of these rows.
    pub metrics: SubsetMetrics,
}

impl EvaluationReport {
    /// Computes the report.
    ///
    /// # Errors
    /// * [`Error::NoRows`](crate::Error::NoRows),
    ///   [`Error::LengthMismatch`](crate::Error::LengthMismatch),
    ///   [`Error::OutOfRange`](crate::Error::OutOfRange): no rows, unequal lengths, or a
    ///   probability outside of [0, 1]
    pub fn compute(rows: LabeledScores<'_>, threshold: f64) -> Result<Self> {
        let LabeledScores { y, probability, group, cutoff, .. } = rows;
        Ok(Self {
            metrics: evaluate(y, probability, group)?,
            at_threshold: threshold_metrics(y, probability, group, threshold),
            gains: gains(y, probability),
            reliability: reliability(y, probability, group),
            by_cutoff: cutoff.map_or_else(Vec::new, |cutoff| by_cutoff(rows, cutoff)),
        })
    }
}

/// Maximum number of periods if cutoffs are pooled.
const MAX_PERIODS: usize = 12;
/// Lengths of the periods over which cutoffs are pooled, days, shortest first.
const SPANS: [i64; 5] = [1, 7, 28, 91, 364];

/// First and last cutoff of a period, microseconds since 1970-01-01 00:00 UTC.
#[derive(Debug, Clone, Copy)]
pub(super) struct CutoffRange {
    pub(super) first: i64,
    pub(super) last: i64,
}

/// Groups rows by cutoff. Returns the period of each row, and the first and last cutoff of each
/// period, oldest first.
///
/// If accounts repeat, each cutoff is a period, because the horizons of an account's rows overlap.
/// If each account has one row, at its own age, cutoffs are pooled over the shortest periods, from
/// the local day of the first cutoff on, of which there are at most 12.
fn periods_by_cutoff(
    group: &[u32],
    cutoff: &[i64],
    local: &[i64],
) -> (Vec<usize>, Vec<CutoffRange>) {
    let assign = |span: i64| {
        let first_day =
            local.iter().min().map_or(0, |first| first.div_euclid(MICROS_PER_DAY) * MICROS_PER_DAY);
        local.iter().map(|time| (time - first_day).div_euclid(span)).collect::<Vec<i64>>()
    };
    let distinct = |keys: &[i64]| {
        let mut distinct = keys.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        distinct
    };
    let mut keys = cutoff.to_vec();
    if !GroupCodes::new(group).repeated() {
        for days in SPANS {
            if distinct(&keys).len() <= MAX_PERIODS {
                break;
            }
            keys = assign(days * MICROS_PER_DAY);
        }
    }
    let distinct = distinct(&keys);
    let period: Vec<usize> = keys.iter().map(|key| distinct.partition_point(|k| k < key)).collect();
    let mut ranges = vec![CutoffRange { first: i64::MAX, last: i64::MIN }; distinct.len()];
    for (&period, &cutoff) in period.iter().zip(cutoff) {
        let CutoffRange { first, last } = ranges[period];
        ranges[period] = CutoffRange { first: first.min(cutoff), last: last.max(cutoff) };
    }
    (period, ranges)
}

fn by_cutoff(rows: LabeledScores<'_>, cutoff: &[i64]) -> Vec<CutoffMetrics> {
    let (period, ranges) = rows.periods(cutoff);
    let subsets = subset_metrics(rows.y, rows.probability, rows.group, &period);
    ranges
        .into_iter()
        .zip(subsets)
        .map(|(CutoffRange { first, last }, metrics)| CutoffMetrics { first, last, metrics })
        .collect()
}
