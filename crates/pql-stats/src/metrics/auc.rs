//! The area under the ROC curve and its standard error by account.

use super::accounts::GroupCodes;
use super::ranking::{PairCounts, Ranking};
use super::sum;
use crate::counts::count;
use crate::intervals::Estimate;

/// Computes the area under the ROC curve of a score: the share of correctly ordered pairs of a
/// converted and an unconverted row, with ties counted as half. `None` if all outcomes are equal,
/// or a score is NaN.
///
/// # Panics
/// If the lengths differ.
#[must_use]
pub fn roc_auc(y: &[bool], score: &[f64]) -> Option<f64> {
    assert_eq!(y.len(), score.len(), "outcomes and scores");
    if score.iter().any(|s| s.is_nan()) {
        return None;
    }
    Ranking::new(y, score).auc()
}

/// Computes [`roc_auc`] of scores that are sorted already.
///
/// # Arguments
/// * `rows` – score and outcome of each row, in ascending order of the score, without NaN
#[must_use]
pub fn roc_auc_sorted(rows: impl IntoIterator<Item = (f64, bool)>) -> Option<f64> {
    let mut counts = PairCounts::default();
    let mut tie = (f64::NAN, [0; 2]);
    for (score, converted) in rows {
        #[expect(clippy::float_cmp, reason = "a tie is exact")]
        if tie.0 != score {
            counts.add(tie.1);
            tie = (score, [0; 2]);
        }
        tie.1[usize::from(converted)] += 1;
    }
    counts.add(tie.1);
    counts.auc()
}

/// Computes the area under the ROC curve and its standard error by account. The standard error is
/// `None` if all converted or all unconverted rows belong to one account, or the variance estimate
/// is negative.
///
/// # Panics
/// If the lengths differ.
/// # Source
/// Obuchowski, "Nonparametric analysis of clustered ROC curve data", *Biometrics* 53 (1997);
/// without repeated accounts it equals `DeLong` et al., *Biometrics* 44 (1988)
#[must_use]
pub fn auc_with_error(y: &[bool], score: &[f64], group: &[u32]) -> Option<Estimate> {
    assert!(y.len() == score.len() && y.len() == group.len(), "outcomes, scores and accounts");
    if score.iter().any(|s| s.is_nan()) {
        return None;
    }
    auc_estimate(&Ranking::new(y, score), y, &GroupCodes::new(group))
}

/// Computes the AUC with its standard error and interval by account.
pub(super) fn auc_estimate(ranking: &Ranking, y: &[bool], groups: &GroupCodes) -> Option<Estimate> {
    let placements = Placements::new(ranking, y, groups)?;
    Some(Estimate::normal(placements.auc, placements.error()).clamp(0.0, 1.0))
}

/// Placements of each account's rows among the rows of the other outcome.
pub(super) struct Placements {
    pub(super) auc: f64,
    /// Per account: sums of the centered placements of its converted and of its unconverted rows.
    by_account: Vec<[f64; 2]>,
    /// Per account: whether it has converted and unconverted rows.
    has_rows: Vec<[bool; 2]>,
    /// Numbers of converted and unconverted rows.
    rows: [f64; 2],
}

impl Placements {
    /// Computes the placements; `None` if all outcomes are equal.
    pub(super) fn new(ranking: &Ranking, y: &[bool], groups: &GroupCodes) -> Option<Self> {
        let auc = ranking.auc()?;
        let [m, n] = [count(ranking.positive), count(ranking.negative())];
        let mut placements = Self {
            auc,
            by_account: vec![[0.0; 2]; groups.len],
            has_rows: vec![[false; 2]; groups.len],
            rows: [m, n],
        };
        let (mut positive_below, mut negative_below) = (0, 0);
        for tie in &ranking.ties {
            let (positive, negative) = (tie.positive, tie.rows.len() - tie.positive);
            let positive_placement = (count(negative_below) + 0.5 * count(negative)) / n - auc;
            let negative_placement =
                1.0 - (count(positive_below) + 0.5 * count(positive)) / m - auc;
            for &row in &ranking.order[tie.rows.clone()] {
                let (class, value) =
                    if y[row] { (0, positive_placement) } else { (1, negative_placement) };
                placements.by_account[groups.code[row]][class] += value;
                placements.has_rows[groups.code[row]][class] = true;
            }
            positive_below += positive;
            negative_below += negative;
        }
        Some(placements)
    }

    /// Subtracts the placements of another score of the same rows; the standard error is then that
    /// of the difference of the areas.
    pub(super) fn subtract(mut self, other: &Self) -> Self {
        self.auc -= other.auc;
        for (own, other) in self.by_account.iter_mut().zip(&other.by_account) {
            *own = [own[0] - other[0], own[1] - other[1]];
        }
        self
    }

    /// Computes the standard error by account.
    pub(super) fn error(&self) -> Option<f64> {
        let accounts = |class: usize| self.has_rows.iter().filter(|has| has[class]).count();
        let moment = |a: usize, b: usize| sum(self.by_account.iter().map(|s| s[a] * s[b]));
        let unbiased = |k: usize| (k > 1).then(|| count(k) / count(k - 1));
        let [m, n] = self.rows;
        let variance = unbiased(accounts(0))? * moment(0, 0) / (m * m)
            + unbiased(accounts(1))? * moment(1, 1) / (n * n)
            + 2.0 * unbiased(self.by_account.len())? * moment(0, 1) / (m * n);
        (variance >= 0.0).then(|| variance.sqrt())
    }
}
