//! Rows ranked by score, and the metrics of the ranking.

use std::ops::Range;

use super::accounts::{GroupCodes, Weighted};
use super::sum;
use crate::counts::count;

/// Rows with equal scores.
pub(super) struct TiedRows {
    /// Their range in [`Ranking::order`].
    pub(super) rows: Range<usize>,
    /// Number of rows that converted.
    pub(super) positive: usize,
    pub(super) score: f64,
}

impl TiedRows {
    /// Returns the share that converted.
    pub(super) fn share(&self) -> f64 {
        count(self.positive) / count(self.rows.len())
    }
}

/// Rows in ascending order of score.
pub(super) struct Ranking {
    pub(super) order: Vec<usize>,
    pub(super) ties: Vec<TiedRows>,
    pub(super) positive: usize,
}

/// The part of a tie that falls into a range of the ranking.
pub(super) struct TiePart<'a> {
    pub(super) tie: &'a TiedRows,
    /// Number of rows of the tie in the range.
    pub(super) rows: usize,
}

/// Counts correctly ordered pairs of a converted and an unconverted row.
#[derive(Default)]
pub(super) struct PairCounts {
    positive: usize,
    negative: usize,
    /// Twice the number of pairs, with ties counted as half.
    half_pairs: u128,
}

impl PairCounts {
    /// Adds rows with equal scores above those added before.
    ///
    /// # Arguments
    /// * `rows` – numbers of unconverted and of converted rows
    pub(super) fn add(&mut self, [negative, positive]: [usize; 2]) {
        self.half_pairs += positive as u128 * (2 * self.negative + negative) as u128;
        self.negative += negative;
        self.positive += positive;
    }

    /// Returns the share of correctly ordered pairs; `None` without pairs.
    pub(super) fn auc(&self) -> Option<f64> {
        let pairs = count(self.positive) * count(self.negative);
        #[expect(clippy::cast_precision_loss, reason = "rounded once")]
        (pairs > 0.0).then(|| self.half_pairs as f64 / (2.0 * pairs))
    }
}

impl Ranking {
    pub(super) fn new(y: &[bool], score: &[f64]) -> Self {
        let mut order: Vec<usize> = (0..y.len()).collect();
        // Adding 0 turns -0 into 0.
        order.sort_unstable_by(|&a, &b| (score[a] + 0.0).total_cmp(&(score[b] + 0.0)));
        let mut ties: Vec<TiedRows> = Vec::new();
        for (rank, &row) in order.iter().enumerate() {
            let positive = usize::from(y[row]);
            match ties.last_mut() {
                #[expect(clippy::float_cmp, reason = "a tie is exact")]
                Some(tie) if tie.score == score[row] => {
                    tie.rows.end = rank + 1;
                    tie.positive += positive;
                }
                _ => ties.push(TiedRows { rows: rank..rank + 1, positive, score: score[row] }),
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
        let mut counts = PairCounts::default();
        self.ties.iter().for_each(|tie| counts.add([tie.rows.len() - tie.positive, tie.positive]));
        counts.auc()
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

    /// Returns the parts of ties in a range of the ranking, in ascending order.
    pub(super) fn tie_parts(&self, ranks: Range<usize>) -> impl Iterator<Item = TiePart<'_>> {
        let first = self.ties.partition_point(|tie| tie.rows.end <= ranks.start);
        let inside = self.ties[first..].iter().take_while(move |tie| tie.rows.start < ranks.end);
        inside.map(move |tie| TiePart {
            tie,
            rows: tie.rows.end.min(ranks.end) - tie.rows.start.max(ranks.start),
        })
    }

    /// Returns the outcomes in a range of the ranking; the rows of a split tie are weighted.
    pub(super) fn outcomes(
        &self,
        ranks: Range<usize>,
        y: &[bool],
        groups: &GroupCodes,
    ) -> Vec<Weighted> {
        let weighted = |part: TiePart<'_>| {
            let weight = part.weight();
            let rows = &self.order[part.tie.rows.clone()];
            rows.iter().map(move |&row| Weighted {
                account: groups.code[row],
                weight,
                value: f64::from(y[row]),
            })
        };
        self.tie_parts(ranks).flat_map(weighted).collect()
    }

    /// Returns the range of the ⌈n·percent/100⌉ rows with the highest scores.
    pub(super) fn top_rows(&self, percent: usize) -> Range<usize> {
        let n = self.order.len();
        n - (n * percent).div_ceil(100)..n
    }

    /// Returns the range of the rows with a score of at least `threshold`.
    pub(super) fn rows_at_least(&self, threshold: f64) -> Range<usize> {
        let first = self.ties.partition_point(|tie| tie.score < threshold);
        self.ties.get(first).map_or(self.order.len(), |tie| tie.rows.start)..self.order.len()
    }
}

impl TiePart<'_> {
    /// Returns the share of the tie in this part.
    pub(super) fn weight(&self) -> f64 {
        count(self.rows) / count(self.tie.rows.len())
    }

    /// Returns this part's share of the conversions of the tie.
    pub(super) fn conversions(&self) -> f64 {
        if self.rows == self.tie.rows.len() {
            count(self.tie.positive)
        } else {
            count(self.rows) * self.tie.share()
        }
    }
}
