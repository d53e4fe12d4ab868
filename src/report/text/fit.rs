//! Summary of the fit.

use pql_stats::calibration::Calibration;

use super::{decimal, fixed, table};
use crate::config::{AlphaSelection, PenaltyKind};
use crate::error::Result;
use crate::model::Model;
use crate::report::format::{grouped, wrap};

/// Describes the fit on the training set, like the header of a statsmodels summary.
///
/// # Errors
/// * [`Error::DamagedModel`](crate::Error::DamagedModel): the stored configuration is unreadable
pub(crate) fn fit(model: &Model) -> Result<String> {
    let config = model.config()?.model;
    let (fit, goodness) = (&model.fit, &model.goodness);
    let penalty = penalty(model)?;
    let chosen = match (&model.regularization_path, config.alpha_selection) {
        (Some(_), AlphaSelection::Min) => " (lowest cross-validated log loss)",
        (Some(_), AlphaSelection::OneSe) => {
            " (strongest within one standard error of the lowest cross-validated log loss)"
        }
        (None, _) => "",
    };
    let calibration = match &model.calibration {
        Calibration::None => "none".to_owned(),
        Calibration::Platt(platt) => {
            let sign = if platt.slope < 0.0 { "-" } else { "+" };
            let [intercept, slope] = [platt.intercept, platt.slope.abs()].map(|x| decimal(x, 3));
            format!("Platt, log-odds = {intercept} {sign} {slope} × linear predictor")
        }
        Calibration::Isotonic(isotonic) => format!("isotonic, {} steps", isotonic.log_odds.len()),
    };
    let learned = model.refit.map_or(model.split.train, |refit| refit.sample);
    let repeated = learned.accounts < learned.rows;
    let covariance = match (&fit.covariance, repeated && config.penalty != PenaltyKind::Firth) {
        (None, _) => "none",
        (Some(_), true) => "clustered by account",
        (Some(_), false) => "not clustered",
    };
    let pair = |a: &str, b: String, c: &str, d: String| vec![a.to_owned(), b, c.to_owned(), d];
    let rows = vec![
        pair(
            "Rows",
            grouped(fit.rows as u64),
            "Log-likelihood",
            fixed(Some(fit.log_likelihood), 3),
        ),
        pair(
            "Design columns",
            grouped(fit.coef.len() as u64),
            "Null log-likelihood",
            fixed(Some(goodness.null_log_likelihood), 3),
        ),
        pair(
            "Effective degrees of freedom",
            fixed(Some(goodness.effective_df), 2),
            "McFadden's R²",
            fixed(Some(goodness.mcfadden_r2), 4),
        ),
        pair(
            "Covariance",
            covariance.to_owned(),
            "Likelihood ratio",
            fixed(goodness.likelihood_ratio, 3),
        ),
        pair(
            "AIC",
            fixed(goodness.aic, 2),
            "p of the likelihood ratio",
            goodness.likelihood_ratio_p.map_or_else(|| "–".to_owned(), tail_probability),
        ),
        pair("BIC", fixed(goodness.bic, 2), "Gradient norm / n", format!("{:.1e}", fit.gradient)),
    ];
    Ok(format!(
        "{}\nCalibration: {calibration}\n{}",
        wrap(&format!("Penalty: {penalty}{chosen}"), "  "),
        table(&["", "", "", ""], rows, 1..2)
    ))
}

/// Describes the penalty: its kind and alpha.
///
/// # Errors
/// * [`Error::DamagedModel`](crate::Error::DamagedModel): the stored configuration is unreadable
fn penalty(model: &Model) -> Result<String> {
    let (config, alpha) = (model.config()?.model, alpha(model.fit.alpha));
    Ok(match config.penalty {
        PenaltyKind::None => "none".to_owned(),
        PenaltyKind::L2 => format!("L2, alpha {alpha}"),
        PenaltyKind::L1 => format!("L1, alpha {alpha}"),
        PenaltyKind::ElasticNet => {
            format!("elastic net, alpha {alpha}, l1_ratio {}", config.l1_ratio)
        }
        PenaltyKind::Firth => "Firth".to_owned(),
    })
}

/// Formats a regularization strength with about four significant digits.
pub(crate) fn alpha(alpha: f64) -> String {
    match alpha {
        0.0 => "0".to_owned(),
        size if size < 0.01 => format!("{alpha:.3e}"),
        size if size < 10.0 => decimal(alpha, 3),
        size if size < 100.0 => decimal(alpha, 2),
        size if size < 1000.0 => decimal(alpha, 1),
        _ => decimal(alpha, 0),
    }
}

/// Formats a p-value, including one that is too small for a number.
fn tail_probability(p: f64) -> String {
    if p > 0.0 { format!("{p:.3e}") } else { "<1e-300".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpha_has_about_four_significant_digits() {
        assert_eq!(
            [0.0, 0.001, 0.5, 15.116, 151.16, 50_786.2].map(alpha),
            ["0", "1.000e-3", "0.500", "15.12", "151.2", "50,786"]
        );
    }
}
