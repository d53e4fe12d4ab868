//! What the leakage audit finds: signs that a feature knows the outcome, each with what to do about
//! it.

use serde::{Deserialize, Serialize};

/// Where a column comes from; it tells how to leave it out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Counts of an event name.
    Event(String),
    /// Sums of a numeric property.
    Property(String),
    /// An attribute of the account list.
    Attribute(String),
    /// The seats of the account list, against which use is held.
    Seats,
    /// A usage measure over several event names.
    Usage,
    /// A column of a feature matrix.
    Matrix,
}

/// How much a measure moves the scores of the training rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeasureImportance {
    /// The measure.
    pub measure: String,
    /// Standard deviation of its joint contribution.
    pub importance: f64,
}

/// A sign of leakage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Finding {
    /// A column that ranks the training rows on its own, better than honest ones do.
    HighAuc {
        /// The feature, level or `missing_*` indicator.
        column: String,
        /// Where it comes from.
        origin: Origin,
        /// Its ROC AUC alone, over the training rows in which it is not null.
        auc: f64,
    },
    /// A column that hardly any training row has but those that convert.
    NearPure {
        /// The feature, level or `missing_*` indicator.
        column: String,
        /// Where it comes from.
        origin: Origin,
        /// Training rows in which it is not 0.
        rows: u64,
        /// Those of them that convert.
        positive: u64,
        /// Distinct accounts among the latter.
        accounts: u64,
        /// Share of all training rows that convert.
        base_rate: f64,
    },
    /// An event that follows from the conversion.
    AfterConversion {
        /// Its name.
        event: String,
        /// Occurrences in converting training accounts.
        occurrences: u64,
        /// Those of them at or after the conversion.
        after: u64,
    },
    /// An event that comes with the conversion, right before it.
    BeforeConversion {
        /// Its name.
        event: String,
        /// Occurrences in converting training accounts before the conversion.
        before: u64,
        /// Those of them in the last 24 hours before it.
        last_day: u64,
    },
    /// A model that ranks accounts it has not met better than honest ones do.
    ModelAuc {
        /// Cross-validated ROC AUC.
        auc: f64,
        /// Its heaviest measures with their importance, the heaviest first.
        heaviest: Vec<MeasureImportance>,
    },
}

impl std::fmt::Display for Origin {
    /// What to do about a column from here.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Event(event) => write!(f, "unless `{event}` is use of the product, name it in `roles.exclude`"),
            Self::Property(property) => write!(f, "unless `{property}` is known when the event is, take it out of `events.values`"),
            Self::Attribute(name) => write!(f, "unless `{name}` is known at the sign-up, take it out of `accounts.attributes`"),
            Self::Seats => f.write_str("unless seats are those granted at sign-up, they tell the outcome: do not read them (`accounts.seats`), or leave these columns out of `design.use`"),
            Self::Usage => f.write_str("name the events that tell the outcome in `roles.exclude`, or the other features in `design.use`"),
            Self::Matrix => f.write_str("unless it is known at the cutoff, leave it out: name the other columns in `design.use`"),
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
            Self::BeforeConversion { .. } => "leak-before-conversion",
            Self::ModelAuc { .. } => "leak-model-auc",
        }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::HighAuc { column, origin, auc } => {
                write!(
                    f,
                    "`{column}` alone ranks the training rows with an AUC of {auc:.4}: {origin}"
                )
            }
            Self::NearPure { column, origin, rows, positive, accounts, base_rate } => write!(
                f,
                "of {rows} training rows with `{column}` {positive} convert ({accounts} accounts), at a base rate of {:.2} %: {origin}",
                100.0 * base_rate
            ),
            Self::AfterConversion { event, occurrences, after } => write!(
                f,
                "of {occurrences} `{event}` of converting accounts {after} are at or after the conversion: if it follows from that, name it in `roles.exclude`"
            ),
            Self::BeforeConversion { event, before, last_day } => write!(
                f,
                "of {before} `{event}` before a conversion {last_day} are in the last 24 hours before it: if it is part of converting, name it in `roles.exclude`, or set `observation.gap` to a day or more"
            ),
            Self::ModelAuc { auc, heaviest } => {
                let measures: Vec<String> =
                    heaviest.iter().map(|heavy| format!("`{}`", heavy.measure)).collect();
                write!(
                    f,
                    "the model ranks accounts it has not met with a cross-validated AUC of {auc:.4}: look whether {}, which weigh most, were known at the cutoff, and leave out what was not",
                    measures.join(", ")
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_names_column_numbers_and_advice() {
        let origin = Origin::Event("invoice_paid".to_owned());
        let marks = Finding::NearPure {
            column: "count_invoice_paid_7d".to_owned(),
            origin,
            rows: 41,
            positive: 40,
            accounts: 25,
            base_rate: 0.1051,
        };
        assert_eq!(
            marks.to_string(),
            "of 41 training rows with `count_invoice_paid_7d` 40 convert (25 accounts), at a base rate of 10.51 %: unless `invoice_paid` is \
             use of the product, name it in `roles.exclude`"
        );
        let seats = Finding::HighAuc {
            column: "seat_utilization_7d".to_owned(),
            origin: Origin::Seats,
            auc: 0.95,
        };
        assert!(seats.to_string().contains("`accounts.seats`"), "{seats}");
        let model = Finding::ModelAuc {
            auc: 0.97,
            heaviest: [("a", 2.0), ("b", 1.0)]
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
