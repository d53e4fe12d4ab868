//! What is found when rows are taken from the top, one probability after the other.

use serde::Serialize;

use super::ranking::Ranking;
use crate::counts::count;

/// The rows of at least one probability: a point of the ROC, precision-recall and gains curves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FromTop {
    /// The lowest probability among them.
    pub threshold: f64,
    /// How many rows there are.
    pub rows: u64,
    /// How many of them converted.
    pub conversions: u64,
    /// Sum of their probabilities.
    pub expected: f64,
}

/// Count rows and conversions from the highest probability down, a point for each distinct
/// probability: rows that share one come together.
///
/// # Panics
/// If the lengths differ.
#[must_use]
pub fn from_top(y: &[bool], probability: &[f64]) -> Vec<FromTop> {
    assert_eq!(y.len(), probability.len(), "outcomes and probabilities");
    let (mut rows, mut conversions, mut expected) = (0, 0, 0.0);
    let point = |tie: &super::ranking::Tie| {
        rows += tie.rows.len() as u64;
        conversions += tie.positive as u64;
        expected += count(tie.rows.len()) * tie.score;
        FromTop { threshold: tie.score, rows, conversions, expected }
    };
    Ranking::of(y, probability).ties.iter().rev().map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_from_the_top_and_ties_come_together() {
        let points = from_top(&[true, false, true, false], &[0.5, 0.5, 0.9, 0.1]);
        let counts: Vec<_> = points.iter().map(|p| (p.threshold, p.rows, p.conversions)).collect();
        assert_eq!(counts, [(0.9, 1, 1), (0.5, 3, 2), (0.1, 4, 2)]);
        assert!((points[2].expected - 2.0).abs() < 1e-12);
        assert!(from_top(&[], &[]).is_empty());
    }
}
