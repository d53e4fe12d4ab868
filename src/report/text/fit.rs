//! How the coefficients came about, for people.

use pql_stats::calibration::Calibration;

use super::table;
use crate::config::{PathRule, PenaltyKind};
use crate::error::Result;
use crate::model::Model;

/// How the fit describes the training rows, as a statsmodels summary says it.
pub(crate) fn fit(model: &Model) -> Result<String> {
    let rule = model.config()?.model;
    let (fit, goodness) = (&model.fit, &model.goodness);
    let number = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "–".to_owned(), |v| format!("{v:.digits$}"))
    };
    let penalty = penalty(model)?;
    let chosen = match (&model.path, rule.rule) {
        (Some(_), PathRule::Min) => " at the least cross-validated log loss",
        (Some(_), PathRule::OneSe) => {
            " within a standard error of the least cross-validated log loss"
        }
        (None, _) => "",
    };
    let calibration = match &model.calibration {
        Calibration::None => "none".to_owned(),
        Calibration::Platt(platt) => {
            format!("Platt, log-odds {:+.3} {:+.3}·η", platt.intercept, platt.slope)
        }
        Calibration::Isotonic(isotonic) => format!("isotonic, {} steps", isotonic.log_odds.len()),
    };
    let learned = model.refit.map_or(model.extent.train, |refit| refit.learned);
    let repeated = learned.accounts < learned.rows;
    let covariance = match (&fit.covariance, repeated && rule.penalty != PenaltyKind::Firth) {
        (None, _) => "none",
        (Some(_), true) => "by account",
        (Some(_), false) => "by row",
    };
    let pair = |a: &str, b: String, c: &str, d: String| vec![a.to_owned(), b, c.to_owned(), d];
    let rows = vec![
        pair("Rows", fit.rows.to_string(), "Log-likelihood", number(Some(fit.log_likelihood), 3)),
        pair(
            "Columns",
            fit.coef.len().to_string(),
            "Null log-likelihood",
            number(Some(goodness.null_log_likelihood), 3),
        ),
        pair(
            "Effective df",
            number(Some(goodness.effective_df), 2),
            "McFadden R²",
            number(Some(goodness.mcfadden_r2), 4),
        ),
        pair(
            "Covariance",
            covariance.to_owned(),
            "Likelihood ratio",
            number(goodness.likelihood_ratio, 3),
        ),
        pair(
            "AIC",
            number(goodness.aic, 2),
            "its p",
            goodness.likelihood_ratio_p.map_or_else(|| "–".to_owned(), tail),
        ),
        pair("BIC", number(goodness.bic, 2), "Gradient / n", format!("{:.1e}", fit.gradient)),
    ];
    Ok(format!(
        "Penalty: {penalty}{chosen}\nCalibration: {calibration}\n{}",
        table(&["", "", "", ""], rows, 1..2)
    ))
}

/// Kind and strength of the penalty.
pub(crate) fn penalty(model: &Model) -> Result<String> {
    let (rule, alpha) = (model.config()?.model, strength(model.fit.alpha));
    Ok(match rule.penalty {
        PenaltyKind::None => "none".to_owned(),
        PenaltyKind::L2 => format!("l2, alpha {alpha}"),
        PenaltyKind::L1 => format!("l1, alpha {alpha}"),
        PenaltyKind::ElasticNet => {
            format!("elastic net, alpha {alpha}, l1_ratio {}", rule.l1_ratio)
        }
        PenaltyKind::Firth => "Firth".to_owned(),
    })
}

/// The strength of a penalty, with the digits that tell something.
pub(crate) fn strength(alpha: f64) -> String {
    if alpha == 0.0 || alpha >= 0.01 { format!("{alpha:.4}") } else { format!("{alpha:.3e}") }
}

/// A p-value, also one that is too small for a number.
fn tail(p: f64) -> String {
    if p > 0.0 { format!("{p:.3e}") } else { "< 1e-300".to_owned() }
}
