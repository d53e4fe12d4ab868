//! Rows in the order of their scores, and the metrics that follow from that order.

use std::ops::Range;

use super::accounts::{Codes, Weighted};
use super::sum;
use crate::counts::count;

/// Rows that share a score.
pub(super) struct Tie {
    /// Where they stand in [`Ranking::order`].
    pub(super) rows: Range<usize>,
    /// How many converted.
    pub(super) positive: usize,
    pub(super) score: f64,
}

impl Tie {
    /// Share that converted.
    pub(super) fn share(&self) -> f64 {
        count(self.positive) / count(self.rows.len())
    }
}

/// Rows by rising score.
pub(super) struct Ranking {
    pub(super) order: Vec<usize>,
    pub(super) ties: Vec<Tie>,
    pub(super) positive: usize,
}

/// A tie, or the part of it that a bin takes.
pub(super) struct Piece<'a> {
    pub(super) tie: &'a Tie,
    /// How many rows of the tie.
    pub(super) rows: usize,
}

impl Ranking {
    pub(super) fn of(y: &[bool], score: &[f64]) -> Self {
        let mut order: Vec<usize> = (0..y.len()).collect();
        // Adding 0 makes one zero of -0 and 0.
        order.sort_unstable_by(|&a, &b| (score[a] + 0.0).total_cmp(&(score[b] + 0.0)));
        let mut ties: Vec<Tie> = Vec::new();
        for (at, &row) in order.iter().enumerate() {
            let positive = usize::from(y[row]);
            match ties.last_mut() {
                #[expect(clippy::float_cmp, reason = "a tie is exact")]
                Some(tie) if tie.score == score[row] => {
                    tie.rows.end = at + 1;
                    tie.positive += positive;
                }
                _ => ties.push(Tie { rows: at..at + 1, positive, score: score[row] }),
            }
        }
        let positive = ties.iter().map(|tie| tie.positive).sum();
        Self { order, ties, positive }
    }

    pub(super) fn negative(&self) -> usize {
        self.order.len() - self.positive
    }

    pub(super) fn base_rate(&self) -> f64 {
        count(self.positive) / count(self.order.len())
    }

    pub(super) fn auc(&self) -> Option<f64> {
        if self.positive == 0 || self.negative() == 0 {
            return None;
        }
        let mut below = 0;
        let mut half_pairs = 0_u128;
        for tie in &self.ties {
            let negative = tie.rows.len() - tie.positive;
            half_pairs += tie.positive as u128 * (2 * below + negative) as u128;
            below += negative;
        }
        #[expect(clippy::cast_precision_loss, reason = "rounded once")]
        Some(half_pairs as f64 / (2.0 * count(self.positive) * count(self.negative())))
    }

    pub(super) fn average_precision(&self) -> Option<f64> {
        let (mut rows, mut positive) = (0, 0);
        let terms = self.ties.iter().rev().map(|tie| {
            rows += tie.rows.len();
            positive += tie.positive;
            count(tie.positive) * (count(positive) / count(rows))
        });
        let total = sum(terms);
        (self.positive > 0).then(|| total / count(self.positive))
    }

    /// The parts of ties that stand at these places of the order, ascending.
    pub(super) fn pieces(&self, places: Range<usize>) -> impl Iterator<Item = Piece<'_>> {
        let first = self.ties.partition_point(|tie| tie.rows.end <= places.start);
        let inside = self.ties[first..].iter().take_while(move |tie| tie.rows.start < places.end);
        inside.map(move |tie| Piece {
            tie,
            rows: tie.rows.end.min(places.end) - tie.rows.start.max(places.start),
        })
    }

    /// The outcomes at these places, each row of a tie that is split with its share.
    pub(super) fn outcomes(
        &self,
        places: Range<usize>,
        y: &[bool],
        groups: &Codes,
    ) -> Vec<Weighted> {
        let of_piece = |piece: Piece<'_>| {
            let weight = piece.weight();
            let rows = &self.order[piece.tie.rows.clone()];
            rows.iter().map(move |&row| Weighted {
                account: groups.code[row],
                weight,
                value: f64::from(y[row]),
            })
        };
        self.pieces(places).flat_map(of_piece).collect()
    }

    /// The places of the `percent` % of rows of highest score, ⌈n·percent/100⌉ of them.
    pub(super) fn top(&self, percent: usize) -> Range<usize> {
        let n = self.order.len();
        n - (n * percent).div_ceil(100)..n
    }

    /// The places of the rows with a score of at least `threshold`.
    pub(super) fn from(&self, threshold: f64) -> Range<usize> {
        let first = self.ties.partition_point(|tie| tie.score < threshold);
        self.ties.get(first).map_or(self.order.len(), |tie| tie.rows.start)..self.order.len()
    }
}

impl Piece<'_> {
    /// Share of the tie that is in the piece.
    pub(super) fn weight(&self) -> f64 {
        count(self.rows) / count(self.tie.rows.len())
    }

    /// Its share of the conversions of the tie.
    pub(super) fn conversions(&self) -> f64 {
        if self.rows == self.tie.rows.len() {
            count(self.tie.positive)
        } else {
            count(self.rows) * self.tie.share()
        }
    }
}
