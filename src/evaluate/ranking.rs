//! Rows in the order of their scores, and the metrics that follow from that order.

use std::ops::Range;

use super::{count, sum};

/// Bins of the expected calibration error.
const BINS: usize = 10;

/// Rows that share a score.
pub(super) struct Tie {
    /// Where they stand in [`Ranking::order`].
    pub(super) rows: Range<usize>,
    /// How many converted.
    pub(super) positive: usize,
    score: f64,
}

impl Tie {
    fn share(&self) -> f64 {
        count(self.positive) / count(self.rows.len())
    }
}

/// Rows by rising score.
pub(super) struct Ranking {
    pub(super) order: Vec<usize>,
    pub(super) ties: Vec<Tie>,
    pub(super) positive: usize,
}

/// What the rows of highest probability hold.
pub(super) struct Top {
    pub(super) precision: f64,
    pub(super) recall: Option<f64>,
    pub(super) lift: Option<f64>,
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

    /// Bins of equal size by rank, the first ones a row larger where they do not come out even.
    pub(super) fn calibration_error(&self) -> f64 {
        let n = self.order.len();
        let (size, larger) = (n / BINS, n % BINS);
        let mut ties = self.ties.iter().peekable();
        let mut at = 0;
        let mut error = 0.0;
        for bin in 0..BINS {
            let end = at + size + usize::from(bin < larger);
            let mut differences = Vec::new();
            while let Some(tie) = ties.peek().filter(|_| at < end) {
                let until = tie.rows.end.min(end);
                differences.push(count(until - at) * (tie.score - tie.share()));
                at = until;
                if at == tie.rows.end {
                    ties.next();
                }
            }
            error += sum(differences).abs();
        }
        error / count(n)
    }

    pub(super) fn top(&self, percent: usize) -> Top {
        let k = (self.order.len() * percent).div_ceil(100);
        let mut left = k;
        let found = sum(self.ties.iter().rev().map(|tie| {
            let taken = tie.rows.len().min(left);
            left -= taken;
            if taken == tie.rows.len() { count(tie.positive) } else { count(taken) * tie.share() }
        }));
        let precision = found / count(k);
        let any = self.positive > 0;
        Top { precision, recall: any.then(|| found / count(self.positive)), lift: any.then(|| precision / self.base_rate()) }
    }
}
