//! How the model was made, for those who want to make it again.

use maud::{Markup, html};

use super::context::ReportContext;
use crate::report::html::elements::{Table, list};
use crate::report::html::provenance::training_facts;

const WORDS: [&str; 4] = [
    "Log loss: the mean of −ln of the probability given to what happened; less is better.",
    "Lift: how many times the base rate; recall: the share of all conversions found.",
    "Odds: p / (1 − p). Twice the odds of 10 % (1 to 9) are 2 to 9, or 18 %.",
    "Probability: how likely an account converts when it has used the product so; not what contacting it brings.",
];

/// Returns how the model was made.
pub(super) fn provenance(context: &ReportContext<'_>) -> Markup {
    let program = ("made and drawn by", format!("pql {}", env!("CARGO_PKG_VERSION")));
    let facts = training_facts(context.model, &context.config).into_iter().chain([program]);
    let rows = facts.map(|(name, value)| vec![name.to_owned(), value]);
    html! {
        section id="made" {
            h2 { "How it was made" }
            (Table::new("The fit", &["", ""], rows))
            details {
                summary { "Configuration" }
                div.scroll tabindex="0" role="region" aria-label="Configuration" { pre { (context.model.config) } }
            }
            h3.wide { "Words" }
            (list(WORDS))
        }
    }
}
