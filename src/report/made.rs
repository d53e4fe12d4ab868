//! How the model was made, for those who want to make it again.

use super::Seen;
use super::html::{Html, Table};
use super::words::{four, short};
use crate::calibrate::Calibration;
use crate::config::{Config, PenaltyKind};
use crate::model::Model;
use crate::time::iso_day;

/// Put how the model was made.
pub(super) fn made(seen: &Seen<'_>, body: &mut Html) {
    let program = ("made and drawn by", format!("pql {}", env!("CARGO_PKG_VERSION")));
    let rows = facts(seen.model, &seen.config).into_iter().chain([program]).map(|(name, value)| vec![name.to_owned(), value]).collect();
    body.section("made", "How it was made").table(&Table::new("The fit", &["", ""], rows));
    body.raw("<details><summary>Configuration</summary><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Configuration\">");
    body.element("pre", &seen.model.config).raw("</div></details>\n");
    body.raw("<h3 class=\"wide\">Words</h3>\n").list(
        [
            "**Log loss**: the mean of −ln of the probability given to what happened; less is better.",
            "**Lift**: how many times the base rate; **recall**: the share of all conversions found.",
            "**Odds**: p / (1 − p). Twice the odds of 10 % (1 to 9) are 2 to 9, or 18 %.",
            "**Probability**: how likely an account converts when it has used the product so; not what contacting it brings.",
        ]
        .map(|line| line.replace("**", "")),
    );
    body.raw("</section>\n");
}

/// What a model has learned from, and how.
pub(super) fn facts(model: &Model, config: &Config) -> Vec<(&'static str, String)> {
    let rule = &config.model;
    let penalty = match rule.penalty {
        PenaltyKind::None => "none".to_owned(),
        PenaltyKind::L2 => format!("l2, alpha {}", short(model.fit.alpha)),
        PenaltyKind::L1 => format!("l1, alpha {}", short(model.fit.alpha)),
        PenaltyKind::ElasticNet => format!("elastic net, alpha {}, l1_ratio {}", short(model.fit.alpha), rule.l1_ratio),
        PenaltyKind::Firth => "Firth".to_owned(),
    };
    let calibration = match &model.calibration {
        Calibration::None => "none".to_owned(),
        Calibration::Platt(platt) => format!("Platt, log-odds {} + {} η", four(platt.intercept), four(platt.slope)),
        Calibration::Isotonic(isotonic) => format!("isotonic, {} steps", isotonic.log_odds.len()),
    };
    let cutoffs = model.extent.first_train.zip(model.last_learned()).map(|(first, last)| [first, last].map(iso_day));
    vec![
        ("rows learned from", model.fit.rows.to_string()),
        (
            "their cutoffs",
            cutoffs.map_or("not known".to_owned(), |[first, last]| if first == last { first } else { format!("{first} to {last}") }),
        ),
        ("design columns", model.fit.coef.len().to_string()),
        ("penalty", penalty),
        ("effective degrees of freedom", short(model.goodness.effective_df)),
        ("McFadden's R², on the training rows", four(model.goodness.mcfadden_r2)),
        ("calibration", calibration),
        ("threshold", four(model.threshold)),
        ("largest gradient entry per row", format!("{:.1e}", model.fit.gradient)),
        ("fingerprint of the training rows", blake3::Hash::from_bytes(model.data).to_hex()[..16].to_owned()),
    ]
}
