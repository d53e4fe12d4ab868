//! Facts about the training of a model, as names and values.

use pql_stats::calibration::Calibration;

use crate::config::{Config, PenaltyKind};
use crate::model::Model;
use crate::report::format::{four, grouped, minus, short};

/// Returns the names and values of facts about the training of a model.
pub(super) fn training_facts(model: &Model, config: &Config) -> Vec<(&'static str, String)> {
    let rule = &config.model;
    let penalty = match rule.penalty {
        PenaltyKind::None => "none".to_owned(),
        PenaltyKind::L2 => format!("L2, alpha {}", short(model.fit.alpha)),
        PenaltyKind::L1 => format!("L1, alpha {}", short(model.fit.alpha)),
        PenaltyKind::ElasticNet => {
            format!("elastic net, alpha {}, l1_ratio {}", short(model.fit.alpha), rule.l1_ratio)
        }
        PenaltyKind::Firth => "Firth".to_owned(),
    };
    let calibration = match &model.calibration {
        Calibration::None => "none".to_owned(),
        Calibration::Platt(platt) => {
            format!(
                "Platt, log-odds = {} + {} × log-odds before calibration",
                four(platt.intercept),
                four(platt.slope)
            )
        }
        Calibration::Isotonic(isotonic) => format!("isotonic, {} steps", isotonic.log_odds.len()),
    };
    let cutoffs = model
        .split
        .first_train
        .zip(model.last_training_cutoff())
        .map(|(first, last)| config.input.timezone.days(first, last));
    vec![
        ("training rows", grouped(model.fit.rows as u64)),
        ("training cutoffs", cutoffs.unwrap_or_else(|| "unknown".to_owned())),
        ("design columns", model.fit.coef.len().to_string()),
        ("penalty", penalty),
        ("effective degrees of freedom", short(model.goodness.effective_df)),
        ("McFadden's R² (training rows)", four(model.goodness.mcfadden_r2)),
        ("calibration", calibration),
        ("threshold", four(model.threshold)),
        ("largest gradient entry per row", minus(format!("{:.1e}", model.fit.gradient))),
        (
            "fingerprint of the training rows",
            blake3::Hash::from_bytes(model.training_fingerprint).to_hex()[..16].to_owned(),
        ),
    ]
}
