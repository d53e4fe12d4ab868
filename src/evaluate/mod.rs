//! How good probabilities are, from outcomes, probabilities and accounts alone.
//!
//! Rows of equal probability share their mean outcome, so that no metric depends on the order of rows.

mod calibration;
mod ranking;

use serde::{Deserialize, Serialize};

use crate::calibrate::{Z_95, line};
use crate::error::{Error, Result};
use ranking::Ranking;

/// Metrics of probabilities against outcomes; what cannot be computed is `None`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Number of rows.
    pub n: u64,
    /// Share of rows that converted.
    pub base_rate: f64,
    /// Area under the ROC curve.
    pub roc_auc: Option<f64>,
    /// Its standard error by account.
    pub roc_auc_se: Option<f64>,
    /// Its 95 % interval by account.
    pub roc_auc_95: Option<[f64; 2]>,
    /// Mean precision over the recalls reached (no interpolation).
    pub average_precision: Option<f64>,
    /// Mean log loss.
    pub log_loss: f64,
    /// Its standard error by account.
    pub log_loss_se: Option<f64>,
    /// Mean squared difference of probability and outcome.
    pub brier: f64,
    /// Shift of all log-odds at which the expected conversions are the observed ones; 0 is perfect.
    pub calibration_in_the_large: Option<f64>,
    /// Slope of the outcome on the log-odds; 1 is perfect, below 1 the probabilities are too far apart.
    pub calibration_slope: Option<f64>,
    /// Intercept that goes with the slope.
    pub calibration_intercept: Option<f64>,
    /// Mean distance of probability and share converted over ten bins of equal size.
    pub ece_10_equal_mass: f64,
    /// Sum of the probabilities.
    pub expected_conversions: f64,
    /// Number of rows that converted.
    pub conversions: u64,
    /// Share converted among the top 1 % of rows.
    pub precision_top_1pct: f64,
    /// Share of all conversions among the top 1 % of rows.
    pub recall_top_1pct: Option<f64>,
    /// Precision of the top 1 % divided by the base rate.
    pub lift_top_1pct: Option<f64>,
    /// Share converted among the top 5 % of rows.
    pub precision_top_5pct: f64,
    /// Share of all conversions among the top 5 % of rows.
    pub recall_top_5pct: Option<f64>,
    /// Precision of the top 5 % divided by the base rate.
    pub lift_top_5pct: Option<f64>,
    /// Share converted among the top 10 % of rows.
    pub precision_top_10pct: f64,
    /// Share of all conversions among the top 10 % of rows.
    pub recall_top_10pct: Option<f64>,
    /// Precision of the top 10 % divided by the base rate.
    pub lift_top_10pct: Option<f64>,
    /// Share converted among the top 20 % of rows.
    pub precision_top_20pct: f64,
    /// Share of all conversions among the top 20 % of rows.
    pub recall_top_20pct: Option<f64>,
    /// Precision of the top 20 % divided by the base rate.
    pub lift_top_20pct: Option<f64>,
}

/// Compute all metrics.
///
/// # Arguments
/// * `y` – outcomes
/// * `probability` – in [0, 1], one per outcome
/// * `group` – number of the account of each row, in any order
/// # Errors
/// * [`Error::Unsuitable`]: no rows, unequal lengths, or a probability outside of [0, 1]
pub fn evaluate(y: &[bool], probability: &[f64], group: &[u32]) -> Result<Evaluation> {
    check(y, probability, group)?;
    let n = count(y.len());
    let ranking = Ranking::of(y, probability);
    let groups = Codes::of(group);
    let (auc, se) = auc_of(&ranking, y, &groups).map_or((None, None), |(auc, se)| (Some(auc), se));
    let losses: Vec<f64> = y.iter().zip(probability).map(|(&y, &p)| calibration::log_loss(y, p)).collect();
    let (log_loss, log_loss_se) = mean_of(&losses, &groups);
    let eta: Vec<f64> = probability.iter().map(|&p| calibration::log_odds(p)).collect();
    let line = line(&eta, y, group)?;
    let [top_1, top_5, top_10, top_20] = [1, 5, 10, 20].map(|percent| ranking.top(percent));
    Ok(Evaluation {
        n: y.len() as u64,
        base_rate: ranking.base_rate(),
        roc_auc: auc,
        roc_auc_se: se,
        roc_auc_95: auc.zip(se).map(|(auc, se)| [(auc - Z_95 * se).max(0.0), (auc + Z_95 * se).min(1.0)]),
        average_precision: ranking.average_precision(),
        log_loss,
        log_loss_se,
        brier: sum(y.iter().zip(probability).map(|(&y, p)| (p - f64::from(y)).powi(2))) / n,
        calibration_in_the_large: calibration::shift(y, &eta),
        calibration_slope: line.as_ref().map(|line| line.slope),
        calibration_intercept: line.as_ref().map(|line| line.intercept),
        ece_10_equal_mass: ranking.calibration_error(),
        expected_conversions: sum(probability.iter().copied()),
        conversions: ranking.positive as u64,
        precision_top_1pct: top_1.precision,
        recall_top_1pct: top_1.recall,
        lift_top_1pct: top_1.lift,
        precision_top_5pct: top_5.precision,
        recall_top_5pct: top_5.recall,
        lift_top_5pct: top_5.lift,
        precision_top_10pct: top_10.precision,
        recall_top_10pct: top_10.recall,
        lift_top_10pct: top_10.lift,
        precision_top_20pct: top_20.precision,
        recall_top_20pct: top_20.recall,
        lift_top_20pct: top_20.lift,
    })
}

