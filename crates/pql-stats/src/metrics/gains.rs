//! What is found where accounts are taken from the top: by decile, and from a threshold on.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::accounts::{Codes, Mean};
use super::ranking::{Piece, Ranking};
use super::sum;
use crate::counts::count;
use crate::intervals::Interval;

/// A tenth of the rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decile {
    /// 1 is the tenth with the highest probabilities.
    pub decile: u8,
    /// Number of rows.
    pub rows: u64,
    /// Lowest probability in it.
    pub lowest: f64,
    /// Sum of the probabilities.
    pub expected: f64,
    /// Rows that converted; rows of equal probability share their mean outcome, so that it need
    /// not be whole.
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

/// Count conversions by decile, from the highest probabilities down: the first d deciles are the
/// ⌈n·d/10⌉ rows at the top. Deciles without a row are left out.
///
/// # Panics
/// If the lengths differ.
#[must_use]
pub fn gains(y: &[bool], probability: &[f64]) -> Vec<Decile> {
    assert_eq!(y.len(), probability.len(), "outcomes and probabilities");
    let ranking = Ranking::of(y, probability);
    let (n, base, any) = (y.len(), ranking.base_rate(), ranking.positive > 0);
    let found = |places: Range<usize>| sum(ranking.pieces(places).map(|piece| piece.conversions()));
    let start = |decile: usize| ranking.top(10 * decile).start;
    let of = |decile: usize| {
        let places = start(decile)..start(decile - 1);
        let (conversions, so_far) = (found(places.clone()), found(places.start..n));
        let rate = conversions / count(places.len());
        let expected = |piece: Piece<'_>| count(piece.rows) * piece.tie.score;
        Decile {
            decile: u8::try_from(decile).expect("there are ten"),
            rows: places.len() as u64,
            lowest: probability[ranking.order[places.start]],
            expected: sum(ranking.pieces(places.clone()).map(expected)),
            conversions,
            rate,
            gain: any.then(|| so_far / count(ranking.positive)),
            lift: any.then(|| rate / base),
            cumulative_lift: any.then(|| so_far / count(n - places.start) / base),
        }
    };
    (1..=10).filter(|&decile| start(decile) < start(decile - 1)).map(of).collect()
}

/// What is found from a threshold on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AtThreshold {
    /// Probability from which on a row qualifies.
    pub threshold: f64,
    /// Rows that qualify.
    pub qualified: u64,
    /// Share of the rows that qualify.
    pub share: f64,
    /// Sum of the probabilities of those that qualify.
    pub expected: f64,
    /// Rows that qualify and converted.
    pub conversions: u64,
    /// Share of those that qualify that converted; `None` where none qualifies.
    pub precision: Option<f64>,
    /// Its 95 % interval, by account where accounts repeat.
    pub precision_interval: Option<Interval>,
    /// Share of all conversions that qualify.
    pub recall: Option<f64>,
    /// Precision divided by the base rate.
    pub lift: Option<f64>,
}

/// Count what rows with a probability of at least `threshold` hold.
///
/// # Panics
/// If the lengths differ.
#[must_use]
pub fn at_threshold(y: &[bool], probability: &[f64], group: &[u32], threshold: f64) -> AtThreshold {
    assert!(
        y.len() == probability.len() && y.len() == group.len(),
        "outcomes, probabilities and accounts"
    );
    let (ranking, groups) = (Ranking::of(y, probability), Codes::of(group));
    let places = ranking.from(threshold);
    let rows = &ranking.order[places.clone()];
    let conversions = rows.iter().filter(|&&row| y[row]).count();
    let any = !rows.is_empty();
    let precision = any.then(|| count(conversions) / count(rows.len()));
    let converted = ranking.positive > 0;
    AtThreshold {
        threshold,
        qualified: rows.len() as u64,
        share: count(rows.len()) / count(y.len()),
        expected: sum(rows.iter().map(|&row| probability[row])),
        conversions: conversions as u64,
        precision,
        precision_interval: any
            .then(|| Mean::of(ranking.outcomes(places, y, &groups)).share_interval()),
        recall: converted.then(|| count(conversions) / count(ranking.positive)),
        lift: precision.filter(|_| converted).map(|precision| precision / ranking.base_rate()),
    }
}

/// Precision, recall and lift of the rows of highest probability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TopShare {
    /// Percentage of the rows that is taken from the top.
    pub percent: u32,
    /// Share of these rows that converted; rows of equal probability share their mean outcome.
    pub precision: f64,
    /// Its 95% interval, by account where accounts repeat.
    pub precision_interval: Interval,
    /// Share of all conversions among these rows; `None` without conversions.
    pub recall: Option<f64>,
    /// Precision divided by the base rate; `None` without conversions.
    pub lift: Option<f64>,
}

impl TopShare {
    pub(super) fn of(ranking: &Ranking, percent: u32, y: &[bool], groups: &Codes) -> Self {
        let places = ranking.top(percent as usize);
        let rows = count(places.len());
        let found = sum(ranking.pieces(places.clone()).map(|piece| piece.conversions()));
        let (precision, any) = (found / rows, ranking.positive > 0);
        Self {
            percent,
            precision,
            precision_interval: Mean::of(ranking.outcomes(places, y, groups)).share_interval(),
            recall: any.then(|| found / count(ranking.positive)),
            lift: any.then(|| precision / ranking.base_rate()),
        }
    }
}
