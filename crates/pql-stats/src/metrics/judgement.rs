//! All that is said of a model on labelled rows.

use serde::{Deserialize, Serialize};

use super::accounts::Codes;
use super::{
    AtThreshold, Bin, Decile, Evaluation, Part, at_threshold, by_part, evaluate, gains, reliability,
};
use crate::MICROS_PER_DAY;
use crate::error::Result;

/// Labelled rows with their probabilities.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    /// Outcomes.
    pub y: &'a [bool],
    /// Probabilities, one per outcome.
    pub probability: &'a [f64],
    /// Number of the account of each row, in any order.
    pub group: &'a [u32],
    /// Cutoff of each row, microseconds since 1970-01-01 00:00 UTC, where known.
    pub cutoff: Option<&'a [i64]>,
}

/// How good a model is on labelled rows, from all sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Metrics over all rows.
    pub evaluation: Evaluation,
    /// What is found from the model's threshold on.
    pub at_threshold: AtThreshold,
    /// Conversions by decile, the highest probabilities first.
    pub gains: Vec<Decile>,
    /// Ten bins of equal size, the lowest probabilities first.
    pub reliability: Vec<Bin>,
    /// Parts by cutoff, the oldest first; none without cutoffs.
    pub by_cutoff: Vec<AtCutoff>,
}

/// The rows of one cutoff, or of several that lie near each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AtCutoff {
    /// First cutoff, µs UTC.
    pub first: i64,
    /// Last cutoff, µs UTC; equal to the first where there is one.
    pub last: i64,
    /// Its rows.
    pub part: Part,
}

impl Judgement {
    /// Judge rows from all sides.
    ///
    /// # Errors
    /// * [`Error::NoRows`](crate::Error::NoRows),
    ///   [`Error::LengthMismatch`](crate::Error::LengthMismatch),
    ///   [`Error::OutOfRange`](crate::Error::OutOfRange): no rows, unequal lengths, or a
    ///   probability outside of [0, 1]
    pub fn of(rows: Judged<'_>, threshold: f64) -> Result<Self> {
        let Judged { y, probability, group, cutoff } = rows;
        Ok(Self {
            evaluation: evaluate(y, probability, group)?,
            at_threshold: at_threshold(y, probability, group, threshold),
            gains: gains(y, probability),
            reliability: reliability(y, probability, group),
            by_cutoff: cutoff.map_or_else(Vec::new, |cutoff| by_cutoff(rows, cutoff)),
        })
    }
}

/// Parts shown where cutoffs are pooled.
const MOST_PARTS: usize = 12;
/// Days over which cutoffs are pooled, the fewest first.
const SPANS: [i64; 5] = [1, 7, 28, 91, 364];

/// First and last cutoff of a part, microseconds since 1970-01-01 00:00 UTC.
#[derive(Debug, Clone, Copy)]
pub(super) struct CutoffRange {
    pub(super) first: i64,
    pub(super) last: i64,
}

/// Rows by cutoff: the part of each row, and the first and last cutoff of each part, the oldest
/// first.
///
/// Each cutoff is a part where accounts repeat, since the horizons of an account's rows overlap.
/// Where each account has one row, at its own age, every row may have its own cutoff: these are
/// pooled over the shortest span, counted from the day of the first, that leaves at most 12 parts.
pub(super) fn parts_by_cutoff(group: &[u32], cutoff: &[i64]) -> (Vec<usize>, Vec<CutoffRange>) {
    let parts_of = |span: i64| {
        let first_day = cutoff
            .iter()
            .min()
            .map_or(0, |first| first.div_euclid(MICROS_PER_DAY) * MICROS_PER_DAY);
        cutoff.iter().map(|cutoff| (cutoff - first_day).div_euclid(span)).collect::<Vec<i64>>()
    };
    let known = |keys: &[i64]| {
        let mut known = keys.to_vec();
        known.sort_unstable();
        known.dedup();
        known
    };
    let mut keys = parts_of(1);
    if !Codes::of(group).repeated() {
        for days in SPANS {
            if known(&keys).len() <= MOST_PARTS {
                break;
            }
            keys = parts_of(days * MICROS_PER_DAY);
        }
    }
    let known = known(&keys);
    let part: Vec<usize> = keys.iter().map(|key| known.partition_point(|k| k < key)).collect();
    let mut ranges = vec![CutoffRange { first: i64::MAX, last: i64::MIN }; known.len()];
    for (&part, &cutoff) in part.iter().zip(cutoff) {
        let CutoffRange { first, last } = ranges[part];
        ranges[part] = CutoffRange { first: first.min(cutoff), last: last.max(cutoff) };
    }
    (part, ranges)
}

fn by_cutoff(rows: Judged<'_>, cutoff: &[i64]) -> Vec<AtCutoff> {
    let (part, ranges) = parts_by_cutoff(rows.group, cutoff);
    let parts = by_part(rows.y, rows.probability, rows.group, &part);
    ranges
        .into_iter()
        .zip(parts)
        .map(|(CutoffRange { first, last }, part)| AtCutoff { first, last, part })
        .collect()
}
