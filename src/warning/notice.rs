//! What a pipeline reports while it runs.

use std::fmt;

use super::{DroppedFeature, FeatureDrop, Finding, ObservationDrop, Warning};
use crate::time::Timestamp;

/// Something that a pipeline reports while it runs; the result says it again where it matters
/// later.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// A warning.
    Warning(Warning),
    /// A finding of the leakage audit.
    Finding(Finding),
    /// Accounts that give no observation to learn from or to evaluate on.
    ObservationsDropped {
        /// How many.
        count: u64,
        /// Why.
        reason: ObservationDrop,
    },
    /// Accounts that give no row to score.
    AccountsDropped {
        /// How many.
        count: u64,
        /// Why.
        reason: ObservationDrop,
    },
    /// Features that are not in the model.
    FeaturesDropped(Vec<DroppedFeature>),
    /// The definitions of the model are used, since the project file has none.
    ModelDefinitions,
    /// Rows that the model may have learned from are left out of an evaluation.
    TrainingRowsSkipped {
        /// How many.
        rows: usize,
    },
    /// Accounts that signed up before the log begins are left out.
    EarlyAccountsSkipped {
        /// How many.
        accounts: u64,
        /// Begin of the log.
        since: Timestamp,
    },
}

impl Notice {
    /// Returns the stable code of the notice; for a warning or a finding it is theirs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Warning(warning) => warning.code(),
            Self::Finding(finding) => finding.code(),
            Self::ObservationsDropped { reason, .. } | Self::AccountsDropped { reason, .. } => {
                reason.code()
            }
            Self::FeaturesDropped(_) => "features-dropped",
            Self::ModelDefinitions => "model-definitions",
            Self::TrainingRowsSkipped { .. } => "training-rows-skipped",
            Self::EarlyAccountsSkipped { .. } => "early-accounts-skipped",
        }
    }
}

impl From<Warning> for Notice {
    fn from(warning: Warning) -> Self {
        Self::Warning(warning)
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Warning(warning) => write!(f, "warning: {warning}"),
            Self::Finding(finding) => write!(f, "warning: leak? {finding}"),
            Self::ObservationsDropped { count, reason } => {
                write!(f, "{count} observations left out: {reason}")
            }
            Self::AccountsDropped { count, reason } => {
                write!(f, "{count} accounts give no row: {reason}")
            }
            Self::FeaturesDropped(features) => f.write_str(&dropped_features(features).join("\n")),
            Self::ModelDefinitions => {
                f.write_str("the project file has no `[[definition]]`: those of the model are used")
            }
            Self::TrainingRowsSkipped { rows } => {
                write!(
                    f,
                    "{rows} rows at or before the last training cutoff are left out (`--all` keeps them)"
                )
            }
            Self::EarlyAccountsSkipped { accounts, since } => {
                write!(
                    f,
                    "{accounts} accounts left out: they signed up before the log begins at {since}"
                )
            }
        }
    }
}

/// Lists dropped features, those with one reason on one line.
#[must_use]
pub fn dropped_features(features: &[DroppedFeature]) -> Vec<String> {
    let mut reasons: Vec<(&FeatureDrop, Vec<String>)> = Vec::new();
    for feature in features {
        let column = format!("`{}`", feature.column);
        match reasons.iter_mut().find(|(reason, _)| **reason == feature.reason) {
            Some((_, columns)) => columns.push(column),
            None => reasons.push((&feature.reason, vec![column])),
        }
    }
    let line = |(reason, columns): (&FeatureDrop, Vec<String>)| match columns.len() {
        1 => format!("left out: {} {reason}", columns[0]),
        n => format!("left out: {n} columns, of which each {reason}: {}", columns.join(", ")),
    };
    reasons.into_iter().map(line).collect()
}
