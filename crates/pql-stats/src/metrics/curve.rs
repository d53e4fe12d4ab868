//! The points of the ROC, precision-recall and gains curves.

use serde::Serialize;

use super::ranking::Ranking;
use crate::counts::count;

/// The rows at or above a threshold: a point of the ROC, precision-recall and gains curves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct GainsPoint {
    /// The threshold: the lowest probability of these rows.
    pub threshold: f64,
    /// Number of rows.
    pub rows: u64,
    /// Number of rows that converted.
    pub conversions: u64,
    /// Sum of their probabilities.
    pub expected: f64,
}

/// Counts rows and conversions from the highest probability down, with one point per distinct
/// probability.
///
/// # Panics
/// If the lengths differ.
#[must_use]
pub fn gains_curve(y: &[bool], probability: &[f64]) -> Vec<GainsPoint> {
    assert_eq!(y.len(), probability.len(), "outcomes and probabilities");
    let (mut rows, mut conversions, mut expected) = (0, 0, 0.0);
    let point = |tie: &super::ranking::TiedRows| {
        rows += tie.rows.len() as u64;
        conversions += tie.positive as u64;
        expected += count(tie.rows.len()) * tie.score;
        GainsPoint { threshold: tie.score, rows, conversions, expected }
    };
    Ranking::new(y, probability).ties.iter().rev().map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_form_one_point_of_the_gains_curve() {
        let points = gains_curve(&[true, false, true, false], &[0.5, 0.5, 0.9, 0.1]);
        let counts: Vec<_> = points.iter().map(|p| (p.threshold, p.rows, p.conversions)).collect();
        assert_eq!(counts, [(0.9, 1, 1), (0.5, 3, 2), (0.1, 4, 2)]);
        assert!((points[2].expected - 2.0).abs() < 1e-12);
        assert!(gains_curve(&[], &[]).is_empty());
    }
}