/// Compute the area under the ROC curve of any score: the share of pairs of a converted and an unconverted row that it puts in the
/// right order, equal scores counting half. `None` where there is one class only, or a score is NaN.
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

/// Compute the area under the ROC curve and its standard error by account; the error is `None` where all converted or all unconverted
/// rows are of one account.
///
/// # Panics
/// If the lengths differ.
/// # Source
/// Obuchowski, "Nonparametric analysis of clustered ROC curve data", *Biometrics* 53 (1997); without repeated accounts it is the error
/// of `DeLong` et al., *Biometrics* 44 (1988)
#[must_use]
pub fn auc_with_error(y: &[bool], score: &[f64], group: &[u32]) -> Option<(f64, Option<f64>)> {
    assert!(y.len() == score.len() && y.len() == group.len(), "outcomes, scores and accounts");
    if score.iter().any(|s| s.is_nan()) {
        return None;
    }
    auc_of(&Ranking::of(y, score), y, &Codes::of(group))
}

fn check(y: &[bool], probability: &[f64], group: &[u32]) -> Result<()> {
    let unsuitable = |problem: String| Err(Error::Unsuitable { problem, hint: None });
    if y.is_empty() {
        return unsuitable("there is no row to evaluate".to_owned());
    }
    if probability.len() != y.len() || group.len() != y.len() {
        return unsuitable(format!(
            "{} outcomes, {} probabilities and {} accounts: not one for one",
            y.len(),
            probability.len(),
            group.len()
        ));
    }
    match probability.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        Some(p) => unsuitable(format!("found the probability {p}, expected a number from 0 to 1")),
        None => Ok(()),
    }
}

/// Accounts numbered 0, 1, … without gaps.
struct Codes {
    code: Vec<usize>,
    len: usize,
}

impl Codes {
    fn of(group: &[u32]) -> Self {
        let mut known = group.to_vec();
        known.sort_unstable();
        known.dedup();
        let dense = known.last().is_none_or(|&last| last as usize + 1 == known.len());
        let code = |g: &u32| if dense { *g as usize } else { known.partition_point(|k| k < g) };
        Self { code: group.iter().map(code).collect(), len: known.len() }
    }
}

/// AUC with its standard error by account.
fn auc_of(ranking: &Ranking, y: &[bool], groups: &Codes) -> Option<(f64, Option<f64>)> {
    let auc = ranking.auc()?;
    let (m, n) = (count(ranking.positive), count(ranking.negative()));
    // Per account: summed placements of its converted and of its unconverted rows, each less the mean, and whether it has such rows.
    let mut placed = vec![[0.0; 2]; groups.len];
    let mut has = vec![[false; 2]; groups.len];
    let (mut positive_below, mut negative_below) = (0, 0);
    for tie in &ranking.ties {
        let (positive, negative) = (tie.positive, tie.rows.len() - tie.positive);
        let of_positive = (count(negative_below) + 0.5 * count(negative)) / n - auc;
        let of_negative = 1.0 - (count(positive_below) + 0.5 * count(positive)) / m - auc;
        for &row in &ranking.order[tie.rows.clone()] {
            let (side, value) = if y[row] { (0, of_positive) } else { (1, of_negative) };
            placed[groups.code[row]][side] += value;
            has[groups.code[row]][side] = true;
        }
        positive_below += positive;
        negative_below += negative;
    }
    let accounts = |side: usize| has.iter().filter(|has| has[side]).count();
    let moment = |a: usize, b: usize| sum(placed.iter().map(|s| s[a] * s[b]));
    let unbiased = |k: usize| (k > 1).then(|| count(k) / count(k - 1));
    let variance = || {
        Some(
            unbiased(accounts(0))? * moment(0, 0) / (m * m)
                + unbiased(accounts(1))? * moment(1, 1) / (n * n)
                + 2.0 * unbiased(groups.len)? * moment(0, 1) / (m * n),
        )
    };
    Some((auc, variance().filter(|v| *v >= 0.0).map(f64::sqrt)))
}

/// Mean and its standard error by account: the ratio estimator.
fn mean_of(values: &[f64], groups: &Codes) -> (f64, Option<f64>) {
    let n = count(values.len());
    let mean = sum(values.iter().copied()) / n;
    let mut error = vec![0.0; groups.len];
    for (value, &g) in values.iter().zip(&groups.code) {
        error[g] += value - mean;
    }
    let k = groups.len;
    let se = (k > 1).then(|| (count(k) / count(k - 1) * sum(error.iter().map(|e| e * e))).sqrt() / n);
    (mean, se)
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵³")]
fn count(n: usize) -> f64 {
    n as f64
}

/// A sum that carries its rounding error along (Neumaier 1974), so that the order of rows does not matter.
fn sum(values: impl IntoIterator<Item = f64>) -> f64 {
    let (mut total, mut error) = (0.0_f64, 0.0);
    for v in values {
        let next = total + v;
        error += if total.abs() >= v.abs() { (total - next) + v } else { (v - next) + total };
        total = next;
    }
    total + error
}

#[cfg(test)]
mod tests;

/// Difference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// d
    pub difference: f64,
    /// s
    pub se: Option<f64>,
    /// l
    pub low: Option<f64>,
    /// h
    pub high: Option<f64>,
}
/// d
pub fn difference(y: &[bool], a: &[f64], b: &[f64], group: &[u32]) -> Result<Difference> {
    let v: Vec<f64> = (0..y.len()).map(|i| calibration::log_loss(y[i], a[i]) - calibration::log_loss(y[i], b[i])).collect();
    let (difference, se) = mean_of(&v, &Codes::of(group));
    Ok(Difference { difference, se, low: se.map(|s| difference - Z_95 * s), high: se.map(|s| difference + Z_95 * s) })
}
