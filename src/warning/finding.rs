//! Findings of the leakage audit: signs that a feature contains the outcome, each with advice.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::escape::OneLine;
use crate::names::{backticked, counted, grouped};

/// Source of a column, which determines how to exclude it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Counts of an event type.
    Event(String),
    /// Sums of a numeric property.
    Property(String),
    /// An attribute of the account list.
    Attribute(String),
    /// The seats of the account list.
    Seats,
    /// A usage measure over several event types.
    Usage,
    /// A column of a feature matrix.
    Matrix,
}

/// Importance of a measure for the scores of the training rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeasureImportance {
    /// The measure.
    pub measure: String,
    /// Standard deviation of its summed contributions, log-odds.
    pub importance: f64,
}

/// A sign of leakage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Finding {
    /// A column whose AUC alone is higher than expected without leakage.
    HighAuc {
        /// The feature, level or `missing_*` indicator.
        column: String,
        /// Its source.
        origin: Origin,
        /// Its ROC AUC, over the training rows in which it is not null.
        auc: f64,
    },
    /// A column that is almost only nonzero in converting training rows.
    NearPure {
        /// The feature, level or `missing_*` indicator.
        column: String,
        /// Its source.
        origin: Origin,
        /// Training rows in which it is not 0.
        rows: u64,
        /// Those of them that convert.
        converted: u64,
        /// Distinct accounts among the latter.
        accounts: u64,
        /// Share of all training rows that convert.
        base_rate: f64,
    },
    /// An event that accounts mostly have after the conversion only.
    AfterConversion {
        /// The event type.
        event: String,
        /// Converting training accounts with the event.
        accounts: u64,
        /// Those of them that have it only at or after the conversion.
        after: u64,
    },
    /// An event that accounts mostly have for the first time in the day before the conversion.
    JustBeforeConversion {
        /// The event type.
        event: String,
        /// Training accounts with the event before the conversion.
        accounts: u64,
        /// Those of them that first have it in the last 24 hours before the conversion.
        last_day: u64,
    },
    /// A model whose cross-validated AUC is higher than expected without leakage.
    ModelAuc {
        /// Cross-validated ROC AUC.
        auc: f64,
        /// Its most important measures, the most important first.
        most_important: Vec<MeasureImportance>,
    },
}

impl std::fmt::Display for Origin {
    /// Writes how to exclude a column of this source.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Event(event) => {
                write!(f, "If `{event}` is not product usage, add it to `roles.exclude`.")
            }
            Self::Property(property) => write!(
                f,
                "If `{property}` is not known at the time of the event, remove it from `events.values`."
            ),
            Self::Attribute(name) => write!(
                f,
                "If `{name}` is not known at sign-up, remove it from `accounts.attributes`."
            ),
            Self::Seats => {
                f.write_str("If `accounts.seats` can change after sign-up, do not use it.")
            }
            Self::Usage => {
                f.write_str("Add the events that depend on the outcome to `roles.exclude`.")
            }
            Self::Matrix => f.write_str(
                "If it is not known at the cutoff, list the other columns in `design.include`.",
            ),
        }
    }
}

impl Finding {
    /// Returns the stable code of the finding.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::HighAuc { .. } => "leak-high-auc",
            Self::NearPure { .. } => "leak-near-pure",
            Self::AfterConversion { .. } => "leak-after-conversion",
            Self::JustBeforeConversion { .. } => "leak-before-conversion",
            Self::ModelAuc { .. } => "leak-model-auc",
        }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let f = &mut OneLine(f);
        match self {
            Self::HighAuc { column, origin, auc } => {
                let (auc, low) =
                    if *auc < 0.5 { (1.0 - auc, ", lower values first") } else { (*auc, "") };
                write!(
                    f,
                    "`{column}` alone predicts the outcome with an AUC of {auc:.4}{low}. {origin}"
                )
            }
            Self::NearPure { column, origin, rows, converted, accounts, base_rate } => write!(
                f,
                "{} of {} with `{column}` converted ({}; base rate: {:.2}%). {origin}",
                grouped(*converted),
                counted(*rows, "training row"),
                counted(*accounts, "account"),
                100.0 * base_rate
            ),
            Self::AfterConversion { event, accounts, after } => write!(
                f,
                "{} of {} with `{event}` have it only at or after the conversion. If the conversion causes it, add `{event}` to `roles.exclude`.",
                grouped(*after),
                counted(*accounts, "converting account"),
            ),
            Self::JustBeforeConversion { event, accounts, last_day } => write!(
                f,
                "{} of {} with `{event}` before the conversion first have it within 24 hours of the conversion. If it is part of converting, add `{event}` to `roles.exclude` or set `observation.gap = \"1d\"`.",
                grouped(*last_day),
                counted(*accounts, "account")
            ),
            Self::ModelAuc { auc, most_important } => {
                let measures: Vec<String> =
                    most_important.iter().map(|feature| feature.measure.clone()).collect();
                write!(
                    f,
                    "the cross-validated AUC of {auc:.4} is suspiciously high. Check that the most important features are known at the cutoff: {}.",
                    backticked(&measures)
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_have_the_column_numbers_and_advice() {
        let origin = Origin::Event("invoice_paid".to_owned());
        let near_pure = Finding::NearPure {
            column: "count_invoice_paid_7d".to_owned(),
            origin,
            rows: 41,
            converted: 40,
            accounts: 25,
            base_rate: 0.1051,
        };
        assert_eq!(
            near_pure.to_string(),
            "40 of 41 training rows with `count_invoice_paid_7d` converted (25 accounts; base rate: 10.51%). \
             If `invoice_paid` is not product usage, add it to `roles.exclude`."
        );
        let seats = Finding::HighAuc {
            column: "seat_utilization_7d".to_owned(),
            origin: Origin::Seats,
            auc: 0.95,
        };
        assert!(seats.to_string().contains("`accounts.seats`"), "{seats}");
        let low = Finding::HighAuc { column: "x".to_owned(), origin: Origin::Matrix, auc: 0.04 };
        assert!(low.to_string().contains("an AUC of 0.9600, lower values first."), "{low}");
        let model = Finding::ModelAuc {
            auc: 0.97,
            most_important: [("a", 2.0), ("b", 1.0)]
                .map(|(measure, importance)| MeasureImportance {
                    measure: measure.to_owned(),
                    importance,
                })
                .to_vec(),
        };
        assert!(
            model.to_string().contains("AUC of 0.9700") && model.to_string().contains("`a`, `b`")
        );
    }
}
