//! The area under the ROC curve and its standard error by account.

use super::accounts::Codes;
use super::ranking::Ranking;
use super::sum;
use crate::counts::count;
use crate::intervals::Estimate;

/// Compute the area under the ROC curve of any score: the share of pairs of a converted and an
/// unconverted row that it puts in the right order, equal scores counting half. `None` where there
/// is one class only, or a score is NaN.
///
/// # Panics
/// If the lengths differ.
#[must_use]
pub fn roc_auc(y: &[bool], score: &[f64]) -> Option<f64> {
    assert_eq!(y.len(), score.len(), "outcomes and scores");
    if score.iter().any(|s| s.is_nan()) {
        return None;
    }
    Ranking::of(y, score).auc()
}

/// Compute the area under the ROC curve and its standard error by account; the error is `None`
/// where all converted or all unconverted rows are of one account, or their variance comes out
/// negative.
///
/// # Panics
/// If the lengths differ.
/// # Source
/// Obuchowski, "Nonparametric analysis of clustered ROC curve data", *Biometrics* 53 (1997);
/// without repeated accounts it is the error of `DeLong` et al., *Biometrics* 44 (1988)
#[must_use]
pub fn auc_with_error(y: &[bool], score: &[f64], group: &[u32]) -> Option<Estimate> {
    assert!(y.len() == score.len() && y.len() == group.len(), "outcomes, scores and accounts");
    if score.iter().any(|s| s.is_nan()) {
        return None;
    }
    auc_of(&Ranking::of(y, score), y, &Codes::of(group))
}

/// AUC with its standard error and interval by account.
pub(super) fn auc_of(ranking: &Ranking, y: &[bool], groups: &Codes) -> Option<Estimate> {
    let placed = Placements::of(ranking, y, groups)?;
    Some(Estimate::normal(placed.auc, placed.error()).clamp(0.0, 1.0))
}

/// How each account's rows stand among the rows of the other outcome.
pub(super) struct Placements {
    pub(super) auc: f64,
    /// Per account: summed placements of its converted and of its unconverted rows, each less the
    /// mean.
    by_account: Vec<[f64; 2]>,
    /// Whether the account has such rows.
    has: Vec<[bool; 2]>,
    /// Converted and unconverted rows.
    rows: [f64; 2],
}

impl Placements {
    /// Place the rows; `None` where there is one outcome only.
    pub(super) fn of(ranking: &Ranking, y: &[bool], groups: &Codes) -> Option<Self> {
        let auc = ranking.auc()?;
        let [m, n] = [count(ranking.positive), count(ranking.negative())];
        let mut placed = Self {
            auc,
            by_account: vec![[0.0; 2]; groups.len],
            has: vec![[false; 2]; groups.len],
            rows: [m, n],
        };
        let (mut positive_below, mut negative_below) = (0, 0);
        for tie in &ranking.ties {
            let (positive, negative) = (tie.positive, tie.rows.len() - tie.positive);
            let of_positive = (count(negative_below) + 0.5 * count(negative)) / n - auc;
            let of_negative = 1.0 - (count(positive_below) + 0.5 * count(positive)) / m - auc;
            for &row in &ranking.order[tie.rows.clone()] {
                let (side, value) = if y[row] { (0, of_positive) } else { (1, of_negative) };
                placed.by_account[groups.code[row]][side] += value;
                placed.has[groups.code[row]][side] = true;
            }
            positive_below += positive;
            negative_below += negative;
        }
        Some(placed)
    }

    /// The same rows placed by one score less how another places them: its error is that of the
    /// difference of the areas.
    pub(super) fn less(mut self, other: &Self) -> Self {
        self.auc -= other.auc;
        for (mine, others) in self.by_account.iter_mut().zip(&other.by_account) {
            *mine = [mine[0] - others[0], mine[1] - others[1]];
        }
        self
    }

    /// Standard error by account.
    pub(super) fn error(&self) -> Option<f64> {
        let accounts = |side: usize| self.has.iter().filter(|has| has[side]).count();
        let moment = |a: usize, b: usize| sum(self.by_account.iter().map(|s| s[a] * s[b]));
        let unbiased = |k: usize| (k > 1).then(|| count(k) / count(k - 1));
        let [m, n] = self.rows;
        let variance = unbiased(accounts(0))? * moment(0, 0) / (m * m)
            + unbiased(accounts(1))? * moment(1, 1) / (n * n)
            + 2.0 * unbiased(self.by_account.len())? * moment(0, 1) / (m * n);
        (variance >= 0.0).then(|| variance.sqrt())
    }
}
