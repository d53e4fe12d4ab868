//! How the model was made, for those who want to make it again.

use super::Seen;
use super::html::{Html, Table};
use super::words::{four, short};
use crate::calibrate::Calibration;
use crate::config::PenaltyKind;

/// Put how the model was made.
pub(super) fn made(seen: &Seen<'_>, body: &mut Html) {
    body.section("made", "How it was made").table(&facts(seen));
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

fn facts(seen: &Seen<'_>) -> Table {
    let (model, rule) = (seen.model, &seen.config.model);
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
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let rows = vec![
        row("rows learned from", model.fit.rows.to_string()),
        row("design columns", model.fit.coef.len().to_string()),
        row("penalty", penalty),
        row("effective degrees of freedom", short(model.goodness.effective_df)),
        row("McFadden's R², on the training rows", four(model.goodness.mcfadden_r2)),
        row("calibration", calibration),
        row("threshold", four(model.threshold)),
        row("largest gradient entry per row", format!("{:.1e}", model.fit.gradient)),
        row("fingerprint of the training rows", blake3::Hash::from_bytes(model.data).to_hex()[..16].to_owned()),
        row("made and drawn by", format!("pql {}", env!("CARGO_PKG_VERSION"))),
    ];
    Table::new("The fit", &["", ""], rows)
}
