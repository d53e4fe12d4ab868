//! Training details, to reproduce the model.

use maud::{Markup, html};

use super::context::ReportContext;
use crate::report::html::elements::{Table, list};
use crate::report::html::training_facts::training_facts;

const GLOSSARY: [&str; 6] = [
    "Base rate: the share of rows that converted.",
    "Calibration: the agreement of predicted probabilities with observed conversion rates.",
    "Lift: the conversion rate of a selection, divided by the base rate. Recall: its share of all conversions.",
    "Log loss: the mean of −ln(probability of the actual outcome). Lower is better.",
    "Odds: p / (1 − p). Doubling the odds of 10% (1 to 9) gives 2 to 9, or 18%.",
    "Probability: how likely an account with this usage is to convert. It is not the causal effect of contacting the account.",
];

/// Returns the section about the training of the model.
pub(super) fn provenance(context: &ReportContext<'_>) -> Markup {
    let program = ("report written by", format!("pql {}", env!("CARGO_PKG_VERSION")));
    let facts = training_facts(context.model, &context.config).into_iter().chain([program]);
    let rows = facts.map(|(name, value)| vec![name.to_owned(), value]);
    html! {
        section id="provenance" {
            h2 { "How the model was trained" }
            (Table::new("Training details", &["property", "value"], rows))
            details {
                summary { "Configuration" }
                div.scroll tabindex="0" role="region" aria-label="Configuration" { pre { (context.model.config) } }
            }
            h3.wide { "Glossary" }
            (list(GLOSSARY))
        }
    }
}
